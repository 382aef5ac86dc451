"""Numbers that describe a data set, as a table for the terminal and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pixelrec.data.dataset import Dataset

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_MARGINS = {"left": 0.095, "right": 0.98, "bottom": 0.13, "top": 0.91, "wspace": 0.25}
_BLUE, _ORANGE, _GREY = "#2563a8", "#d9730d", "#5b6470"


@dataclass(frozen=True)
class Spread:
    """How a count is spread over users or items."""

    mean: float
    quantiles: tuple[float, ...]  # at QUANTILES
    largest: int

    @property
    def median(self) -> float:
        return self.quantiles[QUANTILES.index(0.5)]


@dataclass(frozen=True)
class Statistics:
    """All events count, those held out too."""

    users: int
    items: int
    interactions: int
    sparsity: float  # 1 − interactions / (users · items)
    length: Spread  # events a user
    popularity: Spread  # events an item
    not_evaluated: int  # users with fewer than 3 events
    repeats: float  # share of events whose item the user had taken before
    undescribed: int  # items of which nothing is known but the id
    first: datetime
    last: datetime


def user_lengths(dataset: Dataset) -> np.ndarray:
    """int64[users]: events of each user, with the held out."""
    lengths: np.ndarray = np.diff(dataset.offsets) + dataset.evaluated
    return lengths[1:]


def item_popularity(dataset: Dataset) -> np.ndarray:
    """int64[items]: events of each item, with the held out; opens them."""
    popularity: np.ndarray = _taken(dataset.event_items, dataset) + _taken(dataset.held_out().items, dataset)
    return popularity


def statistics(dataset: Dataset) -> Statistics:
    """Describes a data set; opens the held-out events."""
    held = dataset.held_out().times[dataset.evaluated]
    times = (dataset.event_times.min(), dataset.event_times.max(), held.min(), held.max())
    return Statistics(
        users=dataset.users,
        items=dataset.items,
        interactions=dataset.interactions,
        sparsity=1 - dataset.interactions / (dataset.users * dataset.items),
        length=_spread(user_lengths(dataset)),
        popularity=_spread(item_popularity(dataset)),
        not_evaluated=dataset.users - int(dataset.evaluated.sum()),
        repeats=_repeats(dataset),
        undescribed=_undescribed(dataset),
        first=datetime.fromtimestamp(int(min(times)), UTC),
        last=datetime.fromtimestamp(int(max(times)), UTC),
    )


def save_picture(dataset: Dataset, path: Path) -> None:
    """Draws how long users' histories are, and the long tail of popularity, both on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120)
    left, right = figure.subplots(1, 2, gridspec_kw=_MARGINS)
    _draw_lengths(left, user_lengths(dataset))
    _draw_tail(right, item_popularity(dataset))
    figure.savefig(path, metadata={"Software": None})


def _taken(items: np.ndarray, dataset: Dataset) -> np.ndarray:
    counts: np.ndarray = np.bincount(items, minlength=dataset.items + 1)
    return counts[1:]


def _spread(counts: np.ndarray) -> Spread:
    quantiles = tuple(float(q) for q in np.quantile(counts, QUANTILES))
    return Spread(float(counts.mean()), quantiles, int(counts.max()))


def _repeats(dataset: Dataset) -> float:
    import polars as pl

    users = np.arange(dataset.users + 1, dtype=np.int64)
    held = dataset.held_out().items[dataset.evaluated]
    owners = np.concatenate([np.repeat(users, np.diff(dataset.offsets)), users[dataset.evaluated]])
    pairs = owners * (dataset.items + 1) + np.concatenate([dataset.event_items, held])
    return 1 - pl.Series(pairs).n_unique() / dataset.interactions


def _undescribed(dataset: Dataset) -> int:
    import polars as pl

    table = dataset.information
    if table.width == 1:
        return dataset.items
    return int(table.select(pl.all_horizontal(pl.exclude("item_id").is_null()).sum()).item())


def _draw_lengths(axes: Axes, lengths: np.ndarray) -> None:
    edges = np.unique(np.geomspace(lengths.min(), lengths.max() + 1, 49).astype(np.int64))
    users = np.histogram(lengths, edges)[0] / np.diff(
        edges
    )  # of each length: bins hold several whole numbers
    lowest = users[users > 0].min() / 2
    axes.stairs(np.maximum(users, lowest), edges - 0.5, baseline=lowest, color=_BLUE, alpha=0.15, fill=True)
    axes.stairs(np.maximum(users, lowest), edges - 0.5, baseline=lowest, color=_BLUE, linewidth=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(lowest, users.max() * 3)  # room for the median's name
    _mark(axes, float(np.median(lengths)), "median")
    _label(axes, "How long are histories?", "events of a user", "users of that many events")


def _draw_tail(axes: Axes, popularity: np.ndarray) -> None:
    ranked = np.sort(popularity)[::-1]
    ranks = np.unique(np.geomspace(1, len(ranked), 2_000).astype(np.int64))
    axes.fill_between(ranks, ranked[ranks - 1], 0.8, color=_BLUE, alpha=0.15, linewidth=0)
    axes.plot(ranks, ranked[ranks - 1], color=_BLUE, linewidth=2)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    _label(axes, "How long is the tail?", "items, the most popular first", "events of the item")


def _mark(axes: Axes, place: float, name: str) -> None:
    axes.axvline(place, color=_ORANGE, linewidth=1.5)
    axes.annotate(
        f" {name} {place:g}",
        (place, 0.97),
        xycoords=("data", "axes fraction"),
        color=_ORANGE,
        va="top",
        weight="bold",
    )


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_title(title, loc="left", weight="bold")
    axes.set_xlabel(x, color=_GREY)
    axes.set_ylabel(y, color=_GREY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_GREY)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 50 * low else (1,)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
        )
