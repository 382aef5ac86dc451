"""The numbers of ids; ids that are unknown are named, with the nearest one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import final

import numpy as np
import polars as pl

from pixelrec.errors import RequestError

_NAMED = 5  # unknown ids that a message names


@final
class Numbering:
    """The numbers of ids that stay in memory: from the second question on, by an index of them."""

    def __init__(self, known: pl.Series) -> None:
        self.known = known  # String[n]; the number of `known[r]` is r + 1
        self._index: dict[str, int] | None = None
        self._used = False

    def __len__(self) -> int:
        return len(self.known)

    def look_up(self, ids: Sequence[str]) -> np.ndarray:
        """int64: the number of each id; 0 if it is unknown."""
        if not self._used:
            self._used = True
            return look_up(ids, self.known)
        if self._index is None:
            self._index = dict(zip(self.known, range(1, len(self.known) + 1), strict=True))
        return np.array([self._index.get(each, 0) for each in ids], np.int64)

    def demand(self, noun: str, ids: Sequence[str]) -> np.ndarray:
        """int64: the number of each id; a `RequestError` names the unknown ones."""
        return _all_known(noun, self.known, ids, self.look_up(ids))


def numbers_of(noun: str, known: pl.Series, ids: Sequence[str]) -> np.ndarray:
    """int64: the number of each id; a `RequestError` names the unknown ones."""
    return _all_known(noun, known, ids, look_up(ids, known))


def _all_known(noun: str, known: pl.Series, ids: Sequence[str], numbers: np.ndarray) -> np.ndarray:
    if not numbers.all():
        unknown = list(dict.fromkeys(ids[place] for place in np.flatnonzero(numbers == 0).tolist()))
        named, plural = ", ".join(map(repr, unknown[:_NAMED])), "s" if len(unknown) > 1 else ""
        if len(unknown) > _NAMED:
            more = f"and {len(unknown) - _NAMED:,} more; ids look like {known[0]!r}"
            raise RequestError(f"unknown {noun}s {named} {more}")
        raise RequestError(f"unknown {noun}{plural} {named}; {_hint(unknown[0], known)}")
    return numbers


def look_up(ids: Sequence[str], known: pl.Series) -> np.ndarray:
    """int64: the number of each id, which is r + 1 for `known[r]`; 0 if it is unknown.

    For few ids among millions: a scan of `known`, no index of it.
    """
    places = known.is_in(pl.Series(ids, dtype=pl.String).implode()).arg_true()
    numbers = dict(zip(known.gather(places), (places + 1).to_list(), strict=True))
    return np.array([numbers.get(each, 0) for each in ids], np.int64)


def _hint(word: str, known: pl.Series) -> str:
    """The nearest id among some that begin alike: there may be millions in all."""
    for shared in range(min(len(word), 40), 0, -1):
        alike = known.filter(known.str.starts_with(word[:shared])).head(1_000)
        if close := get_close_matches(word, alike.to_list(), n=1):
            return f"did you mean {close[0]!r}?"
    return f"ids look like {known[0]!r}"
