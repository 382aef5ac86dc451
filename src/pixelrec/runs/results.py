"""The result of an evaluation, as two files in a folder, that of the run unless another one was chosen.

`evaluation-<split>.json` holds an `EvaluationResult`, `ranks-<split>.parquet` a row per evaluated user. They
belong to the weights whose SHA-256 is in the first, so a run can be copied in any order and without times;
the first holds the SHA-256 of the second, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from shlex import quote
from tempfile import TemporaryFile
from typing import Any, Self, final

import numpy as np
import polars as pl

from pixelrec.console.numbers import percent
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import RunError, option
from pixelrec.evaluation.comparison import METRIC, Comparison, best_first, repeats_note
from pixelrec.evaluation.exposure import Exposure
from pixelrec.evaluation.slices import SliceResult
from pixelrec.files.atomic import new_file, whole, write_text
from pixelrec.files.checkpoint import weights_sha256
from pixelrec.files.table_file import read_table, write_table


@final
@dataclass(frozen=True, repr=False)
class EvaluationResult:
    """A trained model and its baselines on one split: `metrics`, `table()`, and a verdict, `comparison`."""

    split: str
    model: str  # the trained one
    overall: SliceResult  # all cases
    notes: Mapping[str, str]  # by baseline: its hyperparameters, or why it is left out
    slices: tuple[SliceResult, ...] = ()  # those that hold cases, long-tail items first
    repeats: int = 0  # users left out, as their target is in their history
    exposure: Exposure | None = None  # of the trained model
    weights: str = ""  # SHA-256 of the evaluated checkpoint
    ranks: str = ""  # SHA-256 of the file of ranks

    def __repr__(self) -> str:
        own = self.own_metrics[METRIC]
        verdict = f", {self.comparison.sentence(self.model)}" if self.comparison else ""
        return f"EvaluationResult({self.split}: {METRIC} {percent(own)} %{verdict})"

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """By model and name, in fractions, over all cases."""
        return self.overall.metrics

    @property
    def comparison(self) -> Comparison | None:
        """With the best baseline, over all cases."""
        return self.overall.comparison

    @property
    def repeats_note(self) -> str:
        """The users that are left out, in a sentence; empty if there are none."""
        return repeats_note(self.repeats, self.overall.cases, self.split)

    @property
    def own_metrics(self) -> Mapping[str, float]:
        return self.metrics[self.model]

    def ordered(self, others: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """These models and `others` from the best to the worst by NDCG@10."""
        return best_first({**(others or {}), **self.metrics})

    def slice(self, name: str) -> SliceResult | None:
        return next((part for part in self.slices if part.name == name), None)

    def table(self) -> pl.DataFrame:
        """A row per slice, model and metric.

        Columns `items` ("all items", "long-tail items", …), `cases`, `model`, `trained` (whether it is the
        run's model), `metric`, `value`, and `low` and `high`, the 95 % interval over users. Metrics are
        fractions; `median rank` is one of them, without an interval.
        """
        rows = []
        for part in (self.overall, *self.slices):
            for model, values in part.metrics.items():
                about = (part.name, part.cases, model, model == self.model)
                bounds = part.intervals[model]
                found = (
                    (*about, name, value, *bounds.get(name, (None, None))) for name, value in values.items()
                )
                rows += [*found, (*about, "median rank", part.median_ranks[model], None, None)]
        columns = {"items": pl.String, "cases": pl.Int64, "model": pl.String, "trained": pl.Boolean}
        numbers = {"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame(rows, {**columns, **numbers}, orient="row")

    def write(self, folder: Path) -> None:
        """Writes it, whole or not at all; the ranks are written before it."""
        content = asdict(self)
        text = json.dumps({**content, "digest": _digest(content)}, indent=2)
        write_text(result_files(folder, self.split)[1], text + "\n", RunError)

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Raises `RunError` if the split was not evaluated, or the file is damaged or of another split."""
        from pydantic import TypeAdapter

        path = result_files(folder, split)[1]
        try:
            content = json.loads(path.read_bytes())
            if content.pop("digest") != _digest(content):
                raise ValueError("it was changed since it was written")
            found = TypeAdapter(cls).validate_json(json.dumps(content), strict=True)
            found._check(split)
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; {_mend(folder, split)}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{path}: damaged ({_first_line(error)}); {_mend(folder, split)}") from None
        return found

    def _check(self, split: str) -> None:
        """Raises `ValueError` unless it is of the split, and all models have all metrics as fractions."""
        if self.split != split:
            raise ValueError(f"it is of {self.split}")
        for part in (self.overall, *self.slices):
            models = part.metrics.keys()
            if self.model not in models or not models == part.intervals.keys() == part.median_ranks.keys():
                raise ValueError(f"{part.name} lack a model")
            known = part.metrics[self.model].keys()
            if METRIC not in known or any(values.keys() != known for values in part.metrics.values()):
                raise ValueError(f"{part.name} lack a metric")
            if not all(0 <= value <= 1 for values in part.metrics.values() for value in values.values()):
                raise ValueError(f"{part.name} have a metric that is no fraction")


@final
@dataclass(frozen=True)
class SavedRanks:
    users: pl.Series  # user ids
    items: pl.Series  # ids of the targets
    ranks: np.ndarray  # int64[Q]
    counts: np.ndarray  # int64[Q]: training events of the targets

    @classmethod
    def of_cases(
        cls, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, counts: np.ndarray
    ) -> Self:
        """ranks, counts: int64[Q], of `cases`."""
        users, items = dataset.user_ids[cases.users - 1], dataset.item_ids[cases.targets - 1]
        return cls(users, items, ranks, counts)


def result_files(folder: Path, split: str) -> tuple[Path, Path]:
    """The files of an evaluation: the ranks, and the result, which is written last."""
    return folder / f"ranks-{split}.parquet", folder / f"evaluation-{split}.json"


def is_evaluated(run: Path, split: str, folder: Path | None = None) -> bool:
    """Whether the present best checkpoint of a run was evaluated on a split, and both files are as written.

    folder: of the result, if it is not the run's.
    """
    place = folder or run
    try:
        found = EvaluationResult.read(place, split)
        ranks = sha256(result_files(place, split)[0].read_bytes()).hexdigest()
        return found.ranks == ranks and found.weights == weights_sha256(whole(run / "best"))
    except (RunError, OSError):
        return False


def demand_writable(folder: Path) -> None:
    """Makes the folder of a result, if it is missing; raises `RunError` if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(
            f"{folder}: cannot be written: {error.strerror or error}; choose a folder for the result: "
            f"{option('out', 'FOLDER')}"
        ) from None


def write_ranks(
    folder: Path, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, counts: np.ndarray
) -> str:
    """A row per evaluated user: ids of user and target, its rank, and events that were known.

    Returns the SHA-256 of the file.

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
        write_table(table, draft)
        return sha256(draft.read_bytes()).hexdigest()


def read_ranks(folder: Path, split: str) -> SavedRanks:
    """Raises `RunError` if the split was not evaluated, or the file is damaged."""
    path, _ = result_files(folder, split)
    if not path.exists():
        raise RunError(f"{path}: no such file; {_mend(folder, split)}")
    try:
        table = read_table(path, list(_COLUMNS))
        _check_ranks(table)
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise RunError(f"{path}: damaged ({_first_line(error)}); {_mend(folder, split)}") from error
    ranks, counts = (table[name].to_numpy().astype(np.int64) for name in list(_COLUMNS)[2:])
    return SavedRanks(table["user_id"], table["item_id"], ranks, counts)


def _check_ranks(table: pl.DataFrame) -> None:
    """Raises `ValueError` for columns of another type, no row, an empty cell or a number out of range."""
    for name, least in _COLUMNS.items():
        column = table[name]
        fits = column.dtype == pl.String if least is None else column.dtype.is_integer()
        if not fits or column.null_count() or not len(column):
            raise ValueError(
                f"{name} is {column.dtype} with {column.null_count():,} of {len(column):,} empty"
            )
        if least is not None and (column < least).any():
            raise ValueError(f"{name} goes down to {column.min()!r}")


_COLUMNS = {"user_id": None, "item_id": None, "rank": 1, "item_training_events": 0}  # least value; text


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content).encode()).hexdigest()


def _mend(folder: Path, split: str) -> str:
    return f"evaluate the run with `pixelrec evaluate {quote(str(folder))} --split {split}`"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
