"""Whether a picture encoder uses an activation cache, and where the cached states are read from.

A backward pass costs two forward passes. With a fraction f of the network frozen, a step costs f + 3 (1 − f)
forward passes, and 3 (1 − f) if the states of the frozen part are read instead.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from errno import EACCES, ENOTDIR
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from pixelrec.console.numbers import with_prefix
from pixelrec.errors import ImageError, RecipeError
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.cache.feeds import AbstractFeed, CacheFeed, ResidentFeed, lower_states
from pixelrec.items.cache.key import DTYPES, ActivationKey, Dtype, key_of
from pixelrec.items.cache.store import build, open_activations, verify
from pixelrec.items.cache.writer import UnfitStates, explained, lack_of_room
from pixelrec.items.chunks import pictures_at_once
from pixelrec.items.encoder import Log
from pixelrec.items.pictures import Pictures
from pixelrec.numerics.precision import has_bf16, without_tf32

Cache = Literal["auto", "always", "never"]
MIN_SPEED_UP = 1.25  # below this, disk space is worth more
MAX_PICTURES = 4  # whose uint8 bytes a state takes at most: beyond, reading is the bottleneck
VERIFIED = 2  # pictures that are recomputed whenever a cache is opened
DEVICE_FRACTION = 0.5  # of a device's free memory that states may take


@dataclass(frozen=True)
class CacheConfig:
    """The cache options of a recipe."""

    use: Cache  # auto: if it pays
    dtype: Dtype  # of the stored states; bf16 states are also computed in bf16 on devices that have it
    folder: Path | None  # of all caches; none: no data set is at hand

    def demand_writable(self) -> None:
        """Raises `ImageError` if the recipe insists on a cache and its folder cannot be made or written.

        One that holds caches already need not be writable.
        """
        if self.use != "always" or self.folder is None:
            return
        with explained(self.folder):
            there = next(place for place in (self.folder, *self.folder.absolute().parents) if place.exists())
            if not there.is_dir():
                raise NotADirectoryError(ENOTDIR, os.strerror(ENOTDIR))
            if not os.access(there, os.W_OK) and not (there == self.folder and any(there.iterdir())):
                raise PermissionError(EACCES, os.strerror(EACCES))


@dataclass(frozen=True)
class Frozen:
    """The constant part of a network, and the pictures that pass through it."""

    backbone: AbstractBackbone
    boundary: int
    pictures: Pictures
    chunk: int | None = None  # pictures that pass together; none: as suits the network and the device

    @property
    def device(self) -> torch.device:
        return next(self.backbone.parameters()).device

    def key(self, dtype: Dtype) -> ActivationKey:
        pictures, items = self.pictures.read_fingerprint, self.pictures.count
        bf16 = self._bf16(dtype)
        return key_of(self.backbone, self.boundary, dtype, bf16=bf16, pictures=pictures, items=items)

    def states(self, numbers: np.ndarray, dtype: Dtype) -> Tensor:
        """States of item numbers n, computed now: n, *shape."""
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16(dtype))
        with autocast, without_tf32():
            return lower_states(self.backbone, self.boundary, self.pictures.read(numbers).to(self.device))

    def _bf16(self, dtype: Dtype) -> bool:
        return dtype == "bf16" and has_bf16(self.device)


@dataclass(frozen=True)
class Verdict:
    """Whether an activation cache pays, and why."""

    fraction: float  # of a forward pass that is frozen
    state_bytes: int  # of one picture
    picture_bytes: int  # of one picture as uint8, which would be read instead
    items: int  # N

    @property
    def speed_up(self) -> float:
        """Factor in steps per second if only the network takes time; ∞ if all of it is frozen."""
        trained = 3 * (1 - self.fraction)
        return (trained + self.fraction) / trained if trained > 0 else math.inf

    @property
    def pays(self) -> bool:
        """Whether the speed-up is worth the bytes read from disk."""
        return self.speed_up >= MIN_SPEED_UP and self.state_bytes <= MAX_PICTURES * self.picture_bytes

    @property
    def line(self) -> str:
        """The verdict and its reason, for the log."""
        return f"activation cache: {'yes' if self.pays else 'no'}, {self._reason}"

    @property
    def _reason(self) -> str:
        frozen, state = f"{100 * self.fraction:.0f} % of the network is frozen", with_prefix(self.state_bytes)
        if self.fraction == 0:
            return "nothing of the network is frozen"
        if self.speed_up < MIN_SPEED_UP:
            return f"{frozen}: steps would be {self.speed_up:.2f} x as fast, expected at least {MIN_SPEED_UP}"
        if not self.pays:
            return f"{frozen}, but {state} per picture is more than {MAX_PICTURES} x its pixels"
        faster = f", steps about {self.speed_up:.1f} x as fast" if math.isfinite(self.speed_up) else ""
        total = with_prefix(self.state_bytes * self.items)
        return f"{frozen}: {state} stored per picture, {total} in all{faster}"


def verdict_on(backbone: AbstractBackbone, boundary: int, dtype: Dtype, *, items: int) -> Verdict:
    """Whether to cache a network's states at a boundary for a catalogue of `items` pictures.

    A boundary of 0 never pays: nothing is frozen.
    """
    return Verdict(
        fraction=backbone.frozen_fraction(boundary),
        state_bytes=backbone.state_bytes(boundary, DTYPES[dtype]),
        picture_bytes=backbone.input.size**2 * 3,
        items=items,
    )


def cached_feed(config: CacheConfig, frozen: Frozen, log: Log | None) -> AbstractFeed | None:
    """The cache as a feed, if it is wanted. With a `log` it is made if necessary, otherwise only looked up.

    Raises, but for `auto`, which then goes on without a cache:
        RecipeError: nothing is frozen, or the states do not fit the stored dtype.
        ImageError: the disk is too small, or the cache is damaged or belongs to something else.
    """
    if config.use == "never" or config.folder is None or not _wanted(config, frozen, log):
        return None
    try:
        return _feed(config, config.folder, frozen, log)
    except (ImageError, UnfitStates) as reason:
        if config.use == "always":
            raise
        if log is not None:
            log(f"activation cache: no, {reason}")
        return None


def _feed(config: CacheConfig, folder: Path, frozen: Frozen, log: Log | None) -> AbstractFeed | None:
    key = frozen.key(config.dtype)
    compute = partial(frozen.states, dtype=config.dtype)
    activations = open_activations(folder, key, whole=log is not None)
    if activations is None:
        if log is None:
            return None
        if config.use == "auto" and (line := lack_of_room(folder, key)):
            log(f"activation cache: no, {line}")
            return None
        chunk = frozen.chunk or pictures_at_once(frozen.backbone, 0, frozen.boundary, frozen.device)
        activations = build(folder, key, compute, chunk=chunk, log=log)
    some = np.linspace(1, key.items, min(VERIFIED, key.items)).astype(np.int64)
    verify(activations, compute, some)
    # In the memory of an accelerator if the states fit, else in the mapped file.
    device = frozen.device
    if device.type == "cuda" and key.file_bytes <= DEVICE_FRACTION * torch.cuda.mem_get_info(device)[0]:
        return ResidentFeed(activations.resident(device), activations.cpu_seconds)
    return CacheFeed(activations)


def _wanted(config: CacheConfig, frozen: Frozen, log: Log | None) -> bool:
    if config.use == "always" and frozen.boundary == 0:
        raise RecipeError(
            "items.cache is always, and nothing of the network is frozen: there is nothing to cache; set "
            "items.cache auto, or items.trainable to fewer blocks"
        )
    verdict = verdict_on(frozen.backbone, frozen.boundary, config.dtype, items=frozen.pictures.count)
    if log is not None:
        log(verdict.line)
    return config.use == "always" or verdict.pays
