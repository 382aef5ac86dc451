"""Choices with some of them replaced, by dotted keys such as `items.parts.pixels.trainable`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def overridden(
    values: Mapping[str, Any], overrides: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    """A copy of `values` in which `overrides` are put.

    Another name is another class: what was chosen for the former one does not carry over. What an override
    says of a section goes before what `values` say of its parts; what it says of a part goes before both.

    Args:
        values: by section.
        overrides: by dotted key, in any order.
        names: of the classes that sections have when they name none.
    """
    merged = _copied(values)
    for key in sorted(overrides, key=_turn):
        _put(merged, key.split("."), overrides[key], names)
    return merged


def at(config: Mapping[str, Any], key: str) -> Any:
    """What stands under a dotted key."""
    found: Any = config
    for step in key.split("."):
        found = found[step]
    return found


def flat(values: Mapping[str, Any], known: Sequence[str], prefix: str = "") -> list[str]:
    """The keys of all values; what lies in the value of a `known` key is its own affair."""
    keys: list[str] = []
    for word, value in values.items():
        key = f"{prefix}{word}"
        inner = isinstance(value, Mapping) and key not in known
        keys += flat(value, known, f"{key}.") if inner else [key]
    return keys


def _turn(key: str) -> tuple[int, bool]:
    """Outer keys come before what lies in them, and a name after its section as a whole."""
    path = key.split(".")
    is_name = path[-1] == "name"
    return len(path) - is_name, is_name


def _put(merged: dict[str, Any], path: list[str], value: Any, names: Mapping[str, str]) -> None:
    *above, word = path
    chosen = merged
    for step in above:
        if not isinstance(chosen.get(step), dict):
            chosen[step] = {}
        chosen = chosen[step]
    if word == "name":
        if chosen.get("name", _unsaid(above, names, value)) != value:
            chosen.clear()
    elif value is not None:
        for part in _parts(chosen):
            part.pop(word, None)
    chosen[word] = _copied(value)


def _unsaid(above: list[str], names: Mapping[str, str], value: Any) -> Any:
    """The name of a section that has none; a part has no such default, and its words wait for their name."""
    return names.get(above[0], value) if len(above) == 1 else value


def _parts(chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = chosen.get("parts")
    return [part for part in parts.values() if isinstance(part, dict)] if isinstance(parts, dict) else []


def _copied(value: Any) -> Any:
    return {key: _copied(inner) for key, inner in value.items()} if isinstance(value, Mapping) else value
