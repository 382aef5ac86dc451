"""The words of a class: what a recipe chooses of it, read from its signature and docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from functools import cache
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Interval

_TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "words with values",
    NoneType: "null",
    Any: "any value",
}
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}


@dataclass(frozen=True)
class Word:
    """One word of a recipe."""

    key: str  # dotted within a whole recipe: items.parts.pixels.trainable
    hint: Any  # its type, with limits as Annotated[int, Interval(ge=1, le=1000)]
    default: Any  # Parameter.empty if a recipe must give a value
    help: str

    @property
    def type(self) -> str:
        """Its type and limits in plain words: "a whole number from 1 to 1e+06, or null"."""
        kinds = _kinds(self.hint)
        names = [name for kind in kinds if get_origin(kind) is Literal for name in get_args(kind)]
        described = [f"one of {', '.join(map(str, names))}"] if names else []
        for kind, limits in kinds.items():
            if get_origin(kind) is not Literal and not (kind is int and float in kinds):
                described.append(_described(kind) + limits)
        return ", or ".join(described)

    def may_be(self, kind: object) -> bool:
        """Whether a value of this very type is allowed."""
        return kind in _kinds(self.hint)


@cache
def words_of(chosen: Callable[..., Any]) -> tuple[Word, ...]:
    """What a recipe chooses of a class or a loss: the parameters right of the `*`, or all of a dataclass."""
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(chosen).parameters.items()
        if is_dataclass(chosen) or parameter.kind is Parameter.KEYWORD_ONLY
    }
    # Only these annotations are evaluated: those of other parameters may be imported for type checkers only.
    annotations = {
        name: Any if p.annotation is Parameter.empty else p.annotation for name, p in parameters.items()
    }
    function = chosen.__init__ if inspect.isclass(chosen) and not is_dataclass(chosen) else chosen
    holder = type("Words", (), {"__annotations__": annotations, "__module__": function.__module__})
    hints, helps = get_type_hints(holder, include_extras=True), _helps(chosen)
    return tuple(Word(name, hints[name], p.default, helps.get(name, "")) for name, p in parameters.items())


def _helps(chosen: Callable[..., Any]) -> dict[str, str]:
    """By parameter: a line `layers: of the transformer.` of the docstring, and its continuation lines."""
    found: dict[str, str] = {}
    name, margin = "", 0
    for line in inspect.cleandoc(chosen.__doc__ or "").splitlines():
        indent = len(line) - len(line.lstrip())
        if start := re.match(r" *(\w+): (.+)", line):
            name, margin = start[1], indent
            found[name] = start[2]
        elif name and line.strip() and indent > margin:
            found[name] += f" {line.strip()}"
        else:
            name = ""
    return found


def _kinds(hint: Any, limits: str = "") -> dict[Any, str]:
    """The types of a union, or the only one, each with its limits in plain words."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        limits = "".join(f" from {e.ge:g} to {e.le:g}" for e in extras if isinstance(e, Interval))
        return _kinds(inner, limits)
    if get_origin(hint) in (Union, UnionType):
        return {kind: said for part in get_args(hint) for kind, said in _kinds(part, limits).items()}
    return {hint: limits if hint in (int, float) else ""}


def _described(kind: Any) -> str:
    origin = get_origin(kind)
    if origin in (tuple, list):
        return f"a list of {_PLURALS.get(get_args(kind)[0], 'values')}"
    return _TYPES.get(origin or kind) or str(kind)
