"""Rows and sentences of a report, from the results of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from pixelrec.evaluation.slices import SliceResult
from pixelrec.reports.view import MetricRow, Role, SlicePart, Standing
from pixelrec.runs.compare import PairedDifference, RunDifference
from pixelrec.runs.results import EvaluationResult

Values = Mapping[str, Mapping[str, float]]  # metrics in fractions, by model


@final
@dataclass(frozen=True)
class OtherRun:
    """Another run of the same data set and split."""

    name: str  # in the tables, different from any other name there
    result: EvaluationResult
    difference: RunDifference  # the reported run minus this one


@final
@dataclass(frozen=True)
class ReportRows:
    """The tables of a run beside its baselines, perhaps a ceiling, and other runs."""

    result: EvaluationResult
    ceiling: Values  # metrics that no model can exceed, by the name of their row
    others: Sequence[OtherRun]

    def metrics(self) -> list[MetricRow]:
        """Over all cases, from the best to the worst."""
        more = {**self.ceiling, **{other.name: other.result.own_metrics for other in self.others}}
        return self._rows(self.result.ordered(more), {**more, **self.result.metrics})

    def slices(self) -> list[SlicePart]:
        """The slices of the run; the first decides the order of rows."""
        return [self._slice(part) for part in self.result.slices]

    def standing(self) -> Standing | None:
        """Beside the best baseline, over all cases."""
        found = self.result.comparison
        return None if found is None else Standing(found.verdict, found.sentence(self.result.model))

    def beside(self) -> list[Standing]:
        """Beside each other run, over all cases."""
        return [self._beside(other.name, other.difference.overall) for other in self.others]

    def _slice(self, part: SliceResult) -> SlicePart:
        more, standings = {}, []
        if comparison := part.comparison:
            sentence = comparison.sentence(self.result.model, part.where)
            standings.append(Standing(comparison.verdict, sentence))
        for other in self.others:
            if found := other.result.slice(part.name):
                more[other.name] = found.metrics[other.result.model]
            if pair := other.difference.slices.get(part.name):
                standings.append(self._beside(other.name, pair))
        rows = self._rows(part.ordered(more), {**more, **part.metrics})
        return SlicePart(part.name, part.where, part.cases, rows, standings)

    def _beside(self, other: str, pair: PairedDifference) -> Standing:
        return Standing(pair.verdict, pair.sentence(self.result.model, other))

    def _rows(self, order: Sequence[str], values: Values) -> list[MetricRow]:
        roles: dict[str, Role] = {self.result.model: "model"}
        roles |= dict.fromkeys(self.ceiling, "ceiling")
        roles |= dict.fromkeys((other.name for other in self.others), "other")
        return [MetricRow(model, values[model], roles.get(model, "baseline")) for model in order]
