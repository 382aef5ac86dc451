"""`ranks-<split>.parquet`: a row per evaluated user, so that runs are compared user by user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError, command, first_line
from pixelrec.files.atomic import new_file
from pixelrec.files.table_file import read_table, write_table

_COUNTS = "item_training_events"
_LEAST = {"rank": 1, _COUNTS: 0}  # by column of numbers
_COMPARED: Mapping[str, str] = {"user_id": "users", "item_id": "targets", _COUNTS: "training events"}


@final
@dataclass(frozen=True, eq=False)
class SavedRanks:
    table: pl.DataFrame  # ids of user and target, rank, and training events of both

    @classmethod
    def of_cases(
        cls, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, counts: np.ndarray
    ) -> Self:
        """ranks, counts: int64[Q], of `cases`: the ranks and the training events of the targets."""
        histories = cases.histories
        columns = {
            "user_id": dataset.user_ids[cases.users - 1],
            "item_id": dataset.item_ids[cases.targets - 1],
            "rank": ranks,
            "history_length": histories.stops[cases.users] - histories.starts[cases.users],
            _COUNTS: counts,
        }
        return cls(dataset.id_types.restored(pl.DataFrame(columns)))

    @property
    def ranks(self) -> np.ndarray:
        """int64[Q]."""
        return self.table["rank"].to_numpy().astype(np.int64)

    @property
    def counts(self) -> np.ndarray:
        """int64[Q]: training events of the targets."""
        return self.table[_COUNTS].to_numpy().astype(np.int64)

    def write(self, folder: Path, split: str) -> str:
        """Returns the SHA-256 of the file."""
        with new_file(ranks_file(folder, split), RunError) as draft:
            write_table(self.table, draft)
            return sha256(draft.read_bytes()).hexdigest()

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Raises `RunError` if the split was not evaluated, or the file is damaged."""
        path = ranks_file(folder, split)
        if not path.exists():
            raise RunError(f"{path}: no such file; {evaluate_it(folder, split)}")
        try:
            table = read_table(path, ["user_id", "item_id", *_LEAST])
            _check(table)
        except (pl.exceptions.PolarsError, OSError, ValueError) as error:
            raise RunError(f"{path}: damaged ({first_line(error)}); {evaluate_it(folder, split)}") from error
        return cls(table)

    def demand_same_cases(self, other: Self, files: str, mend: str) -> None:
        """Raises `RunError` unless users, targets and training events are equal, row by row.

        files: of both, for the message. mend: the end of the message.
        """
        if len(self.table) != len(other.table):
            raise RunError(f"{files} have {len(self.table):,} and {len(other.table):,} users; {mend}")
        for column, what in _COMPARED.items():
            ours, theirs = (each.table[column].cast(pl.String) for each in (self, other))
            if not ours.equals(theirs):
                raise RunError(f"{files} are of different {what}; {mend}")


def ranks_file(folder: Path, split: str) -> Path:
    return folder / f"ranks-{split}.parquet"


def evaluate_it(folder: Path, split: str) -> str:
    """The end of a message about a run without an evaluation."""
    return f"evaluate the run with `{command('evaluate', folder, '--split', split)}`"


def _check(table: pl.DataFrame) -> None:
    """Raises `ValueError` for columns of another type, no row, an empty cell or a number out of range."""
    for column in table:
        least = _LEAST.get(column.name)
        fits = column.dtype.is_integer() or (least is None and column.dtype == pl.String)
        if not fits or column.null_count() or not len(column):
            empty = f"{column.null_count():,} of {len(column):,} empty"
            raise ValueError(f"{column.name} is {column.dtype} with {empty}")
        if least is not None and (column < least).any():
            raise ValueError(f"{column.name} goes down to {column.min()!r}")
