"""The table as Markdown, for a README, and as CSV, for programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

from pixelrec.grid.columns import Column, all_columns
from pixelrec.grid.notes import table_notes
from pixelrec.grid.results import Results, Row

FIELDS = ("model", "role", "split", "seed", "quantity", "value", "low", "high", "unit", "note")


def markdown_table(results: Results) -> str:
    """The table, the best value of a column in bold, and notes below it."""
    columns = [column for column in all_columns(results) if column.markdown]
    lines = [
        _line(["model", *(column.title for column in columns)]),
        _line(["---", *("---:" for _ in columns)]),
        *(
            _line([_model(row), *(_cell(column, row, results.rows) for column in columns)])
            for row in results.rows
        ),
    ]
    return "\n".join([*lines, "", *(f"- {escaped(note)}" for note in table_notes(results)), ""])


def _model(row: Row) -> str:
    name = row.model if row.role == "recipe" else f"*{row.model}*"
    return f"{name} ({row.progress})" if row.progress else name


def _cell(column: Column, row: Row, rows: Sequence[Row]) -> str:
    text = column.text(column.estimate(row))
    return f"**{text}**" if column.is_best(row, rows) else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """Without bars and line breaks, which would end the cell or the row."""
    return " ".join(text.split()).replace("|", "\\|")


def csv_table(results: Results) -> str:
    """A line for every number: of each model over all seeds (`seed` is empty), and of each seed.

    Metrics are fractions; `low` and `high` bound the 95 % interval over users.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    columns = [column for column in all_columns(results) if column.csv]
    for row in results.rows:
        for part in (row, *row.seeds):
            writer.writerows(_numbers(part, columns, results.split))
        for seed, why in row.failures.items():
            writer.writerow((row.model, row.role, results.split, seed, "failed", "", "", "", "", why))
    return text.getvalue()


def _numbers(row: Row, columns: Sequence[Column], split: str) -> Iterator[Sequence[object]]:
    seed = "" if row.seed is None else row.seed
    for column in columns:
        found = column.estimate(row)
        if math.isfinite(found.value):
            bounds = (repr(x) if math.isfinite(x) else "" for x in (found.value, found.low, found.high))
            yield (row.model, row.role, split, seed, column.title, *bounds, column.unit, found.note)
