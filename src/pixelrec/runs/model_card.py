"""The model card of a published run: what it is, how good, trained on what, under which licence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from pixelrec.console.numbers import percent
from pixelrec.recipe.yaml_text import write_yaml
from pixelrec.runs.results import EvaluationResult

OUTDATED = (
    "no figures: the run that chose the epochs of this final run does not have the weights that were "
    "recorded then, as after further training"
)
NAMED = re.compile(r"[a-z0-9][a-z0-9.-]*")  # a licence as the hub knows them


@final
@dataclass(frozen=True)
class Licences:
    """Of the weights and of the data: ids that the hub knows, or any name."""

    weights: str | None = None
    data: str | None = None


@final
@dataclass(frozen=True)
class Card:
    """The contents of a model card.

    counts: of the data set, by name; none if it is gone. result: of the test, of this run or of the one that
    chose the epochs of a final run.
    """

    name: str  # of the recipe
    recipe: Mapping[str, Any]
    items: Sequence[str]  # ids
    counts: Mapping[str, int] | None
    data: str  # name of the data set
    result: EvaluationResult | None
    final: bool
    outdated: bool  # whether the run that chose has other weights since
    covers: bool  # whether it encodes new ones
    licences: Licences
    address: str  # on the hub

    @property
    def title(self) -> str:
        return f"{self.name} on {self.data}"

    def text(self) -> str:
        """Markdown with a head of YAML."""
        parts = [self._what(), self._use(), self._figures(), self._data(), self._licences()]
        return f"---\n{write_yaml(self._head())}---\n\n# {self.title}\n\n" + "\n\n".join(parts) + "\n"

    def _head(self) -> dict[str, Any]:
        tags = ["recommendation", "sequential-recommendation", self.recipe["users"]["name"]]
        head: dict[str, Any] = {"library_name": "pixelrec", "tags": [*tags, self.recipe["items"]["name"]]}
        licence = self.licences.weights
        if licence and NAMED.fullmatch(licence):
            head["license"] = licence
        elif licence:
            head |= {"license": "other", "license_name": licence}
        if self.result is not None:
            head["model-index"] = [{"name": self.title, "results": [self._result(self.result)]}]
        return head

    def _result(self, result: EvaluationResult) -> dict[str, Any]:
        metrics = [
            {"type": name.lower().replace("@", "_at_"), "name": name, "value": round(value, 6)}
            for name, value in result.own_metrics.items()
        ]
        return {
            "task": {"type": "other", "name": "Next-item recommendation, whole catalogue"},
            "dataset": {"type": re.sub(r"\W+", "-", self.data).lower() or "data", "name": self.data},
            "metrics": metrics,
        }

    def _what(self) -> str:
        users, items = self.recipe["users"]["name"], self.recipe["items"]["name"]
        return (
            f"A recommender of [pixelrec](https://pypi.org/project/pixelrec/): from the latest "
            f"{self.recipe['length']:,} items that somebody has chosen, it ranks {len(self.items):,} items. "
            f"The user model is `{users}`, over vectors of items by `{items}`; `recipe.yaml` has the rest. "
            "This folder holds items and weights, and nothing about the users it was trained with."
        )

    def _use(self) -> str:
        history = ", ".join(json.dumps(item, ensure_ascii=False) for item in self.items[:3])
        lines = [
            "import pixelrec",
            "",
            f'service = pixelrec.from_pretrained("{self.address}")  # or a folder',
            f"service.recommend(histories=[[{history}]], k=10)  # ids of items, oldest first",
        ]
        if self.covers:
            lines.append(f'service.add(["new.jpg"]).recommend(histories=[[{history}]])  # with a new item')
        return "## Use\n\n```python\n" + "\n".join(lines) + "\n```"

    def _figures(self) -> str:
        if self.outdated:
            return f"## Figures\n\n{OUTDATED[0].upper()}{OUTDATED[1:]}."
        if self.result is None:
            return "## Figures\n\nIt was published without an evaluation."
        result, bounds = self.result, self.result.overall.intervals[self.result.model]
        rows = [
            f"| {name} | {percent(value)} % | {_interval(bounds.get(name))} |"
            for name, value in result.own_metrics.items()
        ]
        lines = [
            f"The last event of each of {result.overall.cases:,} users was held out and ranked among all "
            "items; items of the history are left out.",
            "",
            "| metric | value | 95 % interval over users |\n|---|---|---|",
            *rows,
        ]
        if result.comparison is not None:
            lines += ["", f"{result.comparison.sentence(result.model)}."]
        if result.repeats_note:
            lines += ["", result.repeats_note]
        if self.final:
            lines += [
                "",
                "These figures are of the same recipe trained without these events. The published weights "
                "were trained on every event, for as many epochs, and cannot be measured on any of them.",
            ]
        return "## Figures\n\n" + "\n".join(lines)

    def _data(self) -> str:
        if self.counts is None:
            return "## Data\n\nThe data set was not at hand when this was published."
        rows = [f"| {name.replace('_', ' ')} | {count:,} |" for name, count in self.counts.items()]
        return f"## Data\n\n{self.data}:\n\n| | |\n|---|---|\n" + "\n".join(rows)

    def _licences(self) -> str:
        return (
            f"## Licences\n\n- of the weights: {self.licences.weights or 'not stated'}\n"
            f"- of the data: {self.licences.data or 'not stated'}"
        )


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{percent(bounds[0])} – {percent(bounds[1])} %"
