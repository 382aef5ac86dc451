"""What an evaluation found, as it lies in a run folder.

`metrics-<split>.json` holds metrics by model, `slices-<split>.json` the same on items with few training
events and on the others, `baselines-<split>.json` which model is the trained one, how it compares with the
best baseline, and what was chosen for each of those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, final

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison, best_first
from pixelrec.evaluation.significance import Interval
from pixelrec.evaluation.slices import SliceResult
from pixelrec.files.atomic import write_text
from pixelrec.runs.saved_ranks import ranks_file


@final
@dataclass(frozen=True)
class Measured:
    """A trained model and its baselines on one split."""

    split: str
    model: str
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None
    notes: Mapping[str, str]  # by baseline: what was chosen on validation, or why it is left out
    slices: tuple[SliceResult, ...] = ()  # those that hold questions, the one of few training events first

    def ordered(self, ceiling: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """Models, and perhaps a ceiling, from the best to the worst by NDCG@10."""
        return best_first({**(ceiling or {}), **self.metrics})

    def slice(self, name: str) -> SliceResult | None:
        """The slice of this name, if it holds questions."""
        return next((part for part in self.slices if part.name == name), None)

    def write(self, folder: Path) -> None:
        """Writes all files, each whole or not at all; the metrics last, so that they tell all are there."""
        about = {"model": self.model, "against": _plain(self.comparison), "choices": dict(self.notes)}
        _write(folder / _about_file(self.split), about)
        _write(folder / _slices_file(self.split), {part.name: _plain_slice(part) for part in self.slices})
        _write(folder / _metrics_file(self.split), self.metrics)

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: the split was not evaluated, or a file is damaged.
        """
        metrics, about, parts = (_read(path, split) for path in measured_files(folder, split))
        try:
            slices = tuple(_slice(name, found) for name, found in parts.items())
        except (AttributeError, KeyError, TypeError) as error:
            raise _damaged(folder / _slices_file(split), split, error) from None
        try:
            comparison = _comparison(about["against"])
            return cls(split, about["model"], metrics, comparison, about["choices"], slices)
        except (KeyError, TypeError) as error:
            raise _damaged(folder / _about_file(split), split, error) from None


def measured_files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Where `Measured` lies."""
    return folder / _metrics_file(split), folder / _about_file(split), folder / _slices_file(split)


def is_measured(folder: Path, split: str) -> bool:
    """Whether a run folder has all that an evaluation writes, made after the best checkpoint."""
    best, files = folder / "best", (*measured_files(folder, split), ranks_file(folder, split))
    if not best.exists() or not all(path.exists() for path in files):
        return False
    return min(path.stat().st_mtime_ns for path in files) >= best.stat().st_mtime_ns


def _metrics_file(split: str) -> str:
    return f"metrics-{split}.json"


def _about_file(split: str) -> str:
    return f"baselines-{split}.json"


def _slices_file(split: str) -> str:
    return f"slices-{split}.json"


def _plain(comparison: Comparison | None) -> dict[str, Any] | None:
    return None if comparison is None else asdict(comparison)


def _comparison(plain: Mapping[str, Any] | None) -> Comparison | None:
    if plain is None:
        return None
    return Comparison(plain["baseline"], Interval(**plain["interval"]))


def _plain_slice(part: SliceResult) -> dict[str, Any]:
    about = {"events": part.events, "cases": part.cases, "against": _plain(part.comparison)}
    return {**about, "metrics": part.metrics}


def _slice(name: str, plain: Mapping[str, Any]) -> SliceResult:
    against = _comparison(plain["against"])
    return SliceResult(name, plain["events"], plain["cases"], plain["metrics"], against)


def _write(path: Path, found: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(found, indent=2) + "\n", RunError)


def _read(path: Path, split: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file; evaluate the run first, with `{_command(path, split)}`"
        ) from None
    except ValueError as error:
        raise _damaged(path, split, error) from None


def _damaged(path: Path, split: str, error: Exception) -> RunError:
    return RunError(f"{path}: damaged ({error}); evaluate again with `{_command(path, split)}`")


def _command(path: Path, split: str) -> str:
    return f"pixelrec evaluate {path.parent} --split {split}"
