"""PixelNet: item vectors from pictures, through a network that is trained with the recommender."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from threading import Lock
from time import process_time
from typing import Annotated, Any, Literal, Self, final

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.choices import Control, Fit, Precision
from pixelrec.errors import RecipeError, RequestError
from pixelrec.features.treatment import items_with_events
from pixelrec.hyperparameters import Width
from pixelrec.images.store import PictureStore
from pixelrec.items.adapters import Adapters
from pixelrec.items.backbones.backbone import AbstractBackbone, Provenance
from pixelrec.items.backbones.load import Attention, BackboneOptions, Statistics
from pixelrec.items.backbones.networks import NetworkConfig, make_network, rebuild_network
from pixelrec.items.backbones.pooling import Pooling
from pixelrec.items.backbones.recomputation import (
    first_statistics,
    fixed_statistics,
    recomputed,
    saved_memory,
    without_statistics,
)
from pixelrec.items.cache.feeds import AbstractFeed, PictureFeed, lower_states
from pixelrec.items.cache.key import Dtype
from pixelrec.items.cache.policy import Cache, CacheConfig, Frozen, cached_feed
from pixelrec.items.chunks import LEAST, MOST, bytes_to_keep, pictures_at_once
from pixelrec.items.encoder import AbstractItemEncoder, Log, PictureForm
from pixelrec.items.lora import add_lora
from pixelrec.items.pictures import Pictures
from pixelrec.items.projection import Activation, Norm, Projection, ProjectionInit, demand_tokens
from pixelrec.items.work import Work
from pixelrec.numerics.precision import emulation_line, is_bf16

CATALOGUE_BYTES = 256 << 20  # loaded together when the catalogue is encoded
MEASURED = 8  # pictures passed once to measure the memory of their activations
FITTED_ON = 1024  # items whose features standardisation and first batch statistics are fitted to
ROW_BYTES = 256 << 20  # of the rows of items with training events that they are fitted to, with depths
BatchNorms = Literal["auto", "batch", "fixed"]


@final
class PixelEncoder(AbstractItemEncoder):
    """A picture network, pooling and a projection. Each distinct item of a batch is encoded once.

    Args:
        network: used instead of reading `source`; its weights are loaded later.
        source: folder of a checkpoint, name on the Hugging Face hub, or file of a CLIP ResNet's weights.
        family: family of the network; needed only without a source.
        pretrained: whether weights come from the source; false starts from random weights.
        revision: branch, tag or commit on the hub.
        sizes: values of the family's configuration, such as depths, for random weights.
        pooling: tokens, mean, cls or pooler; by default that of the family's paper.
        size: side of a picture in pixels; by default that of pretraining, or of the packed covers.
        statistics: colour normalisation: the network's own mean and std, or half (0.5 and 0.5).
        attention: eager, sdpa, or auto: the faster of the two on the device.
        frozen_pool: freezes the attention pool of a CLIP ResNet, as in the published benchmark.
        trainable: what is trained: a number of top blocks, "stages 3-4", all, head or none.
        batch_norms: batch norms of the trained part: normalise by the batch, or stay fixed at their
            pretrained statistics; auto: fixed if the network is pretrained.
        lora: rank of trained low-rank corrections to the frozen blocks; 0 for none.
        depths: depths of the network whose means over positions are the features, in place of its own: all
            (the stem, each block and its own features), blocks (all but the last of these), or a list of
            stem, numbers of blocks from 1, and last (its own features).
        spread: with depths, also the standard deviations over positions.
        adapters: with depths, width of the trained bottleneck of each; 0 for none.
        queries: with several tokens a picture, learnt weightings of them that replace their mean; 0 for none.
        width: D, the width of an item vector.
        norm: normalisation of the features before the projection: none, layer, or items (standardised over
            the catalogue).
        activation: activation after the projection.
        init: initial weights of the projection: small (vectors start as those of an id table do) or
            xavier_normal.
        chunk: pictures that pass through the network together; by default as many as suit the network and
            the device, but 128 if batch norms normalise by the batch.
        keep_activations: pictures of a batch whose activations are kept for the backward pass; those of the
            others are recomputed. By default as many as fit 1.5 GB, or a third of a GPU's free memory.
        recompute: gradient checkpointing, which keeps only the inputs of blocks: less memory, a third slower.
        precision: fp32, bf16, fast (bf16 on devices with bf16 arithmetic), or auto: the
            precision of training while training, fp32 when the catalogue is encoded.
        control: for an audit: shuffled gives each item the picture of another one, random a picture of noise.
        cache: stores the outputs of the frozen part on disk: always, never, or auto (if it pays).
        cache_dtype: dtype of the stored outputs.
        cache_folder: folder of the cache; by default inside the data set.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        network: AbstractBackbone | None = None,
        *,
        source: str | None = None,
        family: str | None = None,
        pretrained: bool = True,
        revision: str | None = None,
        sizes: dict[str, Any] | None = None,
        pooling: Pooling | None = None,
        size: Annotated[int, Interval(ge=1, le=10_000)] | None = None,
        statistics: Statistics = "own",
        attention: Attention = "auto",
        frozen_pool: bool = False,
        trainable: int | str = 2,
        batch_norms: BatchNorms = "auto",
        lora: Annotated[int, Interval(ge=0, le=10_000)] = 0,
        depths: str | list[Any] | None = None,
        spread: bool = True,
        adapters: Annotated[int, Interval(ge=0, le=10_000)] = 0,
        queries: Annotated[int, Interval(ge=0, le=10_000)] = 0,
        width: Width = 128,
        norm: Norm = "items",
        activation: Activation = "none",
        init: ProjectionInit = "small",
        chunk: Annotated[int, Interval(ge=1, le=1_000_000)] | None = None,
        keep_activations: Annotated[int, Interval(ge=0, le=1_000_000_000)] | None = None,
        recompute: bool = False,
        precision: Precision | Literal["auto"] = "auto",
        control: Control = "none",
        cache: Cache = "auto",
        cache_dtype: Dtype = "fp16",
        cache_folder: str | None = None,
    ) -> None:
        super().__init__()
        self.pictures = Pictures(spec, control)
        folder = Path(cache_folder) if cache_folder else spec.folder and spec.folder / "activations"
        self.cache = CacheConfig(cache, cache_dtype, folder)
        if network is None:
            self.cache.demand_writable()
            self.pictures.demand_packed(size)  # before a network is downloaded
            if size is None and not pretrained and source is None and spec.covers is not None:
                size = PictureStore.open(spec.covers).size
            options = BackboneOptions(pooling, size, statistics, attention)
            network = make_network(
                NetworkConfig(
                    source, family, pretrained, revision, sizes or {}, options, frozen_pool, depths, spread
                )
            )
        self.fit: Fit = "stretch"
        if spec.covers is not None:
            self.pictures.demand_size(network.input.size)
            self.fit = self.pictures.store.fit
        self.backbone = network
        network.batch_statistics = batch_norms == "batch" or (batch_norms == "auto" and not pretrained)
        network.freeze(str(trainable))
        self.constant = network.boundary  # parts whose outputs never change
        if lora:
            self.constant = min(self.constant, 1)
            add_lora(network, lora)
        network.recompute = recompute
        if adapters and depths is None:
            raise RecipeError(f"items.adapters is {adapters}, and is for items.depths; set that to all")
        demand_tokens(network.measurement.shapes[-1], queries, width)
        side = Adapters(network.widths, width, adapters) if adapters else None
        self.project = Projection(network.width, width, activation, norm, init, side, queries)
        self._deep = depths is not None
        self.width, self.precision = width, precision
        self._pinned = revision is not None
        self._chunk_option, self._keep_option = chunk, keep_activations
        self._fitting: int | None = None  # pictures whose activations fit into memory, once measured
        self._feed: AbstractFeed | None = None
        self._feeding = Lock()

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes, which open pictures and cache themselves."""
        pictures = Pictures(self.pictures.spec, self.pictures.control)
        return {**self.__dict__, "pictures": pictures, "_feed": None, "_feeding": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._feeding = Lock()

    def prepare(self, log: Log) -> None:
        """Check the pictures, fill the cache if it pays, and fit statistics."""
        self.pictures.demand_all()
        if not self._pinned and (commit := self.backbone.provenance.commit):
            source = self.backbone.provenance.source
            log(f"{source} of the hub is at commit {commit} now: items.revision {commit} pins it")
        if line := emulation_line(self.precision, self.device):
            log(line)
        self._feed = self._new_feed(log)
        started, training = process_time(), self.training
        self.train()
        norm = self.project.unfitted
        if norm is not None or without_statistics(self.backbone):
            features = self._some_features()
            if norm is not None:
                norm.fit(features)
        self.train(training)
        made = self.pictures.count * self._below if self.feed.stored else 0
        self.work += Work(made, cpu_seconds=self.feed.cpu_seconds + process_time() - started)

    @property
    def _below(self) -> float:
        """The fraction of the network that is constant."""
        return self.backbone.frozen_fraction(self.constant)

    def _count(self, pictures: int) -> None:
        """Notes passes through what is not cached; the constant part has no backward pass."""
        below = 0.0 if self.feed.stored else pictures * self._below
        above = pictures * (1 - self._below)
        trained = torch.is_grad_enabled()
        self.work += Work(below + (not trained) * above, trained * above)

    @torch.no_grad()
    def _some_features(self) -> Tensor:
        """Features of items spread evenly over the catalogue, computed as in training: n, W or n, T, W.

        Batch norms without statistics get their first ones: otherwise the catalogue would be encoded with
        other statistics than in training for the first batches.
        """
        found, numbers = [], self._fitted_on()
        self._count(len(numbers))
        with first_statistics(self.backbone):
            for some in np.array_split(numbers, -(-len(numbers) // self.chunk)):
                payload = {name: tensor.to(self.device) for name, tensor in self.feed.load(some).items()}
                with self._autocast():
                    states = self.feed.states(payload, slice(None))
                    found.append(self._features(states).to(self._dtype))
        return torch.cat(found)

    def _fitted_on(self) -> np.ndarray:
        """Item numbers, spread evenly."""
        history = self.pictures.spec.history
        if not self._deep or history is None:
            among, most = np.arange(1, self.pictures.count + 1), FITTED_ON
        else:
            among = np.flatnonzero(items_with_events(history, self.pictures.count))
            most = ROW_BYTES // (4 * self.backbone.width)
        return among[np.linspace(1, len(among), min(len(among), most)).astype(np.int64) - 1]

    def load(self, ids: np.ndarray) -> Payload:
        """`rows`: the n of `ids` (U) that are items; and the payload of the feed for them."""
        rows = np.flatnonzero(ids)
        return {"rows": torch.from_numpy(rows), **self.feed.load(self.pictures.given(ids[rows]))}

    @property
    def feed(self) -> AbstractFeed:
        """The source of inputs; without `prepare`, only an existing cache is used."""
        with self._feeding:
            if self._feed is None:
                self._feed = self._new_feed(None)
            return self._feed

    def _new_feed(self, log: Log | None) -> AbstractFeed:
        frozen = Frozen(self.backbone, self.constant, self.pictures, self._chunk_option)
        found = cached_feed(self.cache, frozen, log)
        return found or PictureFeed(self.pictures, self.backbone, self.constant)

    def forward(self, items: Items) -> Tensor:
        rows = items.payload["rows"]
        self._count(len(rows))
        with self._autocast():  # once, so that weights are cast once for all chunks
            vectors = self._vectors(items.payload, len(rows))
        table = vectors.new_zeros(len(items.ids), self.width)
        return table.index_copy(0, rows, vectors)

    def _vectors(self, payload: Payload, count: int) -> Tensor:
        """n, D, in chunks. Gradients do not depend on chunks or recomputation, except in batch norms that
        normalise by the batch, which normalise by the chunk.
        """
        automatic = None in (self._chunk_option, self._keep_option)
        if automatic and torch.is_grad_enabled() and self._fitting is None and count >= MEASURED:
            each = self._activation_bytes(payload, MEASURED)
            self._fitting = int(bytes_to_keep(self.device) // each)
        vectors = [torch.zeros(0, self.width, device=self.device, dtype=self._dtype)]
        # deviation: batch norms normalise by a chunk of distinct pictures; the published code by all slots of
        # all windows. Chunks are as even as possible: a single picture may have no variance.
        cuts = np.linspace(0, count, -(-count // self.chunk) + 1).astype(int).tolist()
        for start, stop in pairwise(cuts):
            states = self.feed.states(payload, slice(start, stop))
            if torch.is_grad_enabled() and start >= self.kept_pictures:
                vectors.append(recomputed(self.backbone, states, self._upper))
            else:
                vectors.append(self._upper(states))
        return torch.cat(vectors)

    def _activation_bytes(self, payload: Payload, count: int) -> float:
        """Bytes of activations per picture, measured on the first `count`; their vectors are discarded.

        Constant memory, such as weights in another precision, does not count.
        """
        here = [] if self.device.type == "cpu" else [self.device]
        sizes = []
        with torch.random.fork_rng(here, device_type=self.device.type), fixed_statistics(self.backbone):
            for some in (count // 2, count):
                states = self.feed.states(payload, slice(some))
                with saved_memory([*self.parameters(), *self.buffers(), states]) as saved:
                    self._upper(states)
                sizes.append(sum(saved.values()))
        return max(1.0, (sizes[1] - sizes[0]) / (count - count // 2))

    def _upper(self, states: Tensor) -> Tensor:
        return self.project(self._features(states)).to(self._dtype)

    def _features(self, states: Tensor) -> Tensor:
        if self.feed.stored:  # cast only here: recomputed chunks keep the stored dtype, not an fp32 copy
            states = states.to(self._dtype)
        return self.backbone.upper(states, self.constant)

    def _autocast(self) -> AbstractContextManager[Any]:
        device = self.device
        if self.precision == "auto":
            on = torch.is_autocast_enabled(device.type)
        else:
            on = is_bf16(self.precision, device)
        return torch.autocast(device.type, torch.bfloat16, enabled=on and self._dtype == torch.float32)

    @property
    def chunk(self) -> int:
        """Pictures that pass through the trained part of the network together."""
        if self._chunk_option is not None:
            return self._chunk_option
        if self.training and any(isinstance(m, _BatchNorm) and m.training for m in self.backbone.modules()):
            return MOST  # on every device: vectors depend on the other pictures of their chunk
        most = pictures_at_once(self.backbone, self.constant, len(self.backbone.parts), self.device)
        # Recomputation needs memory beside the kept activations.
        return most if self._fitting is None else min(most, max(LEAST, self._fitting // 2))

    @property
    def kept_pictures(self) -> int:
        """Pictures of a batch whose activations are kept; all of them until their size has been measured."""
        chosen = self._keep_option if self._keep_option is not None else self._fitting
        return sys.maxsize if chosen is None else chosen

    @property
    def device(self) -> torch.device:
        return self.project.linear.weight.device

    @property
    def _dtype(self) -> torch.dtype:
        return self.project.linear.weight.dtype

    def picture_form(self) -> PictureForm:
        if self.pictures.control != "none":
            raise RequestError(
                f"this model was trained with items.control {self.pictures.control}, so it cannot judge the "
                "picture of a new item; give a run with true pictures"
            )
        return PictureForm(self.backbone.input.size, self.fit)

    def unseen(self, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of pictures uint8 n, S, S, 3, of the form `picture_form`."""
        found = []
        # An exported network takes any number of pictures at once.
        for some in [pictures] if torch.compiler.is_exporting() else pictures.split(self.chunk):
            with self._autocast():  # without a feed: there may be no data set
                states = lower_states(self.backbone, self.constant, some)
                found.append(self.project(self.backbone.upper(states, self.constant)).to(self._dtype))
        return torch.cat(found)

    @property
    def rows_at_once(self) -> int:
        return max(self.chunk, CATALOGUE_BYTES // self.feed.row_bytes)

    @property
    def expensive(self) -> bool:
        return True

    @property
    def reads(self) -> str:
        return self.pictures.fingerprint

    def describe(self) -> dict[str, Any]:
        network, provenance = self.backbone.describe(), asdict(self.backbone.provenance)
        return {"network": network, "provenance": provenance, "fit": self.fit}

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        network = rebuild_network(described["network"], config.get("attention", "auto"))
        network.provenance = Provenance(**described["provenance"])
        made = cls(spec, network, **config)
        made.fit = described["fit"]
        return made
