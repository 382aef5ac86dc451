"""Recipes as text: the list of them, one in full, and the options that `train` takes for one."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from inspect import Parameter
from typing import Any, Literal

from pixelrec.choices import OVER_IDS, OVER_PICTURES
from pixelrec.cli.arguments import entry

VECTORS = {"features": "feature file", "regions": "feature file", "codes": "codes"}  # by item encoder
START = {OVER_IDS: "over ids", OVER_PICTURES: "over pictures"}
# Parameters of the picture networks on the hub, in millions.
PARAMETERS = {
    "google/mobilenet_v2_1.0_224": 2,
    "facebook/dinov2-base": 86,
    "google/siglip-base-patch16-224": 93,
    "openai/clip-vit-base-patch32": 88,
    "microsoft/beit-base-patch16-224": 86,
    "microsoft/resnet-50": 24,
    "microsoft/swin-tiny-patch4-window7-224": 28,
    "microsoft/swin-base-patch4-window7-224": 87,
}


def read(recipe: str | None = None, *, form: Literal["table", "json"] = "table", schema: bool = False) -> str:
    """List recipes and what they need, or print one in full.

    To begin one of your own: pixelrec recipes sasrec-id > mine.yaml

    Args:
        recipe: a name from the list, or a YAML file, to print with all its options.
        form: table or json, of the list.
        schema: print the JSON Schema of recipe files, with which editors complete and check them.
    """
    from pixelrec.recipe.recipe import read_recipe, shipped

    if schema:
        from pixelrec.recipe.schema import json_schema

        return json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if recipe is not None:
        return read_recipe(recipe).dump().rstrip("\n")
    rows = [_row(name, values) for name, values in shipped()]
    return json.dumps(rows, indent=2, ensure_ascii=False) if form == "json" else "\n".join(_listed(rows))


def _row(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe and its needs: whether items need pictures, and the network that it starts from."""
    sections = [values["items"], *values["items"].get("parts", {}).values()]
    networks = [section for section in sections if section.get("name") == "pixels"]
    source = networks[0].get("source") if networks else None
    vectors = [VECTORS[section["name"]] for section in sections if section.get("name") in VECTORS]
    return {
        "recipe": name,
        "about": values.get("about", ""),
        "pictures": bool(networks),
        "vectors": vectors[0] if vectors else None,
        "source": source,
        "revision": networks[0].get("revision") if networks else None,
        "million_parameters": PARAMETERS.get(source) if source else None,
        "start_here": START.get(name),
    }


def _listed(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Own recipes in a table; published ones by their networks, with the models of each."""
    own = [row for row in rows if not row["recipe"].startswith("published/")]
    width = max(len(row["recipe"]) for row in own)
    lines = [f"{'recipe':<{width}}  {'needs':<13}  what it is"]
    lines += [f"{row['recipe']:<{width}}  {_needs(row):<13}  {_short(row['about'])}" for row in own]
    starts = " and ".join(f"{name} {kind}" for name, kind in START.items())
    return [
        *lines,
        "",
        f"Start here: {starts}.",
        "88 M: a picture network of 88 million parameters, downloaded unless",
        "--items.source is a folder. 2 M suit a laptop, 24 M and more a GPU.",
        "feature file: pixelrec features extract or import; codes: pixelrec codes fit.",
        "",
        "As published (arXiv 2309.06789); networks -rn… need a file, see docs/pixels.md:",
        *_published([row["recipe"] for row in rows if row not in own]),
    ]


def _needs(row: Mapping[str, Any]) -> str:
    if not row["pictures"]:
        return row["vectors"] or "events"
    millions = row["million_parameters"]
    return f"covers, {millions} M" if millions else "covers"


def _short(about: str) -> str:
    return about if len(about) <= 40 else about.partition(";")[0]


def _published(names: Sequence[str]) -> list[str]:
    models: dict[str, list[str]] = {}
    for name in names:
        model, _, network = name.removeprefix("published/").partition("-")
        models.setdefault(network, []).append(model)
    networks: dict[str, list[str]] = {}
    for network, those in models.items():
        networks.setdefault(", ".join(those), []).append(f"-{network}")
    lines = [
        f"published/MODEL{', '.join(each)} for {those}" if each != ["-"] else f"published/MODEL for {those}"
        for those, each in networks.items()
    ]
    return [line for long in lines for line in textwrap.wrap(long, 80, subsequent_indent="    ")]


def options(arguments: Mapping[str, Any]) -> str:
    """The options of a recipe, or of the classes that overrides choose, for the help of `train`."""
    if "recipe" not in arguments:
        return "\n\nThe options of a recipe: pixelrec train RECIPE --help, with a name or a file"
    from pixelrec.recipe.overrides import at
    from pixelrec.recipe.recipe import outlined, read_values
    from pixelrec.recipe.schema import recipe_options

    names = {key: name for key, name in arguments.get("overrides", {}).items() if key.endswith(".name")}
    recipe = outlined(*read_values(arguments["recipe"]), names)
    rows = []
    for option in recipe_options(recipe.config):
        try:
            value = at(recipe.config, option.key)
        except KeyError:
            value = option.default
        given = json.dumps(value, ensure_ascii=False) if value is not Parameter.empty else ""
        written = value if isinstance(value, str) and value else given
        needed = "" if given else "; it has no default"
        rows.append(entry(f"--{option.key}", f"{option.help.rstrip('.')} ({option.type}){needed}", written))
    return f"\n\nOptions of the recipe {recipe.name}:\n\n" + "\n".join(rows)
