"""The fit of an item encoder to known vectors of items, such as the rows of a trained id table.

Each item is seen once a pass, where end-to-end training sees it in every batch that it occurs in. Some items
are held out: the encoder is compared with their vectors after every pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Self, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.data.batcher import Batching
from pixelrec.data.item_batcher import ItemBatch, ItemBatcher
from pixelrec.errors import DataError
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.recommender import Recommender
from pixelrec.training.config import FitConfig, OptimiserConfig, TrainingConfig
from pixelrec.training.epoch_lines import Words
from pixelrec.training.loop import Parts, Validation
from pixelrec.training.optimiser import Optimiser
from pixelrec.training.processes import Processes

COSINE = "cosine"
LEARNT = 0.2  # cosine of held-out items; below it after the probe, another rate is tried
RATES = 3  # that are tried; then the fit goes on at the best of them, whatever the cosine is
PROBE_STEPS = 30  # at least
FEW_EVENTS = 10  # of an item on average: below it, a gain from fitting to rows has not been seen
WORDS = Words("fit", "pass", "item", "items with training events", "held-out items")


@final
@dataclass(frozen=True)
class Teacher:
    """Vectors that an item encoder is fitted to, and the items that they are known of.

    Args:
        vectors: N + 1, D.
        weights: N + 1: n / (n + k) of items with n training events.
        fitted, held_out: int64: item numbers.
    """

    vectors: Tensor
    weights: Tensor
    fitted: np.ndarray
    held_out: np.ndarray

    @classmethod
    def of(cls, vectors: Tensor, counts: np.ndarray, config: FitConfig, seed: int) -> Self:
        """vectors: N + 1, D; zeros where there is none. counts: training events, int64[N + 1]."""
        known = np.flatnonzero((counts > 0) & vectors.any(1).numpy())
        shuffled = np.random.default_rng((seed, len(known))).permutation(known)
        held_out = max(1, round(config.held_out * len(known)))
        if len(known) - held_out < 2:
            raise DataError(
                f"{len(known)} items have training events and a row to fit to; expected at least 3: train "
                "without fit.passes"
            )
        return cls(
            vectors, event_weights(counts, config), np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])
        )


def average_rows(tables: Sequence[Tensor], weights: Tensor) -> Tensor:
    """The mean of tables (N + 1, D), of rows at length 1, each table turned to fit the first one best.

    Two trainings place their items alike up to a rotation, which no score depends on. weights: N + 1, of
    items in the fit of the rotation (Schönemann 1966). Zeros where an item has no row.
    """
    first, *others = (F.normalize(table.double(), dim=1) for table in tables)
    total = first.clone()
    for table in others:
        left, _, right = torch.linalg.svd((weights.double()[:, None] * table).T @ first)
        total += table @ (left @ right)
    return (total / len(tables)).float()


def event_weights(counts: np.ndarray, config: FitConfig) -> Tensor:
    """n / (n + k) of items with n training events, fp32."""
    return torch.from_numpy(counts / np.maximum(counts + config.weight, 1)).float()


@final
class ItemFit(nn.Module):
    """Cosines of encoded items with known vectors, fp32: n; and their weights: n."""

    def __init__(self, items: AbstractItemEncoder) -> None:
        super().__init__()
        self.items = items

    def forward(self, batch: ItemBatch) -> tuple[Tensor, Tensor]:
        table = self.items(batch.items)[1:]
        with torch.autocast(table.device.type, enabled=False):
            return F.cosine_similarity(at_least_fp32(table), batch.vectors), batch.weights


def misalignment(found: tuple[Tensor, Tensor]) -> Tensor:
    """The loss: 1 − cosine, the weighted mean over items."""
    cosines, weights = found
    return (weights * (1 - cosines)).sum() / weights.sum()


def fit_parts(
    parts: Parts, teacher: Teacher, config: FitConfig, seed: int, rate: float, *, probes: bool
) -> Parts:
    """Those that fit the item encoder of `parts.recommender`, at `rate` times the peak rates.

    probes: whether the fit ends after a tenth of the passes if nothing was learnt.
    """
    processes, recommender = parts.processes, parts.recommender
    module = ItemFit(recommender.items)
    backbone = config.backbone_learning_rate
    optimiser = OptimiserConfig(
        learning_rate=rate * config.learning_rate,
        backbone_learning_rate=None if backbone is None else rate * backbone,
        weight_decay=config.weight_decay,
        rows="dense",
    )
    batching = Batching(
        config.batch_size,
        seed,
        threads=parts.config.loader_threads,
        pinned=processes.device.type == "cuda",
        process=processes.index,
        processes=processes.count,
    )
    batcher = ItemBatcher(teacher.fitted, teacher.vectors, teacher.weights, recommender.items.load, batching)
    return Parts(
        recommender,
        parts.saved,
        processes.wrapped(module),
        batcher,
        misalignment,
        Optimiser(module, optimiser, lazy=False),
        lambda trained: held_out(trained, teacher, processes),
        processes,
        _training(parts.config, config),
        words=WORDS,
        probe=_probe(config, len(batcher)) if probes else 0,
    )


def next_rate(tried: list[list[float]]) -> float:
    """The factor of the peak rates after those of `tried`, each with its best cosine."""
    if len(tried) < RATES:
        return 0.5 ** len(tried)
    return max(tried, key=lambda each: each[1])[0]


def _training(config: TrainingConfig, fit: FitConfig) -> TrainingConfig:
    return replace(
        config,
        epochs=fit.passes,
        batch_size=fit.batch_size,
        patience=0,
        monitor=COSINE,
        accumulate=1,
        clip=fit.clip,
        schedule="cosine",
        warmup=fit.warmup,
        warm_start=None,
    )


def _probe(config: FitConfig, steps: int) -> int:
    """Passes after which a fit has learnt something: a tenth of all, and at least twice the warm-up."""
    least = math.ceil(max(PROBE_STEPS, 2 * config.warmup) / steps)
    return min(config.passes, max(math.ceil(config.passes / 10), least))


def held_out(recommender: Recommender, teacher: Teacher, processes: Processes) -> Validation:
    """The weighted mean cosine of the items that are held out; each process encodes its share."""
    started = perf_counter()
    processes.share_buffers(recommender)
    mine = torch.from_numpy(teacher.held_out[processes.index :: processes.count])
    vectors, weights = teacher.vectors[mine].double(), teacher.weights[mine].double()
    found = list(recommender.encode(mine)) if len(mine) else [vectors]
    cosines = F.cosine_similarity(torch.cat(found).double().cpu(), vectors)
    sums = processes.gather_objects((float((weights * cosines).sum()), float(weights.sum())))
    total, weight = (sum(each) for each in zip(*sums, strict=True))
    seconds = perf_counter() - started
    return Validation({COSINE: total / weight}, seconds, seconds)
