"""Results for people or for programs: rows and reports, in the form that options of the verb choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from pixelrec.choices import Form
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.table import Table


class Report(Protocol):
    def to_dict(self) -> dict[str, object]: ...


@final
@dataclass(frozen=True)
class Output:
    """Puts a result out; the keyword-only parameters of `put` are options of the verb."""

    put: Callable[..., bool]  # of the result and a console: whether lines for people may follow
    check: Callable[..., object]  # of the same options, before anything is computed


def put_rows(
    found: pl.DataFrame,
    console: Console,
    *,
    form: Form | None = None,
    out: Path | None = None,
    raw: bool = False,
) -> bool:
    """Prints rows, or writes them to a file.

    Args:
        form: format of the output: table by default, and of a file the one that its name ends in.
        out: file to write instead: .csv, .json, .jsonl, .parquet, or .txt for a table.
        raw: for programs: leave ids and titles in CSV as they are, also those that a spreadsheet would take
            for a formula; without it, an apostrophe precedes them.
    """
    from pixelrec.console.terminal import say

    chosen = _form(out, form)
    if out is not None:
        _write(found, chosen, out, raw)
        say(f"written    {out}: {len(found):,} rows, {chosen}", console)
    elif chosen == "table":
        console.print(_drawn(found), highlight=False)
    else:
        exactly(_text(found, chosen, raw), console)
        return False
    return True


def check_rows(form: Form | None = None, out: Path | None = None, raw: bool = False) -> None:  # noqa: ARG001
    """Raises `RequestError` for a file that cannot be one, or of no known form."""
    if out is not None and out.is_dir():
        raise RequestError(f"{out} is a folder; give a file as --out")
    _form(out, form)


def put_report(found: Report, console: Console, *, json: bool = False) -> bool:
    """Prints a report for programs; for people, the verb does.

    Args:
        json: print the whole report as JSON.
    """
    if json:
        exactly(as_json(found.to_dict()), console)
    return not json


def _form(out: Path | None, form: Form | None) -> Form:
    """The given form, or the one that the name of the file says; `RequestError` if it says none."""
    if form == "parquet" and out is None:
        raise RequestError("--form parquet needs a file; give one with --out")
    if form is not None or out is None:
        return form or "table"
    forms: dict[str, Form] = {".txt": "table", ".csv": "csv", ".json": "json", ".jsonl": "jsonl"}
    forms[".parquet"] = "parquet"
    if out.suffix not in forms:
        raise RequestError(f"{out}: unknown form; let its name end in {', '.join(forms)}, or give --form")
    return forms[out.suffix]


def _write(found: pl.DataFrame, form: Form, out: Path, raw: bool) -> None:
    from pixelrec.files.atomic import new_file, write_text
    from pixelrec.files.table_file import write_table

    out.parent.mkdir(parents=True, exist_ok=True)
    if form == "parquet":
        with new_file(out, RequestError) as draft:
            write_table(found, draft)
    elif form == "table":
        from rich.console import Console as Paper

        paper = Paper(file=StringIO(), width=10_000, color_system=None)
        with paper.capture() as text:
            paper.print(_drawn(found), highlight=False)
        write_text(out, "".join(f"{line.rstrip()}\n" for line in text.get().splitlines()), RequestError)
    else:
        write_text(out, _text(found, form, raw), RequestError)


def _drawn(found: pl.DataFrame) -> Table:
    """A dash stands for a missing title."""
    from pixelrec.console.terminal import plain_table, printable

    drawn = plain_table()
    for name in found.columns:
        drawn.add_column(name, overflow="fold")  # an id that is cut is of no use
    for row in found.iter_rows():
        cells = (
            f"{value:.4f}" if isinstance(value, float) else ("–" if value in (None, "") else str(value))
            for value in row
        )
        drawn.add_row(*map(printable, cells))
    return drawn


def exactly(text: str, console: Console) -> None:
    """Exactly `text`, except on a terminal, which gets no control characters."""
    from pixelrec.console.terminal import printable

    if not console.quiet:
        print(printable(text, lines=True) if console.is_terminal else text, end="")


def as_json(value: object) -> str:
    from json import dumps

    return dumps(value, indent=2, ensure_ascii=False) + "\n"


def _text(found: pl.DataFrame, form: Form, raw: bool) -> str:
    if form == "jsonl":
        return found.write_ndjson()
    if form == "json":
        return as_json(found.to_dicts())
    from pixelrec.files.csv_text import csv_text
    from pixelrec.runs.all_recommendations import shortest_floats

    return csv_text([found.columns, *shortest_floats(found).iter_rows()], raw=raw)


def _for_people(_: object, __: Console) -> bool:
    return True


def _unchecked(json: bool = False) -> None:
    pass


ROWS, REPORT = Output(put_rows, check_rows), Output(put_report, _unchecked)
PEOPLE = Output(_for_people, _unchecked)
