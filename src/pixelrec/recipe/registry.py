"""The classes that the sections of a recipe choose from, and those of the parts of joined encoders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.sampling import NEGATIVES
from pixelrec.errors import RecipeError, nearest, similar
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.options import options_of
from pixelrec.recipe.overrides import DEFAULT_NAMES, at
from pixelrec.recipe.unknown import plain_sections
from pixelrec.training.losses import LOSSES
from pixelrec.users import USER_MODELS
from pixelrec.users.user_model import AbstractUserModel

NAMED: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "items": ITEM_ENCODERS,
    "users": USER_MODELS,
    "scoring": SCORINGS,
    "negatives": NEGATIVES,
    "loss": LOSSES,
}
PLAIN: Mapping[str, type] = plain_sections()
PART = re.compile(r"[A-Za-z]\w*", re.ASCII)  # a name that the command line can say


def register(chosen: type[AbstractUserModel] | type[AbstractItemEncoder], name: str) -> None:
    """Registers a user model or an item encoder under a name, in this process.

    It then works in recipes, help and checkpoints like a shipped class. For the command line and the
    processes that it starts, a package declares an entry point of the group `pixelrec.users` or
    `pixelrec.items` instead.

    Raises:
        RecipeError: it is neither of them, or the name belongs to another class.
    """
    if issubclass(chosen, AbstractUserModel):
        USER_MODELS.register(name, chosen)
    elif issubclass(chosen, AbstractItemEncoder):
        ITEM_ENCODERS.register(name, chosen)
    else:
        raise RecipeError(
            f"{chosen.__name__} cannot be registered; expected a subclass of AbstractUserModel or "
            "AbstractItemEncoder"
        )


def classes(values: Mapping[str, Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The place and the class of every `name`, a section before its parts, which may be missing."""
    for section in NAMED:
        chosen = _class(section, section, values[section]["name"])
        yield section, chosen
        with_parts = joins(chosen) and "parts" in values[section]
        for part, config in demand_parts(section, values[section]).items() if with_parts else ():
            place, name = f"{section}.parts.{part}", config["name"]
            inner = _class(section, place, name)
            if joins(inner):
                raise RecipeError(
                    f"{place}.name is {name!r}, but parts have no parts; give its own below "
                    f"{section}.parts instead"
                )
            yield place, inner


def foreign_classes(values: Mapping[str, Any]) -> str:
    """The addresses of the classes that other packages define."""
    found = (f"{chosen.__module__}:{chosen.__qualname__}" for _, chosen in classes(values))
    return ", ".join(place for place in dict.fromkeys(found) if not place.startswith("pixelrec."))


def complete(values: dict[str, Any]) -> dict[str, Any]:
    """Fills in missing sections, the names of default classes, and the options that parts inherit."""
    for section in PLAIN:
        if not isinstance(values.setdefault(section, {}), dict):
            raise RecipeError(f"{section} is {values[section]!r}; expected options below it")
    for section, default in DEFAULT_NAMES.items():
        chosen = values.setdefault(section, {})
        if not isinstance(chosen, dict):
            raise RecipeError(f"{section} is {chosen!r}; expected {section}: {{name: {default}, …}}")
        chosen.setdefault("name", default)
    for place, chosen_class in classes(values):
        section, within, _ = place.partition(".parts.")
        for option in options_of(chosen_class) if within else ():
            if (value := values[section].get(option.key)) is not None:
                at(values, place).setdefault(option.key, value)
    return values


def keep_width(items: dict[str, Any], before: Any) -> None:
    """Gives another item encoder the width of the former one, for which the recipe's user model was chosen.

    items: the complete section. before: the section of the former encoder, if it had any.
    """
    width = before.get("width") if isinstance(before, Mapping) else None
    given = [part.get("width") for part in (items, *items.get("parts", {}).values())]
    known = [option.key for option in options_of(_class("items", "items", items["name"]))]
    if width is not None and "width" in known and not any(given):
        items["width"] = width


def joins(chosen: Callable[..., Any]) -> bool:
    """Whether a class is made of parts, which have no parts themselves."""
    return any(option.key == "parts" for option in options_of(chosen))


def _class(section: str, place: str, name: Any) -> Callable[..., Any]:
    known = NAMED[section]
    if not isinstance(name, str) or name not in known:
        own = ", or pixelrec.register a class of your own" if section in ("items", "users") else ""
        raise RecipeError(f"{place}.name is {name!r}; {nearest(str(name), known)}{own}")
    return known[name]


def demand_parts(section: str, chosen: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The parts of a section by name; raises `RecipeError` if there are none, or one has no name."""
    parts, default = chosen.get("parts"), DEFAULT_NAMES[section]
    if not isinstance(parts, Mapping) or not parts:
        raise RecipeError(
            f"{section}.parts is {parts!r}; expected {section}.parts: {{ids: {{name: {default}, …}}, …}}"
        )
    for part, config in parts.items():
        if not isinstance(part, str) or not PART.fullmatch(part):  # YAML reads on and no as booleans
            raise RecipeError(f"{section}.parts has one called {part!r}; expected letters, digits and _")
        if not isinstance(config, Mapping) or "name" not in config:
            others = [p for p, c in parts.items() if isinstance(c, Mapping) and "name" in c]
            near = similar(str(part), others) or (f"parts with one: {', '.join(others)}" if others else "")
            hint = f"; {near}" if near else ""
            raise RecipeError(f"{section}.parts.{part} has no name, such as name: {default}{hint}")
    return parts
