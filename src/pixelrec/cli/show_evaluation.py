"""The result of an evaluation: metrics of the run and of all baselines, overall and on slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelrec.console.numbers import percent
from pixelrec.console.terminal import first_that_fits, plain_table, say
from pixelrec.evaluation.comparison import METRIC, Comparison
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, SliceResult
from pixelrec.runs.results import EvaluationResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

COLOURS = {"ahead": "green", "level": "yellow", "behind": "red"}


def print_evaluation(found: EvaluationResult, console: Console) -> None:
    """All models, the best by NDCG@10 first, and the verdict on the run; then the same on slices."""
    console.print()
    console.print(first_that_fits([_table(found, names) for names in _choices_of_metrics(found)], console))
    console.print()
    if found.comparison is not None:
        _say_standing(found.comparison, found.model, console)
    if found.notes:
        notes = ", ".join(f"{name} ({note})" for name, note in found.notes.items())
        say(f"baselines: {notes}; chosen on validation", console, "dim")
    _print_slices(found, console)


def too_few(where: str, split: str) -> str:
    """The reason for a missing comparison."""
    return f"{where}: models are compared on {MIN_CASES} {split} events or more"


def _print_slices(found: EvaluationResult, console: Console) -> None:
    """A table if the cases fall into several slices, else a line that names the only one."""
    if len(found.slices) == 1:
        part = found.slices[0]
        say(f"\nall {part.cases:,} {found.split} events are of items with {part.events}", console, "dim")
    if len(found.slices) < 2:
        return
    console.print()
    console.print(first_that_fits(_slices_tables(found), console))
    console.print()
    for part in found.slices:
        if part.comparison is not None and part.name == LONG_TAIL.name:
            _say_standing(part.comparison, found.model, console, part.where)
        elif part.comparison is None:
            say(too_few(part.where, found.split), console, "dim")


def _say_standing(found: Comparison, model: str, console: Console, where: str = "") -> None:
    say(found.sentence(model, where), console, f"bold {COLOURS[found.verdict]}")


def _choices_of_metrics(found: EvaluationResult) -> list[list[str]]:
    """All metrics, then fewer and fewer: without MRR, without those at 5, NDCG@10 alone."""
    every = list(found.metrics[found.model])
    without_mrr = [name for name in every if not name.startswith("MRR")]
    at_ten = [name for name in without_mrr if name.endswith("@10")]
    return [every, without_mrr, at_ten, [METRIC]]


def _table(found: EvaluationResult, names: Sequence[str]) -> Table:
    table = _empty_table(f"{found.split}, %", names)
    for model in found.ordered():
        cells = [percent(found.metrics[model][name]) for name in names]
        _add_row(table, model, cells, ours=model == found.model)
    return table


def _slices_tables(found: EvaluationResult) -> list[Table]:
    """A column per slice, then with narrower heads, then the first slice alone; rows in its order."""
    wide = [f"{METRIC} on items with\n{part.events}\n(n = {part.cases:,})" for part in found.slices]
    narrow = [head.replace(" on ", "\non ").replace(" training", "\ntraining") for head in wide]
    return [
        _slices_table(found, found.slices, wide),
        _slices_table(found, found.slices, narrow),
        _slices_table(found, found.slices[:1], narrow),
    ]


def _slices_table(found: EvaluationResult, parts: Sequence[SliceResult], heads: Sequence[str]) -> Table:
    table = _empty_table(f"{found.split}, %", heads[: len(parts)])
    for model in found.slices[0].ordered():
        cells = [percent(part.metrics[model][METRIC]) for part in parts]
        _add_row(table, model, cells, ours=model == found.model)
    return table


def _empty_table(corner: str, heads: Sequence[str]) -> Table:
    table = plain_table()
    table.add_column(corner, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _add_row(table: Table, model: str, cells: Sequence[str], *, ours: bool) -> None:
    from rich.text import Text

    table.add_row(Text(f"{'>' if ours else ' '} {model}"), *cells, style="bold" if ours else None)
