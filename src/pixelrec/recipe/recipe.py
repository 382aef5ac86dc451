"""The only reader of recipes: YAML and `key=value` in, checked choices and ready objects out.

The signature of a class is its schema: what stands right of the `*` may be chosen, with that default.
"""

from __future__ import annotations

import inspect
from argparse import SUPPRESS, HelpFormatter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, Namespace

from pixelrec.batch import DatasetSpec, Histories
from pixelrec.data.batcher import Batcher
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError, nearest
from pixelrec.recipe.limits import check_limits
from pixelrec.recipe.overrides import at, flat, overridden
from pixelrec.recipe.published import check_published
from pixelrec.recipe.registry import DEFAULT_NAMES, classes, dictated, hand_down, known_classes
from pixelrec.recipe.types import adapted, in_plain_words
from pixelrec.recipe.yaml_text import read_yaml, write_yaml
from pixelrec.recommender import Recommender
from pixelrec.training.loop import Loss, TrainingConfig
from pixelrec.training.losses import LOSSES
from pixelrec.training.optimiser import OptimiserConfig

PLAIN: Mapping[str, type] = {
    "windowing": Windowing,
    "optimiser": OptimiserConfig,
    "training": TrainingConfig,
}


@dataclass(frozen=True)
class Recipe:
    """Every choice of a run, checked and complete.

    Args:
        name: of the file it came from.
        choices: by section; `items`, `users`, `scoring`, `negatives` and `loss` have a `name` each.
        published: what a paper reports for it: `data`, and metrics in %. No choice: nothing trains by it.
    """

    name: str
    config: Mapping[str, Any]
    published: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, section: str) -> Any:
        return self.config[section]

    @property
    def training(self) -> TrainingConfig:
        return TrainingConfig(**self.config["training"])

    @property
    def values(self) -> dict[str, Any]:
        """All that a recipe file holds."""
        return {**self.config, **({"published": dict(self.published)} if self.published else {})}

    def dump(self) -> str:
        """As YAML, which reads back as the same recipe."""
        return write_yaml(self.values)


def read_recipe(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """A recipe by its name or from a YAML file, with some choices replaced.

    Args:
        source: a name that `recipes` lists, or a path.
        overrides: dotted key → value, such as `{"users.layers": 3}`.

    Raises:
        RecipeError: no such recipe, unknown key, wrong type.
    """
    name, values = _load(source)
    return resolve(name, values, overrides or {})


def resolve(name: str, values: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    """Fills in every default and checks every key and type."""
    merged = _merge(values, overrides)
    published = check_published(name, merged.pop("published", None))
    parser = schema(merged)
    _check_keys(merged, parser, name)
    hints = hints_of(parser)
    merged = adapted(merged, hints)
    try:
        resolved: Namespace = parser.parse_object(merged)
    except Exception as error:  # jsonargparse raises its own and argparse's, by version
        raise RecipeError(f"recipe {name}: {in_plain_words(error, merged, hints)}") from None
    recipe = Recipe(name, resolved.as_dict(), published)
    _check_given(recipe, parser)
    check_limits(name, recipe.config)
    return recipe


def recipes() -> dict[str, str]:
    """Every shipped recipe by name, and what it says about itself."""
    found = {}
    for folder, prefix in (
        (files("pixelrec") / "recipe/shipped", ""),
        (files("pixelrec") / "recipe/shipped/published", "published/"),
    ):
        for file in sorted(folder.iterdir(), key=lambda f: f.name) if folder.is_dir() else []:
            if file.name.endswith(".yaml"):
                about = read_yaml(file.read_text(encoding="utf-8"), file.name).get("about", "")
                found[prefix + file.name.removesuffix(".yaml")] = about
    return found


def _load(source: str | Path) -> tuple[str, dict[str, Any]]:
    path = Path(source)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise RecipeError(
                f"{path}: no such recipe file; give its path, or a name that `pixelrec recipes` lists"
            )
        name, text = path.stem, path.read_text(encoding="utf-8")
    else:
        known = recipes()
        if str(source) not in known:
            raise RecipeError(f"no recipe is called {str(source)!r}; {nearest(str(source), known)}")
        name, text = (
            str(source),
            (files("pixelrec") / "recipe/shipped" / f"{source}.yaml").read_text(encoding="utf-8"),
        )
    values = read_yaml(text, f"recipe {source}")
    if not isinstance(values, dict):
        raise RecipeError(
            f"recipe {source}: expected sections such as users: {{name: sasrec}}, got {values!r}"
        )
    return name, values


def _merge(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = overridden(values, overrides, DEFAULT_NAMES)
    for section in PLAIN:
        if not isinstance(merged.setdefault(section, {}), dict):
            raise RecipeError(f"{section} is {merged[section]!r}; expected words with values below it")
    for section, default in DEFAULT_NAMES.items():
        chosen = merged.setdefault(section, {})
        if not isinstance(chosen, dict):
            raise RecipeError(f"{section} is {chosen!r}; expected {section}: {{name: {default}, …}}")
        chosen.setdefault("name", default)
    hand_down(merged)
    return merged


def schema(values: Mapping[str, Any]) -> ArgumentParser:
    """The parser of all choices, for the classes that `values` names."""
    parser = ArgumentParser(exit_on_error=False, add_help=False, formatter_class=HelpFormatter)
    parser.add_argument("--about", type=str, default="", help="what this recipe is, in a line")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order of training and negatives")
    parser.add_argument(
        "--length", type=int, default=10, help="latest events of a history that are looked at"
    )
    for place, chosen in classes(values):
        section, within, _ = place.partition(".parts.")
        known, name = known_classes(section, part=bool(within)), at(values, place)["name"]
        parser.add_argument(f"--{place}.name", type=Literal[(*known,)], default=name, help="of the class")
        add = parser.add_class_arguments if inspect.isclass(chosen) else parser.add_function_arguments
        add(chosen, place, skip=dictated(chosen) | {"parts"}, fail_untyped=False)
    for section, plain in PLAIN.items():
        parser.add_class_arguments(plain, section)
    whole = {*PLAIN, *(place for place, _ in classes(values))}
    for action in parser._actions:
        if action.dest in whole:  # jsonargparse would take a file there, and recipes are files already
            action.help = SUPPRESS
    return parser


def _check_keys(values: Mapping[str, Any], parser: ArgumentParser, recipe: str) -> None:
    known = [action.dest for action in parser._actions]
    known = [key for key in known if not any(other.startswith(f"{key}.") for other in known)]
    for key in flat(values, known):
        if key not in known:
            raise RecipeError(f"recipe {recipe}: unknown key {key!r}; {_near(key, known)}")


def hints_of(parser: ArgumentParser) -> dict[str, Any]:
    """The type of every word, by dotted key."""
    found = {action.dest: getattr(action, "_typehint", None) for action in parser._actions}
    return {key: hint for key, hint in found.items() if hint is not None}


def _check_given(recipe: Recipe, parser: ArgumentParser) -> None:
    """A word with nothing behind it has no value, unless that is its default."""
    for key, default in parser.get_defaults().as_flat().__dict__.items():
        if default is not None and at(recipe.config, key) is None:
            raise RecipeError(f"recipe {recipe.name}: {key} is null; give a value, such as {default!r}")


def _near(key: str, known: Sequence[str]) -> str:
    """A hint for an unknown key, from the words of the innermost section or part that exists."""
    above, _, _ = key.rpartition(".")
    while above:
        inside = [k for k in known if k.startswith(f"{above}.")]
        if inside:
            return nearest(key, inside)
        above, _, _ = above.rpartition(".")
    return nearest(key, known)


def parse_overrides(words: Sequence[str]) -> dict[str, Any]:
    """`--users.layers 3`, `--users.layers=3` and `users.layers=3` as dotted keys and values.

    Raises:
        RecipeError: a key without a value, or a word that is no key.
    """
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            if not word.startswith("--"):
                raise RecipeError(
                    f"{word!r} is no choice; expected --section.word VALUE or section.word=VALUE"
                )
            if not rest:
                raise RecipeError(f"{word} has no value; expected {word} VALUE")
            value = rest.pop(0)
        found[key] = _scalar(value)
    return found


def _scalar(text: str) -> Any:
    """As a recipe file would say it; what is not YAML is text."""
    try:
        return read_yaml(text, text)
    except RecipeError:
        return text


def build_recommender(
    recipe: Recipe, spec: DatasetSpec, described: Mapping[str, Any] | None = None
) -> Recommender:
    """The recommender, from its sources, or from what its item encoder told of itself when it was saved."""
    return Recommender(recipe["items"], recipe["users"], recipe["scoring"], spec, described)


def check_user_model(recipe: Recipe) -> None:
    """Builds all but the item encoder, whose sources may be large, over a catalogue of one item.

    Raises:
        RecipeError: choices that rule out each other.
    """
    items = recipe["items"]
    width = items["width"] or next(iter(items["parts"].values()))["width"]
    over_ids = {"name": "id_table", "width": width}
    Recommender(over_ids, recipe["users"], recipe["scoring"], DatasetSpec(1, 1, recipe["length"]))


def build_batcher(
    recipe: Recipe, recommender: Recommender, histories: Histories, *, process: int = 0, processes: int = 1
) -> Batcher:
    """The batches that the recommender's user model asks for, over the training events."""
    users, items = recommender.users, recommender.spec.items
    view = VIEWS[users.view]
    reader = Reader.over(view, histories, recipe["length"], Windowing(**recipe["windowing"]))
    name, config = _named(recipe["negatives"])
    if "correct" in config and recipe["loss"]["name"] != "softmax":
        config["correct"] = False  # it makes a sample estimate a softmax, and means nothing to other losses
    negatives = NEGATIVES[name](histories, items, view.avoids, **config)  # type: ignore[call-arg]
    return Batcher(
        reader,
        negatives,
        recommender.items.load,
        items,
        users.needs_catalogue,
        batch_size=recipe["training"]["batch_size"],
        seed=recipe["seed"],
        threads=recipe["training"]["loader_threads"],
        spare=0 if recommender.items.expensive else 1,  # its steps are long, and its batches large
        pinned=recommender.device.type == "cuda",
        process=process,
        processes=processes,
    )


def build_loss(recipe: Recipe) -> Loss:
    """The loss, with its choices filled in.

    Raises:
        RecipeError: the negatives are of a kind that the loss cannot use.
    """
    name, config = _named(recipe["loss"])
    negatives = recipe["negatives"]["name"]
    if NEGATIVES[negatives].whole_catalogue and name != "softmax":
        raise RecipeError(f"negatives.name {negatives} goes with loss.name softmax only, not {name}")
    loss: Callable[..., Any] = partial(LOSSES[name], **config)
    return loss


def _named(section: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return section["name"], {key: value for key, value in section.items() if key != "name"}
