"""Training on every event, the test events included, for as many epochs as the validation of a run chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, final

from pixelrec.errors import RunError, command
from pixelrec.files.atomic import whole
from pixelrec.files.checkpoint import weights_sha256
from pixelrec.recommender import Recommender
from pixelrec.runs.about import FINAL
from pixelrec.runs.place import ROWS
from pixelrec.runs.run import Run
from pixelrec.runs.validate import sharded_catalogue
from pixelrec.training.loop import Validation
from pixelrec.training.processes import Processes
from pixelrec.training.state import read_progress


@final
@dataclass(frozen=True)
class Final:
    """The entry `final` of the description of such a run."""

    run: str  # the folder of the run whose validation chose
    epochs: int
    rows_epochs: int = 0  # of its id table, if its item encoder is fitted to one
    weights: str = ""  # SHA-256 of its best weights at that time, as it may be trained further
    rows_weights: str = ""  # of its id table

    @classmethod
    def of(cls, run: Run) -> Self:
        """Raises `RunError` if the run has not finished, is final itself, or did not improve on its start."""
        run.demand_trained()
        run.demand_measured()
        fits, chosen = run.recipe.fit.passes > 0, _chosen(run)
        if not chosen and not fits:
            raise RunError(
                f"no epoch of {run.folder} was better than its start, so there is nothing to train; use that "
                f"start, {run.recipe.training.warm_start or 'untrained'}, or give it more training.epochs"
            )
        there = run.folder / ROWS
        table = Run.open(there) if fits and there.exists() else None
        return cls(
            str(run.folder.resolve()),
            chosen,
            _chosen(table) if table else 0,
            weights_sha256(run.demand_best()),
            weights_sha256(table.demand_best()) if table else "",
        )

    @classmethod
    def read(cls, about: Mapping[str, Any]) -> Self | None:
        """From the description of a run; none if it is not final."""
        return cls(**about[FINAL]) if FINAL in about else None

    @property
    def entry(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def of_rows(self) -> Final:
        """The same for the id table."""
        return Final(str(Path(self.run, ROWS)), self.rows_epochs, weights=self.rows_weights)


def _chosen(run: Run) -> int:
    """The best epoch of a finished run."""
    progress = read_progress(whole(run.folder / "last"))
    if not progress.finished:
        raise RunError(
            f"{run.folder} has not finished, so its validation has not chosen the number of epochs yet; "
            f"continue it with: {command('train', '--resume', run.folder)}"
        )
    return progress.best_epoch


def unvalidated(recommender: Recommender, processes: Processes, bank: bool) -> Validation:
    """In place of a validation: no metrics; the catalogue is encoded only for negatives from the bank."""
    processes.share_buffers(recommender)
    recommender.bank = sharded_catalogue(recommender, processes).encoded if bank else None
    return Validation({}, 0.0, 0.0)
