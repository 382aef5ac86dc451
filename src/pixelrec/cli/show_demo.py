"""The result of the demonstration in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

from rich.console import Console
from rich.table import Table

from pixelrec.cli.show_evaluation import COLOURS, metric_table
from pixelrec.console.numbers import percent
from pixelrec.console.terminal import first_that_fits, say
from pixelrec.demonstration.demonstrate import CONTENDERS, IDS, PIXELS, Demonstration
from pixelrec.evaluation.comparison import METRIC, best_first
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.runs.results import EvaluationResult

SHOWN = ("Recall@10", METRIC)
BEST_POSSIBLE = "best possible"
Metrics = Mapping[str, Mapping[str, float]]  # by row, in fractions


def print_demonstration(found: Demonstration, console: Console) -> None:
    """One table, over all test events and over those of long-tail items, and the verdicts on the two runs."""
    columns = _columns(found)
    tables = [_table(columns, found.ceiling, shown) for shown in (SHOWN, (METRIC,))]
    console.print()
    console.print(first_that_fits(tables, console))
    console.print()
    for pair in (found.difference.overall, found.difference.long_tail):
        if pair is not None:
            say(pair.sentence(PIXELS.name, IDS.name), console, f"bold {COLOURS[pair.verdict]}")


def _columns(found: Demonstration) -> Mapping[str, Metrics]:
    """By head: all test events, and those of long-tail items if there are any."""
    ids, pixels = (EvaluationResult.read(run.folder, "test") for run in (found.ids, found.pixels))
    rows = _rows(ids, ids.metrics) | _rows(pixels, pixels.metrics)
    columns = {f"\nall items\n(n = {pixels.overall.cases:,})": rows}
    if (ours := pixels.slice(LONG_TAIL.name)) and (theirs := ids.slice(LONG_TAIL.name)):
        rows = _rows(ids, theirs.metrics) | _rows(pixels, ours.metrics)
        columns[f"items with\n{ours.events}\n(n = {ours.cases:,})"] = rows
    return columns


def _rows(result: EvaluationResult, metrics: Metrics) -> dict[str, Mapping[str, float]]:
    name = IDS.name if result.model == IDS.recipe else PIXELS.name
    return {name if row == result.model else row: values for row, values in metrics.items()}


def _table(columns: Mapping[str, Metrics], ceiling: Mapping[str, float], metrics: Sequence[str]) -> Table:
    """From the best to the worst over all events; of the baselines popularity, and the best of each part."""
    heads = [f"{head}\n{name}" for each in columns for head, name in zip((each, "\n\n"), metrics)]  # noqa: B905
    table = metric_table("\n\n\ntest, %", heads)
    baselines = ([name for name in best_first(rows) if name not in CONTENDERS] for rows in columns.values())
    shown = {BEST_POSSIBLE, *CONTENDERS, "popularity", *(names[0] for names in baselines)}
    overall, *others = columns.values()
    for name in best_first({BEST_POSSIBLE: ceiling, **overall}):
        if name in shown:
            values = [ceiling if name == BEST_POSSIBLE else overall[name]]
            values += [rows.get(name, {}) for rows in others]
            cells = [percent(some.get(metric, nan)) for some in values for metric in metrics]
            table.add_row(name, *cells, style="bold" if name in CONTENDERS else None)
    return table
