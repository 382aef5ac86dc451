"""The items that may be recommended: all, or those that a request allows and does not exclude."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from pixelrec.choices import as_ids, as_list
from pixelrec.data.numbering import Numbering
from pixelrec.errors import RequestError
from pixelrec.evaluation.ranker import AbstractRanker
from pixelrec.runs.histories import Requests, unknown_line
from pixelrec.runs.run import Run


@final
@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates that all requests share, and further items that single requests exclude."""

    ranker: AbstractRanker  # of the candidates only
    chosen: np.ndarray | None  # their item numbers, ascending, 0 first; none: all items are candidates
    excluded: np.ndarray  # item numbers
    owners: np.ndarray  # the request (0 … B − 1) that excludes each

    @classmethod
    def of(
        cls,
        ranker: AbstractRanker,
        items: Numbering,
        run: Run,
        among: Iterable[str | int] | None,
        exclude: Iterable[object],
        requests: Requests,
    ) -> Self:
        """Of ids in the forms that a request has them; ids that are unknown are noted in `requests`.

        Raises:
            RequestError: an id is of another type, or nothing is left.
        """

        def numbers(ids: list[str], where: str) -> np.ndarray:
            found = items.look_up(ids)
            if not found.all():
                requests.notes.append(unknown_line(where, ids, found > 0, run))
            return found[found > 0]

        chosen = None if among is None else np.unique(numbers(as_ids(among, "among"), "among"))
        shared, own = _excluded(as_list(exclude, "exclude"), requests)
        if shared:
            everything = np.arange(1, len(items) + 1) if chosen is None else chosen
            chosen = np.setdiff1d(everything, numbers(shared, "exclude"))
        if chosen is not None and not len(chosen):
            left = "among and exclude leave no item to recommend"
            raise RequestError("; ".join([left, *dict.fromkeys(requests.notes)]))
        found = [numbers(ids, "exclude") for ids in own]
        owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
        return cls._cut(ranker, chosen, np.concatenate([np.zeros(0, np.int64), *found]), owners)

    @classmethod
    def _cut(
        cls, ranker: AbstractRanker, chosen: np.ndarray | None, excluded: np.ndarray, owners: np.ndarray
    ) -> Self:
        """chosen: in ascending order, so that ties are decided as in the whole catalogue."""
        if chosen is None:
            return cls(ranker, None, excluded, owners)
        chosen = np.r_[0, chosen]
        return cls(ranker.among(chosen), chosen, excluded, owners)

    def excluded_by(self, requests: np.ndarray) -> tuple[Tensor, Tensor]:
        """Item numbers that some requests, one after the other, exclude, and the place of each in these."""
        mine = (self.owners >= requests[0]) & (self.owners <= requests[-1])
        return torch.from_numpy(self.excluded[mine]), torch.from_numpy(self.owners[mine] - requests[0])

    def rows(self, numbers: Tensor) -> Tensor:
        """The rows of items among the candidates; 0 for others."""
        if self.chosen is None:
            return numbers
        places = np.searchsorted(self.chosen, numbers.numpy()).clip(max=len(self.chosen) - 1)
        return torch.from_numpy(np.where(self.chosen[places] == numbers.numpy(), places, 0))

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """The item numbers of rows of the candidates."""
        return rows if self.chosen is None else self.chosen[rows]


def _excluded(values: Sequence[object], requests: Requests) -> tuple[list[str], list[list[str]]]:
    """Ids that all requests exclude, or those of each request."""
    single = [value for value in values if isinstance(value, str) or not _is_list(value)]
    if single or not values:
        return as_ids(values, "exclude"), []  # type: ignore[arg-type]
    if len(values) != len(requests):
        raise RequestError(
            f"exclude holds {len(values):,} lists, and there are {len(requests):,} requests; expected a list "
            "for each, or one list of ids for all"
        )
    return [], [as_ids(each, "exclude") for each in values]  # type: ignore[arg-type]


def _is_list(value: object) -> bool:
    try:
        iter(value)  # type: ignore[call-overload]
    except TypeError:
        return False
    return True
