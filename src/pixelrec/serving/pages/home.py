"""The first page: the runs, their data, and their figures beside each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from pixelrec.errors import command
from pixelrec.evaluation.comparison import METRIC
from pixelrec.runs.report import model_facts
from pixelrec.runs.results import EvaluationResult
from pixelrec.serving.pages.rendering import page
from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun

router = APIRouter()


@final
@dataclass(frozen=True)
class Missing:
    """What a run has not, why, and the command that makes it, or none."""

    sentence: str
    command: str = ""


@final
@dataclass(frozen=True)
class Card:
    """A run as the page shows it."""

    run: ServedRun

    @property
    def kind(self) -> str:
        """In a few words; empty for a run like most."""
        run = self.run.run
        kinds = {"blend": run.is_blend, "final": run.is_final, "published": run.is_published}
        return ", ".join(kind for kind, holds in kinds.items() if holds)

    @property
    def facts(self) -> list[tuple[str, str]]:
        run, data = self.run.run, self.run.dataset
        facts = {"recipe": run.name, **model_facts(run), "items": f"{len(self.run.service.items):,}"}
        if data is not None:
            facts |= {"data": data.folder.resolve().name, "users": f"{data.users:,}"}
        return [*facts.items(), ("trained", str(run.about["created"])[:10])]

    @property
    def result(self) -> EvaluationResult | None:
        return None if self.run.split is None else self.run.evaluations[self.run.split]

    @property
    def headlines(self) -> list[tuple[str, float, tuple[float, float] | None]]:
        """Metric, value, and its 95 % interval."""
        found = self.result
        if found is None:
            return []
        bounds = found.overall.intervals[found.model]
        return [
            (name, found.own_metrics[name], bounds.get(name))
            for name in (METRIC, "Recall@10")
            if name in found.own_metrics
        ]

    @property
    def missing(self) -> list[Missing]:
        run = self.run.run
        return [
            *_missing_figures(self.run),
            *filter(None, [missing_users(self.run)]),
            *(
                [Missing("a blend takes no pictures of new items; ask one of its parts")]
                if run.is_blend
                else []
            ),
            *(
                []
                if run.has_encoder
                else [Missing("published without its item encoder: it takes no new covers")]
            ),
            *map(Missing, self.run.service.notes),
        ]


def _missing_figures(served: ServedRun) -> list[Missing]:
    run = served.run
    if run.is_final:
        return [Missing("no figures: it was trained on every event, the test events included")]
    if run.is_published:
        return [Missing("no figures: a published run is without its evaluation")]
    if served.split is None:
        return [Missing("its present weights were not evaluated", command("evaluate", run.folder))]
    if served.split == "validation":
        again = command("evaluate", run.folder, "--split", "test")
        return [Missing("evaluated on validation only, whose users chose its best epoch", again)]
    return []


def missing_users(served: ServedRun) -> Missing | None:
    """Why no user is known; none where there are users."""
    if served.dataset is not None:
        return None
    if served.run.is_published:
        return Missing("a published run holds nothing about users; give a data set", "--data FOLDER")
    return Missing(f"no users: its data set is no longer at {served.run.about['data']}", "--data FOLDER")


@router.get("/")
def home(request: Request, shop: TheShop) -> HTMLResponse:
    return page(request, "home.html", {"cards": [Card(run) for run in shop.runs.values()]})
