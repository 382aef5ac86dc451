"""What a caller of the Python functions gives, read as it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from pixelrec.errors import RequestError


def ids(given: Sequence[str | int], what: str) -> list[str]:
    """Ids as data sets hold them: whole numbers are read as their digits.

    Raises:
        RequestError: something else is among them, or it is no list.
    """
    read = [str(each) if isinstance(each, Integral) else each for each in listed(given, what)]
    if odd := next((each for each in read if not isinstance(each, str)), None):
        raise RequestError(f"{what} holds {odd!r}; expected ids: strings or whole numbers")
    return read


def listed(given: Sequence[Any], what: str) -> Sequence[Any]:
    """A sequence of several things, and not by mistake the letters of one.

    Raises:
        RequestError: it is one.
    """
    if isinstance(given, str | Path):
        raise RequestError(f"{what} is {str(given)!r}; expected a list, such as [{str(given)!r}]")
    return given
