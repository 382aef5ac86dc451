"""Decides on the activation cache of a picture encoder, makes or opens it, and puts it where it is fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.cache.choice import verdict_on
from pixelrec.items.cache.feeds import AbstractFeed, CacheFeed, ResidentFeed, lower_states
from pixelrec.items.cache.key import ActivationKey, Dtype, key_of
from pixelrec.items.cache.place import lack_of_room
from pixelrec.items.cache.store import Activations, build, open_activations, verify
from pixelrec.items.chunks import pictures_at_once
from pixelrec.items.pictures import Pictures
from pixelrec.numerics.precision import has_bf16, without_tf32

Cache = Literal["auto", "always", "never"]
VERIFIED = 2  # pictures that are computed again whenever a cache is opened
DEVICE_SHARE = 0.5  # of the free memory of a device that states may take
Log = Callable[[str], None]


@dataclass(frozen=True)
class CacheConfig:
    """What a recipe chooses.

    Args:
        use: always, never, or where it pays.
        dtype: how states are stored; those in bf16 are computed in bf16 too, where the device multiplies it
            itself, others as weights are.
        folder: where caches lie; none: no data set is at hand.
    """

    use: Cache
    dtype: Dtype
    folder: Path | None


@dataclass(frozen=True)
class Frozen:
    """The constant part of a network, and the pictures that it looks at."""

    backbone: AbstractBackbone
    boundary: int
    pictures: Pictures
    chunk: int | None = None  # pictures that pass it together; none: as many as suit it and the device

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    @property
    def at_once(self) -> int:
        """Pictures that pass it together."""
        return self.chunk or pictures_at_once(self.backbone, 0, self.boundary, self.device)

    def key(self, dtype: Dtype) -> ActivationKey:
        return key_of(
            self.backbone,
            self.boundary,
            dtype,
            bf16=self._bf16(dtype),
            pictures=self.pictures.fingerprint,
            items=self.pictures.count,
        )

    def states(self, numbers: np.ndarray, dtype: Dtype) -> Tensor:
        """States of item numbers n, computed now: n, *shape."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16(dtype))
        with autocast, without_tf32():
            return lower_states(self.backbone, self.boundary, self.pictures.read(numbers).to(self.device))

    def _bf16(self, dtype: Dtype) -> bool:
        return dtype == "bf16" and has_bf16(self.device)


def cached_feed(config: CacheConfig, frozen: Frozen, log: Log | None) -> AbstractFeed | None:
    """The cache as a feed, where it is wanted; it is made if need be, or, without a log, only looked for.

    Raises:
        RecipeError: asked for, and nothing is frozen.
        ImageError: the disk is too small, or what is there is damaged or of something else.
    """
    if config.use == "never" or config.folder is None or not _wanted(config, frozen, log):
        return None
    key = frozen.key(config.dtype)
    activations = open_activations(config.folder, key, whole=log is not None)
    if activations is None:
        if log is None:
            return None
        if config.use == "auto" and (line := lack_of_room(config.folder, key)):
            log(f"activation cache: no, {line}")
            return None
        compute = partial(frozen.states, dtype=config.dtype)
        activations = build(config.folder, key, compute, chunk=frozen.at_once, log=log)
    some = np.linspace(1, key.items, min(VERIFIED, key.items)).astype(np.int64)
    verify(activations, partial(frozen.states, dtype=config.dtype), some)
    return _placed(activations, frozen.device)


def _wanted(config: CacheConfig, frozen: Frozen, log: Log | None) -> bool:
    if config.use == "always" and frozen.boundary == 0:
        raise RecipeError(
            "items.cache is always, and nothing of the network is frozen: there is nothing to keep; set "
            "items.cache auto, or items.trainable to fewer blocks"
        )
    verdict = verdict_on(frozen.backbone, frozen.boundary, config.dtype, items=frozen.pictures.count)
    if log is not None:
        log(verdict.line)
    return config.use == "always" or verdict.pays


def _placed(activations: Activations, device: torch.device) -> AbstractFeed:
    """In the memory of an accelerator where they fit, else in the mapped file."""
    if (
        device.type == "cuda"
        and activations.key.file_bytes <= DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]
    ):
        return ResidentFeed(activations.resident(device))
    return CacheFeed(activations)
