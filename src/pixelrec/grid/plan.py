"""A grid: recipes × seeds on a data set, read and checked as a whole before any of it starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, final

from pixelrec.choices import CONTROLS, Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases
from pixelrec.errors import DataError, RecipeError, RequestError
from pixelrec.grid.cell import Cell, check_same_networks
from pixelrec.recipe.build import build_loss, try_user_model
from pixelrec.recipe.overrides import overridden
from pixelrec.recipe.recipe import Recipe, read_recipe, resolve
from pixelrec.recipe.registry import complete
from pixelrec.recipe.schema import recipe_options
from pixelrec.runs.evaluate import cases_of


@final
@dataclass(frozen=True)
class Grid:
    dataset: Dataset
    split: Split
    out: Path
    recipes: Sequence[Recipe]
    cells: Sequence[Sequence[Cell]]  # by recipe, in the order given, then by seed
    overrides: Mapping[str, Any] = field(default_factory=dict)  # options set for the recipes that have them
    without: Mapping[str, Sequence[str]] = field(default_factory=dict)  # option → recipes that lack it
    reference: str = ""  # the recipe that others are also compared with
    blends: Sequence[Cell] = ()  # of the best recipes, by seed
    unaudited: Sequence[str] = ()  # recipes without item content, in an audit

    @property
    def rows(self) -> list[Sequence[Cell]]:
        """The cells of each recipe, and the blends."""
        return [*self.cells, *([self.blends] if self.blends else [])]

    def in_turn(self) -> list[Cell]:
        """The order of work: the first seed of every recipe, then the second, and so on.

        So a grid that is cut short compares all recipes on fewer seeds rather than fewer recipes.
        """
        return [cell for same_seed in zip(*self.cells, strict=True) for cell in same_seed]

    @property
    def shown_overrides(self) -> dict[str, str]:
        """The options that were set, each with the recipes that it did not concern."""
        return {
            key: f"{value} (no option of {', '.join(self.without[key])})"
            if key in self.without
            else str(value)
            for key, value in self.overrides.items()
        }

    @property
    def other_recipes(self) -> list[str]:
        """Folders in `out` with runs of recipes outside this grid."""
        own = {cells[0].folder.parent for cells in self.rows}
        there = {path.parent.parent for path in self.out.glob("*/seed-*/cell.json")}
        return sorted(folder.name for folder in there - own)

    def cases(self) -> EvaluationCases:
        return cases_of(self.dataset, self.split)

    def check(self) -> None:
        """Raises `RunError` for the first cell of another recipe, another data set or a different network."""
        for cell in self.in_turn():
            cell.check(self.dataset)
        for cells in self.cells:
            check_same_networks(cells)


def plan(
    dataset: Dataset,
    recipes: Sequence[str | Path | Recipe],
    *,
    seeds: int,
    split: Split,
    out: Path,
    overrides: Mapping[str, Any],
    audit: bool = False,
) -> Grid:
    """Reads and checks everything, and writes nothing; raises the `PixelrecError` of what does not fit.

    audit: each recipe whose items have content is followed by its controls.
    """
    if not recipes:
        raise RequestError("a grid needs at least one recipe; `pixelrec recipes` lists them")
    if seeds < 1:
        raise RequestError(f"seeds is {seeds}; expected the number of runs of each recipe, at least 1")
    if "seed" in overrides:
        raise RequestError(
            "seed cannot be set for a grid: its seeds are 0, 1, …; give their number with --seeds"
        )
    concerned = [_concerned(recipe, overrides) for recipe in recipes]
    _demand_concern(recipes[0], overrides, concerned)
    read = [_read(recipe, own) for recipe, own in zip(recipes, concerned, strict=True)]
    chosen = _distinct(recipes, read)
    pairs = list(zip(chosen, concerned, strict=True))
    lacking = {key: [one.name for one, own in pairs if key not in own] for key in overrides}
    without = {key: names for key, names in lacking.items() if names}
    unaudited: list[str] = []
    if audit:
        unaudited = [one.name for one in chosen if one.controlled("none") is None]
        if len(unaudited) == len(chosen):
            raise RequestError(
                f"nothing to audit: the items of {', '.join(unaudited)} have no pictures, features or codes"
            )
        chosen = [each for one in chosen for each in (one, *_controls(one))]
    _demand_folders(chosen, out)
    cells = [
        [
            Cell(replace(one, config={**one.config, "seed": seed}), out / slug(one.name) / f"seed-{seed}")
            for seed in range(seeds)
        ]
        for one in chosen
    ]
    grid = Grid(dataset, split, out, chosen, cells, overrides, without, unaudited=unaudited)
    if len(grid.cases()) < 2:
        raise DataError(
            f"{dataset.folder}: only one user can be evaluated (has 3 events, the last of a new item); "
            "models are compared over users, so give a data set with at least 2"
        )
    grid.check()
    return grid


def _controls(recipe: Recipe) -> list[Recipe]:
    if recipe.is_control:
        return []
    found = (recipe.controlled(control) for control in CONTROLS if control != "none")
    return [each for each in found if each is not None]


def _read(recipe: str | Path | Recipe, overrides: Mapping[str, Any]) -> Recipe:
    chosen = _resolved(recipe, overrides)
    build_loss(chosen)  # refuses negatives that the loss cannot use
    try_user_model(chosen)
    return chosen


def _resolved(recipe: str | Path | Recipe, overrides: Mapping[str, Any]) -> Recipe:
    if isinstance(recipe, Recipe):
        return resolve(recipe.name, recipe.values, overrides)
    return read_recipe(recipe, overrides)


def _concerned(recipe: str | Path | Recipe, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides whose options a recipe has, with the classes that they choose."""
    if not overrides:
        return {}
    own = _resolved(recipe, {})
    joined = "parts" in own["items"] or overrides.get("items.name") == "joined"
    chosen = {
        key: value
        for key, value in overrides.items()
        if key.partition(".")[2] == "name" or "." not in key or (joined and key.startswith("items.parts"))
    }
    sections = {key: value for key, value in chosen.items() if key != "name"}
    known = [option.key for option in recipe_options(_classes_only(own, sections))]
    return {
        key: value
        for key, value in overrides.items()
        if key in chosen or any(key == k or key.startswith(f"{k}.") for k in known)
    }


def _classes_only(recipe: Recipe, overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a recipe with other classes; their options need not be complete."""
    return complete(overridden(recipe.config, overrides))


def _demand_concern(
    first: str | Path | Recipe, overrides: Mapping[str, Any], concerned: Sequence[Mapping[str, Any]]
) -> None:
    """Raises `RecipeError` for an option that no recipe has."""
    for key, value in overrides.items():
        if not any(key in own for own in concerned):
            _resolved(first, {key: value})
            raise RecipeError(f"{key} is an option of none of these recipes; leave it out")


def _distinct(sources: Sequence[str | Path | Recipe], recipes: Sequence[Recipe]) -> list[Recipe]:
    """The recipes; those of one name that come from files are called by the folder, too: "a/x", "b/x"."""
    names = Counter(slug(recipe.name).casefold() for recipe in recipes)
    return [
        replace(recipe, name=f"{Path(source).resolve().parent.name}/{recipe.name}")
        if names[slug(recipe.name).casefold()] > 1
        and not isinstance(source, Recipe)
        and Path(source).is_file()
        else recipe
        for source, recipe in zip(sources, recipes, strict=True)
    ]


def _demand_folders(recipes: Sequence[Recipe], out: Path) -> None:
    """Raises `RecipeError` if two recipes would share a folder."""
    found: dict[str, Recipe] = {}
    for recipe in recipes:
        folder = slug(recipe.name)
        before = found.setdefault(folder.casefold(), recipe)  # some file systems do not tell Name from name
        if before is not recipe:
            raise RecipeError(
                f"recipes {before.name!r} and {recipe.name!r} would share {out / folder}; give each recipe "
                "once, and its file a name of its own"
            )


def slug(name: str) -> str:
    """`published/mf-id` → `published-mf-id`: valid on any file system and not hidden."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "recipe"
