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
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, final

from pixelrec.data.dataset import Dataset
from pixelrec.errors import PixelrecError, RunError
from pixelrec.files.atomic import write_text
from pixelrec.files.lock import Lock
from pixelrec.recipe.recipe import Recipe
from pixelrec.reports.tables import flatten
from pixelrec.runs.place import is_free
from pixelrec.runs.results import result_file
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import ranks_file

State = Literal["new", "begun", "failed", "done"]
_WITHOUT_EFFECT = {"about", "training.loader_threads", "training.save_minutes"}  # on any result


@final
@dataclass(frozen=True)
class Costs:
    epochs: int
    best_epoch: int  # the evaluated one; 0 is the run that training started from
    seconds: float  # of all epochs, without validation and without pauses before a resumption
    cpu_seconds: float | None  # the same of all cores together, and of preparing items; None if unknown
    encodes: float  # pictures through the network, forward only; parts of it by their share of operations
    trained_encodes: float  # forward and backward
    parameters: int
    memory: int | None  # the most bytes of main memory its process used; None if it only evaluated
    device_memory: int | None  # the most bytes of tensors on an accelerator; None without one
    machine: str
    threads: int
    jobs: int  # cells running at a time

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
    def lock_file(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.lock")

    @property
    def failure_file(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.failed")

    @property
    def failure(self) -> str | None:
        """Why the last attempt failed, in a line; None if it did not."""
        path = self.failure_file
        return path.read_text(encoding="utf-8").strip() if path.exists() else None

    def fail(self, reason: str) -> None:
        write_text(self.failure_file, f"{reason}\n", RunError)

    def state(self, split: str) -> State:
        """A cell is done when it is trained and evaluated on the split."""
        evaluated = result_file(self.folder, split).exists() and ranks_file(self.folder, split).exists()
        if evaluated and Costs.read(self.folder) is not None:
            return "done"
        if self.failure is not None:
            return "failed"
        return "begun" if self.about is not None else "new"

    @property
    def about(self) -> Mapping[str, Any] | None:
        """The `run.json` of its run; None if there is none, or it was killed while its folder was made."""
        try:
            return dict(json.loads((self.folder / "run.json").read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
            return None

    def check(self, dataset: Dataset) -> None:
        """Raises `RunError` for a folder with a run of another recipe or data set, or with something else."""
        if self.about is None:
            if not is_free(self.folder):
                raise RunError(f"{self.folder} holds something that is no run; {_remedy(self.folder)}")
            return
        try:
            run = Run.open(self.folder)
            run.demand_measured()
            begun = run.recipe
        except PixelrecError as error:
            raise RunError(f"{self.folder} cannot be continued: {error}; {_remedy(self.folder)}") from None
        old, new = dict(flatten(begun.config)), dict(flatten(self.recipe.config))
        for key in [key for key in old | new if key not in _WITHOUT_EFFECT and old.get(key) != new.get(key)]:
            change = f"{key} {old.get(key, 'absent')}, which is now {new.get(key, 'absent')}"
            raise RunError(f"{self.folder} was begun with {change}; {_remedy(self.folder.parent)}")
        if differing := run.difference(dataset):
            raise RunError(
                f"{self.folder} was begun on {run.about['data']} with other {differing} than "
                f"{dataset.folder} has now; {_remedy(self.folder.parent.parent)}"
            )

    def lock(self) -> Lock | None:
        """None while another process holds it; the process of the cell inherits it."""
        self.lock_file.parent.mkdir(parents=True, exist_ok=True)
        return Lock.acquire(self.lock_file)


def check_same_networks(cells: Sequence[Cell]) -> None:
    """Raises `RunError` if seeds of one recipe began with different pretrained networks under one name.

    The same holds for the weights of one run at `training.warm_start`.
    """
    found = [(cell.folder, about) for cell in cells if (about := cell.about)]
    for folder, about in found:
        if about.get("pretrained") != found[0][1].get("pretrained"):
            raise RunError(
                f"{folder} started from another pretrained network than {found[0][0]}: the one at "
                f"items.source was exchanged; put it back, and {_remedy(folder)}"
            )
    starts: dict[str, tuple[Path, str]] = {}  # by the run started from: the first folder, and the weights
    for folder, about in found:
        if start := about.get("warm_start"):
            first, weights = starts.setdefault(start["run"], (folder, start["sha256"]))
            if start["sha256"] != weights:
                raise RunError(
                    f"{folder} started from other weights of {start['run']} than {first}: the run at "
                    f"training.warm_start was exchanged; put it back, and {_remedy(folder)}"
                )


def _remedy(folder: Path) -> str:
    return f"choose another --out, or delete {folder}"
