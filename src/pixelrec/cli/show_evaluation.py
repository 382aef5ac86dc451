"""The result of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelrec.console.numbers import percent
from pixelrec.console.terminal import first_that_fits, plain_table, printable, say
from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, SliceResult
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
    tables = [_metrics_table(found, shown) for shown in (names, without_mrr, at_ten, [METRIC])]
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
    """The note in place of a comparison."""
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
    console.print(first_that_fits([_slices_table(found, *choice) for choice in choices], console))
    console.print()
    for part in found.slices:
        if part.comparison is not None and part.name == LONG_TAIL.name:
            _say_verdict(part.comparison, found.model, console, part.where)
        elif part.comparison is None:
            say(too_few_cases(part.where, found.split), console, "dim")


def _say_verdict(found: Comparison, model: str, console: Console, where: str = "") -> None:
    say(found.sentence(model, where), console, f"bold {COLOURS[found.verdict]}")


def _metrics_table(found: EvaluationResult, names: Sequence[str]) -> Table:
    table = metric_table(f"{found.split}, %", names)
    for model in found.ordered():
        _add_row(table, model, [found.metrics[model][name] for name in names], own=model == found.model)
    return table


def _slices_table(found: EvaluationResult, parts: Sequence[SliceResult], heads: Sequence[str]) -> Table:
    table = metric_table(f"{found.split}, %", heads)
    for model in found.slices[0].ordered():
        _add_row(table, model, [part.metrics[model][METRIC] for part in parts], own=model == found.model)
    return table


def _add_row(table: Table, model: str, values: Sequence[float], *, own: bool) -> None:
    from rich.text import Text

    name = Text(f"{'>' if own else ' '} {printable(model)}")
    table.add_row(name, *map(percent, values), style="bold" if own else None)
