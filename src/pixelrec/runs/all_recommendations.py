"""A file with the recommendations of all users: written whole or not at all, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import polars as pl

from pixelrec.console.progress import OnProgress
from pixelrec.errors import RequestError
from pixelrec.files.atomic import new_file
from pixelrec.files.csv_text import csv_text
from pixelrec.files.table_file import write_parts
from pixelrec.runs.recommendations import Recommendations


@final
@dataclass
class AllRecommendations:
    """A written file."""

    out: Path
    users: int = 0
    rows: int = 0


def write_all(
    found: Iterable[Recommendations],
    out: Path,
    *,
    raw: bool,
    on_note: OnProgress,
    on_progress: OnProgress,
) -> AllRecommendations:
    """Writes CSV, JSON lines or Parquet, as the name of `out` says.

    raw: as in `csv_text`. on_note: called once with each note. on_progress: called with a line of text.
    """
    written, noted = AllRecommendations(out), set[str]()

    def frames() -> Iterator[pl.DataFrame]:
        for part in found:
            for note in part.notes:
                if note not in noted:
                    on_note(note)
                noted.add(note)
            frame = part.frame()
            written.users += len(part)
            written.rows += len(frame)
            on_progress(f"recommending: {written.users:,} users")
            yield frame

    out.parent.mkdir(parents=True, exist_ok=True)
    with new_file(out, RequestError) as draft:
        if out.suffix == ".parquet":
            write_parts(frames(), draft)
        elif out.suffix == ".jsonl":
            with draft.open("wb") as file:
                for frame in frames():
                    frame.write_ndjson(file)
        else:
            _write_csv(frames(), draft, raw)
    return written


def _write_csv(frames: Iterator[pl.DataFrame], path: Path, raw: bool) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, frame in enumerate(frames):
            head = [] if number else [frame.columns]
            file.write(csv_text([*head, *shortest_floats(frame).iter_rows()], raw=raw))


def shortest_floats(frame: pl.DataFrame) -> pl.DataFrame:
    """With fp32 numbers as text: Python would write 17 digits of them."""
    return frame.with_columns(pl.col(pl.Float32).cast(pl.String))
