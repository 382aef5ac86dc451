"""`/v1/runs`: the runs of the server."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from pixelrec.serving.request import TheShop
from pixelrec.serving.served_run import ServedRun

router = APIRouter(tags=["runs"])


class RunSummary(BaseModel):
    name: str
    recipe: str
    items: int
    users: int  # of the data set whose users are known; 0 where there is none

    @classmethod
    def of(cls, run: ServedRun) -> RunSummary:
        users = 0 if run.dataset is None else run.dataset.users
        return cls(name=run.name, recipe=run.run.name, items=len(run.service.items), users=users)


@router.get("/runs")
def runs(shop: TheShop) -> list[RunSummary]:
    """All runs, in the order in which they were given to the server."""
    return [RunSummary.of(run) for run in shop.runs.values()]
