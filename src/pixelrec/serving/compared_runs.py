"""The figures of runs that were evaluated on the same users, beside each other and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from pixelrec.choices import Split
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import METRIC, Difference
from pixelrec.evaluation.slices import LONG_TAIL, NEW, SLICES, SliceResult, slice_label
from pixelrec.reports.tables import MetricTable, metric_table
from pixelrec.reports.view import MetricRow, Standing
from pixelrec.runs.results import EvaluationResult
from pixelrec.serving.served_run import SPLITS, ServedRun


@final
@dataclass(frozen=True)
class FiguresPart:
    """All runs on the users of all items, or of rare ones."""

    where: str  # "items with < 5 training events (n = 123)"; empty for all
    table: MetricTable
    standings: Sequence[Standing]


@final
@dataclass(frozen=True)
class ComparedRuns:
    split: Split
    runs: Sequence[ServedRun]  # the best first
    parts: Sequence[FiguresPart]

    @property
    def results(self) -> list[EvaluationResult]:
        return [run.evaluations[self.split] for run in self.runs]

    @property
    def cases(self) -> int:
        return self.results[0].overall.cases

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures has to know."""
        first = self.results[0]
        tuned = ", ".join(f"{name} ({choice})" for name, choice in first.notes.items())
        warnings = [
            f"{run.name}: {r.warning}" for run, r in zip(self.runs, self.results, strict=True) if r.warning
        ]
        return [
            *filter(None, [first.repeats_note, tuned and f"baselines, tuned on validation: {tuned}"]),
            *warnings,
        ]


def compared_runs(runs: Sequence[ServedRun]) -> list[ComparedRuns]:
    """Groups of runs with the same users, targets and training events; each run is in one at least.

    On test; those on validation only where they hold a run that was evaluated on nothing else.
    """
    found: list[ComparedRuns] = []
    shown: set[str] = set()
    for split in SPLITS:
        groups: list[list[ServedRun]] = []
        for run in runs:
            if split in run.evaluations:
                mine = next((group for group in groups if same_cases(group[0], run, split)), None)
                groups.append([run]) if mine is None else mine.append(run)
        new = [group for group in groups if any(run.name not in shown for run in group)]
        found += [_figures(group, split) for group in new]
        shown |= {run.name for group in new for run in group}
    return found


def same_cases(first: ServedRun, second: ServedRun, split: Split) -> bool:
    """Whether both were evaluated on a split, on the same users, targets and training events."""
    if split not in first.evaluations or split not in second.evaluations:
        return False
    try:
        first.ranks[split].demand_same_cases(second.ranks[split], "", "")
    except RunError:
        return False
    return True


def _figures(runs: Sequence[ServedRun], split: Split) -> ComparedRuns:
    best_first = sorted(runs, key=lambda run: -run.evaluations[split].own_metrics[METRIC])
    results = {run.name: run.evaluations[split] for run in best_first}
    parts = [_part(best_first, split, {name: each.overall for name, each in results.items()})]
    for part in (LONG_TAIL, NEW):
        found = {name: there for name, each in results.items() if (there := each.slice(part.name))}
        if len(found) == len(results):
            parts.append(_part(best_first, split, found))
    return ComparedRuns(split, best_first, parts)


def _part(runs: Sequence[ServedRun], split: Split, found: dict[str, SliceResult]) -> FiguresPart:
    first = runs[0]
    rows, standings = [], []
    for run in runs:
        part, model = found[run.name], run.evaluations[split].model
        rows.append(MetricRow(run.name, part.metrics[model], "model", part.intervals[model]))
        if part.comparison:
            standings.append(Standing(part.comparison.verdict, part.comparison.sentence(run.name)))
    part, own = found[first.name], first.evaluations[split].model
    rows += [
        MetricRow(name, values, "baseline", part.intervals[name])
        for name, values in part.metrics.items()
        if name != own
    ]
    for other in runs[1:]:
        if pair := _difference(first, other, split, part):
            standings.append(Standing(pair.verdict, pair.sentence(first.name, other.name)))
    table = metric_table(sorted(rows, key=lambda row: -row.values[METRIC]))
    assert table is not None, "there is a run"
    return FiguresPart(part.where, table, standings)


def _difference(first: ServedRun, other: ServedRun, split: Split, on: SliceResult) -> Difference | None:
    """On the users of a slice; none for too few."""
    ours, theirs = first.ranks[split], other.ranks[split]
    part = next((each for each in SLICES if each.name == on.name), None)
    if part is None:
        return Difference.of(ours.ranks, theirs.ranks) if on.cases > 1 else None
    mask = part.holds(ours.counts)
    if mask.sum() < part.min_cases:
        return None
    return Difference.of(ours.ranks[mask], theirs.ranks[mask], slice_label(part.events, int(mask.sum())))
