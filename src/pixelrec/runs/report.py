"""Writes the report of a run: curves, metrics, and recommendations for a dozen users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import polars as pl

from pixelrec.batch import Events
from pixelrec.choices import Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.data.views import latest, seen_items
from pixelrec.errors import ImageError, RunError
from pixelrec.evaluation.comparison import Difference
from pixelrec.evaluation.slices import SliceResult
from pixelrec.images.store import PictureStore
from pixelrec.reports.page import write
from pixelrec.reports.view import Cover, MetricRow, Report, Role, SlicePart, Standing, UserStory
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.evaluate import cases_of
from pixelrec.runs.results import EvaluationResult, read_ranks
from pixelrec.runs.run import Run
from pixelrec.training.journal import read_journal

BEST_POSSIBLE = "law of the world"
STORIES = 12  # users shown
SHOWN = 10  # items of a history, and of recommendations


def report_file(folder: Path, split: Split) -> Path:
    """The page of a split in a run folder."""
    return folder / ("report.html" if split == "test" else f"report-{split}.html")


def write_run_report(
    run: Run,
    dataset: Dataset,
    split: Split,
    ceiling: Mapping[str, float] | None = None,
    beside: Sequence[Run] = (),
    out: Path | None = None,
) -> Path:
    """Writes the page of an evaluated split; the users shown are drawn at random, not picked.

    Covers are shown as far as the data set has them. ceiling: metrics that no model can exceed, where the law
    of the data is known. beside: runs shown in the same tables and compared user by user. Raises `RunError`
    if a run was not evaluated on the split, or one `beside` it is of other users or items.
    """
    cases, folder = cases_of(dataset, split), out or run.folder
    result = EvaluationResult.read(folder, split)
    others = _other_runs(run, result, split, beside, folder)
    rows = ReportRows(result, {} if ceiling is None else {BEST_POSSIBLE: ceiling}, others)
    ranks = read_ranks(folder, split).ranks
    monitor = run.recipe.training.monitor
    epochs = read_journal(run.folder / "metrics.jsonl", monitor)
    covers = _Covers.of(dataset)
    summary = {
        "data set": dataset.folder.name,
        "split": split,
        "users evaluated": f"{len(cases):,}",
        **({"left out": result.repeats_note} if result.repeats else {}),
        "catalogue": f"{dataset.items:,} items",
        "item encoder": run.recipe["items"]["name"],
        "user model": run.recipe["users"]["name"],
        **({"pictures": covers.problem} if covers.problem else {}),
    }
    report = Report(
        name=run.name,
        when=str(run.about["created"])[:16].replace("T", " "),
        origin=(run.folder.resolve().name, f"seed {run.recipe['seed']}"),
        split=split,
        metrics=rows.metrics(),
        standing=rows.standing(),
        beside=[rows.beside(other.name, other.difference.overall) for other in others],
        slices=[rows.on_slice(part) for part in result.slices],
        baselines=list(result.notes.items()),
        epochs=epochs,
        best_epoch=max(epochs, key=lambda row: row[monitor])["epoch"] if epochs else None,
        watched=monitor,
        ranks=ranks,
        catalogue=dataset.items,
        stories=_stories(run, dataset, cases, ranks, covers),
        summary=list(summary.items()),
        dataset=[(k.replace("_", " "), f"{v:,}") for k, v in dataset.manifest["counts"].items()],
        configuration=run.recipe.config,
    )
    path = report_file(folder, split)
    write(report, path)
    return path


@final
@dataclass(frozen=True)
class OtherRun:
    name: str  # in the tables, different from any other name there
    result: EvaluationResult
    difference: RunDifference  # the reported run minus this one


@final
@dataclass(frozen=True)
class ReportRows:
    """The tables of a run beside its baselines, perhaps a ceiling, and other runs."""

    result: EvaluationResult
    ceiling: Mapping[str, Mapping[str, float]]  # metrics that no model can exceed, by the name of their row
    others: Sequence[OtherRun]

    def metrics(self) -> list[MetricRow]:
        """Over all cases, from the best to the worst."""
        more = {**self.ceiling, **{other.name: other.result.own_metrics for other in self.others}}
        return self._rows(self.result.ordered(more), {**more, **self.result.metrics})

    def standing(self) -> Standing | None:
        """Beside the best baseline, over all cases."""
        found = self.result.comparison
        return None if found is None else Standing(found.verdict, found.sentence(self.result.model))

    def beside(self, other: str, pair: Difference) -> Standing:
        return Standing(pair.verdict, pair.sentence(self.result.model, other))

    def on_slice(self, part: SliceResult) -> SlicePart:
        more, standings = {}, []
        if comparison := part.comparison:
            sentence = comparison.sentence(self.result.model)
            standings.append(Standing(comparison.verdict, sentence))
        for other in self.others:
            if found := other.result.slice(part.name):
                more[other.name] = found.metrics[other.result.model]
            if pair := other.difference.slices.get(part.name):
                standings.append(self.beside(other.name, pair))
        rows = self._rows(part.ordered(more), {**more, **part.metrics})
        return SlicePart(part.name, part.where, part.cases, rows, standings)

    def _rows(self, order: Sequence[str], values: Mapping[str, Mapping[str, float]]) -> list[MetricRow]:
        roles: dict[str, Role] = {self.result.model: "model"}
        roles |= dict.fromkeys(self.ceiling, "ceiling")
        roles |= dict.fromkeys((other.name for other in self.others), "other")
        return [MetricRow(model, values[model], roles.get(model, "baseline")) for model in order]


def _other_runs(
    run: Run, result: EvaluationResult, split: Split, beside: Sequence[Run], folder: Path
) -> list[OtherRun]:
    """Each under a name that no other row has, with its folder where recipes have the same name."""
    taken = {BEST_POSSIBLE, *result.metrics}
    others = []
    for other in beside:
        name = next((name for name in other.names if name not in taken), None)
        if name is None:
            raise RunError(f"{other.folder} is given twice beside {run.folder}; name each run once")
        taken.add(name)
        difference = RunDifference.read(folder, other.folder, split)
        others.append(OtherRun(name, EvaluationResult.read(other.folder, split), difference))
    return others


@dataclass(frozen=True)
class _Covers:
    """Covers by item number, without pictures where the store cannot be read."""

    information: pl.DataFrame
    store: PictureStore | None
    problem: str = ""  # why pictures are missing

    @classmethod
    def of(cls, dataset: Dataset) -> _Covers:
        if not dataset.covers.exists():
            return cls(dataset.information, None)
        try:
            store = PictureStore.open(dataset.covers)
            absent = len(store.missing(list(dataset.item_ids)))
        except ImageError as error:
            return cls(dataset.information, None, f"not shown: {error}")
        problem = f"{absent:,} items have none: run `pixelrec images pack` again" if absent else ""
        return cls(dataset.information, store, problem)

    def show(self, numbers: Sequence[int]) -> list[Cover]:
        rows = self.information[[int(n) - 1 for n in numbers]]
        ids = rows["item_id"].to_list()
        titles = rows["title"].to_list() if "title" in rows.columns else [None] * len(ids)
        pictures = [
            self.store.read([item])[0] if self.store is not None and item in self.store else None
            for item in ids
        ]
        return [Cover(*cover) for cover in zip(ids, titles, pictures, strict=True)]


def _stories(
    run: Run, dataset: Dataset, cases: EvaluationCases, ranks: np.ndarray, covers: _Covers
) -> list[UserStory]:
    chosen = np.sort(np.random.default_rng(0).permutation(len(cases))[:STORIES])
    users, histories = cases.users[chosen], cases.histories
    recommender = run.recommender(dataset)
    items, times = latest(histories, users, recommender.spec.length)
    events = Events.of_numbers(users, items, times, recommender.device)
    seen, owners = seen_items(histories, users)
    _, best = recommender.recommend(run.catalogue(recommender), events, seen, owners, SHOWN)
    unseen = [dataset.items - len(seen[owners == row].unique()) for row in range(len(users))]
    shown, _ = latest(histories, users, SHOWN)
    return [
        UserStory(
            user_id=str(dataset.user_ids[int(user) - 1]),
            history=covers.show([n for n in shown[row] if n]),
            recommended=covers.show([n for n in best[row].tolist() if n]),
            answer=covers.show([cases.targets[case]])[0],
            rank=int(ranks[case]),
            ranked=unseen[row],
            events=int(histories.stops[user] - histories.starts[user]),
        )
        for row, (user, case) in enumerate(zip(users, chosen, strict=True))
    ]
