"""The result of an evaluation, as two files in a run folder.

`evaluation-<split>.json` holds an `EvaluationResult`, `ranks-<split>.parquet` a row per evaluated user. They
belong to the weights whose SHA-256 is in the first, so a run can be copied in any order and without times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
import polars as pl

from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison, best_first
from pixelrec.evaluation.slices import SliceResult
from pixelrec.files.atomic import new_file, whole, write_text
from pixelrec.files.checkpoint import weights_sha256


@final
@dataclass(frozen=True)
class EvaluationResult:
    """A trained model and its baselines on one split."""

    split: str
    model: str  # the trained one
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None  # with the best baseline
    notes: Mapping[str, str]  # by baseline: its hyperparameters, or why it is left out
    slices: tuple[SliceResult, ...] = ()  # those that hold cases, long-tail items first
    weights: str = ""  # SHA-256 of the evaluated checkpoint

    @property
    def own_metrics(self) -> Mapping[str, float]:
        return self.metrics[self.model]

    def ordered(self, others: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """These models and `others` from the best to the worst by NDCG@10."""
        return best_first({**(others or {}), **self.metrics})

    def slice(self, name: str) -> SliceResult | None:
        return next((part for part in self.slices if part.name == name), None)

    def write(self, folder: Path) -> None:
        """Writes it, whole or not at all; the ranks are written before it."""
        write_text(result_files(folder, self.split)[1], json.dumps(asdict(self), indent=2) + "\n", RunError)

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Raises `RunError` if the split was not evaluated, or the file is damaged."""
        from pydantic import TypeAdapter

        path = result_files(folder, split)[1]
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; {_mend(folder, split)}") from None
        except ValueError as error:  # pydantic's own is one
            raise RunError(f"{path}: damaged ({_first_line(error)}); {_mend(folder, split)}") from None


@final
@dataclass(frozen=True)
class SavedRanks:
    users: pl.Series  # user ids
    items: pl.Series  # ids of the targets
    ranks: np.ndarray  # int64[Q]
    counts: np.ndarray  # int64[Q]: training events of the targets


def result_files(folder: Path, split: str) -> tuple[Path, Path]:
    """The files of an evaluation: the ranks, and the result, which is written last."""
    return folder / f"ranks-{split}.parquet", folder / f"evaluation-{split}.json"


def is_evaluated(folder: Path, split: str) -> bool:
    """Whether the present best checkpoint of a run was evaluated on a split."""
    try:
        found = EvaluationResult.read(folder, split)
        return result_files(folder, split)[0].exists() and found.weights == weights_sha256(
            whole(folder / "best")
        )
    except RunError:
        return False


def write_ranks(
    folder: Path, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, counts: np.ndarray
) -> None:
    """A row per evaluated user: ids of user and target, its rank, and events that were known.

    ranks, counts: int64[Q], the ranks and the training events of the targets.
    """
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
    with new_file(result_files(folder, cases.name)[0], RunError) as draft:
        table.write_parquet(draft)


def read_ranks(folder: Path, split: str) -> SavedRanks:
    """Raises `RunError` if the split was not evaluated, or the file is damaged."""
    path, _ = result_files(folder, split)
    if not path.exists():
        raise RunError(f"{path}: no such file; {_mend(folder, split)}")
    columns = ["user_id", "item_id", "rank", "item_training_events"]
    try:
        table = pl.read_parquet(path, columns=columns, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RunError(f"{path}: damaged ({_first_line(error)}); {_mend(folder, split)}") from error
    ranks, counts = (table[name].to_numpy().astype(np.int64) for name in columns[2:])
    return SavedRanks(table["user_id"], table["item_id"], ranks, counts)


def _mend(folder: Path, split: str) -> str:
    return f"evaluate the run with `pixelrec evaluate {folder} --split {split}`"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
