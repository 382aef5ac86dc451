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
from pixelrec.evaluation.slices import Sliced


@final
@dataclass(frozen=True)
class Measured:
    """A trained model and its baselines on one split."""

    split: str
    model: str
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None
    notes: Mapping[str, str]  # by baseline: what was chosen on validation, or why it is left out
    slices: tuple[Sliced, ...] = ()  # those that hold questions, the one of few training events first

    def ordered(self, ceiling: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """Models, and perhaps a ceiling, from the best to the worst by NDCG@10."""
        return best_first({**(ceiling or {}), **self.metrics})

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
        about, metrics = _read(folder / _about_file(split)), _read(folder / _metrics_file(split))
        parts = _read(folder / _slices_file(split))
        try:
            slices = tuple(_slice(name, found) for name, found in parts.items())
        except (AttributeError, KeyError, TypeError) as error:
            raise _damaged(folder / _slices_file(split), error) from None
        try:
            comparison = _comparison(about["against"])
            return cls(split, about["model"], metrics, comparison, about["choices"], slices)
        except (KeyError, TypeError) as error:
            raise _damaged(folder / _about_file(split), error) from None


def measured_files(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Where `Measured` lies."""
    return folder / _metrics_file(split), folder / _about_file(split), folder / _slices_file(split)


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
    return Comparison(plain["baseline"], plain["difference"], plain["low"], plain["high"])


def _plain_slice(part: Sliced) -> dict[str, Any]:
    about = {"events": part.events, "questions": part.questions, "against": _plain(part.comparison)}
    return {**about, "metrics": part.metrics}


def _slice(name: str, plain: Mapping[str, Any]) -> Sliced:
    against = _comparison(plain["against"])
    return Sliced(name, plain["events"], plain["questions"], plain["metrics"], against)


def _write(path: Path, found: Mapping[str, Any]) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{path}: no such file; evaluate the run first, with `pixelrec evaluate {path.parent}`"
        ) from None
    except ValueError as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(f"{path}: damaged ({error}); evaluate again with `pixelrec evaluate {path.parent}`")
