"""Verbs over recipe files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, as_input, checked
from pixelrec.errors import RecipeError, RequestError, option

if TYPE_CHECKING:
    from pixelrec.recipe.configuration import ImportedRecipe


@checked
def import_recipe(
    configurations: Place | Sequence[Place], *, out: Place, devices: int = 1, overwrite: bool = False
) -> ImportedRecipe:
    """Make a recipe from configurations of the published code.

    Args:
        configurations: the YAML files of one run, as after --config_file, such as IDNet/sasrec.yaml and
            overall/ID.yaml.
        out: recipe file to write, which ends in .yaml.
        devices: devices of the published run, each of which takes a batch of train_batch_size.
        overwrite: replace the file at OUT.

    Returns:
        The recipe, and the keys that have no effect on it.
    """
    given = [configurations] if isinstance(configurations, str | Path) else list(configurations)
    files = [as_input(each, "configurations", RecipeError, "give a YAML file") for each in given]
    place = Path(out)
    if place.suffix not in {".yaml", ".yml"}:
        raise RequestError(f"out is {str(place)!r}; expected a file whose name ends in .yaml")
    if place.exists() and not overwrite:
        raise RecipeError(
            f"{place}: exists already; replace it with {option('overwrite')}, or choose another"
        )
    from pixelrec.files.atomic import write_text
    from pixelrec.recipe.configuration import import_configuration
    from pixelrec.recipe.yaml_text import write_yaml

    found = import_configuration(files, place.stem, devices=devices)
    write_text(place, write_yaml(found.values), RecipeError)
    return found
