"""What an evaluation found, as it lies in a run folder.

`metrics-<split>.json` holds metrics by model, `baselines-<split>.json` which of them is the trained one, how
it compares with the best baseline, and what was chosen for each of those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, final

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import METRIC, Comparison


@final
@dataclass(frozen=True)
class Measured:
    """A trained model and its baselines on one split."""

    split: str
    model: str
    metrics: Mapping[str, Mapping[str, float]]  # by model, in fractions
    comparison: Comparison | None
    notes: Mapping[str, str]  # by baseline: what was chosen on validation, or why it is left out

    def ordered(self, ceiling: Mapping[str, Mapping[str, float]] | None = None) -> list[str]:
        """Models, and perhaps a ceiling, from the best to the worst by NDCG@10."""
        everyone = {**(ceiling or {}), **self.metrics}
        return sorted(everyone, key=lambda name: -everyone[name][METRIC])

    def write(self, folder: Path) -> None:
        """Writes both files, each whole or not at all; the metrics last, so that they tell both are there."""
        against = None if self.comparison is None else asdict(self.comparison)
        about = {"model": self.model, "against": against, "choices": dict(self.notes)}
        _write(folder / _about_file(self.split), about)
        _write(folder / _metrics_file(self.split), self.metrics)

    @classmethod
    def read(cls, folder: Path, split: str) -> Self:
        """Reads what `write` wrote.

        Raises:
            RunError: the split was not evaluated, or a file is damaged.
        """
        about, metrics = _read(folder / _about_file(split)), _read(folder / _metrics_file(split))
        try:
            against = about["against"]
            comparison = None if against is None else Comparison(**against)
            return cls(split, about["model"], metrics, comparison, about["choices"])
        except (KeyError, TypeError) as error:
            raise _damaged(folder / _about_file(split), error) from None


def measured_files(folder: Path, split: str) -> tuple[Path, Path]:
    """Where `Measured` lies."""
    return folder / _metrics_file(split), folder / _about_file(split)


def _metrics_file(split: str) -> str:
    return f"metrics-{split}.json"


def _about_file(split: str) -> str:
    return f"baselines-{split}.json"


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
