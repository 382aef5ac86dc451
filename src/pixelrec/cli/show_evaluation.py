"""The result of an evaluation in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pixelrec.console.numbers import percent, plural, short, signed
from pixelrec.console.terminal import first_that_fits, plain_table, printable, say
from pixelrec.evaluation.comparison import LISTED, METRIC, Comparison, best_first
from pixelrec.evaluation.slices import LONG_TAIL, MIN_CASES, NEW, SliceResult
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import BLEND

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pixelrec.runs.blending import BlendResult

COLOURS = {"ahead": "green", "level": "yellow", "behind": "red"}
MEDIAN = "median rank"


def print_evaluation(found: EvaluationResult, console: Console) -> None:
    """All models from the best to the worst by NDCG@10 and the verdict on the trained one; then per slice."""
    overall = found.overall
    names = list(found.own_metrics)
    without_mrr = [name for name in names if not name.startswith("MRR")]
    at_ten = [name for name in without_mrr if name.endswith("@10")]
    choices = (
        (names, True),
        (names, False),
        (without_mrr, True),
        (at_ten, True),
        (at_ten, False),
        ([METRIC], False),
    )
    tables = []
    for shown, bounds in choices:
        heads = [
            head for name in shown for head in ((name, "± 95 %") if bounds and name == METRIC else (name,))
        ]
        rows = {model: _metrics(overall, model, shown, bounds) for model in found.ordered()}
        tables.append(_table(found, heads, rows))
    console.print(first_that_fits(tables, console))
    console.print()
    if found.comparison is not None:
        _say_verdict(found.comparison, found.model, console)
    if found.warning:
        say(found.warning, console, "yellow")
    if found.repeats_note:
        say(found.repeats_note, console, "yellow")
    if found.notes:
        notes = ", ".join(f"{name} ({note})" for name, note in found.notes.items())
        say(f"baselines: {notes}; tuned on validation", console, "dim")
    _print_slices(found, console)
    if spread := found.exposure:
        say(
            f"\ncoverage: the top {LISTED} of {spread.users:,} users contain {spread.shown:,} of "
            f"{spread.items:,} items ({percent(spread.shown / spread.items, 1)} %), Gini {spread.gini:.2f}",
            console,
            "dim",
        )


def too_few_cases(where: str, split: str) -> str:
    return f"{where}: models are not compared, as fewer than {MIN_CASES} {split} events are of such items"


def metric_table(corner: str, heads: Sequence[str]) -> Table:
    """An empty table of numbers; the first column is for names."""
    table = plain_table()
    table.add_column(corner, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    return table


def _metrics(part: SliceResult, model: str, names: Sequence[str], bounds: bool) -> list[str]:
    """The cells of a model; with `bounds`, half of the interval of the metric that counts is one of them."""
    cells = []
    for name in names:
        cells.append(percent(part.metrics[model][name]))
        if bounds and name == METRIC:
            low, high = part.intervals[model].get(name, (float("nan"),) * 2)
            cells.append(percent((high - low) / 2))
    return cells


def _print_slices(found: EvaluationResult, console: Console) -> None:
    """A table of all slices, or a line where all cases are in one."""
    if len(found.slices) == 1:
        part = found.slices[0]
        say(f"\nall {part.cases:,} {found.split} events are of items with {part.events}", console, "dim")
    if len(found.slices) < 2:
        return
    console.print()
    console.print(first_that_fits(_slice_tables(found), console))
    console.print()
    for part in found.slices:
        if part.comparison is not None and part.name in (LONG_TAIL.name, NEW.name):
            _say_verdict(part.comparison, found.model, console)
        elif part.comparison is None:
            say(too_few_cases(part.where, found.split), console, "dim")


def _slice_tables(found: EvaluationResult) -> list[Table]:
    """The widest first. Few hits are expected of new items, so that their median rank says more."""
    models = found.slices[0].ordered()
    tables = []
    without_new = [part for part in found.slices if part.name != NEW.name]
    for parts, medians in ((found.slices, True), (without_new, False), (without_new[:1], False)):
        heads, columns = [], []
        for part in parts:
            events = "none" if part.name == NEW.name else part.events.removesuffix(" training events")
            where = f"\n{events}\n(n = {part.cases:,})"
            heads.append(METRIC + where)
            columns.append([percent(part.metrics[model][METRIC]) for model in models])
            if medians and part.name == NEW.name:
                heads.append(MEDIAN + where)
                columns.append([short(part.median_ranks[model]) for model in models])
        rows = dict(zip(models, zip(*columns, strict=True), strict=True))
        tables.append(_table(found, heads, rows, "\ntraining events"))
    return tables


def _say_verdict(found: Comparison, model: str, console: Console) -> None:
    say(found.sentence(model), console, f"bold {COLOURS[found.verdict]}")


def _table(
    found: EvaluationResult, heads: Sequence[str], rows: Mapping[str, Sequence[str]], corner: str = ""
) -> Table:
    """A row for each model; that of the run is marked."""
    from rich.text import Text

    table = metric_table(f"{found.split}, %{corner}", heads)
    for model, cells in rows.items():
        own = model == found.model
        name = Text(f"{'>' if own else ' '} {printable(model)}")
        table.add_row(name, *cells, style="bold" if own else None)
    return table


def print_blend(found: BlendResult, console: Console) -> None:
    """Weights, and metrics on validation of each part alone and of the blend, the best first."""
    shown = ("Recall@10", METRIC)
    table = plain_table("model")
    for title in ("weight", *(f"{name} %" for name in shown)):
        table.add_column(title, justify="right", no_wrap=True)
    for name in best_first(found.metrics):
        weight, choice = found.weights.get(name), found.choices.get(name)
        table.add_row(
            printable(f"{name} ({choice})" if choice else name),
            "" if weight is None else f"{weight:.2f}",
            *(percent(found.metrics[name][metric]) for metric in shown),
            style="bold" if weight is None else None,
        )
    console.print(table)
    gain = found.metrics[BLEND][METRIC] - found.metrics[found.best_part][METRIC]
    told = f"{signed(gain)} points of {METRIC} to its best part, {found.best_part}"
    if not gain:
        told = f"no mixture is better than {found.best_part} alone, which has all the weight"
    say(f"\nover {plural(found.cases, 'user')} of validation, on which weights were chosen: {told}", console)
