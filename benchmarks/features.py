"""What features cost: VisRank beside its bare products, L3AE, codes beside FAISS, training beside ids.

python benchmarks/features.py visrank --users 300 --items 20000
python benchmarks/features.py l3ae --items 5000
python benchmarks/features.py codes --items 50000 --width 512
python benchmarks/features.py sasrec
"""

from __future__ import annotations

import argparse
import resource
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from pixelrec.baselines.l3ae import L3AE
from pixelrec.baselines.visrank import VisRank
from pixelrec.batch import DatasetSpec, Histories
from pixelrec.features.feature_writer import writing
from pixelrec.features.quantisers import QUANTISERS
from pixelrec.recipe.build import build_batcher, build_loss, build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.training.config import OptimiserConfig
from pixelrec.training.optimiser import Optimiser

EVENTS = 10  # of each user
BLOCK = 64  # users scored together


def histories(users: int, items: int) -> Histories:
    rng = np.random.default_rng(0)
    stops = np.arange(users + 1) * EVENTS
    return Histories(
        rng.integers(1, items + 1, users * EVENTS).astype(np.int32),
        np.arange(users * EVENTS),
        np.maximum(stops - EVENTS, 0),
        stops,
    )


def vectors(items: int, width: int) -> np.ndarray:
    drawn = np.random.default_rng(1).standard_normal((items + 1, width), np.float32)
    drawn[0] = 0
    drawn[1:] /= np.linalg.norm(drawn[1:], axis=1, keepdims=True)
    return drawn


def visrank(users: int, items: int, width: int) -> None:
    unit, shown = vectors(items, width), histories(users, items)
    for name, nearest in (("largest", 1), ("mean of 3", 3)):
        model, bare, whole = VisRank(unit, nearest), 0.0, 0.0
        for start in range(1, users + 1, BLOCK):
            some = np.arange(start, min(start + BLOCK, users + 1))
            begun = time.process_time()
            model.scores(shown, some)
            middle = time.process_time()
            flat = shown.items[shown.starts[some[0]] : shown.stops[some[-1]]]
            for rows in np.array_split(flat, -(-len(flat) * items * 4 // (256 << 20))):
                unit[rows] @ unit.T
            whole, bare = whole + middle - begun, bare + time.process_time() - middle
        print(
            f"VisRank, {name}: {whole:.1f} s, bare products {bare:.1f} s: {whole / bare:.2f} times; {peak()}"
        )


def l3ae(items: int, width: int) -> None:
    begun = time.process_time()
    L3AE.fit(histories(4 * items, items), items, vectors(items, width))
    print(f"L3AE, {items:,} items: {time.process_time() - begun:.1f} s; {peak()}")


def codes(items: int, width: int, levels: int = 4, size: int = 256) -> None:
    """Error: the mean squared distance of decoded vectors, as a fraction of the variance."""
    torch.set_num_threads(1)
    decay = np.arange(1, width + 1, dtype=np.float32) ** -0.5  # deviations of components, as of a network
    drawn = np.random.default_rng(1).standard_normal((items, width), np.float32) * decay
    rotated = drawn @ np.linalg.qr(np.random.default_rng(2).standard_normal((width, width)))[0].astype("f4")
    given, variance = torch.from_numpy(rotated), float(rotated.var(0).sum())
    for name, kind in QUANTISERS.items():
        begun = time.process_time()
        fitted = kind.fit(given, levels, size, 0)
        middle = time.process_time()
        lost = float((fitted.decode(fitted.encode(given)) - given).square().sum(1).mean()) / variance
        stop = time.process_time()
        print(
            f"{name}: fitted in {middle - begun:.1f} s, encoded in {stop - middle:.1f} s, error {lost:.4f}",
            flush=True,
        )
    if find_spec("faiss") is None:
        return
    import faiss

    faiss.omp_set_num_threads(1)
    bits = int(np.log2(size))
    for name, kind in {"residual": faiss.ResidualQuantizer, "product": faiss.ProductQuantizer}.items():
        begun = time.process_time()
        theirs = kind(width, levels, bits)
        theirs.train(rotated)
        decoded = theirs.decode(theirs.compute_codes(rotated))
        lost = float(np.square(decoded - rotated).sum(1).mean()) / variance
        print(f"{name} of FAISS: {time.process_time() - begun:.1f} s, error {lost:.4f}")


def sasrec(items: int, width: int) -> None:
    with TemporaryDirectory() as folder:
        file, ids = Path(folder) / "f", [f"i{n}" for n in range(items)]
        with writing(file, ids, (width,), {}) as writer:
            writer.append(vectors(items, width)[1:])
        ours: dict[str, object] = {"items.file": str(file)}
        plain: dict[str, object] = {"items.name": "id_table", "items.width": 64}
        reduced = {**ours, "items.pca": 256}
        steps = [Steps("sasrec-features", words, items, ids) for words in (plain, ours, reduced)]
        rounds = [[each.seconds(10) for each in steps] for _ in range(4)]
    least = 1000 * np.min(rounds, axis=0)
    for name, each in zip(("ids", f"{width} features", "256 components of them"), least, strict=True):
        print(f"a step over {name}: {each:.0f} ms, {each / least[0]:.2f} times")


class Steps:
    """Training steps of a recipe, without the time in which batches are drawn on other threads."""

    def __init__(self, recipe: str, words: dict[str, object], items: int, ids: list[str]) -> None:
        chosen, past = read_recipe(recipe, {**words, "training.loader_threads": 0}), histories(5_000, items)
        spec = DatasetSpec(5_000, items, chosen["length"], history=past, item_ids=ids)
        self.recommender = build_recommender(chosen, spec)
        self.recommender.items.prepare(lambda _line: None)
        self.loss, self.batcher = build_loss(chosen), build_batcher(chosen, self.recommender, past)
        self.optimiser = Optimiser(self.recommender, OptimiserConfig(**chosen["optimiser"]), lazy=True)
        self.epoch = 0

    def seconds(self, count: int) -> float:
        self.epoch += 1
        begun = time.process_time()
        for _, batch in zip(range(count), self.batcher.epoch(self.epoch, 0), strict=False):
            self.loss(self.recommender(batch)).backward()
            self.optimiser.step(1.0)
        return (time.process_time() - begun) / count


def peak() -> str:
    return f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("visrank", "l3ae", "codes", "sasrec"))
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--width", type=int, default=2048)
    chosen = parser.parse_args()
    if chosen.what == "visrank":
        visrank(chosen.users, chosen.items, chosen.width)
    else:
        {"l3ae": l3ae, "codes": codes, "sasrec": sasrec}[chosen.what](chosen.items, chosen.width)
