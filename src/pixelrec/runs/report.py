"""Collects what the report of a run shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pixelrec.choices import Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, training_events
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import RunError
from pixelrec.images.store import PictureStore
from pixelrec.recommender import latest_events
from pixelrec.reports.page import write
from pixelrec.reports.view import Cover, Report, UserStory
from pixelrec.runs import report_rows as rows
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.pairing import compare_runs
from pixelrec.runs.results import Measured
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import read_ranks
from pixelrec.training.journal import read_journal

BEST_POSSIBLE = "law of the world"
STORIES = 12  # users shown
SHOWN = 10  # items of a history, and of recommendations


def report_file(folder: Path, split: Split) -> Path:
    """The page of a split in a run folder: of the test events it is the report."""
    return folder / ("report.html" if split == "test" else f"report-{split}.html")


def write_run_report(
    run: Run,
    dataset: Dataset,
    split: Split,
    ceiling: Mapping[str, float] | None = None,
    beside: Sequence[Run] = (),
) -> Path:
    """Writes the page of an evaluated split; the users shown are drawn at random, not picked.

    Where the law of the data is known, `ceiling` holds the metrics that nobody can beat. Runs `beside` it,
    evaluated on the same split, stand in the same tables, and are compared with it user by user.

    Raises:
        RunError: a run was not evaluated on the split, or one `beside` it is of other users or items.
    """
    cases = cases_of(dataset, split)
    measured = Measured.read(run.folder, split)
    others = _others(run, measured, split, beside)
    ranks = read_ranks(run.folder, split).ranks
    epochs = read_journal(run.folder / "metrics.jsonl")
    monitor = run.recipe.training.monitor
    report = Report(
        name=run.name,
        when=str(run.about["created"])[:16].replace("T", " "),
        origin=(run.folder.resolve().name, f"seed {run.recipe['seed']}"),
        metrics=rows.metric_rows(measured, {} if ceiling is None else {BEST_POSSIBLE: ceiling}, others),
        standing=rows.standing(measured),
        beside=rows.beside(measured, others),
        slices=rows.slice_parts(measured, others),
        baselines=list(measured.notes.items()),
        summary=_summary(run, dataset, split, len(cases)),
        epochs=epochs,
        best_epoch=max(epochs, key=lambda row: row[monitor])["epoch"] if epochs else None,
        watched=monitor,
        ranks=ranks,
        catalogue=dataset.items,
        stories=_stories(run, dataset, cases, ranks),
        dataset=_facts(dataset),
        configuration=run.recipe.config,
    )
    path = report_file(run.folder, split)
    write(report, path)
    return path


def _others(run: Run, measured: Measured, split: Split, beside: Sequence[Run]) -> list[rows.Other]:
    """Each under a name that no other row has: its folder's too, where recipes bear the same."""
    taken = {BEST_POSSIBLE, *measured.metrics}
    others = []
    for other in beside:
        name = next((name for name in other.names if name not in taken), None)
        if name is None:
            raise RunError(f"{other.folder} is to stand beside {run.folder} twice; name each run once")
        taken.add(name)
        pairing = compare_runs(run.folder, other.folder, split)
        others.append(rows.Other(name, Measured.read(other.folder, split), pairing))
    return others


def _summary(run: Run, dataset: Dataset, split: Split, users: int) -> list[tuple[str, str]]:
    return [
        ("data set", dataset.folder.name),
        ("split", split),
        ("users evaluated", f"{users:,}"),
        ("catalogue", f"{dataset.items:,} items"),
        ("item encoder", str(run.recipe["items"]["name"])),
        ("user model", str(run.recipe["users"]["name"])),
    ]


def _facts(dataset: Dataset) -> list[tuple[str, str]]:
    counts: Mapping[str, Any] = dataset.manifest["counts"]
    return [(name.replace("_", " "), f"{value:,}") for name, value in counts.items()]


@dataclass(frozen=True)
class _Gallery:
    """Covers by item number."""

    information: pl.DataFrame
    store: PictureStore | None

    @classmethod
    def of(cls, dataset: Dataset) -> _Gallery:
        store = PictureStore.open(dataset.covers) if dataset.covers.exists() else None
        return cls(dataset.information, store)

    def covers(self, numbers: Sequence[int]) -> list[Cover]:
        rows = self.information[[int(n) - 1 for n in numbers]]
        ids = rows["item_id"].to_list()
        titles = rows["title"].to_list() if "title" in rows.columns else [None] * len(ids)
        pictures = [None] * len(ids) if self.store is None or not ids else list(self.store.read(ids))
        return [Cover(*each) for each in zip(ids, titles, pictures, strict=True)]


def _stories(run: Run, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray) -> list[UserStory]:
    chosen = np.sort(np.random.default_rng(0).permutation(len(cases))[:STORIES])
    users, histories = cases.users[chosen], cases.histories
    recommender = run.recommender(dataset.spec(run.length, training_events(dataset)))
    items, times = latest(histories, users, recommender.spec.length)
    events = latest_events(users, items, times, recommender.device)
    seen, owners = seen_items(histories, users)
    _, best = recommender.recommend(run.catalogue(recommender), events, seen, owners, SHOWN)
    unseen = [dataset.items - len(seen[owners == row].unique()) for row in range(len(users))]
    shown, _ = latest(histories, users, SHOWN)
    gallery = _Gallery.of(dataset)
    return [
        UserStory(
            user_id=str(dataset.user_ids[int(user) - 1]),
            history=gallery.covers([n for n in shown[row] if n]),
            recommended=gallery.covers([n for n in best[row].tolist() if n]),
            answer=gallery.covers([cases.targets[case]])[0],
            rank=int(ranks[case]),
            ranked=max(unseen[row], int(ranks[case])),  # an item chosen before has the last rank of all
            events=int(histories.stops[user] - histories.starts[user]),
        )
        for row, (user, case) in enumerate(zip(users, chosen, strict=True))
    ]
