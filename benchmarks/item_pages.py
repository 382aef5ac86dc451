"""The pages of an item and of a new cover: processor time of each part for a large catalogue.

python benchmarks/item_pages.py [--items 100000] [--width 128]

The run is sasrec-id with random weights, which do not change the times; the vector of the new cover is drawn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"

import polars as pl
import torch
from recommend import make_run

from pixelrec.serving.item_facts import ItemFacts
from pixelrec.serving.new_covers import NewCovers
from pixelrec.serving.pages.item import values_of
from pixelrec.serving.pages.links import ServerLinks
from pixelrec.serving.pages.rendering import render
from pixelrec.serving.shop import Shop

PARTS = ("near", "together", "over_time", "ranks", "place")


def took(call: Callable[[], object]) -> float:
    """Milliseconds of processor time."""
    started = time.process_time()
    call()
    return 1e3 * (time.process_time() - started)


def item_page(shop: Shop, item: str) -> dict[str, float]:
    facts = ItemFacts.of(shop, shop.first, item)
    parts = {part: took(lambda part=part: getattr(facts, part)) for part in PARTS}  # type: ignore[misc]
    page = took(lambda: render("item.html", values_of(facts), ServerLinks(), shop))
    return {**parts, "page": page, "whole": sum(parts.values()) + page, "users": facts.users}


def new_cover(shop: Shop, width: int) -> dict[str, float]:
    """Without the pass of the picture through its network."""
    service = shop.first.service
    items = pl.concat([service.items, pl.DataFrame({"item_id": ["new.jpg"]})], how="diagonal")
    found: list[NewCovers] = []
    added = took(
        lambda: found.append(
            NewCovers(shop.first, ["new.jpg"], service.extended(torch.randn(1, width), items))
        )
    )
    parts = {"added": added, "place": took(lambda: found[0].places), "near": took(lambda: found[0].near(10))}
    return {**parts, "whole": sum(parts.values())}


def show(name: str, found: list[dict[str, float]]) -> None:
    cells = (f"{key} {median(each[key] for each in found):.0f}" for key in found[0])
    print(f"{name:14}", "  ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        shop = Shop.open([make_run(Path(place), given.items, given.width)])
        ids = shop.first.service.items["item_id"]
        print("milliseconds of processor time; `users`: whose lists are looked at")
        show("first item", [item_page(shop, ids[0])])
        show("other items", [item_page(shop, ids[n]) for n in range(1, 10)])
        show("new cover", [new_cover(shop, given.width) for _ in range(5)])


if __name__ == "__main__":
    main()
