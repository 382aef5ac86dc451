"""Types of choices in plain words, for messages and for help."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pixelrec.limits import limits_of

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "words with values",
    NoneType: "null",
}
_MANY = {int: "whole numbers", float: "numbers", str: "texts"}


def expected(key: str, hint: Any) -> str:
    """What the value under a dotted key may be: "a whole number from 1 to 1e+06, or null"."""
    names = [name for kind in kinds(hint) if get_origin(kind) is Literal for name in get_args(kind)]
    others = [kind for kind in kinds(hint) if get_origin(kind) is not Literal]
    if float in others:
        others = [kind for kind in others if kind is not int]
    said = [f"one of {', '.join(map(str, names))}"] if names else []
    said += [_said(kind) + (_range(key) if kind in (int, float) else "") for kind in others]
    return ", or ".join(said)


def adapted(value: Any, hint: Any) -> Any:
    """1e3, which is read as 1000.0, as 1000 where a whole number is expected."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole and int in kinds(hint) and float not in kinds(hint) else value


def kinds(hint: Any) -> list[Any]:
    """The types of a union, or the only one."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in kinds(part)]
    return [hint]


def _said(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (tuple, list):
        return f"a list of {_MANY[get_args(kind)[0]]}"
    return _WORDS[origin or kind]


def _range(key: str) -> str:
    limits = limits_of(key)
    return f" from {limits[0]:g} to {limits[1]:g}" if limits else ""
