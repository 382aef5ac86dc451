"""The computations that requests share: each kind collects what waits into one call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar, final

import torch
from torch import Tensor

from pixelrec.errors import PixelrecError
from pixelrec.runs.queries import Query
from pixelrec.runs.recommendations import Recommendations
from pixelrec.serving.batcher import Batcher
from pixelrec.serving.new_covers import NewCovers, squares_of
from pixelrec.serving.served_run import ServedRun

_T = TypeVar("_T")
Compute: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]


@final
@dataclass(frozen=True)
class Asked:
    """Arguments of `RecommendationService.query`, by name, for a run."""

    run: ServedRun
    form: dict[str, Any] = field(default_factory=dict)


@final
class Engine:
    """on_batch: called with the kind of the computation and the number of calls in it."""

    def __init__(self, on_batch: Callable[[str, int], object] = lambda _kind, _calls: None) -> None:
        forms: dict[str, tuple[Compute, int, int]] = {
            "recommend": (_recommended, 64, 1024),
            # Calls with many requests have a thread of their own, so that single ones do not wait for them.
            "bulk": (_recommended, 1, 64),
            # A picture may take hundreds of megabytes while it is decoded.
            "decode": (_called, 1, 256),
            "encode": (_encoded, 32, 256),
            # A catalogue with new covers is a copy: there is one at a time.
            "covers": (_called, 1, 256),
            "insight": (_called, 1, 16),
        }
        self._batchers: dict[str, Batcher[Any, Any]] = {
            kind: Batcher(compute, most=most, waiting=waiting, on_batch=partial(on_batch, kind))
            for kind, (compute, most, waiting) in forms.items()
        }

    @property
    def waiting(self) -> dict[str, int]:
        """Calls that wait, by kind."""
        return {kind: len(batcher) for kind, batcher in self._batchers.items()}

    async def compute(self, call: Callable[[], _T]) -> _T:
        """The result of a longer computation, such as a reason; they are done one after the other."""
        found: _T = await self._batchers["insight"].ask(call)
        return found

    async def recommend(self, run: ServedRun, **form: Any) -> Recommendations:
        """As the service of the run does for one request; arguments as of its `query`."""
        found: Recommendations = await self._batchers["recommend"].ask(Asked(run, form))
        return found

    async def recommend_many(self, run: ServedRun, **form: Any) -> Recommendations:
        found: Recommendations = await self._batchers["bulk"].ask(Asked(run, form))
        return found

    async def covers(self, run: ServedRun, files: Sequence[tuple[str, bytes]], most: int) -> NewCovers:
        """Named pictures in a run, encoded together with those of other requests; errors of `squares_of`."""
        squares = await self._batchers["decode"].ask(partial(squares_of, run, files, most))
        names = [name for name, _ in files]
        vectors = await self._batchers["encode"].ask((run, squares))
        return await self.with_covers(partial(NewCovers.with_vectors, run, names, vectors))

    async def with_covers(self, call: Callable[[], _T]) -> _T:
        """The result of a computation with new covers; they are done one after the other."""
        found: _T = await self._batchers["covers"].ask(call)
        return found


def _encoded(asked: Sequence[tuple[ServedRun, Tensor]]) -> list[Tensor]:
    """Vectors of the pictures of each call; those of one run pass through its network together."""
    found: dict[int, Tensor] = {}
    for run in {run for run, _ in asked}:
        places = [place for place, (each, _) in enumerate(asked) if each is run]
        squares = [asked[place][1] for place in places]
        vectors = run.encoder().unseen(torch.cat(squares))
        found |= zip(places, vectors.split([len(each) for each in squares]), strict=True)
    return [found[place] for place in range(len(asked))]


def _called(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    return [call() for call in calls]


def _recommended(asked: Sequence[Asked]) -> list[Recommendations | Exception]:
    found: dict[int, Recommendations | Exception] = {}
    queries: dict[ServedRun, list[tuple[int, Query]]] = defaultdict(list)
    for place, each in enumerate(asked):
        try:
            query = each.run.service.query(**each.form)
            queries[each.run].append((place, query))
        except PixelrecError as error:
            found[place] = error
    for run, numbered in queries.items():
        places, some = zip(*numbered, strict=True)
        found |= zip(places, run.service.answers(some), strict=True)
    return [found[place] for place in range(len(asked))]
