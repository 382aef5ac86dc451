"""`evaluation-<split>.json`: the result of an evaluation, in the folder of the run unless another was chosen.

It holds the SHA-256 of the weights and of the file of ranks that it belongs to, so a run can be copied in any
order and without times.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, final

import polars as pl

from pixelrec.console.numbers import percent
from pixelrec.errors import RunError, first_line, option
from pixelrec.evaluation.comparison import METRIC, Comparison, best_first, repeats_note
from pixelrec.evaluation.exposure import Exposure
from pixelrec.evaluation.slices import SliceResult
from pixelrec.files.atomic import whole, write_text
from pixelrec.files.checkpoint import weights_sha256
from pixelrec.runs.saved_ranks import evaluate_it, ranks_file


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
    warning: str | None = None  # why the ranks of the trained model may be arbitrary

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
        write_text(result_file(folder, self.split), text + "\n", RunError)

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Raises `RunError` if the split was not evaluated, or the file is damaged or of another split."""
        from pydantic import TypeAdapter

        path = result_file(folder, split)
        try:
            content = json.loads(path.read_bytes())
            if content.pop("digest") != _digest(content):
                raise ValueError("it was changed since it was written")
            found = TypeAdapter(cls).validate_json(json.dumps(content), strict=True)
            if found.split != split:
                raise ValueError(f"it is of {found.split}")
        except FileNotFoundError:
            raise RunError(f"{path}: no such file; {evaluate_it(folder, split)}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{path}: damaged ({first_line(error)}); {evaluate_it(folder, split)}") from None
        return found


def result_file(folder: Path, split: str) -> Path:
    return folder / f"evaluation-{split}.json"


def is_evaluated(run: Path, split: str, folder: Path | None = None) -> bool:
    """Whether the present best checkpoint of a run was evaluated on a split, and both files are as written.

    folder: of the result, if it is not the run's.
    """
    place = folder or run
    try:
        found = EvaluationResult.read(place, split)
        ranks = sha256(ranks_file(place, split).read_bytes()).hexdigest()
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


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content).encode()).hexdigest()
