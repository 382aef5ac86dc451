"""Geometry of the report's figures: numbers in, places on a canvas out; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    import numpy as np

WIDTH, HEIGHT = 480, 300  # of a figure, in user units
LEFT, RIGHT, TOP, BOTTOM = 58, 460, 18, 252  # the frame of a curve
START, STOP = 112, 396  # where bars begin and the longest may end: labels stand before, numbers behind
ROW = 27  # height of a bar and its gap


@final
@dataclass(frozen=True)
class Tick:
    at: float  # x or y
    label: str


@final
@dataclass(frozen=True)
class Curve:
    """One value over the epochs."""

    title: str
    description: str  # what somebody who cannot see it should know
    points: Sequence[tuple[float, float]]
    across: Sequence[Tick]
    up: Sequence[Tick]
    mark: tuple[float, float] | None
    mark_label: str


@final
@dataclass(frozen=True)
class Bar:
    """The share of targets with a rank in a range, and the share that blind luck would have there."""

    label: str
    share: float  # 0 … 1
    chance: float  # 0 … 1
    listed: bool  # within the first ten
    y: int
    length: float  # user units
    chance_at: float  # x


@final
@dataclass(frozen=True)
class RankBars:
    bars: Sequence[Bar]
    across: Sequence[Tick]  # of the share, in %
    within_ten: float
    median: int
    users: int
    catalogue: int
    height: int


def learning_curves(
    epochs: Sequence[Mapping[str, float]], watched: str, best_epoch: int | None
) -> list[Curve]:
    """Training loss, and the watched validation metric in %; a curve without a finite value is left out."""
    loss = _series(epochs, "loss", scale=1)
    metric = _series(epochs, watched, scale=100)
    curves = []
    if loss:
        curves.append(_curve("Training loss", loss, best_epoch))
    if metric:
        curves.append(_curve(f"Validation {watched}", metric, best_epoch, unit=" %", from_zero=True))
    return curves


def _series(epochs: Sequence[Mapping[str, float]], key: str, *, scale: float) -> list[tuple[int, float]]:
    """By epoch; where a resumed run wrote an epoch twice the later record counts."""
    values = {int(record["epoch"]): record.get(key) for record in epochs}
    return [(e, scale * v) for e, v in sorted(values.items()) if v is not None and math.isfinite(v)]


def _curve(
    title: str,
    series: Sequence[tuple[int, float]],
    marked: int | None,
    *,
    unit: str = "",
    from_zero: bool = False,
) -> Curve:
    epochs, values = [epoch for epoch, _ in series], [value for _, value in series]
    up = _steps(0.0 if from_zero else min(values), max(values), most=5)
    across = [step for step in _steps(epochs[0], epochs[-1], most=7, whole=True) if step <= epochs[-1]]
    alone = epochs[0] == epochs[-1]  # then its dot stands in the middle
    first, last = (epochs[0] - 1, epochs[0] + 1) if alone else (min(epochs[0], across[0]), epochs[-1])
    points = [(_place(e, first, last, LEFT, RIGHT), _place(v, up[0], up[-1], BOTTOM, TOP)) for e, v in series]
    at = epochs.index(marked) if marked in epochs else None
    return Curve(
        title=f"{title},{unit}" if unit else title,
        description=_description(title, series, at, unit),
        points=points,
        across=[
            Tick(_place(step, first, last, LEFT, RIGHT), "start" if step == epochs[0] == 0 else f"{step:g}")
            for step in across
        ],
        up=[Tick(_place(step, up[0], up[-1], BOTTOM, TOP), f"{step:.6g}") for step in up],
        mark=None if at is None else points[at],
        mark_label="" if at is None else f"best: {_when(epochs[at])}, {values[at]:.4g}{unit}",
    )


def _when(epoch: int) -> str:
    """Epoch 0 is what training started from."""
    return f"epoch {epoch}" if epoch else "the start"


def _description(title: str, series: Sequence[tuple[int, float]], at: int | None, unit: str) -> str:
    told = [f"{value:.4g}{unit} {'in' if epoch else 'at'} {_when(epoch)}" for epoch, value in series]
    return f"{title}: {told[0]}, {told[-1]}{'' if at is None else f'; {told[at]}, the best'}"


def _steps(low: float, high: float, *, most: int, whole: bool = False) -> list[float]:
    """Round numbers from below `low` to above `high`, at most `most` and two more."""
    span = high - low or abs(high) or 1.0
    rough = span / (most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    start, stop = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(start, max(stop, start + 1) + 1)]


def _place(value: float, low: float, high: float, start: float, stop: float) -> float:
    return round(start + (value - low) / (high - low or 1.0) * (stop - start), 1)


def rank_bars(ranks: np.ndarray | None, catalogue: int | None) -> RankBars | None:
    """How often the true next item has rank 1, 2–5, 6–10, 11–20, …; nothing where nothing was ranked."""
    import numpy as np

    if ranks is None or not len(ranks):
        return None
    ranks = np.asarray(ranks)
    items = max(catalogue or 0, int(ranks.max()))
    edges = _rank_edges(items)
    shares = np.histogram(ranks, [1, *(edge + 1 for edge in edges)])[0] / len(ranks)
    widths = np.diff([0, *edges]) / items
    steps = _steps(0.0, 100 * float(max(shares.max(), widths.max())), most=4)
    full = steps[-1] / 100
    low = [1, *(edge + 1 for edge in edges[:-1])]
    bars = [
        _bar(number, (low[number], edges[number]), float(shares[number]), float(widths[number]), full)
        for number in range(len(edges))
    ]
    within_ten = float((ranks <= 10).mean())
    across = [Tick(_place(step, 0.0, steps[-1], START, STOP), f"{step:g}") for step in steps]
    return RankBars(bars, across, within_ten, int(np.median(ranks)), len(ranks), items, ROW * len(bars) + 56)


def _rank_edges(items: int) -> list[int]:
    """Last ranks of the bins: 1, 5, 10, 20, 50, 100, 200, 500, … and the catalogue's end."""
    series = {1, *(factor * 10**power for power in range(12) for factor in (5, 10, 20))}
    return [*sorted(edge for edge in series if edge < items), items]


def _bar(number: int, ranks: tuple[int, int], share: float, chance: float, full: float) -> Bar:
    """full: the share that a bar of full length stands for."""
    first, last = ranks
    label = f"{first:,}" if first == last else f"{first:,}–{last:,}"
    return Bar(
        label=label,
        share=share,
        chance=chance,
        listed=last <= 10,
        y=8 + ROW * number,
        length=_place(share, 0.0, full, 0.0, STOP - START),
        chance_at=_place(chance, 0.0, full, START, STOP),
    )
