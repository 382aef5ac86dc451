"""Types of a recipe's choices, in plain words: for messages and for help."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pixelrec.recipe.limits import limits_of
from pixelrec.recipe.overrides import at

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
    names = [name for kind in _kinds(hint) if get_origin(kind) is Literal for name in get_args(kind)]
    others = [kind for kind in _kinds(hint) if get_origin(kind) is not Literal]
    if float in others:
        others = [kind for kind in others if kind is not int]
    said = [f"one of {', '.join(map(str, names))}"] if names else []
    said += [_said(kind) + (_range(key) if kind in (int, float) else "") for kind in others]
    return ", or ".join(said)


def adapted(values: Mapping[str, Any], hints: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A copy of choices in which 1e3, which is read as 1000.0, is 1000 where a whole number is expected.

    Args:
        values: by section.
        hints: types, by dotted key.
        prefix: of the keys of `values`.
    """
    found: dict[str, Any] = {}
    for word, value in values.items():
        key = f"{prefix}{word}"
        inner = isinstance(value, Mapping) and key not in hints
        found[word] = adapted(value, hints, f"{key}.") if inner else _whole(value, hints[key])
    return found


def in_plain_words(error: Exception, values: Mapping[str, Any], hints: Mapping[str, Any]) -> str:
    """What the parser found wrong: which word it is, what stands there, and what may.

    Args:
        error: of jsonargparse; it names the word.
        values, hints: as for `adapted`.
    """
    told = " ".join(str(error).split())
    named = re.match(r'Parser key "([\w.]+)"', told)
    if named is None or named[1] not in hints:
        return told
    key, hint = named[1], hints[named[1]]
    value = at(values, key)
    quoted = str in _kinds(hint) and int not in _kinds(hint) and not isinstance(value, str)
    return f"{key} is {value!r}; expected {expected(key, hint)}{': put it in quotes' if quoted else ''}"


def _whole(value: Any, hint: Any) -> Any:
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole and int in _kinds(hint) and float not in _kinds(hint) else value


def _kinds(hint: Any) -> list[Any]:
    """The types of a union, or the only one."""
    if get_origin(hint) in (Union, UnionType):
        return [kind for part in get_args(hint) for kind in _kinds(part)]
    return [hint]


def _said(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (tuple, list):
        return f"a list of {_MANY[get_args(kind)[0]]}"
    return _WORDS[origin or kind]


def _range(key: str) -> str:
    limits = limits_of(key)
    return f" from {limits[0]:g} to {limits[1]:g}" if limits else ""
