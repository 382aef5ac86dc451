"""The splits that a model is evaluated on, by name."""

from __future__ import annotations

from typing import Literal, get_args

from pixelrec.errors import RequestError, nearest

Split = Literal["validation", "test"]
SPLITS: tuple[str, ...] = get_args(Split)


def check_split(split: str) -> None:
    """Raises `RequestError` for a name that is no split's: types do not stop those who call from Python."""
    if split not in SPLITS:
        raise RequestError(f"there is no split {split!r}; {nearest(split, SPLITS)}")
