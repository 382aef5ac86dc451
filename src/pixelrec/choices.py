"""Types of arguments that Python and the command line share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

from pixelrec.errors import RequestError, nearest

Split: TypeAlias = Literal["validation", "test"]
Fit: TypeAlias = Literal["stretch", "crop", "pad"]
"""How a picture becomes square."""
Missing: TypeAlias = Literal["error", "grey", "drop-item"]
"""How items without a usable cover are treated."""
TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
Repeats: TypeAlias = Literal["drop", "keep"]
"""How rows of one user, item and time but the first are treated."""
Form: TypeAlias = Literal["table", "csv", "json"]
Overrides: TypeAlias = Mapping[str, Any]
"""Dotted key → value, such as `{"users.layers": 3}`."""
SPLITS: tuple[str, ...] = get_args(Split)


def check_split(split: str) -> None:
    """Raises `RequestError` for an unknown split: type hints do not stop Python callers."""
    if not isinstance(split, str) or split not in SPLITS:
        raise RequestError(f"there is no split {split!r}; {nearest(str(split), SPLITS)}")
