"""The report of a run: one self-contained HTML page, without scripts and without network access.

Fill a `Report`, then `write` it. Titles may hold markup and any script, at any length; numbers that are
missing or not finite are shown as a dash, and control characters are shown escaped.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from pixelrec.console.numbers import percent
from pixelrec.console.terminal import printable
from pixelrec.errors import RunError
from pixelrec.evaluation.slices import MIN_CASES
from pixelrec.features.inspection import Inspection
from pixelrec.files.atomic import write_text
from pixelrec.reports import figures, tables, thumbnails
from pixelrec.reports.view import ContactSheet, Curves, Report

HERE = Path(__file__).parent


def render(report: Report) -> str:
    page = environment().get_template("page.html")
    runs = [Curves(report.name, report.epochs, report.best_epoch), *report.curves_beside]
    text = page.render(
        report=report,
        metrics=tables.metric_table(report.metrics),
        slices=tables.slice_table(report.slices),
        min_cases=MIN_CASES,
        pace=tables.pace(report.epochs),
        curves=figures.learning_curves(runs, report.watched),
        costs=tables.cost_table(runs),
        ranks=figures.rank_bars(report.ranks, report.catalogue),
        gallery=thumbnails.gallery(thumbnails.covers_of(report.stories, report.spread)),
        settings=list(tables.flatten(report.configuration or {})),
    )
    return printable(text, lines=True)


def write(report: Report, path: Path) -> None:
    """Renders to `path`, whole or not at all; raises `RunError` if its folder does not exist."""
    if not path.parent.is_dir():
        raise RunError(f"cannot write {path}: {path.parent} is not a folder; give the folder of a run")
    write_text(path, render(report), RunError)


def render_vectors(sheet: ContactSheet, data: str = "", found: Inspection | None = None) -> str:
    """Items beside those most like them, perhaps with the inspection of their vectors on a data set."""
    page = environment().get_template("alike.html")
    figure = None if found is None else figures.spectrum(found.spectrum, found.effective_rank)
    gallery = thumbnails.gallery(cover for row in sheet.rows for cover in row.covers)
    return printable(
        page.render(sheet=sheet, data=data, found=found, spectrum=figure, gallery=gallery), lines=True
    )


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
    made.globals["hue"] = thumbnails.hue
    return made
