"""The result of the demonstration in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan

from rich.console import Console
from rich.table import Table

from pixelrec.cli.show_evaluation import COLOURS, metric_table
from pixelrec.console.numbers import DASH, percent
from pixelrec.console.terminal import first_that_fits, say
from pixelrec.demonstration.demonstrate import CONTENDERS, FITTED, Demonstration
from pixelrec.evaluation.comparison import METRIC, best_first
from pixelrec.evaluation.slices import LONG_TAIL
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import Run
from pixelrec.training.journal import JOURNAL, cost_of, read_journal

SHOWN = ("Recall@10", METRIC)
BEST_POSSIBLE = "best possible"
SETTINGS = "settings are those of the recipes; trials of each way are in docs/beyond.md"
Metrics = Mapping[str, Mapping[str, float]]  # by row, in fractions


def print_demonstration(found: Demonstration, console: Console) -> None:
    """One table, over all test events and over those of long-tail items, with cost, and the verdicts."""
    columns, costs = _columns(found), {name: _cost(run) for name, run in found.runs.items()}
    at_ten = (METRIC,)
    tables = [_table(columns, costs, found.ceiling, shown) for shown in (SHOWN, at_ten)]
    tables.append(_table(columns, {}, found.ceiling, at_ten))
    console.print()
    console.print(first_that_fits(tables, console))
    console.print()
    for name, difference in found.differences.items():
        for pair in (difference.overall, difference.long_tail):
            if pair is not None:
                say(pair.sentence(FITTED.name, name), console, f"bold {COLOURS[pair.verdict]}")
    say(SETTINGS, console, "dim")


def _cost(run: Run) -> tuple[str, str]:
    """CPU seconds of training, and passes of pictures through the network."""
    cost = cost_of(read_journal(run.folder / JOURNAL, METRIC))
    pictures = cost["encodes"] + cost["trained_encodes"]
    return f"{cost['cpu_seconds']:,.0f}", f"{pictures:,.0f}"


def _columns(found: Demonstration) -> Mapping[str, Metrics]:
    """By head: all test events, and those of long-tail items if there are any."""
    results = {name: EvaluationResult.read(run.folder, "test") for name, run in found.runs.items()}
    columns: dict[str, dict[str, Mapping[str, float]]] = {}
    for name, result in results.items():
        parts = {f"\nall items\n(n = {result.overall.cases:,})": result.overall}
        if tail := result.slice(LONG_TAIL.name):
            parts[f"items with\n{tail.events}\n(n = {tail.cases:,})"] = tail
        for head, part in parts.items():
            own = {name if row == result.model else row: values for row, values in part.metrics.items()}
            columns.setdefault(head, {}).update(own)
    return columns


def _table(
    columns: Mapping[str, Metrics],
    costs: Mapping[str, tuple[str, str]],
    ceiling: Mapping[str, float],
    metrics: Sequence[str],
) -> Table:
    """From the best to the worst over all events; of the baselines popularity, and the best of each part.

    metrics: over all events, the last of them also on the other parts. costs: by name; left out if empty.
    """
    head, *others = columns
    heads = [f"\n\n\n{name}" for name in metrics[:-1]]
    heads += [f"{each}\n{metrics[-1]}" for each in (head, *others)]
    heads += ["\n\ntraining\nCPU s", "\n\npictures\nencoded"] if costs else []
    table = metric_table("\n\n\ntest, %", heads)
    contenders = {each.name for each in CONTENDERS}
    baselines = ([name for name in best_first(rows) if name not in contenders] for rows in columns.values())
    shown = {BEST_POSSIBLE, *contenders, "popularity", *(names[0] for names in baselines)}
    overall, *parts = columns.values()
    for name in best_first({BEST_POSSIBLE: ceiling, **overall}):
        if name in shown:
            values = ceiling if name == BEST_POSSIBLE else overall[name]
            numbers = [values.get(metric, nan) for metric in metrics]
            numbers += [rows.get(name, {}).get(metrics[-1], nan) for rows in parts]
            cells = [percent(number) for number in numbers]
            cells += costs.get(name, (DASH, DASH)) if costs else ()
            table.add_row(name, *cells, style="bold" if name in contenders else None)
    return table
