"""The table as one self-contained HTML page, in the style of a run's report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

from pixelrec.evaluation.comparison import METRIC
from pixelrec.evaluation.report.page import __file__ as report
from pixelrec.grid.columns import Column, cost, published_words, quality
from pixelrec.grid.notes import notes
from pixelrec.grid.results import Results, Row
from pixelrec.grid.wording import DASH, percent, signed

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
    def of(cls, results: Results) -> Axis:
        end = max((row.metrics[METRIC].high for row in results.rows if row.metrics), default=0.0) or 1.0
        rival = next(row for row in results.rows if row.model == results.rival)
        return cls(end, rival.value(METRIC) / end)

    def stretch(self, row: Row) -> Stretch | None:
        if METRIC not in row.metrics:
            return None
        found = row.metrics[METRIC]
        return Stretch(*(min(max(x / self.end, 0.0), 1.0) for x in (found.low, found.mean, found.high)))


def page(results: Results) -> str:
    """The whole page as text."""
    return (
        _environment()
        .get_template("grid.html")
        .render(
            results=results,
            metric=METRIC,
            quality=quality(results)[:-1],  # the last of them is drawn instead
            cost=cost(results),
            axis=Axis.of(results),
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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, Path(report).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["signed"] = signed
    return environment
