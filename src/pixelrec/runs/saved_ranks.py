"""The ranks of an evaluated run, kept in its folder: a row per user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError
from pixelrec.files.atomic import new_file

if TYPE_CHECKING:
    import polars as pl


@final
@dataclass(frozen=True)
class KeptRanks:
    """Q questions, in the order of the split's users."""

    users: pl.Series  # user ids
    items: pl.Series  # ids of the targets
    ranks: np.ndarray  # int64[Q]
    counts: np.ndarray  # int64[Q]: training events of the targets


def ranks_file(folder: Path, split: str) -> Path:
    """Where they lie in a run folder."""
    return folder / f"ranks-{split}.parquet"


def write_ranks(
    path: Path, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, counts: np.ndarray
) -> None:
    """A row per evaluated user: who, what came next, its rank, and what was known; whole or not at all.

    ranks, counts: int64[Q], the ranks and the training events of the targets.
    """
    import polars as pl

    histories = cases.histories
    table = pl.DataFrame(
        {
            "user_id": dataset.user_ids[cases.users - 1],
            "item_id": dataset.item_ids[cases.targets - 1],
            "rank": ranks,
            "history_length": histories.stops[cases.users] - histories.starts[cases.users],
            "item_training_events": counts,
        }
    )
    with new_file(path, RunError) as draft:
        table.write_parquet(draft)


def read_ranks(folder: Path, split: str) -> KeptRanks:
    """What `write_ranks` wrote into a run folder.

    Raises:
        RunError: the split was not evaluated, or the file is damaged.
    """
    import polars as pl

    path = ranks_file(folder, split)
    mend = f"evaluate the run, with `pixelrec evaluate {folder} --split {split}`"
    if not path.exists():
        raise RunError(f"{path}: no such file; {mend}")
    try:
        wanted = ["user_id", "item_id", "rank", "item_training_events"]
        table = pl.read_parquet(path, columns=wanted, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise RunError(f"{path}: damaged ({first_line}); {mend}") from error
    ranks, counts = (table[name].to_numpy().astype(np.int64) for name in wanted[2:])
    return KeptRanks(table["user_id"], table["item_id"], ranks, counts)
