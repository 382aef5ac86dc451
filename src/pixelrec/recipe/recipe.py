"""A recipe: read from YAML, some choices replaced, checked and complete."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.errors import RecipeError, similar
from pixelrec.recipe.published import check_published
from pixelrec.recipe.yaml_text import read_yaml, write_yaml

if TYPE_CHECKING:
    from pixelrec.training.loop import TrainingConfig

SHIPPED = files("pixelrec") / "recipe" / "shipped"


@dataclass(frozen=True)
class Recipe:
    """Every choice of a run, checked and complete."""

    name: str  # its own, or that of the file it came from
    config: Mapping[str, Any]  # by section; items, users, scoring, negatives and loss have a name each
    published: Mapping[str, Any] = field(default_factory=dict)  # what a paper reports: data, metrics in %

    def __getitem__(self, section: str) -> Any:
        return self.config[section]

    @property
    def training(self) -> TrainingConfig:
        from pixelrec.training.loop import TrainingConfig

        return TrainingConfig(**self.config["training"])

    @property
    def values(self) -> dict[str, Any]:
        """All that a recipe file holds, but its name."""
        return {**self.config, **({"published": dict(self.published)} if self.published else {})}

    def dump(self, *, named: bool = False) -> str:
        """As YAML, which reads back as the same recipe; `named` keeps the name in any file."""
        return write_yaml({**({"name": self.name} if named else {}), **self.values})


def read_recipe(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by its name or from a YAML file, with some choices replaced.

    Args:
        source: a name that `recipes` lists, or a path.
        overrides: dotted key → value, such as `{"users.layers": 3}`.

    Raises:
        RecipeError: no such recipe, unknown key, wrong type.
    """
    return resolve(*read_values(source), overrides or {})


def read_values(source: str | Path) -> tuple[str, dict[str, Any]]:
    """The name of a recipe and its values as they are written: neither complete nor checked."""
    path, name = Path(source), str(source)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise RecipeError(
                f"{path}: no such recipe file; give its path, or a name that `pixelrec recipes` lists"
            )
        try:
            name, text = path.stem, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"{path}: cannot be read: {error}; expected YAML in UTF-8") from None
    elif name in (known := list(_names())):
        text = _shipped(name)
    else:
        listed = "`pixelrec recipes` lists the shipped ones, and a file ends in .yaml or .yml"
        hint = similar(name, known) or listed
        raise RecipeError(f"no recipe is called {name!r}; {hint}")
    values = read_yaml(text, f"recipe {source}")
    if not isinstance(values, dict):
        raise RecipeError(
            f"recipe {source}: expected sections such as users: {{name: sasrec}}, got {values!r}"
        )
    name = values.pop("name", name)
    if not isinstance(name, str) or not name.strip():
        raise RecipeError(f"recipe {source}: name is {name!r}; expected text, or leave it out")
    return name, values


def resolve(name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    """Fills in every default and checks every key and type."""
    from pixelrec.recipe.overrides import overridden
    from pixelrec.recipe.registry import complete, keep_width  # torch and pydantic load here
    from pixelrec.recipe.schema import checked

    merged = overridden(values, overrides)
    try:
        published = check_published(merged.pop("published", None))
        complete(merged)
        if "items.name" in overrides:
            keep_width(merged["items"], values.get("items"))
        config = checked(merged)
    except RecipeError as error:
        raise RecipeError(f"recipe {name}: {error}") from error
    return Recipe(name, config, published)


def recipes() -> dict[str, str]:
    """Every shipped recipe by name, and what it says about itself."""
    return {name: read_yaml(_shipped(name), name).get("about", "") for name in _names()}


def _names() -> Iterator[str]:
    for folder, prefix in ((SHIPPED, ""), (SHIPPED / "published", "published/")):
        names = sorted(file.name for file in folder.iterdir())
        yield from (prefix + name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _shipped(name: str) -> str:
    return (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
