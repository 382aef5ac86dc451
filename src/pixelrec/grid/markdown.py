"""The table as Markdown, to be pasted into a README."""

from __future__ import annotations

from collections.abc import Sequence

from pixelrec.grid.columns import Column, columns
from pixelrec.grid.notes import notes
from pixelrec.grid.results import Results, Row


def markdown(results: Results) -> str:
    """The table, the best value of a column bold, and what must be known to read it."""
    shown = columns(results)
    tops = [column.top(results.rows) for column in shown]
    lines = [
        _line(["model", *(column.title for column in shown)]),
        _line(["---", *("---:" for _ in shown)]),
        *(_line([_model(row), *_cells(row, shown, tops)]) for row in results.rows),
    ]
    return "\n".join([*lines, "", *(f"- {escaped(note)}" for note in notes(results)), ""])


def _model(row: Row) -> str:
    name = row.model if row.role == "recipe" else f"*{row.model}*"
    return f"{name} ({row.progress})" if row.progress else name


def _cells(row: Row, shown: Sequence[Column], tops: Sequence[float]) -> list[str]:
    return [
        f"**{column.text(row)}**" if column.value(row) == top else column.text(row)
        for column, top in zip(shown, tops, strict=True)
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """A bar would end the cell, a line break the row."""
    return " ".join(text.split()).replace("|", "\\|")
