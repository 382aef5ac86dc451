"""The generated world: a shop of art prints whose looks determine the choices.

`generate_world` writes interactions, item information and covers, as a user would bring them, and returns the
exact probabilities of the event to predict, which no user could know.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from pixelrec.demonstration.covers import write_covers
from pixelrec.demonstration.law import ItemTraits, Walks, draw_catalogue, draw_walks
from pixelrec.demonstration.titles import label
from pixelrec.errors import DataError
from pixelrec.files.atomic import new_folder

FEWEST_EVENTS = 3  # of a user with a test event: one to train on, one to validate, one to test


@final
@dataclass(frozen=True)
class World:
    """A generated world: item number j is written as `i<j>`, user number u as `u<u>`, both from 0."""

    folder: Path
    looks: NDArray[np.int64]  # N, 3: hue, shape and texture of every item
    walks: Walks

    @property
    def interactions(self) -> Path:
        return self.folder / "interactions.csv"

    @property
    def items(self) -> Path:
        return self.folder / "items.csv"

    @property
    def covers(self) -> Path:
        """The folder of `<item_id>.jpg`; absent where the world was generated without pictures."""
        return self.folder / "covers"

    @property
    def tested(self) -> NDArray[np.bool_]:
        """users: whether the last event is a test event, which requires three events."""
        return self.walks.lengths >= FEWEST_EVENTS

    def best_possible(self, k: int) -> dict[str, float]:
        """Expected test Recall@k and NDCG@k, in fractions, of ranking by the true probabilities.

        The expectation of no recommender is higher; on one sample of test events chance adds about ±1/√users.
        """
        best = -np.sort(-self.walks.chances[self.tested].astype(np.float64), axis=1)[:, :k]
        gain = 1 / np.log2(np.arange(best.shape[1]) + 2)
        return {f"Recall@{k}": float(best.sum(axis=1).mean()), f"NDCG@{k}": float((best @ gain).mean())}


def generate_world(
    folder: Path | str,
    *,
    users: int = 2000,
    items: int = 600,
    seed: int = 0,
    mean_length: float = 20.0,
    random: bool = False,
    pictures: bool = True,
    picture_size: int = 160,
) -> World:
    """Writes `interactions.csv`, `items.csv` and `covers/` into a new or empty `folder`, all or nothing.

    The same arguments give the same world. `mean_length` counts events of a user, `picture_size` pixels of a
    side. In a `random` world choices depend on nothing, so nothing can be learnt. The world keeps
    users × items probabilities in memory.

    Raises:
        DataError: a size is too small, or the folder is not empty.
    """
    sizes = {"users": users, "items": items, "mean_length": mean_length, "picture_size": picture_size}
    for (name, size), least in zip(sizes.items(), (1, 4, 3, 8), strict=True):
        if not size >= least:
            raise DataError(f"a generated world needs {name} of at least {least}, got {size}")
    law, words, brush = (np.random.default_rng([seed, stream]) for stream in range(3))
    folder = Path(folder)
    catalogue = draw_catalogue(law, items, random=random)
    walks = draw_walks(law, catalogue, users, mean_length, random=random)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} exists and is not an empty folder: remove it or generate the world elsewhere"
        )
    with new_folder(folder, DataError, ours=frozenset()) as draft:
        _write_interactions(draft / "interactions.csv", walks)
        _write_items(draft / "items.csv", catalogue, words)
        if pictures:
            write_covers(draft / "covers", catalogue.looks, brush, size=picture_size)
    return World(folder, catalogue.looks, walks)


def _write_interactions(path: Path, walks: Walks) -> None:
    """All events ordered by time; events of one second keep the order in which they happened."""
    order = np.argsort(walks.times, kind="stable")
    columns = (values[order].tolist() for values in (walks.items, walks.users, walks.times))
    rows = (f"i{item},u{user},{time}\n" for item, user, time in zip(*columns, strict=True))
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("item_id,user_id,timestamp\n")
        file.writelines(rows)


def _write_items(path: Path, catalogue: ItemTraits, rng: np.random.Generator) -> None:
    """Titles, tags and two counters, which depend on quality alone and not on any choice."""
    fame = np.exp(catalogue.quality + rng.normal(0, 0.3, len(catalogue.quality)))
    views = np.round(20_000 * fame / fame.max()).astype(int) + 10
    likes = rng.binomial(views, 0.08)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["item_id", "view_number", "favorite_number", "title", "tag", "description"])
        for item, words in enumerate(label(catalogue.looks, rng)):
            rows.writerow([f"i{item}", views[item], likes[item], *words])
