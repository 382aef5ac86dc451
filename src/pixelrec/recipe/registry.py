"""The classes that recipes name: by section, and by part of a section where a class joins others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.sampling import NEGATIVES
from pixelrec.errors import RecipeError, nearest
from pixelrec.items import ITEM_ENCODERS
from pixelrec.recipe.overrides import at
from pixelrec.training.losses import LOSSES
from pixelrec.users import USER_MODELS

NAMED: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "items": ITEM_ENCODERS,
    "users": USER_MODELS,
    "scoring": SCORINGS,
    "negatives": NEGATIVES,
    "loss": LOSSES,
}
DEFAULT_NAMES = {
    "items": "id_table",
    "users": "sasrec",
    "scoring": "dot",
    "negatives": "shared",
    "loss": "softmax",
}
PART = re.compile(r"[A-Za-z]\w*", re.ASCII)  # a name that the command line can say


def classes(values: Mapping[str, Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every place that names a class, a section before its parts, and that class."""
    for section in NAMED:
        chosen = _named_class(section, values[section]["name"], known_classes(section))
        yield section, chosen
        if "parts" in words(chosen):
            for part, config in _parts(section, values[section]).items():
                place = f"{section}.parts.{part}"
                yield place, _named_class(place, config["name"], known_classes(section, part=True))


def hand_down(values: dict[str, Any]) -> None:
    """What a section says, its parts that know the word and do not say it themselves say from now on too."""
    for place, chosen in classes(values):
        section, within, _ = place.partition(".parts.")
        if within:
            part = at(values, place)
            for word in words(chosen) & values[section].keys():
                if values[section][word] is not None:
                    part.setdefault(word, values[section][word])


def known_classes(section: str, *, part: bool = False) -> Mapping[str, Callable[..., Any]]:
    """The classes that a section may name, or a part of one: a part has no parts."""
    return {name: c for name, c in NAMED[section].items() if not (part and "parts" in words(c))}


def _named_class(place: str, name: Any, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    if str(name) in known:
        return known[str(name)]
    section, within, _ = place.partition(".parts.")
    if within and str(name) in NAMED[section]:
        raise RecipeError(
            f"{place}.name is {name!r}, but parts have no parts; give its own below {section}.parts instead"
        )
    raise RecipeError(f"{place}.name is {name!r}; {nearest(str(name), known)}")


def _parts(section: str, chosen: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The parts of a section, each with a name of its own and that of a class."""
    parts = chosen.get("parts")
    if not isinstance(parts, Mapping) or not parts:
        raise RecipeError(
            f"{section}.parts is {parts!r}; expected {section}.parts: "
            f"{{ids: {{name: {DEFAULT_NAMES[section]}, …}}, …}}"
        )
    for part, config in parts.items():
        if not isinstance(part, str) or not PART.fullmatch(part):  # YAML reads on and no as booleans
            raise RecipeError(f"{section}.parts has one called {part!r}; expected letters, digits and _")
        if not isinstance(config, Mapping) or "name" not in config:
            others = [p for p, c in parts.items() if isinstance(c, Mapping) and "name" in c]
            near = f"; of the parts that have one: {nearest(str(part), others)}" if others else ""
            raise RecipeError(
                f"{section}.parts.{part} has no name, such as name: {DEFAULT_NAMES[section]}{near}"
            )
    return parts


def words(chosen: Callable[..., Any]) -> set[str]:
    """The parameters right of the `*`."""
    parameters = inspect.signature(chosen).parameters.values()
    return {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def dictated(chosen: Callable[..., Any]) -> set[str | int]:
    """The parameters left of the `*`."""
    chosen_by_data = inspect.signature(chosen).parameters.keys() - words(chosen)
    return {*chosen_by_data}
