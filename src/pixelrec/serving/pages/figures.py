"""The geometry of the figures of an item over time: `figures_item.html` draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import final

import polars as pl

from pixelrec.console.numbers import plural
from pixelrec.drawing.scales import Scale, Tick, linear_steps, logarithmic_steps
from pixelrec.reports.figures import BOTTOM, LEFT, RIGHT, TOP

_GAP = 3  # between bars
_DAY = 86_400  # seconds


@final
@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    about: str


@final
@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    split: str
    about: str


@final
@dataclass(frozen=True)
class Figure:
    """Bars or dots over time."""

    title: str
    description: str  # the text alternative
    across: Sequence[Tick]
    up: Sequence[Tick]
    bars: Sequence[Bar] = ()
    dots: Sequence[Dot] = ()
    medians: Mapping[str, int] = field(default_factory=dict)  # of the dots, by split


def events_figure(periods: pl.DataFrame, has_times: bool) -> Figure:
    """periods: of `EventsOverTime.frame`."""
    first, last, most = periods["start"][0], periods["stop"][-1], int(periods["events"].max() or 0)  # type: ignore[arg-type]
    x, steps = Scale(first, last, LEFT, RIGHT), linear_steps(0, max(most, 1), most=5, whole=True)
    y, bars, say = Scale(0, steps[-1], BOTTOM, TOP), [], _when(first, last, has_times)
    for start, stop, events, rank in periods.select("start", "stop", "events", "popularity_rank").iter_rows():
        place = "" if rank is None else f", number {rank:,} of the period"
        about = f"{say(start)} to {say(stop)}: {plural(events, 'event')}{place}"
        width = max(x(stop) - x(start) - _GAP, 1.0)
        bars.append(Bar(x(start), y(events), round(width, 1), round(BOTTOM - y(events), 1), about))
    text = f"Events in {len(bars)} periods of equal length: " + "; ".join(bar.about for bar in bars)
    up = [Tick(y(step), f"{step:,.0f}") for step in steps]
    return Figure("Events per period", text, _dates(x, first, last, has_times), up, bars)


def ranks_figure(ranks: pl.DataFrame, span: tuple[int, int], items: int, has_times: bool) -> Figure:
    """ranks: of `ranks_over_time`, not empty. span: as of the events."""
    x, y = Scale(*span, LEFT, RIGHT), Scale(1, max(items, 2), TOP, BOTTOM, logarithmic=True)
    say, dots = _when(*span, has_times), []
    for time, user, rank, split in ranks.select("time", "user_id", "rank", "split").iter_rows():
        about = f"user {user}, {say(time)}: rank {rank:,}"
        dots.append(Dot(x(min(time, span[1])), y(rank), split or "other", about))
    middle = ranks.group_by(pl.col("split").fill_null("other"), maintain_order=True).agg(
        pl.col("rank").median()
    )
    medians = {split: round(rank) for split, rank in middle.iter_rows()}
    told = "; ".join(f"{split}: median {rank:,}" for split, rank in medians.items())
    text = f"Ranks of the item just before {plural(len(dots), 'user')} chose it: {told}"
    up, across = y.ticks(logarithmic_steps(1, max(items, 2))), _dates(x, *span, has_times)
    return Figure("Rank just before it was chosen", text, across, up, dots=dots, medians=medians)


def _dates(x: Scale, first: int, last: int, has_times: bool) -> list[Tick]:
    """Three ticks, as labels of dates are wide."""
    say = _when(first, last, has_times)
    return [Tick(x(at), say(at)) for at in (first, (first + last) // 2, last)]


def _when(first: int, last: int, has_times: bool) -> Callable[[int], str]:
    """Words for a moment, as long as the span needs them."""
    if not has_times:
        return lambda at: f"row {at:,}"
    form = "%Y" if last - first > 1500 * _DAY else "%b %Y" if last - first > 90 * _DAY else "%d %b %H:%M"

    def say(at: int) -> str:
        try:
            return datetime.fromtimestamp(at, UTC).strftime(form)
        except (ValueError, OverflowError, OSError):  # of no calendar
            return f"{at:,}"

    return say
