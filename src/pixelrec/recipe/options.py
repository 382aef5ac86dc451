"""The options of a class: what a recipe chooses of it, read from its signature and docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from inspect import Parameter
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt

from pixelrec.errors import RecipeError

_TYPES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "keys with values",
    Mapping: "keys with values",
    NoneType: "null",
    Any: "any value",
}
LARGEST = 2**63 - 1  # of an int64: a limit of the machine, which help and messages leave out
_PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}


@dataclass(frozen=True)
class Option:
    """One option of a recipe."""

    key: str  # dotted within a whole recipe: items.parts.pixels.trainable
    hint: Any  # its type, with limits as Annotated[int, Interval(ge=1, le=1000)]
    default: Any  # Parameter.empty if a recipe must give a value
    help: str

    @property
    def type(self) -> str:
        """Its type and limits in plain words: "a whole number from 1 to 1,000, or null"."""
        kinds = _kinds(self.hint)
        names = [name for kind in kinds if get_origin(kind) is Literal for name in get_args(kind)]
        described = [f"one of {', '.join(map(str, names))}"] if names else []
        for kind, limits in kinds.items():
            origin = get_origin(kind)
            if origin in (tuple, list):
                described.append(f"a list of {_PLURALS.get(get_args(kind)[0], 'values')}")
            elif origin is not Literal and not (kind is int and float in kinds):
                described.append(_TYPES[origin or kind] + limits)
        return ", or ".join(described)

    def may_be(self, kind: object) -> bool:
        return kind in _kinds(self.hint)


@cache
def options_of(chosen: Callable[..., Any]) -> tuple[Option, ...]:
    """The parameters of a class or a loss right of the `*`, or all of a dataclass."""
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(chosen).parameters.items()
        if is_dataclass(chosen) or parameter.kind is Parameter.KEYWORD_ONLY
    }
    hints, helps = _hints(chosen, parameters), parameter_texts(chosen)
    for name, hint in hints.items():
        if not all(map(_readable, _kinds(hint))):
            raise RecipeError(
                f"{chosen.__module__}:{chosen.__qualname__}: {name} is a {hint}, which no recipe can hold; "
                "expected numbers, text, true or false, null, Literal, or lists and dicts of these"
            )
    return tuple(Option(name, hints[name], p.default, helps.get(name, "")) for name, p in parameters.items())


def _hints(chosen: Callable[..., Any], parameters: Mapping[str, Parameter]) -> dict[str, Any]:
    """The types of these parameters; those of others may be imported for type checkers only."""
    written = {n: Any if p.annotation is Parameter.empty else p.annotation for n, p in parameters.items()}
    function = chosen.__init__ if inspect.isclass(chosen) and not is_dataclass(chosen) else chosen
    holder = type("Options", (), {"__annotations__": written, "__module__": function.__module__})
    try:
        return get_type_hints(holder, include_extras=True)
    except NameError as error:
        place = f"{chosen.__module__}:{chosen.__qualname__}"
        raise RecipeError(f"{place}: {error}; import it where the class is defined") from None


def parameter_texts(documented: Callable[..., Any]) -> dict[str, str]:
    """By parameter: a line `layers: number of blocks.` of the docstring, and its continuation lines."""
    doc = inspect.cleandoc(documented.__doc__ or "")
    found = re.findall(r"^( *)(\w+): (.+(?:\n\1 +\S.*)*)", doc, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for _, name, text in found}


def _kinds(hint: Any, limits: str = "") -> dict[Any, str]:
    """The types of a union, or the only one, each with its limits in plain words."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        return _kinds(inner, _limits(extras))
    if get_origin(hint) in (Union, UnionType):
        return {kind: said for part in get_args(hint) for kind, said in _kinds(part, limits).items()}
    return {hint: limits if hint in (int, float) else ""}


def _limits(extras: Iterable[Any]) -> str:
    bounds: dict[str, Any] = {}
    for extra in extras:
        for bound in extra if isinstance(extra, Interval) else [extra]:
            if isinstance(bound, Ge | Gt | Le | Lt):
                bounds |= asdict(bound)
    if bounds.get("le") == LARGEST:
        del bounds["le"]
    written = {name: f"{n:,}" if isinstance(n, int) else f"{n:g}" for name, n in bounds.items()}
    if written.keys() == {"ge", "le"}:
        return f" from {written['ge']} to {written['le']}"
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    return "".join(f" {words[bound]} {number}" for bound, number in written.items())


def _readable(kind: Any) -> bool:
    origin = get_origin(kind)
    if origin in (tuple, list):
        return all(inner is ... or _readable(inner) for inner in get_args(kind))
    return origin is Literal or (origin or kind) in _TYPES
