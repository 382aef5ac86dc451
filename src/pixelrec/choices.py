"""Choices that Python and the command line share, and checks of values that callers pass in."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pixelrec.errors import RequestError, nearest

Split: TypeAlias = Literal["validation", "test"]
Fit: TypeAlias = Literal["stretch", "crop", "pad"]
"""How a picture becomes square."""
Missing: TypeAlias = Literal["error", "grey", "drop-item"]
"""How items without a usable cover are treated."""
TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
Form: TypeAlias = Literal["table", "csv", "json"]
SPLITS: tuple[str, ...] = get_args(Split)


def check_split(split: str) -> None:
    """Raises `RequestError` for an unknown split: type hints do not stop Python callers."""
    if split not in SPLITS:
        raise RequestError(f"there is no split {split!r}; {nearest(split, SPLITS)}")


def ids(given: Sequence[str | int], name: str) -> list[str]:
    """Ids as data sets hold them; whole numbers become their digits.

    Raises:
        RequestError: `given` is no sequence of strings and whole numbers.
    """
    read = [str(each) if isinstance(each, Integral) else each for each in listed(given, name)]
    for each in read:
        if not isinstance(each, str):
            raise RequestError(f"{name} holds {each!r}; expected ids: strings or whole numbers")
    return read


def listed(given: Sequence[Any], name: str) -> Sequence[Any]:
    """`given`, unless it is a single string or path, which would be read letter by letter.

    Raises:
        RequestError: it is one.
    """
    if isinstance(given, str | Path):
        raise RequestError(f"{name} is {str(given)!r}; expected a list, such as [{str(given)!r}]")
    return given
