"""Quality against events per item: the demo's shop with fewer customers, and one whose cues are tiny marks.

    OMP_NUM_THREADS=1 python benchmarks/thin.py --source CHECKPOINT --out bench/thin    # the shop
    OMP_NUM_THREADS=1 python benchmarks/thin.py --source CHECKPOINT --out bench/thin --marks --customers 2000
    python benchmarks/thin.py --draw docs/thin.svg --out bench/thin    # the curve and tables of what is there

The number of customers changes the events per item; every world has a seed of its own, which is the seed of
its trainings. The law of these worlds is known, so a model is not measured by one event of each user but by
their expectation: NDCG@10 averaged over the true probabilities of the test event. `few`: the same over items
with fewer than five training events. Settings were chosen on validation; runs and results are kept.

The covers of the world of marks show a hue, two glyphs of five pixels and their many copies on a dull ground,
one of 10 × 8 × 6 combinations as in the shop. Which mark stands for which look is drawn at random, so that
alike marks mean nothing alike.
"""

from __future__ import annotations

import argparse
import colorsys
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import test_cases, training_events
from pixelrec.data.views import seen_items
from pixelrec.demonstration.demonstrate import PICTURE_SIZE
from pixelrec.demonstration.world import generate_world
from pixelrec.drawing.scales import Scale, Tick, linear_steps
from pixelrec.drawing.svg import BLUE, GREY, INK, ORANGE, Frame, axes, document, element, text
from pixelrec.evaluation.slices import LONG_TAIL_BELOW
from pixelrec.images.pack import pack
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.run import Run
from pixelrec.runs.train import resume_run, train_recipe
from pixelrec.training.journal import JOURNAL, cost_of, read_journal

K = 10
GLYPH, GAP = 5, 2  # pixels
GLYPHS = (
    "..#.. ..#.. ##### ..#.. ..#..",
    "#...# .#.#. ..#.. .#.#. #...#",
    "##### #...# #...# #...# #####",
    "##### ##### ..... ..... .....",
    "##... ##... ##... ##... ##...",
    "#.... .#... ..#.. ...#. ....#",
    "#.#.# ..... #.#.# ..... #.#.#",
    "..#.. .###. ##### .###. ..#..",
)
UNREAD = {"items.cache": "never"}
COLOURS = {
    "ids": GREY,
    "frozen": "#8a63c9",
    "every depth": "#2f9e6e",
    "every depth, adjusted": "#97cfb5",
    "blocks, adjusted": "#c3e3d3",
    "end-to-end": ORANGE,
    "fitted, 10 epochs of rows": "#9dbde0",
    "fitted": BLUE,
    "fitted, three tables": INK,
}


def ways(source: str | None) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The recipe and options of each; end-to-end training stops 12 epochs after its best."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {
        "ids": ("sasrec-id", {}),
        "end-to-end": (
            "sasrec-scratch",
            {"optimiser.learning_rate": 0.001, "training.epochs": 60, "training.patience": 12, **UNREAD},
        ),
        "fitted, 10 epochs of rows": (
            "sasrec-fitted",
            {"fit.epoch_steps": 1, "training.epochs": 4, "training.patience": 0, **UNREAD},
        ),
        "fitted": ("sasrec-fitted", UNREAD),
        "fitted, three tables": ("sasrec-fitted", {"fit.tables": 3, **UNREAD}),
    }
    if source is not None:
        network = {"items.source": str(Path(source).resolve()), "items.size": PICTURE_SIZE}
        found["frozen"] = ("sasrec-mobilenet", {**network, "items.depths": None, "scoring.unit_items": False})
        found["every depth"] = ("sasrec-mobilenet", network)
        adjusted = {**network, "negatives.logit_adjustment": 0.5}
        found["every depth, adjusted"] = ("sasrec-mobilenet", adjusted)
        found["blocks, adjusted"] = ("sasrec-mobilenet", {**adjusted, "items.depths": "blocks"})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("bench/thin"))
    parser.add_argument("--customers", type=int, nargs="+", default=[200, 300, 600, 2000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--source", help="checkpoint of MobileNetV2")
    parser.add_argument("--ways", nargs="*")
    parser.add_argument("--marks", action="store_true", help="covers of marks")
    parser.add_argument("--draw", type=Path, help="the SVG to write; nothing is trained")
    given = parser.parse_args()
    if given.draw:
        given.draw.write_text(_drawn(_results(given.out, "shop")), encoding="utf-8")
        for kind in ("shop", "marks"):
            _print_table(_results(given.out, kind))
        return
    torch.set_num_threads(1)
    for customers in given.customers:
        for seed in given.seeds:
            folder = given.out / f"{'marks' if given.marks else 'shop'}-{customers}-{seed}"
            world = _world(folder, customers, seed, marks=given.marks)
            for name, (recipe, options) in ways(given.source).items():
                if given.ways and name not in given.ways:
                    continue
                run = _trained(folder / _folder(name), recipe, options, seed, world)
                print(f"{folder.name:14} {name:26} {_measured(run, *world)}", flush=True)


def _world(folder: Path, customers: int, seed: int, *, marks: bool) -> tuple[Dataset, np.ndarray]:
    """The data set, and the chances of items to be test events: float32[users + 1, N + 1]."""
    chances = folder / "chances.npy"
    if not chances.exists():
        world = generate_world(folder / "files", users=customers, seed=seed, pictures=not marks)
        covers = _marked(folder / "covers", world.looks, seed) if marks else world.covers
        dataset = prepare(world.interactions, out=folder / "data", items=world.items)
        pack(covers, dataset.covers, list(dataset.item_ids), size=PICTURE_SIZE)
        numbers = [[int(each[1:]) for each in ids] for ids in (dataset.user_ids, dataset.item_ids)]
        np.save(chances, np.pad(world.walks.chances[np.ix_(*numbers)], ((1, 0), (1, 0))))
    return Dataset.open(folder / "data"), np.load(chances)


def _marked(folder: Path, looks: np.ndarray, seed: int) -> Path:
    """Covers as PNG: dots of a hue, glyphs in white and glyphs in black, on a ground that says nothing."""
    folder.mkdir()
    rng, size, pitch = np.random.default_rng([seed, 9]), PICTURE_SIZE, GLYPH + GAP
    glyphs = [np.array([[dot == "#" for dot in row] for row in each.split()], float) for each in GLYPHS]
    hues = [255 * np.array(colorsys.hsv_to_rgb(hue / 10, 1, 1)) for hue in rng.permutation(10)]
    dot = np.pad(np.ones((3, 3)), 1)
    white, black = rng.permutation(len(glyphs)), rng.permutation(len(glyphs))
    for number, (hue, shape, texture) in enumerate(looks):
        ground = rng.normal(0, 10, (4, 4, 3)).astype("f4")
        planes = [Image.fromarray(plane).resize((size, size), Image.Resampling.BICUBIC) for plane in ground.T]
        picture = 128 + np.stack([np.asarray(plane) for plane in planes], axis=2)
        marks = (
            (dot, hues[hue]),
            (glyphs[white[shape]], np.full(3, 255.0)),
            (glyphs[black[texture]], np.zeros(3)),
        )
        for place, cell in enumerate(rng.permutation((size // pitch) ** 2)):
            mark, colour = marks[place % 3]
            row, column = np.array(divmod(int(cell), size // pitch)) * pitch + rng.integers(0, GAP + 1, 2)
            inside = picture[row : row + GLYPH, column : column + GLYPH]
            inside += mark[:, :, None] * (colour - inside)
        Image.fromarray(np.clip(picture.round(), 0, 255).astype(np.uint8)).save(folder / f"i{number}.png")
    return folder


def _trained(
    folder: Path, recipe: str, options: Mapping[str, Any], seed: int, world: tuple[Dataset, np.ndarray]
) -> Run:
    """A run, trained or resumed unless it is finished."""
    console = Console(quiet=True)
    if (folder / "run.json").exists():
        return resume_run(Run.open(folder), world[0], console)
    return train_recipe(
        read_recipe(recipe, {"length": 20, **options, "seed": seed}), world[0], folder, console
    )


def _measured(run: Run, dataset: Dataset, chances: np.ndarray) -> dict[str, float]:
    """The expectations in %, the events per item with events, and the cost; written beside the run."""
    cases, counts = test_cases(dataset), item_counts(training_events(dataset), dataset.items)
    hidden, owners = map(torch.as_tensor, seen_items(cases.histories, cases.users))
    ranker = run.trained_ranker(dataset)
    _, best = ranker.best(cases.histories, cases.users, cases.users, hidden, owners, K)
    gains, few = chances[cases.users[:, None], best] / np.log2(np.arange(K) + 2), counts < LONG_TAIL_BELOW
    cost = cost_of(read_journal(run.folder / JOURNAL, run.recipe.training.monitor))
    found = {
        "all": 100 * float(gains.sum(1).mean()),
        "few": 100 * float((gains * few[best]).sum() / chances[cases.users][:, few].sum()),
        "events": float(counts[counts > 0].mean()),
        "trained_encodes": cost["trained_encodes"],
        "cpu_seconds": cost["cpu_seconds"],
    }
    (run.folder / "expected.json").write_text(json.dumps(found), encoding="utf-8")
    return {name: round(value, 2) for name, value in found.items()}


def _results(out: Path, kind: str) -> dict[str, list[Mapping[str, float]]]:
    """What was measured of each way: means over the worlds of as many customers, the fewest events first."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for path in sorted(out.glob(f"{kind}-*/*/expected.json")):
        customers = path.parent.parent.name.split("-")[1]
        each = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(path.parent.name, {}).setdefault(customers, []).append(each)
    named = {_folder(name): name for name in COLOURS}
    means = {
        named[way]: [
            {"worlds": len(some), **{key: fmean(each[key] for each in some) for key in some[0]}}
            for some in by_size.values()
        ]
        for way, by_size in found.items()
        if way in named
    }
    return {name: sorted(means[name], key=lambda each: each["events"]) for name in COLOURS if name in means}


def _folder(way: str) -> str:
    return way.replace(",", "").replace(" ", "-")


def _print_table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    heads = ("way", "events per item", "worlds", "all", "few", "trained encodes", "CPU s")
    print(f"\n| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, points in found.items():
        for each in points:
            numbers = f"{each['events']:.0f} | {each['worlds']:.0f} | {each['all']:.2f} | {each['few']:.2f}"
            print(f"| {name} | {numbers} | {each['trained_encodes']:,.0f} | {each['cpu_seconds']:.0f} |")


def _drawn(found: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    frames = (Frame(80, 430, 60, 330), Frame(540, 890, 60, 330))
    titles = ("All items", "Items with fewer than five events")
    events = [point["events"] for points in found.values() for point in points]
    parts = []
    for key, frame, title in zip(("all", "few"), frames, titles, strict=True):
        most = max(point[key] for points in found.values() for point in points)
        steps = linear_steps(0, most, most=5)
        x = Scale(min(events), max(events), frame.left + 10, frame.right - 10, logarithmic=True)
        y = Scale(steps[0], steps[-1], frame.bottom, frame.top)
        across = [Tick(x(value), f"{value:.0f}") for value in sorted({round(each, 0) for each in events})]
        parts.append(axes(frame, title, ("events per item", across), ("NDCG@10, %", y.ticks(steps))))
        for name, points in found.items():
            places = [(x(point["events"]), y(point[key])) for point in points]
            listed = " ".join(f"{left},{top}" for left, top in places)
            stroke: dict[str, str | float] = {"fill": "none", "stroke": COLOURS[name], "stroke-width": 2.5}
            parts.append(element("polyline", {"points": listed, **stroke}))
            parts += [
                element("circle", {"cx": at[0], "cy": at[1], "r": 4, "fill": COLOURS[name]}) for at in places
            ]
    for number, name in enumerate(each for each in COLOURS if each in found):
        left, top = 80 + 280 * (number % 3), 400 + 24 * (number // 3)
        parts.append(element("circle", {"cx": left, "cy": top, "r": 5, "fill": COLOURS[name]}))
        parts.append(text((left + 12, top + 5), name, {"fill": INK, "font-size": 14}))
    described = "; ".join(
        f"{name}: "
        + ", ".join(f"{p['events']:.0f} events {p['all']:.1f} and {p['few']:.1f} %" for p in points)
        for name, points in found.items()
    )
    return document(940, 480, f"NDCG@10 over all and over few-event items: {described}", parts)


if __name__ == "__main__":
    main()
