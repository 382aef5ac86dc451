"""Requests that one call makes of a service, in item numbers; several such calls are answered as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias, final

import numpy as np

from pixelrec.batch import Histories
from pixelrec.data.views import places_of
from pixelrec.runs.candidates import Candidates
from pixelrec.runs.histories import Requests

Ranked: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Scores, item numbers and ranks of the best items, best first: each B, k."""


@final
@dataclass(frozen=True, eq=False)
class Query:
    """B requests, and the form of their lists."""

    requests: Requests
    candidates: Candidates
    k: int
    seen: bool = False  # items of the history are recommended, too
    alone: bool = False  # only the added items

    @property
    def kind(self) -> tuple[int, bool, bool]:
        """Queries of one kind can be joined: those over the same candidates."""
        return id(self.candidates.ranker), self.seen, self.alone


def joined(queries: Sequence[Query]) -> Query:
    """One query with the requests of several of one kind, and the longest of their lists."""
    if len(queries) == 1:
        return queries[0]
    first = queries[0]
    requests = _joined_requests([query.requests for query in queries])
    starts = np.cumsum([0, *(len(query.requests) for query in queries[:-1])])
    owners = [query.candidates.owners + start for query, start in zip(queries, starts, strict=True)]
    excluded = np.concatenate([query.candidates.excluded for query in queries])
    shared = Candidates(
        first.candidates.ranker, first.candidates.chosen, excluded, np.concatenate(owners).astype(np.int64)
    )
    return Query(requests, shared, max(query.k for query in queries), first.seen, first.alone)


def parted(ranked: Ranked, queries: Sequence[Query]) -> Iterator[Ranked]:
    """The part of each query in the answer to all of them."""
    start = 0
    for query in queries:
        rows = slice(start, start + len(query.requests))
        columns = slice(None) if query.alone else slice(query.k)
        scores, items, ranks = (each[rows, columns] for each in ranked)
        yield scores, items.copy(), ranks
        start = rows.stop


def of_one_kind(queries: Iterable[Query]) -> Iterator[list[int]]:
    """The places of the queries of each kind."""
    numbered = sorted(enumerate(queries), key=lambda pair: pair[1].kind)
    for _, group in groupby(numbered, key=lambda pair: pair[1].kind):
        yield [place for place, _ in group]


def _joined_requests(several: Sequence[Requests]) -> Requests:
    items, times, lengths = [], [], []
    for each in several:
        past = each.histories
        rows = np.arange(1, len(each) + 1)
        _, places = places_of(past, rows)
        items.append(past.items[places])
        times.append(past.times[places])
        lengths.append(past.stops[rows] - past.starts[rows])
    stops = np.cumsum(np.concatenate(lengths))
    histories = Histories.of_stops(np.concatenate(items), np.concatenate(times), stops)
    return Requests(histories, np.concatenate([each.users for each in several]))
