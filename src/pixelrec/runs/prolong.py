"""More epochs, or more patience, for a run that has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from rich.console import Console

from pixelrec.console.terminal import say
from pixelrec.errors import RunError, command
from pixelrec.files.atomic import write_text
from pixelrec.recipe.recipe import resolve
from pixelrec.runs.about import FINAL
from pixelrec.runs.place import RECIPE
from pixelrec.runs.run import FORMER_RECIPE, Run
from pixelrec.training.loop import has_ended
from pixelrec.training.state import State

_ENDED = "ended_at"  # entry of the description: the epoch that ended the training before it was prolonged


def prolonged(run: Run, state: State | None, changes: Mapping[str, Any], console: Console) -> Run:
    """The run with another `training.epochs` or `training.patience` in its recipe; its folder must be locked.

    Raises `RunError` for a final run, and for values with which the training has ended, too.
    """
    if run.is_final:
        raise RunError(f"{run.folder} {no_more_epochs(run)}")
    recipe = resolve(run.recipe.name, run.recipe.values, changes)
    training = recipe.training
    if state is not None and has_ended(training.epochs, training.patience, state.progress):
        done, best = state.progress.epoch, state.progress.best_epoch
        raise RunError(
            f"{run.folder} has {done} epochs, the best of them {best}, so it has ended with training.epochs "
            f"{training.epochs} and training.patience {training.patience}, too; raise them further"
        )
    if training.schedule != "constant" and training.epochs != run.recipe.training.epochs:
        say(
            f"schedule   {training.schedule}: the learning rate goes on as in a run of {training.epochs} "
            "epochs, which this one was not so far; a constant one would have given the same result",
            console,
        )
    written = recipe.dump(named=True)
    changed: dict[str, Any] = {"recipe_sha256": sha256(written.encode()).hexdigest()}
    if state is not None and state.progress.finished:
        changed[_ENDED] = state.progress.epoch
    # Read between the two files, the run has its former recipe.
    about = {**run.about, **changed, FORMER_RECIPE: run.about["recipe_sha256"]}
    write_text(run.folder / "run.json", json.dumps(about, indent=2) + "\n", RunError)
    write_text(run.folder / RECIPE, written, RunError)
    return Run(run.folder, about)


def no_more_epochs(run: Run) -> str:
    """The way to more epochs of a final run."""
    chooser = run.about[FINAL]["run"]
    more = command("train", "--resume", chooser, "--training.epochs", "NUMBER")
    return (
        f"is a final run, which takes no more epochs than were chosen for it; train {chooser} further with "
        f"`{more}`, then a new final run with `{command('train', '--final', chooser)}`"
    )


def is_prolonged(run: Run, state: State) -> bool:
    """Whether a finished state is that of a run that was prolonged since."""
    training, progress = run.recipe.training, state.progress
    ended = has_ended(training.epochs, training.patience, progress)
    return bool(run.about.get(_ENDED) == progress.epoch) and not ended
