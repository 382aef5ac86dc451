"""The geometry of the report's figures: numbers in, places on a canvas out; `figures.html` draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from pixelrec.console.numbers import plural
from pixelrec.drawing.scales import Scale, Tick, linear_steps, logarithmic_steps
from pixelrec.reports.view import Curves

LEFT, RIGHT, TOP, BOTTOM = 58, 460, 18, 252  # the frame of a learning curve, in user units
START, STOP = 112, 396  # start of all rank bars, end of the longest: labels before them, numbers behind
_DRAWN = 1e100  # no axis holds larger values
ROW = 27  # height of a rank bar and its gap


@final
@dataclass(frozen=True)
class CurveLine:
    model: str
    points: Sequence[tuple[float, float]]
    mark: tuple[float, float] | None  # the best epoch
    mark_label: str


@final
@dataclass(frozen=True)
class LearningCurve:
    """One quantity over the epochs of the run, the first line, and of other runs; or over another axis."""

    title: str
    description: str  # the text alternative
    lines: Sequence[CurveLine]
    across: Sequence[Tick]
    up: Sequence[Tick]
    axis: str = "epoch"


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


def learning_curves(runs: Sequence[Curves], watched: str) -> list[LearningCurve]:
    """Training loss, and the watched validation metric in %; a curve without a finite value is left out.

    runs: the reported one first; it decides what is shown.
    """
    curves = []
    for title, key, scale, unit in (
        ("Training loss", "loss", 1, ""),
        (f"Validation {watched}", watched, 100, " %"),
    ):
        found = [(run, _series(run.epochs, key, scale=scale)) for run in runs]
        if found and found[0][1]:
            curves.append(_curve(title, [(run, some) for run, some in found if some], unit))
    return curves


def _series(epochs: Sequence[Mapping[str, float]], key: str, *, scale: float) -> dict[int, float]:
    """Values that can be drawn, by epoch; of an epoch that was recorded twice, the later record counts."""
    values = {int(record["epoch"]): record.get(key) for record in epochs}
    return {e: scale * v for e, v in sorted(values.items()) if v is not None and abs(v) < _DRAWN}


def _curve(title: str, runs: Sequence[tuple[Curves, Mapping[int, float]]], unit: str) -> LearningCurve:
    every = [value for _, series in runs for value in series.values()]
    epochs = [epoch for _, series in runs for epoch in series]
    first, last = min(epochs), max(epochs)
    up = linear_steps(0.0 if unit else min(every), max(every), most=5)
    across = [step for step in linear_steps(first, last, most=7, whole=True) if step <= last]
    alone = first == last  # a single dot is drawn in the middle
    x = Scale(first - 1 if alone else min(first, across[0]), last + alone, LEFT, RIGHT)
    y = Scale(up[0], up[-1], BOTTOM, TOP)
    lines = []
    for run, series in runs:
        marked = run.best_epoch if run.best_epoch in series else None
        lines.append(
            CurveLine(
                model=run.model,
                points=[(x(epoch), y(value)) for epoch, value in series.items()],
                mark=None if marked is None else (x(marked), y(series[marked])),
                mark_label="" if marked is None else f"best: {_when(marked)}, {series[marked]:.4g}{unit}",
            )
        )
    own, series = runs[0]
    return LearningCurve(
        title=f"{title},{unit}" if unit else title,
        description=_description(title, series, own.best_epoch if own.best_epoch in series else None, unit),
        lines=lines,
        across=[Tick(x(step), "start" if step == first == 0 else f"{step:g}") for step in across],
        up=[Tick(y(step), f"{step:.6g}") for step in up],
    )


def _when(epoch: int) -> str:
    """Epoch 0 is the start of the training."""
    return f"epoch {epoch}" if epoch else "the start"


def _description(title: str, series: Mapping[int, float], best: int | None, unit: str) -> str:
    def at(epoch: int) -> str:
        return f"{series[epoch]:.4g}{unit} {'in' if epoch else 'at'} {_when(epoch)}"

    return f"{title}: {at(min(series))}, {at(max(series))}{'' if best is None else f'; {at(best)}, the best'}"


def spectrum(shares: np.ndarray, effective: float) -> LearningCurve:
    """The fraction of variance within the first d principal components, in %, d on a logarithmic axis.

    shares: of each component, the largest first. effective: the effective rank, which is marked.
    """
    within = np.minimum(100 * np.cumsum(shares), 100.0)
    count = len(within)
    x = Scale(1, max(count, 2), LEFT, RIGHT, logarithmic=True)
    y = Scale(0, 100, BOTTOM, TOP)
    shown = np.unique(np.geomspace(1, count, 120).round().astype(int))
    at = max(1, round(effective))
    nine_tenths = int(np.searchsorted(within, 90 - 1e-9)) + 1
    line = CurveLine(
        "",
        [(x(d), y(float(within[d - 1]))) for d in shown.tolist()],
        (x(at), y(float(within[at - 1]))),
        f"effective rank {effective:.1f}; 90 % of the variance is within {plural(nine_tenths, 'component')}",
    )
    steps = logarithmic_steps(1, max(count, 2))
    up = [Tick(y(step), f"{step}") for step in (0, 25, 50, 75, 100)]
    about = f"Variance within the first components of {count:,}: {line.mark_label}"
    return LearningCurve(
        "Variance within the first components, %", about, [line], x.ticks(steps), up, "components"
    )


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
