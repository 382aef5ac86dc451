"""The geometry of the report's figures: numbers in, places on a canvas out; `figures.html` draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from pixelrec.drawing.scales import Scale, Tick, linear_steps

LEFT, RIGHT, TOP, BOTTOM = 58, 460, 18, 252  # the frame of a learning curve, in user units
START, STOP = 112, 396  # start of all rank bars, end of the longest: labels before them, numbers behind
ROW = 27  # height of a rank bar and its gap


@final
@dataclass(frozen=True)
class LearningCurve:
    title: str
    description: str  # the text alternative
    points: Sequence[tuple[float, float]]
    across: Sequence[Tick]
    up: Sequence[Tick]
    mark: tuple[float, float] | None  # the best epoch
    mark_label: str


@final
@dataclass(frozen=True)
class RankBar:
    """The fraction of targets with a rank in a range, and the fraction expected by chance."""

    label: str
    fraction: float
    chance: float
    listed: bool  # within the first ten
    y: int
    length: float  # user units
    chance_at: float  # x


@final
@dataclass(frozen=True)
class RankBars:
    bars: Sequence[RankBar]
    across: Sequence[Tick]  # in %
    within_ten: float
    median: int
    height: int


def learning_curves(
    epochs: Sequence[Mapping[str, float]], watched: str, best_epoch: int | None
) -> list[LearningCurve]:
    """Training loss, and the watched validation metric in %; a curve without a finite value is left out."""
    loss, metric = _series(epochs, "loss", scale=1), _series(epochs, watched, scale=100)
    curves = [_curve("Training loss", loss, best_epoch, "", min(loss.values()))] if loss else []
    if metric:
        curves.append(_curve(f"Validation {watched}", metric, best_epoch, " %", 0.0))
    return curves


def _series(epochs: Sequence[Mapping[str, float]], key: str, *, scale: float) -> dict[int, float]:
    """Finite values by epoch; of an epoch that a resumed run recorded twice, the later record counts."""
    values = {int(record["epoch"]): record.get(key) for record in epochs}
    return {e: scale * v for e, v in sorted(values.items()) if v is not None and math.isfinite(v)}


def _curve(title: str, series: Mapping[int, float], best: int | None, unit: str, low: float) -> LearningCurve:
    first, last = min(series), max(series)
    up = linear_steps(low, max(series.values()), most=5)
    across = [step for step in linear_steps(first, last, most=7, whole=True) if step <= last]
    alone = first == last  # a single dot is drawn in the middle
    x = Scale(first - 1 if alone else min(first, across[0]), last + alone, LEFT, RIGHT)
    y = Scale(up[0], up[-1], BOTTOM, TOP)
    marked = best if best in series else None
    return LearningCurve(
        title=f"{title},{unit}" if unit else title,
        description=_description(title, series, marked, unit),
        points=[(x(epoch), y(value)) for epoch, value in series.items()],
        across=[Tick(x(step), "start" if step == first == 0 else f"{step:g}") for step in across],
        up=[Tick(y(step), f"{step:.6g}") for step in up],
        mark=None if marked is None else (x(marked), y(series[marked])),
        mark_label="" if marked is None else f"best: {_when(marked)}, {series[marked]:.4g}{unit}",
    )


def _when(epoch: int) -> str:
    """Epoch 0 is the start of the training."""
    return f"epoch {epoch}" if epoch else "the start"


def _description(title: str, series: Mapping[int, float], best: int | None, unit: str) -> str:
    def at(epoch: int) -> str:
        return f"{series[epoch]:.4g}{unit} {'in' if epoch else 'at'} {_when(epoch)}"

    return f"{title}: {at(min(series))}, {at(max(series))}{'' if best is None else f'; {at(best)}, the best'}"


def rank_bars(ranks: np.ndarray | None, catalogue: int | None) -> RankBars | None:
    """The fraction of users whose next item has rank 1, 2–5, 6–10, 11–20, …; None without ranks."""
    if ranks is None or not len(ranks):
        return None
    items = max(catalogue or 0, int(ranks.max()))
    round_ranks = {1, *(factor * 10**power for power in range(12) for factor in (5, 10, 20))}
    edges = [*sorted(edge for edge in round_ranks if edge < items), items]  # the last ranks of the bins
    fractions = np.histogram(ranks, [1, *(edge + 1 for edge in edges)])[0] / len(ranks)
    chances = np.diff([0, *edges]) / items
    steps = linear_steps(0.0, 100 * float(max(fractions.max(), chances.max())), most=4)
    x = Scale(0.0, steps[-1], START, STOP)
    bars = [
        RankBar(
            label=f"{low:,}" if low == high else f"{low:,}–{high:,}",
            fraction=float(fraction),
            chance=float(chance),
            listed=high <= 10,
            y=8 + ROW * number,
            length=round(x(100 * fraction) - START, 1),
            chance_at=x(100 * chance),
        )
        for number, (low, high, fraction, chance) in enumerate(
            zip([1, *(edge + 1 for edge in edges[:-1])], edges, fractions, chances, strict=True)
        )
    ]
    across = [Tick(x(step), f"{step:g}") for step in steps]
    return RankBars(bars, across, float((ranks <= 10).mean()), int(np.median(ranks)), ROW * len(bars) + 56)
