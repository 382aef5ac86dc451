"""A cell of a grid: one recipe with one seed. Its state is on the disk, so that any later start continues it.

```
OUT/<recipe>/seed-0/           an ordinary run folder, and in it
OUT/<recipe>/seed-0/cell.json  the cost of training: `Costs`
OUT/<recipe>/seed-0.log        output of its process
OUT/<recipe>/seed-0.failed     why the last attempt failed, in a line
OUT/<recipe>/.seed-0.lock      locked while a process works on it
```
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
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
_WITHOUT_EFFECT = {"about", "training.loader_threads", "training.save_minutes"}  # on any result


@final
@dataclass(frozen=True)
class Costs:
    """The cost of training a cell."""

    epochs: int
    best_epoch: int  # the evaluated one; 0 is the run that training started from
    seconds: float  # of all epochs, without validation and without pauses before a resumption
    parameters: int
    memory: int | None  # the most bytes of main memory its process used; None if it only evaluated
    device_memory: int | None  # the most bytes of tensors on an accelerator; None without one
    machine: str
    threads: int
    jobs: int  # cells running at a time

    @property
    def seconds_per_epoch(self) -> float:
        return self.seconds / max(self.epochs, 1)

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """From a run folder; None if they are missing or of another version."""
        try:
            return cls(**json.loads((run / "cell.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, json.JSONDecodeError, TypeError):
            return None

    def write(self, run: Path) -> None:
        write_text(run / "cell.json", json.dumps(asdict(self), indent=2) + "\n", RunError)


@final
@dataclass(frozen=True)
class Cell:
    """One recipe with one seed, and the folder of its run."""

    recipe: Recipe  # complete, with the seed
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
    def _failure_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.failed")

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed, in a line; None if it did not."""
        path = self._failure_file
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def fail(self, reason: str) -> None:
        write_text(self._failure_file, f"{reason}\n", RunError)

    def forget_failure(self) -> None:
        self._failure_file.unlink(missing_ok=True)

    def is_evaluated(self, split: str) -> bool:
        """Whether the split is evaluated."""
        return all(path.exists() for path in result_files(self.folder, split))

    def state(self, split: str) -> State:
        """A cell is done when it is trained and evaluated on the split."""
        if Costs.read(self.folder) is not None and self.is_evaluated(split):
            return "done"
        if self.failure is not None:
            return "failed"
        return "begun" if self.is_begun() else "new"

    @property
    def about(self) -> Mapping[str, Any] | None:
        """The `run.json` of its run; None if there is none, or it was killed while its folder was made."""
        try:
            about: Mapping[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None
        return about

    def is_begun(self) -> bool:
        """Whether its run can be continued."""
        return self.about is not None

    def check(self, dataset: Dataset) -> None:
        """Refuses a folder whose run is of another recipe or data set, so that results are not mixed.

        Raises:
            RunError: it is, or the folder holds something else.
        """
        if not self.is_begun():
            if self.folder.exists() and not _only_just_made(self.folder):
                raise RunError(f"{self.folder} holds something that is no run; {_remedy(self.folder)}")
            return
        try:
            run = Run.open(self.folder)
        except PixelrecError as error:
            raise RunError(f"{self.folder} cannot be continued: {error}; {_remedy(self.folder)}") from None
        if changed := _first_difference(run.recipe.config, self.recipe.config):
            raise RunError(f"{self.folder} was begun with {changed}; {_remedy(self.folder.parent)}")
        if differing := run.difference(dataset):
            raise RunError(
                f"{self.folder} was begun on {run.about['data']} with other {differing} than "
                f"{dataset.folder} has now; {_remedy(self.folder.parent.parent)}"
            )

    def clear(self) -> None:
        """Removes the folder of a run that was killed while it was made; the cell must be locked."""
        if self.folder.exists() and not self.is_begun() and _only_just_made(self.folder):
            shutil.rmtree(self.folder)

    def lock(self) -> int | None:
        """A file descriptor that locks the cell until it and all inherited copies are closed.

        None while another process holds it. The kernel unlocks it when the last holder dies.
        """
        path = self.folder.with_name(f".{self.folder.name}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock.acquire(path)
        return None if lock is None else lock.descriptor


def check_same_networks(cells: Sequence[Cell]) -> None:
    """Refuses seeds of one recipe that began with different pretrained networks under one name.

    Raises:
        RunError: naming the first two.
    """
    found = [(cell.folder, about.get("pretrained")) for cell in cells if (about := cell.about)]
    for folder, network in found:
        if network != found[0][1]:
            raise RunError(
                f"{folder} started from another pretrained network than {found[0][0]}: the one at "
                f"items.source was exchanged; put it back, and {_remedy(folder)}"
            )


def _remedy(folder: Path) -> str:
    return f"choose another --out, or delete {folder}"


def _only_just_made(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    return {name for name in names if not name.endswith(".draft")} <= _MADE_FIRST


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first option that differs, in words."""
    old, new = dict(_flat(before)), dict(_flat(now))
    for key in old | new:
        if old.get(key) != new.get(key):
            return f"{key} {old.get(key, 'absent')}, which is now {new.get(key, 'absent')}"
    return None


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif prefix + key not in _WITHOUT_EFFECT:
            yield prefix + key, list(value) if isinstance(value, tuple) else value  # YAML has no tuples
