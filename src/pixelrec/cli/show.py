"""What the command line prints of a result; keyword-only parameters are options of the verb.

Help is made from these signatures, so nothing heavy is imported before there is a result.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pixelrec.choices import Form, Split
from pixelrec.errors import GridError, RequestError, RunError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.table import Table

    from pixelrec.data.covers import PackedCovers
    from pixelrec.data.dataset import Dataset
    from pixelrec.demonstration.demonstrate import Demonstration
    from pixelrec.grid.outcome import Outcome
    from pixelrec.images.doctor import CheckReport
    from pixelrec.items.cache.entries import Entry
    from pixelrec.runs.all_recommendations import AllRecommendations
    from pixelrec.runs.compare import RunComparison
    from pixelrec.runs.results import EvaluationResult
    from pixelrec.runs.run import Run


def demo(found: Demonstration, console: Console) -> None:
    from pixelrec.cli.show_demo import print_demonstration

    print_demonstration(found, console)
    _say(console, "", f"report     {found.report}", "", "Now with your own files: pixelrec prepare --help")


def prepared(dataset: Dataset, console: Console) -> None:
    from pixelrec.cli.show_statistics import print_statistics
    from pixelrec.data.statistics import statistics

    print_statistics(statistics(dataset), console)
    for names in dataset.identical_sources:
        _say(console, f"note: {', '.join(names)} hold the same bytes; is that meant?")
    recipe = "sasrec-mobilenet" if dataset.covers.exists() else "sasrec-id"
    train = f"pixelrec train {recipe} --data {quote(str(dataset.folder))}"
    _say(console, "", f"data set   {dataset.folder}", f"next       {train}")


def packing(found: PackedCovers, console: Console) -> None:
    from pixelrec.cli.show_images import print_pack

    print_pack(found.report, console)
    if found.dropped_events:
        _say(console, f"left out with them: {found.dropped_events:,} of {found.events:,} events")


def packed(found: PackedCovers, console: Console) -> None:
    """The report, and what it means for runs that items were dropped."""
    packing(found, console)
    if found.dropped_events:
        _say(console, "the data set has changed: runs trained on it before no longer fit; train again")


def checked(found: CheckReport, console: Console, *, json: bool = False) -> None:
    """Usable and unusable covers.

    Args:
        json: print the whole report as JSON.
    """
    from pixelrec.cli.show_images import print_check

    exactly(_json(found.to_dict()), console) if json else print_check(found, console)


def cache(found: list[Entry], console: Console, clear: bool) -> None:
    from pixelrec.cli.show_images import print_activations

    print_activations(found, console, deleted=clear)


def text(found: object, console: Console) -> None:
    """A text or a path as it is, for a pipe or a file."""
    exactly(f"{found}\n", console)


def run(found: Run, console: Console) -> None:
    _say(
        console, "", f"run        {found.folder}", f"next       pixelrec evaluate {quote(str(found.folder))}"
    )


def evaluation(
    found: EvaluationResult,
    console: Console,
    run: Path,
    split: Split,
    data: Path | None,
    out: Path | None,
    *,
    report: bool = True,
) -> None:
    """Metrics of the run and of all baselines.

    Args:
        report: write report.html (or report-validation.html) too.
    """
    from pixelrec import api
    from pixelrec.cli.show_evaluation import print_evaluation
    from pixelrec.console.numbers import plural
    from pixelrec.files.atomic import whole
    from pixelrec.runs.results import result_files
    from pixelrec.training.state import read_progress

    # Written before anything is printed: the reader of the output may have gone.
    page = api.report(run, split=split, data=data, out=out, console=console) if report else None
    print_evaluation(found, console)
    _say(console, "", f"ranks      {result_files(out or run, split)[0]}")
    with suppress(RunError):  # no state, or another process is replacing it
        progress, _ = read_progress(whole(run / "last"))
        if not progress.finished:
            ended, more = plural(progress.epoch, "epoch"), f"pixelrec train --resume {quote(str(run))}"
            _say(console, f"training   not finished: {ended} so far; {more} continues")
    if page is not None:
        _say(console, f"report     {page}")
    folder = quote(str(run))
    _say(console, f"next       pixelrec recommend {folder} --user ID")
    if out is None:
        _say(
            console,
            f"           pixelrec compare {folder} OTHER_RUN   (or report {folder} --beside OTHER_RUN)",
        )


def comparison(found: RunComparison, console: Console) -> None:
    from pixelrec.cli.show_comparison import print_comparison

    print_comparison(found, console)


def grid(found: Outcome, console: Console) -> None:
    """The table of all recipes; raises `GridError` if some runs failed."""
    from pixelrec.cli.show_grid import print_files, print_results
    from pixelrec.console.numbers import plural

    print_results(found.results, console)
    print_files(found, console)
    if found.failed:
        count = plural(len(found.failed), "run")
        raise GridError(f"{count} failed; the same command tries again: {found.reasons}")


def recommendations(
    found: pl.DataFrame,
    console: Console,
    k: int,
    covers: Sequence[Path],
    *,
    form: Form | None = None,
    out: Path | None = None,
    raw: bool = False,
) -> None:
    """A row for every recommended item.

    Args:
        form: format of the output: table by default, and of a file the one that its name ends in.
        out: file to write instead: .csv, .json, .parquet, or .txt for a table.
        raw: for programs: leave ids and titles in CSV as they are, also those that a spreadsheet would take
            for a formula; without it, an apostrophe precedes them.
    """
    chosen = _form(out, form)
    if out is not None:
        _write_recommendations(found, chosen, out, raw)
        _say(console, f"written    {out}: {len(found):,} recommended items, {chosen}")
    elif chosen == "table":
        console.print(_drawn(found), highlight=False)
    else:
        exactly(_json(found.to_dicts()) if chosen == "json" else _csv(found, raw), console)
    listed = set(found["item_id"])
    if chosen == "table" and (absent := [path.name for path in covers if path.name not in listed]):
        _say(console, "", f"not among the best {k}: {', '.join(absent)}; see their ranks with --alone")


def all_recommendations(found: AllRecommendations, console: Console) -> None:
    rows, users = f"{found.rows:,} recommended items", f"{found.users:,} users"
    _say(console, f"written    {found.out}: {rows} for {users}")


def note(line: str) -> None:
    """A line beside the result, which may go to a file or another program."""
    from pixelrec.console.terminal import printable

    print(f"pixelrec: {printable(line)}", file=sys.stderr)


def check_out(out: Path | None, form: Form | None) -> None:
    """Raises `RequestError` for a file that cannot be one, or of no known form."""
    if out is not None and out.is_dir():
        raise RequestError(f"{out} is a folder; give a file as --out")
    _form(out, form)


def _form(out: Path | None, form: Form | None) -> Form:
    """The given form, or the one that the name of the file says; `RequestError` if it says none."""
    if form == "parquet" and out is None:
        raise RequestError("--form parquet needs a file; give one with --out")
    if form is not None or out is None:
        return form or "table"
    forms: dict[str, Form] = {".txt": "table", ".csv": "csv", ".json": "json", ".parquet": "parquet"}
    if out.suffix not in forms:
        raise RequestError(f"{out}: unknown form; let its name end in {', '.join(forms)}, or give --form")
    return forms[out.suffix]


def _write_recommendations(found: pl.DataFrame, form: Form, out: Path, raw: bool) -> None:
    from pixelrec.files.atomic import new_file, write_text

    out.parent.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        with new_file(out, RequestError) as draft:
            found.write_parquet(draft)
    elif form == "table":
        from rich.console import Console as Paper

        paper = Paper(file=StringIO(), width=10_000, color_system=None)
        with paper.capture() as text:
            paper.print(_drawn(found), highlight=False)
        write_text(out, "".join(f"{line.rstrip()}\n" for line in text.get().splitlines()), RequestError)
    else:
        write_text(out, _json(found.to_dicts()) if form == "json" else _csv(found, raw), RequestError)


def _drawn(found: pl.DataFrame) -> Table:
    """A dash stands for a missing title."""
    from pixelrec.console.terminal import plain_table, printable

    drawn = plain_table(*found.columns)
    for row in found.iter_rows():
        cells = (f"{value:.4f}" if isinstance(value, float) else str(value or "–") for value in row)
        drawn.add_row(*map(printable, cells))
    return drawn


def exactly(text: str, console: Console) -> None:
    """Exactly `text`, except on a terminal, which gets no control characters."""
    from pixelrec.console.terminal import printable

    if not console.quiet:
        print(printable(text, lines=True) if console.is_terminal else text, end="")


def _say(console: Console, *lines: str) -> None:
    from pixelrec.console.terminal import say

    for line in lines:
        say(line, console)


def _json(value: object) -> str:
    from json import dumps

    return dumps(value, indent=2, ensure_ascii=False) + "\n"


def _csv(found: pl.DataFrame, raw: bool) -> str:
    from pixelrec.files.csv_text import csv_text
    from pixelrec.runs.all_recommendations import shortest_floats

    return csv_text([found.columns, *shortest_floats(found).iter_rows()], raw=raw)
