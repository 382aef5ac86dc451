"""What the page of a model says about code: its options, the recipes that use it, and measured figures."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from site_measured import measured
from site_text import escaped

from pixelrec.baselines import BASELINES, FEATURE_BASELINES
from pixelrec.items import ITEM_ENCODERS
from pixelrec.recipe.options import Option, options_of
from pixelrec.recipe.recipe import shipped
from pixelrec.users import USER_MODELS
from pixelrec.users.user_model import AbstractUserModel

VISUAL = ("vbpr", "acf", "curatornet", "visrank")
UNTRAINED = {  # page → names of baselines in tables
    "popularity": ("random", "popularity", "recent popularity"),
    "item-knn": ("item-kNN",),
    "ease": ("EASE",),
    "l3ae": ("L3AE",),
}


def page_of(name: str) -> str:
    """The page of a name that recipes use: wide_deep → wide-deep."""
    return name.replace("_", "-")


GROUPS = {
    "User models": [page_of(name) for name in USER_MODELS.shipped if name not in VISUAL],
    "Visual models": [page_of(name) for name in VISUAL],
    "Item encoders": [page_of(name) for name in ITEM_ENCODERS.shipped],
    "Without training": list(UNTRAINED),
}


def facts(page: str) -> str:
    """The end of a model's page, from code, recipes and benchmarks."""
    if page in UNTRAINED:
        known = {**BASELINES, **FEATURE_BASELINES}
        module = inspect.getmodule(known[UNTRAINED[page][-1]])
        return _joined(f"Source: `{_file(module)}`.", measured(UNTRAINED[page]))
    of_users = page in map(page_of, USER_MODELS.shipped)
    kind, registry = ("users", USER_MODELS) if of_users else ("items", ITEM_ENCODERS)
    name = next(name for name in registry.shipped if page_of(name) == page)
    chosen: type[Any] = registry[name]
    recipes = {each: values for each, values in shipped() if name in set(_names(values, kind))}
    about = _traits(chosen) if issubclass(chosen, AbstractUserModel) else ""
    return _joined(
        f"Choose it with `{kind}.name: {name}`. {about}Source: `{_file(inspect.getmodule(chosen))}`.",
        _options(kind, chosen),
        _recipes(recipes),
        measured([name, *recipes] if kind == "users" else [*recipes]),
    )


def _names(values: Mapping[str, Any], kind: str) -> Iterator[str]:
    """The classes that a recipe uses, also as parts of a joined encoder."""
    section = values.get(kind, {})
    yield section.get("name", "sasrec" if kind == "users" else "id_table")
    yield from (part["name"] for part in section.get("parts", {}).values())


def _traits(chosen: type[AbstractUserModel]) -> str:
    said = [f"Its [view](../models.md#views) is `{chosen.view}`. "]
    said += ["It answers for users of the training data only. "] * chosen.needs_known_user
    said += ["It needs regions of pictures. "] * chosen.needs_regions
    said += ["It scores each candidate with a network of its own. "] * chosen.looks_at_candidates
    return "".join(said)


def _options(kind: str, chosen: type[Any]) -> str:
    options = options_of(chosen)
    if not options:
        return "## Options\n\nNone."
    return "## Options\n\n" + "\n".join(_option(kind, each) for each in options)


def _option(kind: str, each: Option) -> str:
    """An entry of a definition list."""
    text = escaped(each.help.rstrip("."))
    needed = each.default is inspect.Parameter.empty
    default = "It has no default" if needed else f"Default: `{json.dumps(each.default, ensure_ascii=False)}`"
    return f"`{kind}.{each.key}`\n:   {text[:1].upper()}{text[1:]}. {default}; {escaped(each.type)}.\n"


def _recipes(recipes: Mapping[str, Mapping[str, Any]]) -> str:
    if not recipes:
        return ""
    rows = [
        f"- `{name}`: {escaped(values.get('about', ''))}{_figures(values.get('published', {}))}"
        for name, values in recipes.items()
    ]
    return "## Recipes\n\n" + "\n".join(rows)


def _figures(published: Mapping[str, Any]) -> str:
    """What a paper reports: "; published: Recall@10 2.5 %, NDCG@10 1.35 % (Pixel200K)"."""
    found = ", ".join(f"{name} {value} %" for name, value in published.items() if name != "data")
    return f"; published: {found} ({published['data']})" if found else ""


def _file(module: Any) -> str:
    return f"src/{module.__name__.replace('.', '/')}.py"


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
