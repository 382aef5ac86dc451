"""The report of a run: one self-contained HTML page, without scripts and without network access.

Fill a `Report`, then `write` it. Titles may hold markup and any script, at any length; numbers that are
missing or not finite are shown as a dash.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from pixelrec.console.numbers import percent
from pixelrec.errors import RunError
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.files.atomic import write_text
from pixelrec.reports import figures, tables, thumbnails
from pixelrec.reports.view import Report

HERE = Path(__file__).parent


def render(report: Report) -> str:
    page = environment().get_template("page.html")
    return page.render(
        report=report,
        headline=tables.headline(report.metrics),
        metrics=tables.metric_table(report.metrics),
        slices=tables.slice_table(report.slices),
        long_tail=LONG_TAIL.name,
        min_cases=MIN_CASES,
        pace=tables.pace(report.epochs),
        curves=figures.learning_curves(report.epochs, report.watched, report.best_epoch),
        ranks=figures.rank_bars(report.ranks, report.catalogue),
        gallery=thumbnails.gallery(report.stories),
        settings=list(tables.flatten(report.configuration or {})),
    )


def write(report: Report, path: Path) -> None:
    """Renders to `path`, whole or not at all; raises `RunError` if its folder does not exist."""
    if not path.parent.is_dir():
        raise RunError(f"cannot write {path}: {path.parent} is not a folder; give the folder of a run")
    write_text(path, render(report), RunError)


def environment(folder: Path = HERE) -> jinja2.Environment:
    """The templates of `folder`, which may include those of the report."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = percent
    return made
