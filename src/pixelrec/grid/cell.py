"""A cell of a grid: one recipe with one seed. It lies on the disk, so that whoever comes next can go on.

```
OUT/<recipe>/seed-0/           an ordinary run folder, and in it
OUT/<recipe>/seed-0/cell.json  what training cost: `Costs`
OUT/<recipe>/seed-0.log        what its process said
OUT/<recipe>/seed-0.failed     why the last attempt failed, in a line
OUT/<recipe>/.seed-0.lock      locked while somebody works on it
```
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

from pixelrec.data.dataset import Dataset
from pixelrec.errors import PixelrecError, RunError
from pixelrec.files.atomic import write_text
from pixelrec.files.lock import Lock
from pixelrec.recipe.recipe import Recipe
from pixelrec.runs.results import result_files
from pixelrec.runs.run import Run

State = Literal["new", "begun", "failed", "done"]
_MADE_FIRST = {"items.parquet", "recipe.yaml", "run.json"}  # of a run folder; run.json is the last of them
_SAY_NOTHING = {
    "about",
    "training.loader_threads",
    "training.save_minutes",
}  # keys of a recipe that no result depends on


@final
@dataclass(frozen=True)
class Costs:
    """What it took to train a cell.

    Args:
        epochs: trained in all.
        best_epoch: the one that is kept; 0 is the run that training started from.
        seconds: of all epochs, without validation; time before an interruption counts, idle time does not.
        parameters: of the recommender.
        memory: the most bytes that its process held in main memory; none if it trained nothing itself.
        device_memory: the most bytes of tensors on an accelerator; none without one.
        machine: what it ran on.
        threads: that it computed with.
        jobs: cells that ran at a time.
    """

    epochs: int
    best_epoch: int
    seconds: float
    parameters: int
    memory: int | None
    device_memory: int | None
    machine: str
    threads: int
    jobs: int

    @property
    def seconds_per_epoch(self) -> float:
        return self.seconds / max(self.epochs, 1)

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """What lies in a run folder; none if it is missing or of another version."""
        try:
            return cls(**json.loads((run / "cell.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def write(self, run: Path) -> None:
        write_text(run / "cell.json", json.dumps(asdict(self), indent=2) + "\n", RunError)


@final
@dataclass(frozen=True)
class Cell:
    """One recipe with one seed, and where its run lies.

    Args:
        recipe: complete, the seed included.
        folder: of its run.
    """

    recipe: Recipe
    folder: Path

    @property
    def seed(self) -> int:
        return self.recipe["seed"]

    @property
    def name(self) -> str:
        return f"{self.recipe.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def _note(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.failed")

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed, in a line; none if it did not."""
        return self._note.read_text(encoding="utf-8").strip() if self._note.exists() else None

    def fail(self, reason: str) -> None:
        write_text(self._note, f"{reason}\n", RunError)

    def forget_failure(self) -> None:
        self._note.unlink(missing_ok=True)

    def ranks(self, split: str) -> Path:
        """The ranks of every user."""
        return result_files(self.folder, split)[0]

    def is_ranked(self, split: str) -> bool:
        """Whether it was evaluated on a split."""
        return all(path.exists() for path in result_files(self.folder, split))

    def state(self, split: str) -> State:
        """How far it is, as far as the disk tells. A finished training may lack the ranks of a split."""
        if Costs.read(self.folder) is not None and self.is_ranked(split):
            return "done"
        if self.failure is not None:
            return "failed"
        return "begun" if self.is_begun() else "new"

    def is_begun(self) -> bool:
        """Whether its run can be gone on with; one whose making was killed cannot."""
        try:
            json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return False
        return True

    def check(self, dataset: Dataset) -> None:
        """Refuses to mix results: what lies there must come from this recipe and this data set.

        Raises:
            RunError: it does not; or something else lies there.
        """
        if not self.is_begun():
            if self.folder.exists() and not _only_just_made(self.folder):
                raise RunError(f"{self.folder} holds something that is no run; {self._mend(self.folder)}")
            return
        try:
            run = Run.open(self.folder)
        except PixelrecError as error:
            raise RunError(
                f"{self.folder} cannot be gone on with: {error}; {self._mend(self.folder)}"
            ) from None
        if changed := _first_difference(run.recipe.config, self.recipe.config):
            raise RunError(f"{self.folder} was begun with {changed}; {self._mend(self.folder.parent)}")
        if differing := run.difference(dataset):
            raise RunError(
                f"{self.folder} was begun on {run.about['data']} with other {differing} than "
                f"{dataset.folder} has now; {self._mend(self.folder.parent.parent)}"
            )

    def _mend(self, folder: Path) -> str:
        return f"choose another --out, or delete {folder}"

    def clear(self) -> None:
        """Makes room for a new run where the making of one was killed; call it with the cell locked."""
        if self.folder.exists() and not self.is_begun() and _only_just_made(self.folder):
            shutil.rmtree(self.folder)

    def lock(self) -> int | None:
        """A file descriptor that holds the cell until it, and what a child inherits of it, is closed.

        None while another process holds it. The kernel lets go when the last holder dies, however it dies.
        """
        path = self.folder.with_name(f".{self.folder.name}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock.acquire(path)
        return None if lock is None else lock.descriptor


def _only_just_made(folder: Path) -> bool:
    return folder.is_dir() and {path.name for path in folder.iterdir()} <= _MADE_FIRST


def _first_difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """The first choice that differs, in words."""
    before, after = dict(_flat(there)), dict(_flat(asked))
    for key in before | after:
        if before.get(key) != after.get(key):
            return f"{key} {before.get(key, 'absent')}, now {after.get(key, 'none')} is asked for"
    return None


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif prefix + key not in _SAY_NOTHING:
            yield prefix + key, list(value) if isinstance(value, tuple) else value  # YAML knows no tuples
