"""A recipe: read from YAML, some choices replaced, checked and complete."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixelrec.choices import CONTROLS
from pixelrec.errors import RecipeError, similar
from pixelrec.recipe.overrides import DEFAULT_NAMES
from pixelrec.recipe.published import check_published
from pixelrec.recipe.unknown import demand_known
from pixelrec.recipe.yaml_text import LARGEST, read_yaml, write_yaml

if TYPE_CHECKING:
    from pixelrec.choices import Control
    from pixelrec.training.config import FitConfig, TrainingConfig

SHIPPED = files("pixelrec") / "recipe" / "shipped"


@dataclass(frozen=True, repr=False)
class Recipe:
    """Every choice of a run, checked and complete."""

    name: str  # its own, or that of the file it came from
    config: Mapping[str, Any]  # by section; items, users, scoring, negatives and loss have a name each
    published: Mapping[str, Any] = field(default_factory=dict)  # what a paper reports: data, metrics in %

    def __repr__(self) -> str:
        chosen = ", ".join(f"{section} {self.config[section]['name']}" for section in DEFAULT_NAMES)
        return f"Recipe({self.name!r}: {chosen})"

    def __getitem__(self, section: str) -> Any:
        return self.config[section]

    @property
    def training(self) -> TrainingConfig:
        from pixelrec.training.config import TrainingConfig

        return TrainingConfig(**self.config["training"])

    @property
    def is_control(self) -> bool:
        """Whether an item encoder is given content of other items, or noise."""
        return any(control != "none" for control in controls(self.config).values())

    def controlled(self, control: Control) -> Recipe | None:
        """The recipe with this control of all item content; None if its items have none, as of ids."""
        keys = controls(self.config)
        return resolve(self.name, self.values, dict.fromkeys(keys, control)) if keys else None

    @property
    def fit(self) -> FitConfig:
        from pixelrec.training.config import FitConfig

        return FitConfig(**self.config["fit"])

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
        name, text = path.stem, file_text(path)
    elif name.lower() in (known := list(_names())):
        name = name.lower()
        text = _shipped(name)
    else:
        listed = "`pixelrec recipes` lists the shipped ones, and a file ends in .yaml or .yml"
        hint = similar(name.lower().replace("_", "-"), known) or listed
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


def file_text(path: Path) -> str:
    """The text of a recipe file; a `RecipeError` if it cannot be read."""
    if not path.exists():
        raise RecipeError(
            f"{path}: no such recipe file; give its path, or a name that `pixelrec recipes` lists"
        )
    if not path.is_file():
        raise RecipeError(f"{path} is no file; give the path of a recipe, a YAML file")
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise RecipeError(f"{path}: {size:,} bytes; expected a recipe of at most {LARGEST:,}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read: {error}; expected YAML in UTF-8") from None


def resolve(name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    """Fills in every default and checks every key and type."""
    try:
        demand_known(values, overrides)
    except RecipeError as error:
        raise RecipeError(f"recipe {name}: {error}") from None
    from pixelrec.recipe.anchors import anchored
    from pixelrec.recipe.schema import checked

    try:
        merged, published = _merged(name, values, overrides)
        config = anchored(checked(merged))
    except RecipeError as error:
        raise RecipeError(f"recipe {name}: {error}") from error
    return Recipe(_marked(_told_apart(name, values, overrides), config), config, published)


def outlined(name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    """With its classes, but unchecked: options may lack a value, which is the class's default or needed."""
    try:
        return Recipe(name, *_merged(name, values, overrides))
    except RecipeError as error:
        raise RecipeError(f"recipe {name}: {error}") from error


def _merged(
    name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The values with the overrides and the names of default classes; and what a paper reports."""
    from pixelrec.recipe.overrides import overridden
    from pixelrec.recipe.registry import complete, keep_width  # torch and pydantic load here

    merged = overridden(values, overrides)
    _demand_printable({"name": name, **merged})
    published = check_published(merged.pop("published", None))
    complete(merged)
    if "items.name" in overrides:
        keep_width(merged["items"], values.get("items"))
    return merged, published


def _told_apart(name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]) -> str:
    """The name of a recipe with the classes that overrides exchange: "sasrec-id, items.name=pixels"."""
    own = {f"{s}.name": values.get(s, {}).get("name", DEFAULT_NAMES[s]) for s in ("items", "users")}
    changed = [f"{key}={overrides[key]}" for key in own if overrides.get(key, own[key]) != own[key]]
    return ", ".join([name, *changed])


def _marked(name: str, config: Mapping[str, Any]) -> str:
    """The name with the control of its items, so that nobody mistakes it: "x (control: random)"."""
    found = dict.fromkeys(control for control in controls(config).values() if control != "none")
    mark = f" (control: {', '.join(found)})" if found else ""
    return f"{name.removesuffix(mark)}{mark}"


def controls(config: Mapping[str, Any]) -> dict[str, str]:
    """`items.control`, and that of each part, by key: of the encoders that read the content of items."""
    items = config["items"]
    places = {"items": items} | {f"items.parts.{n}": part for n, part in items.get("parts", {}).items()}
    found = {f"{place}.control": part.get("control") for place, part in places.items()}
    return {key: value for key, value in found.items() if value in CONTROLS}


def _demand_printable(values: Any, key: str = "") -> None:
    """Raises `RecipeError` for text with control characters, and for bytes that are no UTF-8."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            place = f"{key}.{name}".removeprefix(".")
            _demand_printable(name, f"the key {place!r}")
            _demand_printable(value, place)
    elif isinstance(values, str):
        odd = [c for c in values if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
        if odd:
            raise RecipeError(f"{key} holds the control character {odd[0]!r}; remove it")


def recipes() -> dict[str, str]:
    """Every shipped recipe by name, and what it says about itself."""
    return {name: values.get("about", "") for name, values in shipped()}


def shipped() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every shipped recipe by name, as its file says."""
    yield from ((name, read_yaml(_shipped(name), name)) for name in _names())


def _names() -> Iterator[str]:
    for folder, prefix in ((SHIPPED, ""), (SHIPPED / "published", "published/")):
        names = sorted(file.name for file in folder.iterdir())
        yield from (prefix + name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _shipped(name: str) -> str:
    return (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
