"""Numbers that describe a data set, as a table for the terminal and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases
from pixelrec.drawing import svg
from pixelrec.drawing.scales import Scale, logarithmic_steps
from pixelrec.drawing.svg import Frame


@dataclass(frozen=True)
class Spread:
    """The distribution of a count over users or items."""

    mean: float
    median: float
    largest: int


@dataclass(frozen=True)
class Statistics:
    """Of all events, those held out too."""

    users: int
    items: int
    interactions: int
    sparsity: float  # 1 − pairs of a user and an item / (users · items)
    length: Spread  # events a user
    popularity: Spread  # events an item
    not_evaluated: int  # users with fewer than 3 events
    exact_repeats: int  # rows of a user, item and time that an earlier row of the source had too
    repeats_kept: bool  # whether these are among the events
    left_out: Mapping[str, int]  # options of `prepare` → rows that they left out; not those of exact repeats
    repeats: float  # fraction of events with an item that the user has an earlier event with
    repeated_tests: float  # fraction of test events with such an item
    undescribed: int  # items with no information but their id
    first: datetime | None  # none where the source had no times
    last: datetime | None


def user_lengths(dataset: Dataset) -> np.ndarray:
    """int64[users]: events of each user, with the held out."""
    return (np.diff(dataset.offsets) + dataset.evaluated)[1:]


def item_popularity(dataset: Dataset) -> np.ndarray:
    """int64[items]: events of each item, with the held out; opens them."""
    parts = (dataset.event_items, dataset.held_out().items)
    return np.sum([np.bincount(items, minlength=dataset.items + 1) for items in parts], axis=0)[1:]


def statistics(dataset: Dataset) -> Statistics:
    """Describes a data set; opens the held-out events."""
    held = dataset.held_out().times[dataset.evaluated]
    times = (dataset.event_times.min(), dataset.event_times.max(), held.min(), held.max())
    first, last = (datetime.fromtimestamp(int(each), UTC) for each in (min(times), max(times)))
    pairs, tests = _pairs(dataset), test_cases(dataset)
    return Statistics(
        users=dataset.users,
        items=dataset.items,
        interactions=dataset.interactions,
        sparsity=1 - pairs / (dataset.users * dataset.items),
        length=_spread(user_lengths(dataset)),
        popularity=_spread(item_popularity(dataset)),
        not_evaluated=dataset.users - int(dataset.evaluated.sum()),
        exact_repeats=dataset.exact_repeats,
        repeats_kept=dataset.repeats_kept,
        left_out={
            flags(names): rows
            for names, rows in dataset.left_out.items()
            if rows and (names, dataset.manifest["options"]["repeats"]) != ("repeats", "drop")
        },
        repeats=1 - pairs / dataset.interactions,
        repeated_tests=tests.repeats / max(1, tests.repeats + len(tests)),
        undescribed=_undescribed(dataset),
        first=first if dataset.has_times else None,
        last=last if dataset.has_times else None,
    )


def save_picture(dataset: Dataset, path: Path) -> None:
    """Draws the lengths of histories and the popularity of items as SVG, on logarithmic axes."""
    lengths, popularity = user_lengths(dataset), item_popularity(dataset)
    parts = [
        _lengths_diagram(lengths, Frame(80, 530, 50, 320)),
        _tail_diagram(popularity, Frame(640, 1080, 50, 320)),
    ]
    description = (
        f"Two diagrams: users by the number of their events, {np.median(lengths):g} in the median and "
        f"{lengths.max():,} at most; items by popularity, the first with {popularity.max():,} events"
    )
    path.write_text(svg.document(1100, 380, description, parts), encoding="utf-8")


def _spread(counts: np.ndarray) -> Spread:
    return Spread(float(counts.mean()), float(np.median(counts)), int(counts.max()))


def flags(names: str) -> str:
    """Options as they are typed: "--min-user-events, --min-item-events"."""
    return ", ".join(f"--{name.replace('_', '-')}" for name in names.split(", "))


def _pairs(dataset: Dataset) -> int:
    """The number of different pairs of a user and an item."""
    users = np.arange(dataset.users + 1, dtype=np.int64)
    held = dataset.held_out().items[dataset.evaluated]
    owners = np.concatenate([np.repeat(users, np.diff(dataset.offsets)), users[dataset.evaluated]])
    pairs = owners * (dataset.items + 1) + np.concatenate([dataset.event_items, held])
    return pl.Series(pairs).n_unique()


def _undescribed(dataset: Dataset) -> int:
    table = dataset.information
    if table.width == 1:
        return dataset.items
    return int(table.select(pl.all_horizontal(pl.exclude("item_id").is_null()).sum()).item())


def _lengths_diagram(lengths: np.ndarray, frame: Frame) -> str:
    edges = np.unique(np.geomspace(lengths.min(), lengths.max() + 1, 49).astype(np.int64))
    # A bin may hold several lengths: its height is the mean number of users of one length.
    users = np.histogram(lengths, edges)[0] / np.diff(edges)
    lowest = users[users > 0].min() / 2
    across = Scale(edges[0] - 0.5, edges[-1] - 0.5, frame.left, frame.right, logarithmic=True)
    up = Scale(lowest, 3 * users.max(), frame.bottom, frame.top, logarithmic=True)  # room for a label
    places = np.repeat([across(edge - 0.5) for edge in edges], 2)[1:-1]
    heights = np.repeat([up(max(count, lowest)) for count in users], 2)
    median = float(np.median(lengths))
    at = across(median)
    label: svg.Attributes = {"fill": svg.ORANGE, "font-size": 14, "font-weight": 600}
    parts = [
        _axes(frame, "How long are histories?", "events of a user", across, "users of that many events", up),
        svg.curve(list(zip(places, heights, strict=True)), frame.bottom, svg.BLUE),
        svg.line((at, frame.bottom), (at, frame.top), svg.ORANGE, 1.5),
        svg.text((at + 6, frame.top + 12), f"median {median:g}", label),
    ]
    return "\n".join(parts)


def _tail_diagram(popularity: np.ndarray, frame: Frame) -> str:
    ranked = np.sort(popularity)[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), 500).astype(np.int64))
    across = Scale(0.5, len(ranked) + 0.5, frame.left, frame.right, logarithmic=True)
    up = Scale(0.8, 1.5 * max(ranked[0], 1), frame.bottom, frame.top, logarithmic=True)
    points = [(across(rank + end), up(max(ranked[rank - 1], 0.8))) for rank in ranks for end in (-0.5, 0.5)]
    axes = _axes(
        frame, "How long is the tail?", "items, the most popular first", across, "events of the item", up
    )
    return f"{axes}\n{svg.curve(points, frame.bottom, svg.BLUE)}"


def _axes(frame: Frame, title: str, x: str, across: Scale, y: str, up: Scale) -> str:
    counts = across.ticks(logarithmic_steps(max(across.low, 1), across.high))
    return svg.axes(frame, title, (x, counts), (y, up.ticks(logarithmic_steps(up.low, up.high))))
