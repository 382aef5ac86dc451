"""The computations that requests share: each kind collects what waits into one call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, final

from pixelrec.errors import PixelrecError
from pixelrec.runs.queries import Query
from pixelrec.runs.recommendations import Recommendations
from pixelrec.serving.batcher import Batcher
from pixelrec.serving.served_run import ServedRun

_T = TypeVar("_T")
_CALLS = 64  # in one computation


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
        self._singles = Batcher(
            _recommended, most=_CALLS, on_batch=lambda calls: on_batch("recommend", calls)
        )
        # Calls with many requests have a thread of their own, so that single ones do not wait for them.
        self._bulk = Batcher(_recommended, most=1, waiting=64, on_batch=lambda calls: on_batch("bulk", calls))

        self._looks: Batcher[Callable[[], Any], Any] = Batcher(
            _called, most=1, waiting=16, on_batch=lambda calls: on_batch("insight", calls)
        )

    @property
    def waiting(self) -> dict[str, int]:
        """Calls that wait, by kind."""
        return {"recommend": len(self._singles), "bulk": len(self._bulk), "insight": len(self._looks)}

    async def compute(self, call: Callable[[], _T]) -> _T:
        """The result of a longer computation, such as a reason; they are done one after the other."""
        found: _T = await self._looks.ask(call)
        return found

    async def recommend(self, run: ServedRun, **form: Any) -> Recommendations:
        """As the service of the run does for one request; arguments as of its `query`."""
        return await self._singles.ask(Asked(run, form))

    async def recommend_many(self, run: ServedRun, **form: Any) -> Recommendations:
        return await self._bulk.ask(Asked(run, form))


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
