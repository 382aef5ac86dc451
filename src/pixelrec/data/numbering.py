"""The numbers of ids; ids that are unknown are named, with the nearest one."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np
import polars as pl

from pixelrec.errors import RequestError

_NAMED = 5  # unknown ids that a message names


def numbers_of(noun: str, known: pl.Series, ids: Sequence[str]) -> np.ndarray:
    """int64: the number of each id; a `RequestError` names the unknown ones."""
    numbers = look_up(ids, known)
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
