"""The state of training on disk, to resume from: weights, optimiser, random numbers, progress."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from pixelrec.errors import RunError, command
from pixelrec.files.atomic import new_folder, whole
from pixelrec.files.checkpoint import WEIGHTS, read_tensors, read_weights
from pixelrec.files.digests import file_digest
from pixelrec.files.json_object import MEND, digest_of, read_object
from pixelrec.files.tensors import write_tensors
from pixelrec.items.work import Work
from pixelrec.recommender import Recommender
from pixelrec.training.optimiser import Optimiser

PROGRESS = "progress.json"  # written last, with digests of the others and of itself
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
    cpu_seconds: float = 0.0  # the same of the process, of all its threads; and preparation before
    encodes: float = 0.0  # as of `Work`, since the latest row of the journal
    trained_encodes: float = 0.0
    best: float | None = None  # of the monitored metric
    best_epoch: int = 0  # 0: nothing is better than the weights that training started from
    finished: bool = False  # all epochs done, or stopped early
    tried: list[list[float]] = field(default_factory=list)  # of a fit: rates at which nothing was learnt

    @property
    def mean_loss(self) -> float | None:
        """Over the windows of the epoch so far; none before the first loss was read."""
        return self.loss / self.windows if self.windows else None

    @property
    def validated(self) -> int:
        """The latest epoch in the journal; −1 before the first."""
        return -1 if self.best is None else self.epoch

    def add(self, work: Work) -> None:
        self.encodes += work.encodes
        self.trained_encodes += work.trained_encodes
        self.cpu_seconds += work.cpu_seconds

    def take_cost(self) -> dict[str, float]:
        """The cost since the latest row of the journal, for the next one."""
        found = {
            "cpu_seconds": round(self.cpu_seconds, 3),
            "encodes": round(self.encodes, 3),
            "trained_encodes": round(self.trained_encodes, 3),
        }
        self.cpu_seconds = self.encodes = self.trained_encodes = 0.0
        return found

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
        try:
            recommender.load_state_dict(read_weights(self.folder))
        except (
            RuntimeError
        ) as error:  # torch names every tensor that is missing, unexpected or of another shape
            raise RunError(f"{self.folder}: its weights do not fit the recipe, which was changed") from error
        if (bank := self.bank) is not None:
            recommender.bank = bank.to(recommender.device)
        optimiser.load(self.moments, self.steps)
        torch.set_rng_state(self.random[f"{process}.cpu"])
        if f"{process}.cuda" in self.random and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.random[f"{process}.cuda"])

    @property
    def bank(self) -> Tensor | None:
        """Vectors of the catalogue, N + 1, D."""
        path = self.folder / BANK
        return read_tensors(path)["vectors"] if path.exists() else None


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
        files = {path.name: _digest(path) for path in new.iterdir() if path.name != WEIGHTS}
        values = {"steps": optimiser.steps, **asdict(progress), "files": files}
        text = json.dumps({**values, "digest": digest_of(values)}, indent=2)
        (new / PROGRESS).write_text(text + "\n", encoding="utf-8")


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
    progress, steps, files = _read(folder)
    changed = {folder / name for name, digest in files.items() if _digest(folder / name) != digest}
    if changed:
        raise RunError(f"{min(changed)}: was changed since it was saved; {MEND}")
    tensors = read_tensors(folder / OPTIMISER)
    moments = {name: t for name, t in tensors.items() if not name.startswith("random.")}
    random = {name.removeprefix("random."): t for name, t in tensors.items() if name.startswith("random.")}
    return State(progress, steps, moments, random, folder)


def read_progress(folder: Path) -> Progress:
    """The position of a saved training; raises `RunError` if the file is missing or was changed."""
    return _read(folder)[0]


def _read(folder: Path) -> tuple[Progress, int, dict[str, str]]:
    """The position, the steps, and the digests of the other files but the weights, which have their own."""
    path = folder / PROGRESS
    values = read_object(path, "checkpoint", f"{path}: no such file; the checkpoint is incomplete: {MEND}")
    if values.pop("digest", None) != digest_of(values):
        raise RunError(f"{path}: was changed since it was saved; {MEND}")
    steps, files = values.pop("steps"), values.pop("files")
    return Progress(**values), steps, files


def _digest(path: Path) -> str:
    """SHA-256 of a file; "" if it is missing or cannot be read."""
    try:
        return file_digest(path)
    except OSError:
        return ""
