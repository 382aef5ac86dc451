"""Speed of batches and of training steps of SASRec over ids, on events shaped like Pixel200K.

    python benchmarks/training.py               # all of it, a few minutes on 2 cores
    python benchmarks/training.py --profile     # where the time of the last step goes

The first step is what one writes with PyTorch's own layers and its AdamW: every position computed, every row
of the table stepped. The others use the library's recommender, loss and optimiser. All get the library's
batches, in one process, one after the other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from statistics import median
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from pixel200k import ITEMS, USERS, items, lengths

from pixelrec.batch import Batch, DatasetSpec, Histories
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import resolve
from pixelrec.recommender import Recommender
from pixelrec.training.loop import Loss
from pixelrec.training.optimiser import Optimiser, OptimiserConfig

WIDTH, LENGTH = 512, 10
PUBLISHED = MappingProxyType(
    {
        "negatives.name": "per_target",
        "loss.name": "bpr",
        "loss.reduction": "window",
        "training.batch_size": 64,
        "optimiser.rows": "dense",
    }
)
STEPS = (
    ("published: BPR, B 64, fp32, dense AdamW", PUBLISHED),
    ("the same, touched rows", {**PUBLISHED, "optimiser.rows": "lazy"}),
    ("the same, B 512", {**PUBLISHED, "optimiser.rows": "lazy", "training.batch_size": 512}),
    ("softmax over 512 shared, B 512, fp32", {"training.batch_size": 512}),
    ("softmax over 512 shared, B 512, bf16", {"training.batch_size": 512, "training.precision": "bf16"}),
)


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    spec = _facts()
    print(f"{spec.users:,} users, {spec.items:,} items, D {WIDTH}, L {LENGTH}, {arguments.threads} threads")
    _report_batcher(spec, "next_item, one negative per target", PUBLISHED)
    batcher = _report_batcher(spec, "next_item, 512 shared negatives", {"training.batch_size": 512})
    first = _plain_steps(spec, arguments.steps)
    print(f"{'plain PyTorch: BPR, B 64, fp32, AdamW':<45} {first:8,.0f} windows/s  {1:5.2f} x")
    for title, config in STEPS:
        rate = _steps(spec, config, arguments.steps, arguments.profile and title == STEPS[-1][0])
        share = rate / batcher
        print(
            f"{title:<45} {rate:8,.0f} windows/s  {rate / first:5.2f} x   batcher {100 * share:.1f} % of it"
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=9, help="the median of these counts, after two more")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


def _facts() -> DatasetSpec:
    rng = np.random.default_rng(0)
    counts = np.concatenate([[0], lengths(USERS, rng)])
    stops = np.cumsum(counts)
    taken = items(int(stops[-1]), rng).astype(np.int32) + 1
    history = Histories(taken, np.arange(len(taken)), stops - counts, stops)
    return DatasetSpec(USERS, ITEMS, LENGTH, None, history)


def _recipe(config: Any) -> Any:
    fixed = {"length": LENGTH, "items.width": WIDTH, "training.loader_threads": 0}
    return resolve("benchmark", {}, {**fixed, **config})


def _report_batcher(spec: DatasetSpec, title: str, config: Any) -> float:
    """Windows per second of one thread."""
    assert spec.history is not None
    recipe = _recipe(config)
    batcher = build_batcher(
        recipe, build_recommender(recipe, DatasetSpec(spec.users, spec.items, 1)), spec.history
    )
    batches = batcher.epoch(0)
    next(batches)
    rates = []
    for _ in range(5):
        started, windows = time.perf_counter(), 0
        for _ in range(40):
            windows += len(next(batches).target)
        rates.append(windows / (time.perf_counter() - started))
    print(f"{'batcher: ' + title:<45} {median(rates):8,.0f} windows/s in one thread")
    return median(rates)


class Plain(torch.nn.Module):
    """SASRec of PyTorch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(ITEMS + 1, WIDTH, padding_idx=0)
        self.positions = torch.nn.Embedding(LENGTH, WIDTH)
        layer = torch.nn.TransformerEncoderLayer(
            WIDTH, 4, 2 * WIDTH, dropout=0.1, activation="gelu", batch_first=True
        )
        self.layers = torch.nn.TransformerEncoder(layer, 2)
        self.mask = torch.nn.Transformer.generate_square_subsequent_mask(LENGTH)

    def forward(self, history: torch.Tensor) -> torch.Tensor:
        return self.layers(self.table(history) + self.positions.weight, mask=self.mask, is_causal=True)


def _plain_steps(spec: DatasetSpec, steps: int) -> float:
    """Windows per second of whole steps in plain PyTorch."""
    assert spec.history is not None
    recipe = _recipe(PUBLISHED)
    batches = build_batcher(
        recipe, build_recommender(recipe, DatasetSpec(spec.users, spec.items, 1)), spec.history
    ).epoch(0)
    model = Plain().train()
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    rates = []
    for _ in range(steps + 2):
        started = time.perf_counter()
        batch = next(batches)
        assert batch.negative is not None
        ids, real = batch.items.ids, batch.target != 0
        vectors = model(ids[batch.events.history])[real]
        targets, negatives = ids[batch.target][real], ids[batch.negative[..., 0]][real]
        margin = (vectors * (model.table(targets) - model.table(negatives))).sum(-1)
        loss = -torch.nn.functional.logsigmoid(margin).sum() / len(real)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.append(len(real) / (time.perf_counter() - started))
    return median(rates[2:])


def _steps(spec: DatasetSpec, config: Any, steps: int, profile: bool) -> float:
    """Windows per second of whole steps, batches included."""
    assert spec.history is not None
    recipe = _recipe(config)
    torch.manual_seed(0)
    recommender = build_recommender(recipe, spec).train()
    chosen = OptimiserConfig(**{**recipe["optimiser"], "weight_decay": 0.1})
    optimiser = Optimiser(recommender, chosen, chosen.is_lazy("cpu", 1))
    loss = build_loss(recipe)
    batches = build_batcher(recipe, recommender, spec.history).epoch(0)
    bf16 = recipe.training.precision == "bf16"
    for _ in range(2):
        _step(recommender, loss, optimiser, batches, bf16)
    rates = []
    for _ in range(steps):
        started = time.perf_counter()
        windows = _step(recommender, loss, optimiser, batches, bf16)
        rates.append(windows / (time.perf_counter() - started))
    if profile:
        _profile(recommender, loss, optimiser, batches, bf16)
    return median(rates)


def _step(
    recommender: Recommender, loss: Loss, optimiser: Optimiser, batches: Iterator[Batch], bf16: bool
) -> int:
    batch = next(batches)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        scores = recommender(batch)
    loss(scores).backward()  # type: ignore[no-untyped-call]
    optimiser.step(1.0)
    return len(batch.target)


def _profile(
    recommender: Recommender, loss: Loss, optimiser: Optimiser, batches: Iterator[Batch], bf16: bool
) -> None:
    with torch.profiler.profile() as profiler:
        for _ in range(3):
            _step(recommender, loss, optimiser, batches, bf16)
    print(
        profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=40)
    )


if __name__ == "__main__":
    main()
