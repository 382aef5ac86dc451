"""The state of training on disk, to resume from: weights, optimiser, random numbers, progress."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pixelrec.errors import RunError, command
from pixelrec.files.atomic import new_folder, whole
from pixelrec.files.checkpoint import read_tensors, read_weights
from pixelrec.files.json_object import read_object
from pixelrec.files.tensors import write_tensors
from pixelrec.recommender import Recommender
from pixelrec.training.optimiser import Optimiser

OPTIMISER = "optimiser.safetensors"
BANK = "bank.safetensors"  # cached vectors of the catalogue that negatives are taken from


@dataclass
class Progress:
    """The position of training: all that a resumed run needs beside weights, moments and random state."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches finished in the epoch under way
    loss: float = 0.0  # sum over their windows
    windows: int = 0  # in them
    seconds: float = 0.0  # spent on them
    best: float | None = None  # of the monitored metric
    best_epoch: int = 0  # 0: nothing is better than the weights that training started from
    finished: bool = False  # all epochs done, or stopped early

    @property
    def mean_loss(self) -> float | None:
        """Over the windows of the epoch so far; none before the first loss was read."""
        return self.loss / self.windows if self.windows else None

    @property
    def validated(self) -> int:
        """The latest epoch in the journal; −1 before the first."""
        return -1 if self.best is None else self.epoch

    def next_epoch(self, value: float, better: bool) -> None:
        """Moves on to the next epoch, the last one having this value of the monitored metric."""
        self.epoch += 1
        self.batch, self.loss, self.windows, self.seconds = 0, 0.0, 0, 0.0
        if better:
            self.best, self.best_epoch = value, self.epoch


@dataclass(frozen=True)
class State:
    """A checkpoint to continue from."""

    progress: Progress
    steps: int
    moments: dict[str, Tensor] = field(repr=False)
    random: dict[str, Tensor] = field(repr=False)
    folder: Path

    def restore(self, recommender: Recommender, optimiser: Optimiser, process: int, processes: int) -> None:
        """Puts weights, moments and random state back, as the same number of processes saved them."""
        if f"{processes - 1}.cpu" not in self.random or f"{processes}.cpu" in self.random:
            raise RunError(
                f"{self.folder} was not saved by {processes} processes; resume with the number that trained"
            )
        if reason := optimiser.misfit(self.moments, self.steps):
            raise RunError(f"{self.folder / OPTIMISER}: {reason}; the checkpoint is damaged")
        bank = read_tensors(self.folder / BANK).get("vectors") if (self.folder / BANK).exists() else None
        try:
            recommender.load_state_dict(read_weights(self.folder))
            torch.set_rng_state(self.random[f"{process}.cpu"])
            if f"{process}.cuda" in self.random and torch.cuda.is_available():
                torch.cuda.set_rng_state(self.random[f"{process}.cuda"])
        except (RuntimeError, TypeError) as error:  # of other names, shapes or types
            raise RunError(f"{self.folder}: its tensors do not fit its recipe; it is damaged") from error
        if bank is not None:
            recommender.bank = bank.to(recommender.device)
        optimiser.load(self.moments, self.steps)


def random_state() -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else state


def save_state(
    folder: Path,
    recommender: Recommender,
    optimiser: Optimiser,
    progress: Progress,
    random: Sequence[Mapping[str, Tensor]],
) -> None:
    """Replaces `folder` by the present state of training; `random` holds `random_state` of every process."""
    tensors = optimiser.state()
    for process, state in enumerate(random):
        tensors |= {f"random.{process}.{device}": value for device, value in state.items()}
    with new_folder(folder, RunError, remedy=resumable(folder)) as new:
        recommender.save(new)
        if recommender.bank is not None:  # encoded with earlier weights, which are gone
            write_tensors(new / BANK, {"vectors": recommender.bank})
        write_tensors(new / OPTIMISER, tensors)
        text = json.dumps({"steps": optimiser.steps, **asdict(progress)}, indent=2)
        (new / "progress.json").write_text(text + "\n", encoding="utf-8")


def resumable(folder: Path) -> str:
    return (
        "make room there; what was saved before is whole, "
        f"`{command('train', '--resume', folder.parent)}` continues from it"
    )


def load_state(folder: Path) -> State | None:
    """Reads what `save_state` wrote; none if nothing was saved yet. Raises `RunError`: it is damaged."""
    folder = whole(folder)
    if not folder.exists():
        return None
    progress, steps = read_progress(folder)
    tensors = read_tensors(folder / OPTIMISER)
    moments = {name: t for name, t in tensors.items() if not name.startswith("random.")}
    random = {name.removeprefix("random."): t for name, t in tensors.items() if name.startswith("random.")}
    return State(progress, steps, moments, random, folder)


def read_progress(folder: Path) -> tuple[Progress, int]:
    """The position of a saved training and its steps; raises `RunError` if the file is damaged."""
    path = folder / "progress.json"
    values = read_object(path, "checkpoint", f"{path}: no such file; the checkpoint is incomplete")
    expected = {"steps": 0, **asdict(Progress(best=0.0))}
    if values.keys() != expected.keys():
        raise RunError(f"{path}: expected {', '.join(expected)}; the checkpoint is damaged")
    for name, value in values.items():
        if not _is_sound(value, type(expected[name])) and not (name == "best" and value is None):
            raise RunError(f"{path}: {name} is {value!r}; the checkpoint is damaged")
    return Progress(**{name: value for name, value in values.items() if name != "steps"}), values["steps"]


def _is_sound(value: object, kind: type) -> bool:
    """Whether a number of `progress.json` is of its kind, and in range."""
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and 0 <= value < 1 << 53
    return isinstance(value, int | float) and math.isfinite(value)
