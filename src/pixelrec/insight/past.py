"""The one history that is explained: of a user, whole or before an evaluated event, or given as item ids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixelrec.batch import Histories
from pixelrec.choices import Split
from pixelrec.errors import RequestError
from pixelrec.runs.histories import Requests, given_histories
from pixelrec.runs.recommend import Ids, RecommendationService

_HELD_OUT: dict[Split, int] = {"test": 1, "validation": 2}  # latest events that are not before it


def past_of(
    service: RecommendationService, *, user: str | None = None, history: Ids = (), before: Split | None = None
) -> Requests:
    """A single history.

    Args:
        service: of any run.
        user: id of a user of the data set.
        history: ids of items, oldest first.
        before: only the events of the user before the test event, or before the validation event.

    Raises:
        RequestError: an id is unknown, not exactly one of user and history is given, or nothing is known
            before.
    """
    given = list(history)
    if (user is None) == (not given):
        raise RequestError("give a user, or a history of item ids: exactly one of the two")
    if user is None:
        if before:
            raise RequestError(f"the {before} event is that of a user; give one")
        if name := service.ranker.needs_known_user:
            raise RequestError(f"{name} has a vector for each user that it was trained with; give a user")
        return given_histories([given], service.numbering, service.run)
    events = service.user_events()
    number = events.dataset.user_numbers([user])
    found = events.requests(number, [user])
    if before:
        if events.numbers is not None or not events.dataset.evaluated[number[0]]:
            raise RequestError(f"user {user!r} has no {before} event in the data that the run was trained on")
        found = _without_latest(found, _HELD_OUT[before])
    if found.empty[0] and not service.ranker.needs_known_user:
        raise RequestError(f"user {user!r} has no event of an item that {service.run.folder} knows")
    return found


def _without_latest(past: Requests, count: int) -> Requests:
    items, times = (each[:-count] for each in (past.histories.items, past.histories.times))
    return replace(past, histories=Histories.of_stops(items, times, np.array([len(items)])))
