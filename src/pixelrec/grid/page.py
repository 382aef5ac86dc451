"""The table as one self-contained HTML page, in the style of a run's report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from pixelrec.console.numbers import DASH, signed
from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.grid.columns import Column, cost, few, published_words, quality
from pixelrec.grid.contest import Part
from pixelrec.grid.notes import notes
from pixelrec.grid.results import Results, Row
from pixelrec.reports.page import environment

if TYPE_CHECKING:
    import jinja2

WORDS = {"ahead": "clearly ahead", "level": "no clear difference", "behind": "clearly behind"}
SIGNS = {"ahead": "▲", "level": "≈", "behind": "▼"}


@final
@dataclass(frozen=True)
class Drawn:
    """A cell of a table."""

    text: str
    value: float
    best: bool

    @property
    def key(self) -> str:
        """What the page sorts by; empty sorts last."""
        return repr(self.value) if math.isfinite(self.value) else ""


@final
@dataclass(frozen=True)
class Stretch:
    """An interval on an axis from 0 to 1."""

    low: float
    mean: float
    high: float


@final
@dataclass(frozen=True)
class Axis:
    """METRIC from 0 to the most that any interval reaches."""

    end: float
    rival: float  # where the best baseline stands, 0 … 1

    @classmethod
    def of(cls, parts: Sequence[Part], rival: Part) -> Axis:
        end = max((part.metrics[METRIC].high for part in parts if part.metrics), default=0.0) or 1.0
        return cls(end, rival.value(METRIC) / end)

    def stretch(self, part: Part) -> Stretch | None:
        if METRIC not in part.metrics:
            return None
        found = part.metrics[METRIC]
        return Stretch(*(min(max(x / self.end, 0.0), 1.0) for x in (found.low, found.mean, found.high)))


@final
@dataclass(frozen=True)
class Forest:
    """Intervals of all rows below each other, on one axis."""

    title: str
    subtitle: str
    rival: str
    axis: Axis
    parts: Sequence[tuple[Row, Part]]

    @classmethod
    def of(cls, title: str, about: str, rival: str, parts: Sequence[tuple[Row, Part]]) -> Forest:
        best = next(part for row, part in parts if row.model == rival and row.role == "baseline")
        subtitle = f"{METRIC} in % with its 95 % interval over {about}; the dashed line is {rival}"
        return cls(title, subtitle, rival, Axis.of([part for _, part in parts], best), parts)


def forests(results: Results) -> list[Forest]:
    """Over all users, and where there are such, over those whose item has few training events."""
    found = [Forest.of("At a glance", "users", results.rival, [(row, row.whole) for row in results.rows])]
    if results.few_rival:
        about = f"the {results.few:,} users whose item has {LONG_TAIL.events}"
        parts = [(row, row.few) for row in results.rows]
        found.append(Forest.of("On long-tail items", about, results.few_rival, parts))
    return found


def page(results: Results) -> str:
    """The whole page as text."""
    return (
        _environment()
        .get_template("grid.html")
        .render(
            results=results,
            metric=METRIC,
            quality=[*quality(results)[:-1], *few(results)[:1]],  # the last of each is drawn instead
            cost=cost(results),
            forests=forests(results),
            best=_best_recipe(results),
            drawn=lambda row, columns: _drawn(results, row, columns),
            published=published_words,
            notes=notes(results),
            words=WORDS,
            signs=SIGNS,
            dash=DASH,
        )
    )


def _drawn(results: Results, row: Row, columns: Sequence[Column]) -> list[Drawn]:
    return [
        Drawn(column.text(row), column.value(row), column.value(row) == column.top(results.rows))
        for column in columns
    ]


def _best_recipe(results: Results) -> Row | None:
    done = [row for row in results.recipes if row.metrics]
    return max(done, key=lambda row: row.value(METRIC), default=None)


def _environment() -> jinja2.Environment:
    made = environment(Path(__file__).parent)
    made.filters["signed"] = signed
    return made
