"""Writes the report of a run: curves, metrics, and recommendations for a dozen users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from pixelrec.choices import Split
from pixelrec.console.numbers import percent, plural
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError, command
from pixelrec.evaluation.comparison import METRIC, PLACES, Difference
from pixelrec.evaluation.significance import Verdict
from pixelrec.evaluation.slices import LONG_TAIL, NEW, SliceResult
from pixelrec.reports.page import write
from pixelrec.reports.view import Curves, MetricRow, Report, Role, SlicePart, Spread, Standing, Tile
from pixelrec.runs.compare import RunDifference
from pixelrec.runs.evaluate import cases_of, target_counts
from pixelrec.runs.fitted import FIT
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import BLEND, Run
from pixelrec.runs.saved_ranks import SavedRanks, ranks_file
from pixelrec.runs.stories import Covers, StoryTeller
from pixelrec.training.fitting import COSINE
from pixelrec.training.journal import read_journal

BEST_POSSIBLE = "law of the world"
HEADLINES = (METRIC, "Recall@10")
SHORT: Mapping[Verdict, str] = {"ahead": "ahead", "level": "no significant difference", "behind": "behind"}


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
    on_problem: OnProgress = ignore,
) -> Path:
    """Writes the page of an evaluated split; the users shown are drawn at random, not picked.

    ceiling: metrics that no model can exceed, where the law of the data is known. beside: runs shown in the
    same tables and compared user by user. out: the folder of the evaluation and of the page, if not the
    run's. on_problem: called with the reason where covers cannot be shown. Raises `RunError` if a run was not
    evaluated on the split, or it or one `beside` it is of other users or items.
    """
    cases, folder = cases_of(dataset, split), out or run.folder
    result, ranks = EvaluationResult.read(folder, split), SavedRanks.read(folder, split)
    ones, counts = np.ones(len(cases), np.int64), target_counts(dataset, cases)
    expected = SavedRanks.of_cases(dataset, cases, ones, counts)
    files = f"{ranks_file(folder, split)} and {dataset.folder}"
    ranks.demand_same_cases(expected, files, f"run `{command('evaluate', run.folder)}` again")
    others = _other_runs(run, result, split, beside, folder)
    rows = ReportRows(result, {} if ceiling is None else {BEST_POSSIBLE: ceiling}, others)
    covers = Covers.of(dataset)
    if covers.problem:
        on_problem(f"covers: {covers.problem}")
    teller = StoryTeller(dataset, cases, covers)
    curves = _curves(run, run.name)
    report = Report(
        name=run.name,
        data=dataset.folder.resolve().name,
        when=str(run.about["created"])[:16].replace("T", " "),
        origin=(run.folder.resolve().name, *([] if run.is_blend else [f"seed {run.recipe['seed']}"])),
        split=split,
        tiles=_tiles(result, curves),
        metrics=rows.metrics(),
        standing=rows.standing(),
        beside=[rows.beside(other.name, other.difference.overall) for other in others],
        slices=[rows.on_slice(part) for part in result.slices],
        left_out=result.repeats_note,
        baselines=list(result.notes.items()),
        trained=not run.is_blend,
        epochs=curves.epochs,
        best_epoch=curves.best_epoch,
        curves_beside=[_curves(other.run, other.name) for other in others],
        watched=METRIC if run.is_blend else run.recipe.training.monitor,
        ranks=ranks.ranks,
        catalogue=dataset.items,
        spread=_spreads(result, others, covers),
        stories=teller.stories(run, ranks.ranks, [(each.name, each.run, each.ranks) for each in others]),
        summary=_summary(run, dataset, split, len(cases), covers),
        dataset=[(k.replace("_", " "), f"{v:,}") for k, v in dataset.manifest["counts"].items()],
        configuration=run.about[BLEND] if run.is_blend else run.recipe.config,
        origins=_origins(run, dataset, result),
    )
    if covers.damaged:
        on_problem(f"{plural(len(covers.damaged), 'cover')} not shown: {next(iter(covers.damaged.values()))}")
    path = report_file(folder, split)
    write(report, path)
    return path


def _curves(run: Run, name: str) -> Curves:
    if run.is_blend:
        return Curves(name, [])
    monitor = run.recipe.training.monitor
    epochs = read_journal(run.folder / "metrics.jsonl", monitor)
    best = max(epochs, key=lambda row: row[monitor], default=None)
    return Curves(name, epochs, best["epoch"] if best else None)


def _tiles(result: EvaluationResult, curves: Curves) -> list[Tile]:
    """The metrics that count, each with its verdict against the one best baseline by NDCG@10."""
    best = next((row for row in curves.epochs if row["epoch"] == curves.best_epoch), {})
    tiles = []
    for name in HEADLINES:
        value, bounds = result.own_metrics.get(name), result.overall.intervals[result.model].get(name)
        if value is None:
            continue
        against, verdict = "", None
        if (found := result.comparison) and name in found.difference.intervals:
            verdict = found.difference.intervals[name].verdict
            theirs = result.metrics[found.baseline][name]
            against = f"{PLACES[verdict]} {found.baseline}"
            if theirs:
                against = f"{value / theirs:.2f} × {found.baseline}, {SHORT[verdict]}"
        validation = best.get(name) if result.split == "test" else None
        tiles.append(Tile(name, value, bounds, against, verdict, validation))
    return tiles


def _summary(run: Run, dataset: Dataset, split: Split, cases: int, covers: Covers) -> list[tuple[str, str]]:
    summary = {
        "split": split,
        "users evaluated": f"{cases:,}",
        "catalogue": f"{dataset.items:,} items",
        **model_facts(run),
        **({"pictures": covers.problem} if covers.problem else {}),
    }
    return list(summary.items())


def model_facts(run: Run) -> dict[str, str]:
    """What a run is made of, by label."""
    if run.is_blend:
        return {"blend of": ", ".join(run.about[BLEND])}
    recipe = run.recipe
    found = {"item encoder": recipe["items"]["name"], "user model": recipe["users"]["name"]}
    if recipe.fit.passes and (fit := read_journal(run.folder / FIT / "metrics.jsonl", COSINE)):
        found["cosine of held-out items"] = f"{percent(max(row[COSINE] for row in fit))} %"
    return found


def _origins(run: Run, dataset: Dataset, result: EvaluationResult) -> list[tuple[str, str]]:
    recipe, data = run.folder.resolve() / "recipe.yaml", dataset.folder.resolve()
    again = "" if run.is_blend else command("train", recipe, "--data", data)
    found = {
        "blended" if run.is_blend else "trained": str(run.about["created"]).replace("T", " "),
        "again": again,
        "machine": str(run.about.get("machine", "")),
        "versions": f"pixelrec {run.about.get('pixelrec')}, torch {run.about.get('torch')}",
        "data, SHA-256": dataset.fingerprint,
        "pictures, SHA-256": str(run.about.get("pictures_fingerprint", "")),
        "weights, SHA-256": result.weights,
    }
    return [(label, value) for label, value in found.items() if value]


@final
@dataclass(frozen=True)
class OtherRun:
    name: str  # in the tables, different from any other name there
    run: Run
    result: EvaluationResult
    ranks: SavedRanks
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
        theirs = {other.name: (other.result.overall, other.result.model) for other in self.others}
        return self._rows(self.result.overall, theirs, self.ceiling)

    def standing(self) -> Standing | None:
        """Beside the best baseline, over all cases."""
        found = self.result.comparison
        return None if found is None else Standing(found.verdict, found.sentence(self.result.model))

    def beside(self, other: str, pair: Difference) -> Standing:
        return Standing(pair.verdict, pair.sentence(self.result.model, other))

    def on_slice(self, part: SliceResult) -> SlicePart:
        """With verdicts only on rare items: on all others it is mostly that over all items."""
        theirs, standings = {}, []
        if comparison := part.comparison:
            standings.append(Standing(comparison.verdict, comparison.sentence(self.result.model)))
        for other in self.others:
            if found := other.result.slice(part.name):
                theirs[other.name] = (found, other.result.model)
            if pair := other.difference.slices.get(part.name):
                standings.append(self.beside(other.name, pair))
        shown = standings if part.name in (LONG_TAIL.name, NEW.name) else []
        return SlicePart(part.name, part.where, part.cases, self._rows(part, theirs), shown)

    def _rows(
        self,
        part: SliceResult,
        theirs: Mapping[str, tuple[SliceResult, str]],  # by the name of the row: a result, and its model
        ceiling: Mapping[str, Mapping[str, float]] | None = None,
    ) -> list[MetricRow]:
        def row(name: str, found: SliceResult, model: str, role: Role) -> MetricRow:
            bounds, median = found.intervals[model], found.median_ranks[model]
            return MetricRow(name, found.metrics[model], role, bounds, median)

        own = self.result.model
        rows = [row(name, part, name, "model" if name == own else "baseline") for name in part.metrics]
        rows += [row(name, found, model, "other") for name, (found, model) in theirs.items()]
        rows += [MetricRow(name, values, "ceiling") for name, values in (ceiling or {}).items()]
        return sorted(rows, key=lambda row: -row.values[METRIC])


def _spreads(result: EvaluationResult, others: Sequence[OtherRun], covers: Covers) -> list[Spread]:
    spreads, theirs = [], {other.name: other.result.exposure for other in others}
    for name, found in {result.model: result.exposure, **theirs}.items():
        if found is not None:
            most = covers.show_ids(
                {item: f"{percent(lists / found.users, 1)} %" for item, lists in found.most}
            )
            spreads.append(Spread(name, found.users, found.shown, found.items, found.gini, most))
    return spreads


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
        found = EvaluationResult.read(other.folder, split)
        others.append(OtherRun(name, other, found, SavedRanks.read(other.folder, split), difference))
    return others
