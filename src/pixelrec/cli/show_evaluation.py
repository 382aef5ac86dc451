"""The result of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pixelrec.console.numbers import percent
from pixelrec.console.terminal import first_that_fits, plain_table, printable, say
from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES
from pixelrec.runs.results import EvaluationResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"ahead": "green", "level": "yellow", "behind": "red"}


def print_evaluation(found: EvaluationResult, console: Console) -> None:
    """All models from the best to the worst by NDCG@10 and the verdict on the trained one; then per slice."""
    names = list(found.own_metrics)
    without_mrr = [name for name in names if not name.startswith("MRR")]
    at_ten = [name for name in without_mrr if name.endswith("@10")]
    rows = {model: found.metrics[model] for model in found.ordered()}
    tables = [
        _table(found, shown, {model: [each[name] for name in shown] for model, each in rows.items()})
        for shown in (names, without_mrr, at_ten, [METRIC])
    ]
    console.print()
    console.print(first_that_fits(tables, console))
    console.print()
    if found.comparison is not None:
        _say_verdict(found.comparison, found.model, console)
    if found.notes:
        notes = ", ".join(f"{name} ({note})" for name, note in found.notes.items())
        say(f"baselines: {notes}; tuned on validation", console, "dim")
    _print_slices(found, console)


def too_few_cases(where: str, split: str) -> str:
    return f"{where}: models are compared on {MIN_CASES} {split} events or more"


def metric_table(corner: str, heads: Sequence[str]) -> Table:
    """An empty table of numbers; the first column is for names."""
    table = plain_table()
    table.add_column(corner, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _print_slices(found: EvaluationResult, console: Console) -> None:
    """A table of both slices, or a line where all cases are in one."""
    if len(found.slices) == 1:
        part = found.slices[0]
        say(f"\nall {part.cases:,} {found.split} events are of items with {part.events}", console, "dim")
    if len(found.slices) < 2:
        return
    wide = [f"{METRIC} on items with\n{part.events}\n(n = {part.cases:,})" for part in found.slices]
    narrow = [head.replace(" on ", "\non ").replace(" training", "\ntraining") for head in wide]
    choices = ((found.slices, wide), (found.slices, narrow), (found.slices[:1], narrow[:1]))
    console.print()
    models = found.slices[0].ordered()
    tables = [
        _table(found, heads, {model: [part.metrics[model][METRIC] for part in parts] for model in models})
        for parts, heads in choices
    ]
    console.print(first_that_fits(tables, console))
    console.print()
    for part in found.slices:
        if part.comparison is not None and part.name == LONG_TAIL.name:
            _say_verdict(part.comparison, found.model, console, part.where)
        elif part.comparison is None:
            say(too_few_cases(part.where, found.split), console, "dim")


def _say_verdict(found: Comparison, model: str, console: Console, where: str = "") -> None:
    say(found.sentence(model, where), console, f"bold {COLOURS[found.verdict]}")


def _table(found: EvaluationResult, heads: Sequence[str], rows: Mapping[str, Sequence[float]]) -> Table:
    """A row for each model; that of the run is marked."""
    from rich.text import Text

    table = metric_table(f"{found.split}, %", heads)
    for model, values in rows.items():
        own = model == found.model
        name = Text(f"{'>' if own else ' '} {printable(model)}")
        table.add_row(name, *map(percent, values), style="bold" if own else None)
    return table
