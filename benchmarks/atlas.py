"""The atlas of a large catalogue: making the map, drawing tiles, and the first paint in a browser.

    python benchmarks/atlas.py [--items 100000] [--width 128] [--size 64]

Item vectors lie around 100 centres, and covers are plain squares. Seconds of the map and of tiles are of one
processor core; those of the first paint are by the clock, from the address to all tiles of the whole map, in
Chromium on this machine: with tiles that the server has still to draw, and again in a new browser window.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from recommend import make_run

import pixelrec
from pixelrec.images.manifest import Manifest
from pixelrec.images.store import PictureStore
from pixelrec.images.writer import StoreWriter
from pixelrec.insight.atlas import Atlas, vectors_of
from pixelrec.insight.projection import components
from pixelrec.insight.pyramid import Pyramid
from pixelrec.insight.tiles import Tiles
from pixelrec.recommender import Recommender
from pixelrec.runs.run import Run

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CENTRES, OPENED = 100, 5


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--size", type=int, default=64, help="pixels of a side of a cover")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place), given.items, given.width)
        gather(run)
        draw_covers(run, given.size)
        measure_map(run)
        measure_paint(run)


def gather(run: Run) -> None:
    """Gives the items vectors around centres."""
    recommender: Recommender = run.recommender()
    (table,) = (weight for weight in recommender.items.parameters() if len(weight) > CENTRES)
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CENTRES, table.shape[1], generator=generator)
    which = torch.randint(CENTRES, (len(table),), generator=generator)
    with torch.no_grad():
        table.copy_(centres[which] + 0.5 * torch.randn(table.shape, generator=generator))
    recommender.save(run.folder / "best")


def draw_covers(run: Run, size: int) -> None:
    """Packs a cover for each item: one of a hundred, as what they show costs nothing."""
    data = run.dataset()
    chance = np.random.default_rng(0)
    small = [Image.fromarray(chance.integers(0, 256, (4, 4, 3), np.uint8)) for _ in range(100)]
    shown = [np.asarray(each.resize((size, size), Image.Resampling.BICUBIC)) for each in small]
    with StoreWriter(data.covers, Manifest(size, "stretch", data.items, False, "covers")) as writer:
        for number, item in enumerate(data.item_ids):
            writer.add(item, shown[number % len(shown)], None)
        writer.finish(grey={})


def measure_map(run: Run) -> None:
    service = pixelrec.load(run)
    started = time.process_time()
    found = Atlas.of(service)
    print(f"map of {len(found.cells):,} items: {time.process_time() - started:.1f} s", flush=True)
    started = time.process_time()
    Atlas.of(service)
    print(f"map that was kept: {time.process_time() - started:.2f} s", flush=True)
    data = run.dataset()
    counts = np.bincount(run.training_events(data).items, minlength=data.items + 1)[1:]
    tiles = Tiles(Pyramid(found.side, found.cells, counts), data.item_ids, PictureStore.open(data.covers))
    taken = []
    for number in range(64):
        started = time.process_time()
        tiles.tile(3, number % 8, number // 8)
        taken.append(1e3 * (time.process_time() - started))
    print(
        f"a tile of at most 64 covers: median {median(taken):.1f} ms, longest {max(taken):.1f} ms", flush=True
    )
    vectors = vectors_of(service)
    print(
        f"trustworthiness of the cells, 10 neighbours: {trustworthiness(vectors, found.cells):.4f}",
        flush=True,
    )


def trustworthiness(vectors: np.ndarray, cells: np.ndarray, k: int = 10, sample: int = 500) -> float:
    """Of the places of some items, drawn at random, among all (Venna and Kaski 2001)."""
    points, places = components(vectors), torch.from_numpy(cells.astype(np.float32))
    rows = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:sample]
    far, near = (torch.cdist(each[rows], each) for each in (points, places))
    for distances in (far, near):
        distances[torch.arange(len(rows)), rows] = torch.inf
    closest = near.topk(k, largest=False).indices
    ranks = torch.stack(
        [(each[some, None] > each).sum(1) + 1 for each, some in zip(far, closest, strict=True)]
    )
    n = len(points)
    excess = float((ranks - k).clamp(min=0).sum()) / len(rows)
    return 1 - 2 / (k * (2 * n - 3 * k - 1)) * excess


def measure_paint(run: Run) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("first paint: no Chromium here")
        return
    from playwright.sync_api import sync_playwright

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "pixelrec", "serve", str(run.folder), "--port", port]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = next(filter(None, (re.search(r"http://\S+", line) for line in server.stderr)))[0]
            with sync_playwright() as playwright:
                window = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                times = [first_paint(window, address) for _ in range(1 + OPENED)]
                window.close()
            print(f"first paint: {times[0]:.2f} s; tiles drawn before: median {median(times[1:]):.2f} s")
        finally:
            server.terminate()


def first_paint(browser: Browser, address: str) -> float:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.goto(address)  # the home page: as people come, and without the start of a browser
    page.goto(f"{address}/atlas")
    page.wait_for_selector("canvas[data-painted]", timeout=120_000)
    painted = float(page.evaluate("document.querySelector('canvas').dataset.painted"))
    page.context.close()
    return painted / 1e3


if __name__ == "__main__":
    main()
