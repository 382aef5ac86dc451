"""Values of a recipe, some of them replaced by dotted keys such as `items.parts.pixels.trainable`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

DEFAULT_NAMES: Mapping[str, str] = {
    "items": "id_table",
    "users": "sasrec",
    "scoring": "dot",
    "negatives": "shared",
    "loss": "softmax",
}
"""The classes of sections that name none."""


def overridden(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `values`, by section, with some of them replaced, by dotted key in any order.

    Another name is another class: options of the former one do not carry over. An override of a section
    takes precedence over what `values` say of its parts, an override of a part over both.
    """
    merged = _copied(values)
    for key in sorted(overrides, key=_turn):
        _put(merged, key.split("."), overrides[key])
    return merged


def at(config: Mapping[str, Any], key: str) -> Any:
    found: Any = config
    for step in key.split("."):
        found = found[step]
    return found


def _turn(key: str) -> tuple[int, bool]:
    """Outer keys come before inner ones, and a name right after its section as a whole."""
    path = key.split(".")
    is_name = path[-1] == "name"
    return len(path) - is_name, is_name


def _put(merged: dict[str, Any], path: list[str], value: Any) -> None:
    *above, option = path
    chosen = merged
    for step in above:
        if not isinstance(chosen.get(step), dict):
            chosen[step] = {}
        chosen = chosen[step]
    if option == "name":
        # A part without a name has no default: its options wait for the name.
        default = DEFAULT_NAMES.get(above[0], value) if len(above) == 1 else value
        if chosen.get("name", default) != value:
            chosen.clear()
    elif value is not None:
        parts = chosen.get("parts")
        for part in parts.values() if isinstance(parts, dict) else ():
            if isinstance(part, dict):
                part.pop(option, None)
    chosen[option] = _copied(value)


def _copied(value: Any) -> Any:
    """A value with dicts of its own; numbers of NumPy become those of Python."""
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_copied, value))
    return value.item() if isinstance(value, np.generic) else value
