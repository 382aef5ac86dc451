"""SASRec over pictures, CLIP ViT-B/32 with its top two blocks trained: the published way against ours.

    python benchmarks/pixels.py                        # all rows, about half an hour on 2 cores
    python benchmarks/pixels.py --only published,bf16  # some
    python benchmarks/pixels.py --device cuda

Lengths and popularity are those of Pixel200K; windows are of 10 + 1, D 512, weights random. What is timed are
whole steps: loading, forward, backward, AdamW. `published_pixels.py` says what the published way is. Ours is
the library's own recipe, batcher, recommender, loss and optimiser; only the feed is generated: 96,282 items
share `--states` states (random numbers in a mapped file, or on the device), and the published way's items
1,024 pictures. So every slot costs what it would, except that the file stays in the page cache.

Every row is a process of its own, one after the other. `core-s` is processor time, which other work on the
machine moves less than the clock does (of one thread, that is: two wait for each other at full speed); ratios
are given of both. `products` is what the networks' products take of it, at the rate of a single large one.
Memory is anonymous: pages of the mapped file are not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, final

import numpy as np
import torch
from pixel200k import ITEMS, USERS, items, lengths
from published_pixels import LENGTH, SIZE, WIDTH, PublishedSASRec, slots_of
from torch import Tensor

from pixelrec.batch import Batch, DatasetSpec, Histories, Payload
from pixelrec.items.cache.feeds import AbstractFeed
from pixelrec.numerics.precision import has_bf16, is_bf16
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender
from pixelrec.training.optimiser import Optimiser, OptimiserConfig

RECIPE = "published/sasrec-vit"
RANDOM = {"items.source": None, "items.family": "clip", "items.pretrained": False}
BF16 = {"training.precision": "bf16", "items.precision": "bf16"}
MORE = {"items.keep_activations": 940}  # in the 8 GB that this row may take
SHARED = {"name": "shared", "drawn": 512, "in_batch": True, "bank": True}
FLOPS = {"below": 0.23e9 + 10 * 0.7155e9, "above": 2 * 0.7155e9 + 0.0393e9}  # of a forward pass of a picture


@dataclass(frozen=True)
class Row:
    """A line of the table: what is measured, against what."""

    title: str
    against: str  # the row that is 1 x
    dtype: torch.dtype
    config: Mapping[str, Any]


ROWS = {
    "published": Row("published, fp32, B 64", "published", torch.float32, {}),
    "fp32": Row("same mathematics, fp32, B 64", "published", torch.float32, {}),
    "bf16": Row("same mathematics, bf16, B 64", "published", torch.bfloat16, BF16),
    "bank": Row(
        "batch and bank negatives, bf16, B 1,024",
        "published",
        torch.bfloat16,
        {**BF16, "negatives": SHARED, "loss": {"name": "softmax"}, "training.batch_size": 1024, **MORE},
    ),
    "published-catalogue": Row("catalogue: published, fp32", "published-catalogue", torch.float32, {}),
    "catalogue": Row("catalogue: bf16 from the cache", "published-catalogue", torch.bfloat16, BF16),
}
HEAD = (
    f"{'':<42}{'windows/s':>11}{'encodes/s':>11}{'encodes':>10}{'core-s':>9}{'ratio':>8}{'core-s':>8}"
    f"{'products':>10}{'memory':>9}"
)


def main() -> None:
    arguments = _arguments()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments)))
        return
    print(f"{arguments.threads} threads, {arguments.device}\n{HEAD}\n{_units()}", flush=True)
    found: dict[str, dict[str, float]] = {}
    emulated = not has_bf16(torch.device(arguments.device))
    for name in arguments.only.split(",") if arguments.only else ROWS:
        if emulated and ROWS[name].dtype == torch.bfloat16 and not arguments.only:
            print(f"{ROWS[name].title:<42}  left out: bf16 is emulated here (--only {name} insists)")
            continue
        found[name] = _child(name)
        print(_line(ROWS[name], found[name], found.get(ROWS[name].against)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"rows, with commas between: {', '.join(ROWS)}")
    parser.add_argument("--steps", type=int, default=5, help="the median of these counts")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--states", type=int, default=4096, help="that items share")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="choices of our rows")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def _units() -> str:
    return f"{'':<42}{'':>11}{'':>11}{'/window':>10}{'/window':>9}{'':>8}{'ratio':>8}{'of peak':>10}{'GB':>9}"


def _child(name: str) -> dict[str, float]:
    command = [sys.executable, __file__, *sys.argv[1:], "--child", name]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def _line(row: Row, found: Mapping[str, float], first: Mapping[str, float] | None) -> str:
    ratios = f"{'':>16}"
    if first is not None:
        wall, core = found["rate"] / first["rate"], first["core"] / found["core"]
        ratios = f"{wall:>7.2f}x{core:>7.2f}x"
    return (
        f"{row.title:<42}{found['rate']:>11.3f}{found['encodes']:>11.1f}{found['each']:>10.2f}"
        f"{found['core']:>9.3f}{ratios}{100 * found['products']:>9.0f}%{found['memory']:>9.2f}"
    )


def measure(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Rate, encodes a second and a window, core-seconds, share of the product peak, memory; by the clock."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    row = ROWS[name]
    peak = product_peak(row.dtype, arguments.device)
    with tempfile.TemporaryDirectory() as folder, peak_memory(arguments.device) as memory:
        prepared = PREPARED[name](row, arguments, Path(folder))
        found = timed(prepared, arguments.steps, arguments.device)
    flops = FLOPS["above"] if "catalogue" in name else 3 * FLOPS["above"]
    flops += FLOPS["below"] if "published" in name else 0
    busy = found["core"] * found["rate"] if arguments.device == "cpu" else 1.0  # cores
    return {**found, "products": flops * found["encodes"] / peak / busy, "memory": memory[0] / 1e9}


Step = Callable[[bool], tuple[int, int]]  # does one, or a small one to warm up; windows and encodes


def timed(step: Step, steps: int, device: str) -> dict[str, float]:
    """Medians over steps, after a first one."""
    rates, encodes, cores, each = [], [], [], []
    for warm_up in [True] + [False] * steps:
        start, core = time.perf_counter(), time.process_time()
        windows, encoded = step(warm_up)
        if device != "cpu":
            torch.accelerator.synchronize()
        seconds = time.perf_counter() - start
        rates.append(windows / seconds)
        encodes.append(encoded / seconds)
        cores.append((time.process_time() - core) / windows)
        each.append(encoded / windows)
    kinds = {"rate": rates, "encodes": encodes, "core": cores, "each": each}
    return {kind: median(values[1:]) for kind, values in kinds.items()}


def product_peak(dtype: torch.dtype, device: str) -> float:
    """Operations of the widest linear layer, over 6,400 tokens, in a second of a core or of a device."""
    x, w = torch.randn(6400, 768).to(device, dtype), torch.randn(3072, 768).to(device, dtype)
    best, times = float("inf"), 1 if device == "cpu" else 100  # a device is waited for once, after many
    for _ in range(10):
        start = _seconds(device)
        for _ in range(times):
            x @ w.mT
        best = min(best, _seconds(device) - start)
    return 2 * 6400 * 768 * 3072 * times / best


def _seconds(device: str) -> float:
    if device == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()


@contextmanager
def peak_memory(device: str) -> Iterator[list[int]]:
    """The most bytes inside: of tensors on a GPU, else of this process, anonymous, looked at all the time."""
    most, done = [0], threading.Event()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        yield most
        most[0] = torch.cuda.max_memory_allocated()
        return

    def look() -> None:
        while not done.wait(0.02):
            _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
            most[0] = max(most[0], 4096 * (resident - shared))

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield most
    finally:
        done.set()
        watch.join()


def spec() -> DatasetSpec:
    rng = np.random.default_rng(0)
    counts = np.concatenate([[0], lengths(USERS, rng)])
    stops = np.cumsum(counts)
    taken = items(int(stops[-1]), rng).astype(np.int32) + 1
    history = Histories(taken, np.arange(len(taken)), stops - counts, stops)
    return DatasetSpec(USERS, ITEMS, LENGTH, None, history)


def published_step(row: Row, arguments: argparse.Namespace, folder: Path) -> Step:  # noqa: ARG001
    model, device = published_model(arguments), arguments.device
    network = [p for p in model.network.parameters() if p.requires_grad]
    rest = [p for name, p in model.named_parameters() if not name.startswith("network.")]
    optimiser = torch.optim.AdamW(
        [{"params": network, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.1}], lr=1e-4
    )
    batches = id_batches()

    def step(warm_up: bool) -> tuple[int, int]:
        slots, real = slots_of(next(batches))
        if warm_up:
            slots, real = slots[: 4 * 2 * (LENGTH + 1)], real[:4]
        loss = model(model.load(slots).to(device), real.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return len(real), len(slots)

    return step


def id_batches() -> Iterator[Batch]:
    """The library's batches of the published recipe, without anything loaded."""
    recipe = read_recipe("published/sasrec-id", {"training.loader_threads": 0})
    known = spec()
    assert known.history is not None
    return build_batcher(
        recipe, build_recommender(recipe, DatasetSpec(USERS, ITEMS, 1)), known.history
    ).epoch(0)


def published_model(arguments: argparse.Namespace) -> PublishedSASRec:
    shape = (min(arguments.states, 1024), SIZE, SIZE, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return PublishedSASRec(pictures).to(arguments.device).train()


def published_catalogue(row: Row, arguments: argparse.Namespace, folder: Path) -> Step:  # noqa: ARG001
    model, some = published_model(arguments).eval(), 256

    @torch.no_grad()
    def step(_: bool) -> tuple[int, int]:
        model.encode(model.load(np.arange(1, some + 1)).to(arguments.device))
        return some, some

    return step


@final
class GeneratedFeed(AbstractFeed):
    """Random states that items share: in a mapped file, or on an accelerator."""

    stored = True

    def __init__(self, path: Path, states: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        block = torch.randn(64, *shape).to(dtype).view(torch.uint8).numpy()
        with path.open("wb") as file:
            for _ in range(states // 64):
                file.write(block.data)
        self.shape, self.dtype = shape, dtype
        self.mapped = np.memmap(path, np.uint8, "r").reshape(states, -1)
        self.held: Tensor | None = None

    def hold(self, device: str) -> None:
        """In the memory of a device from now on."""
        self.held = torch.tensor(self.mapped).to(device).view(self.dtype).view(-1, *self.shape)

    @property
    def row_bytes(self) -> int:
        return self.mapped.shape[1]

    def load(self, numbers: np.ndarray) -> Payload:
        rows = numbers % len(self.mapped)
        if self.held is not None:
            return {"numbers": torch.from_numpy(rows)}
        states = np.empty((len(rows), self.row_bytes), np.uint8)
        np.take(self.mapped, rows, axis=0, out=states, mode="clip")
        return {"states": torch.from_numpy(states).view(self.dtype).view(-1, *self.shape)}

    def states(self, payload: Payload, some: slice) -> Tensor:
        if self.held is not None:
            return self.held[payload["numbers"][some]]
        return payload["states"][some]


def our_recommender(row: Row, arguments: argparse.Namespace, folder: Path) -> tuple[Any, Recommender]:
    chosen = dict(word.split("=", 1) for word in arguments.set)
    values = {key: json.loads(value) for key, value in chosen.items()}
    recipe = read_recipe(RECIPE, {**RANDOM, **row.config, **values})
    recommender = build_recommender(recipe, spec()).to(arguments.device).train()
    encoder: Any = recommender.items
    shape = encoder.backbone.state_shape(encoder.constant)
    feed = GeneratedFeed(folder / "states", arguments.states, shape, row.dtype)
    if arguments.device != "cpu":
        feed.hold(arguments.device)
    encoder._feed = feed
    return recipe, recommender


def our_step(row: Row, arguments: argparse.Namespace, folder: Path) -> Step:
    recipe, recommender = our_recommender(row, arguments, folder)
    device, known = arguments.device, spec()
    assert known.history is not None
    if recipe["negatives"].get("bank"):
        recommender.bank = torch.randn(ITEMS + 1, WIDTH).to(device)
    chosen = OptimiserConfig(**recipe["optimiser"])
    optimiser = Optimiser(recommender, chosen, chosen.is_lazy(device, 1))
    loss, batches = build_loss(recipe), build_batcher(recipe, recommender, known.history, spare=0).epoch(0)
    bf16 = is_bf16(recipe.training.precision, torch.device(device))

    def step(_: bool) -> tuple[int, int]:
        batch = next(batches).to(device)
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            scores = recommender(batch)
        loss(scores).backward()  # type: ignore[no-untyped-call]
        optimiser.step(1.0)
        return len(batch.target), len(batch.items.payload["rows"])

    return step


def our_catalogue(row: Row, arguments: argparse.Namespace, folder: Path) -> Step:
    _, recommender = our_recommender(row, arguments, folder)
    some = 2048

    def step(_: bool) -> tuple[int, int]:
        for _ in recommender.encode(torch.arange(1, some + 1)):
            pass
        return some, some

    return step


PREPARED: Mapping[str, Callable[[Row, argparse.Namespace, Path], Step]] = {
    "published": published_step,
    "fp32": our_step,
    "bf16": our_step,
    "bank": our_step,
    "published-catalogue": published_catalogue,
    "catalogue": our_catalogue,
}


if __name__ == "__main__":
    main()
