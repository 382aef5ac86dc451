"""What sharing work among the prefixes of a window is worth: SR-GNN and LightSANs, in whole training steps.

    python benchmarks/prefixes.py

SR-GNN shares the states of nodes (`SessionGraphs`), against a dense adjacency of L × L for each of M
prefixes. LightSANs shares projections (`after_every`), against computing each prefix by itself. Both sides
alternate in one process; printed are medians of processor time. Events are like those of Pixel200K.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np
import torch
from pixel200k import ITEMS, items, lengths
from torch import Tensor
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events, Histories
from pixelrec.blocks.packing import Packing
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.training.optimiser import Optimiser, OptimiserConfig
from pixelrec.users.lightsans import LightSANs, _prefixes
from pixelrec.users.srgnn import SRGNN

STEPS, USERS = 5, 20_000
SHORT = {"length": 10, "training.batch_size": 512}
WIDE = {"length": 10, "training.batch_size": 128, "items.width": 512}


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'':<34}{'shared':>9}{'not':>9}{'ratio':>8}")
    for model, change in (("srgnn-id", dense_graphs), ("lightsans-id", separate_prefixes)):
        for title, name, overrides in (
            (model, model, {}),
            (f"published/{model}", f"published/{model}", {}),
            (f"{model}, 512 windows of 10", model, SHORT),
            (f"{model}, 128 windows of 10, D 512", model, WIDE),
        ):
            sides = (step_of(name, overrides, lambda _: None), step_of(name, overrides, change))
            shared, alone = alternated(sides)
            print(f"{title:<34}{shared:>7.3f} s{alone:>7.3f} s{alone / shared:>7.2f}x", flush=True)


def alternated(sides: tuple[Callable[[], None], Callable[[], None]]) -> tuple[float, float]:
    """Median processor seconds of both, after a first step of each."""
    times: list[list[float]] = [[], []]
    for _ in range(STEPS + 1):
        for found, step in zip(times, sides, strict=True):
            start = time.process_time()
            step()
            found.append(time.process_time() - start)
    return median(times[0][1:]), median(times[1][1:])


def step_of(name: str, overrides: Mapping[str, Any], change: Callable[[Any], None]) -> Callable[[], None]:
    """A training step of the recipe, its user model changed."""
    torch.manual_seed(0)
    recipe = read_recipe(name, {"training.loader_threads": 0, **overrides})
    rng = np.random.default_rng(0)
    counts = np.concatenate([[0], lengths(USERS, rng)])
    stops = np.cumsum(counts)
    numbers = items(int(stops[-1]), rng).astype(np.int32) + 1
    history = Histories(numbers, np.arange(len(numbers)), stops - counts, stops)
    model = build_recommender(recipe, DatasetSpec(USERS, ITEMS, recipe["length"], None, history)).train()
    change(model.users)
    config = OptimiserConfig(**recipe["optimiser"])
    optimiser = Optimiser(model, config, config.is_lazy("cpu", 1))
    loss, batches = build_loss(recipe), build_batcher(recipe, model, history).epoch(0)

    def step() -> None:
        loss(model(next(batches))).backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0)

    return step


def separate_prefixes(model: LightSANs) -> None:
    def forward(table: Tensor, events: Events) -> Tensor:
        real = events.history != 0
        packing = Packing.of(real)
        vectors = F.embedding(packing.pack(events.history), table)
        padding = vectors.new_zeros(len(real), vectors.shape[1])
        x = model.dropout(model.norm(torch.cat([vectors, padding])))
        assert events.target_mask is not None
        places = Packing.of(events.target_mask)
        rows: Tensor | None = _prefixes(packing, places, len(model.positions), len(x))
        *lower, last = model.layers
        for layer in lower:
            x, rows = layer(x, model.positions, rows, slice(None)), None
        latest: Tensor = last(x, model.positions, rows, slice(-1, None)).squeeze(1)
        return latest * places.pack(real).unsqueeze(1)

    model.forward = forward  # type: ignore[method-assign]


def dense_graphs(model: SRGNN) -> None:
    def vectors(table: Tensor, history: Tensor, places: Tensor) -> Tensor:
        L, D, cell = history.shape[1], table.shape[1], model.cell
        window, last = places // L, places % L
        items, number = history.unique(return_inverse=True)
        node = (history[:, :, None] == history[:, None, :]).int().argmax(-1)[window]  # M, L
        inside = (history != 0)[window] & (torch.arange(L) <= last[:, None])
        edge, walked = node[:, :-1] * L + node[:, 1:], (inside[:, :-1] & inside[:, 1:]).float()
        edges = torch.zeros(len(places), L * L).scatter_reduce(1, edge, walked, "amax").view(-1, L, L)
        into = (edges / edges.sum(1, keepdim=True).clamp(min=1)).mT
        out_of = edges / edges.sum(2, keepdim=True).clamp(min=1)
        maps = (cell.into, cell.out_of, cell.state)
        x, rows = model.dropout(F.embedding(items, table)), number[window]
        for step in range(model.steps):
            own = F.linear(x, torch.cat([m.weight for m in maps]), torch.cat([m.bias for m in maps]))
            before, own = (x[rows], own[rows]) if step == 0 else (x, own)
            from_before, from_after, state = own.split((D, D, 3 * D), dim=-1)
            received = [into @ from_before + cell.into_bias, out_of @ from_after + cell.out_of_bias]
            reset, keep, new = cell.received(torch.cat(received, -1)).chunk(3, -1)
            own_reset, own_keep, own_new = state.chunk(3, -1)
            new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            x = torch.lerp(new, before, torch.sigmoid(keep + own_keep))
        at = node[:, :, None].expand(-1, -1, D)
        sequence = x.gather(1, at)
        latest = sequence[torch.arange(len(places)), last]
        hidden = model.by_event(x).gather(1, at) + model.by_latest(latest)[:, None]
        weights = model.weigh(hidden.sigmoid()) * inside[:, :, None]
        return model.join(torch.cat([(weights * sequence).sum(1), latest], 1))

    model._vectors = vectors  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
