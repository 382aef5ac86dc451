"""From what evaluations found to the rows and sentences of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from pixelrec.evaluation.slices import SliceResult
from pixelrec.reports.view import MetricRow, Role, SlicePart, Standing
from pixelrec.runs.pairing import Paired, Pairing
from pixelrec.runs.results import Measured


@final
@dataclass(frozen=True)
class Other:
    """Another run of the same data set and split.

    name: what the tables call it, unlike any other name there.
    pairing: the reported run less this one.
    """

    name: str
    measured: Measured
    pairing: Pairing

    @property
    def metrics(self) -> Mapping[str, float]:
        """Over all questions, in fractions."""
        return self.measured.metrics[self.measured.model]

    def on(self, name: str) -> Mapping[str, float] | None:
        """Its metrics on the slice of this name; none where it was evaluated without such a slice."""
        found = self.measured.slice(name)
        return None if found is None else found.metrics[self.measured.model]


def metric_rows(
    measured: Measured, ceiling: Mapping[str, Mapping[str, float]], others: Sequence[Other] = ()
) -> list[MetricRow]:
    """From the best to the worst; `ceiling`: what nobody can beat, by the name of its row."""
    more = {**ceiling, **{other.name: other.metrics for other in others}}
    roles: dict[str, Role] = {**dict.fromkeys(ceiling, "ceiling"), **_roles(measured, others)}
    return _rows(measured.split, measured.ordered(more), {**more, **measured.metrics}, roles)


def slice_parts(measured: Measured, others: Sequence[Other] = ()) -> list[SlicePart]:
    """Slices as the run has them; the first decides the order of rows."""
    return [_slice_part(measured, part, others) for part in measured.slices]


def _slice_part(measured: Measured, part: SliceResult, others: Sequence[Other]) -> SlicePart:
    more = {other.name: found for other in others if (found := other.on(part.name)) is not None}
    values: Mapping[str, Mapping[str, float]] = {**more, **part.metrics}
    rows = _rows(measured.split, part.ordered(more), values, _roles(measured, others))
    said = [] if part.comparison is None else [_against(measured, part)]
    pairs = {other.name: other.pairing.slices.get(part.name) for other in others}
    said += [_beside(measured.model, name, pair) for name, pair in pairs.items() if pair is not None]
    return SlicePart(part.name, part.where, part.cases, rows, said)


def _rows(
    split: str, order: Sequence[str], values: Mapping[str, Mapping[str, float]], roles: Mapping[str, Role]
) -> list[MetricRow]:
    return [MetricRow(split, model, values[model], roles.get(model, "baseline")) for model in order]


def standing(measured: Measured) -> Standing | None:
    """Beside the best baseline, over all questions."""
    found = measured.comparison
    return None if found is None else Standing(found.verdict, found.sentence(measured.model))


def beside(measured: Measured, others: Sequence[Other]) -> list[Standing]:
    """Beside each other run, over all questions."""
    return [_beside(measured.model, other.name, other.pairing.overall) for other in others]


def _against(measured: Measured, part: SliceResult) -> Standing:
    assert part.comparison is not None
    return Standing(part.comparison.verdict, part.comparison.sentence(measured.model, part.where))


def _beside(model: str, other: str, pair: Paired) -> Standing:
    return Standing(pair.verdict, pair.sentence(model, other))


def _roles(measured: Measured, others: Sequence[Other]) -> dict[str, Role]:
    return {**dict.fromkeys((other.name for other in others), "other"), measured.model: "model"}
