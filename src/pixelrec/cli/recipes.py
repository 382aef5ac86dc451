"""Recipes as text: the list of them, one in full, and the options that `train` takes for one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pixelrec.cli.arguments import entry


def read(recipe: str | None = None, *, schema: bool = False) -> str:
    """List the recipes of pixelrec, or print one in full.

    To begin one of your own: pixelrec recipes sasrec-id > mine.yaml

    Args:
        recipe: a name from the list, or a YAML file, to print with all its options.
        schema: print the JSON Schema of recipe files, with which editors complete and check them.
    """
    from pixelrec.recipe.recipe import read_recipe, recipes

    if schema:
        from pixelrec.recipe.schema import json_schema

        return json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if recipe is not None:
        return read_recipe(recipe).dump().rstrip("\n")
    found = {"recipe": "what it is", **recipes()}
    width = max(map(len, found))
    return "\n".join(f"{name:<{width}}  {about}" for name, about in found.items())


def options(arguments: Mapping[str, Any]) -> str:
    """The options of a recipe, or of the classes that overrides choose, for the help of `train`."""
    if "recipe" not in arguments:
        return "\n\nThe options of a recipe: pixelrec train sasrec-id --help"
    from pixelrec.recipe.overrides import at
    from pixelrec.recipe.recipe import read_recipe
    from pixelrec.recipe.schema import recipe_options

    names = {key: name for key, name in arguments.get("overrides", {}).items() if key.endswith(".name")}
    recipe = read_recipe(arguments["recipe"], names)
    rows = []
    for option in recipe_options(recipe.config):
        text, value = f"{option.help.rstrip('.')} ({option.type})", at(recipe.config, option.key)
        written = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
        rows.append(entry(f"--{option.key}", text, written))
    return f"\n\nOptions of the recipe {recipe.name}:\n\n" + "\n".join(rows)
