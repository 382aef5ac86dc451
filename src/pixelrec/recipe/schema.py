"""Recipes as pydantic models, made from the options of the classes that they name; and as JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from inspect import Parameter
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, final, get_args, get_origin

from annotated_types import Interval
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails

from pixelrec.errors import RecipeError
from pixelrec.recipe.options import LARGEST, Option, options_of
from pixelrec.recipe.overrides import DEFAULT_NAMES, at
from pixelrec.recipe.published import PUBLISHED_SCHEMA
from pixelrec.recipe.registry import NAMED, PART, PLAIN, classes, demand_parts, joins
from pixelrec.recipe.unknown import hint

Tree: TypeAlias = "dict[str, Option | Tree]"
"""The options of a recipe, or of a section, by their own names."""

_SEED = Annotated[int, Interval(ge=0, le=LARGEST)]
_LENGTH = Annotated[int, Interval(ge=1, le=100_000)]
_TOP = (
    Option("about", str, "", "what this recipe is, in a line"),
    Option("seed", _SEED, 0, "seed of weights, training order and negatives"),
    Option("length", _LENGTH, 10, "latest events of a history that a user model sees"),
)
DRAFT = "http://json-schema.org/draft-07/schema#"  # the latest that editors support in full
_SECTIONS = {
    "items": "the item encoder",
    "users": "the user model",
    "scoring": "how vectors of users and items are compared",
    "negatives": "what a target competes with",
    "loss": "what training minimises",
}


def recipe_options(values: Mapping[str, Any]) -> list[Option]:
    """Every option of a recipe, whose sections name their classes, with its dotted key."""
    return _flat(_tree(values))


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe, whose sections name their classes, complete and of the right types.

    Raises:
        RecipeError: an unknown key, a wrong type, a number out of its limits, or a contradiction.
    """
    for section, named in NAMED.items():
        if joins(named[values[section]["name"]]):
            demand_parts(section, values[section])
    tree = _tree(values)
    try:
        found = _model("recipe", tree).model_validate(values).model_dump(by_alias=True)
    except ValidationError as error:
        raise RecipeError(_message(error.errors(), values, _flat(tree))) from None
    _check_empty(found, _flat(tree))
    _check_together(found)
    return found


def json_schema() -> dict[str, Any]:
    """A JSON Schema of recipe files: each section is a union of its classes, distinguished by `name`."""
    tree: Tree = {"name": Option("name", str, "", "how tables call it; by default the file's name")}
    tree |= _keyed(_TOP)
    published = Annotated[dict[str, Any], WithJsonSchema(PUBLISHED_SCHEMA)]
    tree["published"] = Option("published", published, {}, "what a paper reports for this recipe, in %")
    for section, named in NAMED.items():
        variants = [_variant(section, name, named[name], DEFAULT_NAMES[section]) for name in named]
        tree[section] = Option(section, _one_of(variants), {}, _SECTIONS[section])
    made = _model("recipe", tree | _PLAIN)
    found = made.model_json_schema(schema_generator=_Untitled, ref_template="#/definitions/{model}")
    definitions = found.pop("$defs")
    return {"$schema": DRAFT, **found, "title": "A recipe of pixelrec", "definitions": definitions}


def _variant(section: str, name: str, chosen: Callable[..., Any], default: str | None) -> type[BaseModel]:
    """A class as one of the variants of a section, or of a part, which has no default."""
    given = name if name == default else Parameter.empty
    tree = _named(section, [name], given, chosen)
    if joins(chosen):
        others = {n: each for n, each in NAMED[section].items() if not joins(each)}
        parts = [_variant(section, n, each, None) for n, each in others.items()]
        key = Annotated[str, StringConstraints(pattern=f"^{PART.pattern}$")]
        closed = Field(json_schema_extra={"additionalProperties": False})
        hint = Annotated[dict[key, _one_of(parts)], closed]  # type: ignore[misc, valid-type]
        tree["parts"] = Option("parts", hint, Parameter.empty, "encoders, by names of your choice")
    title = f"{section}: {name}" if default else f"part of {section}: {name}"
    return _model(title, tree, (chosen.__doc__ or "").partition("\n\n")[0].strip())


def _one_of(variants: list[type[BaseModel]]) -> Any:
    return Annotated[reduce(or_, variants), Field(discriminator="option_name")]


@final
class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which only repeat the names of options."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _keyed(options: Iterable[Option]) -> Tree:
    return {option.key: option for option in options}


_PLAIN: Tree = {section: _keyed(options_of(plain)) for section, plain in PLAIN.items()}


def _named(section: str, names: Iterable[str], given: Any, chosen: Callable[..., Any]) -> Tree:
    return _keyed([Option("name", Literal[(*names,)], given, _SECTIONS[section]), *options_of(chosen)])


def _tree(values: Mapping[str, Any]) -> Tree:
    tree = _keyed(_TOP)
    for place, chosen in classes(values):
        section, within, part = place.partition(".parts.")
        whole = values[section]["name"] if within else None  # a joined encoder is no part of another
        names = [name for name in NAMED[section] if name != whole]
        own = _named(section, names, at(values, place)["name"], chosen)
        if within:
            at(tree, section)["parts"][part] = own
        else:
            tree[section] = {**own, "parts": {}} if "parts" in values[section] else own
    return tree | _PLAIN


def _flat(tree: Tree, prefix: str = "") -> list[Option]:
    found: list[Option] = []
    for name, option in tree.items():
        key = f"{prefix}{name}"
        found += _flat(option, f"{key}.") if isinstance(option, dict) else [replace(option, key=key)]
    return found


def _model(title: str, tree: Tree, doc: str = "") -> type[BaseModel]:
    """A field is called by its alias: an option such as `copy` may be no name of a pydantic field."""
    fields: dict[str, Any] = {}
    for name, option in tree.items():
        if isinstance(option, dict):
            model = _model(f"{title}.{name}", option)
            fields[f"option_{name}"] = (model, Field(alias=name, default_factory=model))
        else:
            default = ... if option.default is Parameter.empty else option.default
            fields[f"option_{name}"] = (
                _as_yaml(option.hint),
                Field(default, alias=name, description=option.help),
            )
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(title, __config__=config, __doc__=doc or None, **fields)


def _as_yaml(hint: Any) -> Any:
    """The type as YAML writes its values: 1e3 is a whole number too, and a list becomes a tuple."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(*inner, _WHOLE)] if inner[0] is int else hint
    if origin in (Union, UnionType):
        return reduce(or_, (each if float in inner else _as_yaml(each) for each in inner))
    if origin is tuple:
        kinds = tuple(each if each is ... else _as_yaml(each) for each in inner)
        return Annotated[tuple.__class_getitem__(kinds), Strict(False)]
    return Annotated[int, _WHOLE] if hint is int else hint


_WHOLE = BeforeValidator(lambda v: int(v) if isinstance(v, float) and v.is_integer() else v)


def _message(errors: list[ErrorDetails], values: Mapping[str, Any], known: list[Option]) -> str:
    """One line about the first unknown key, or else about the first wrong value."""
    for error in errors:
        if error["type"] in ("extra_forbidden", "invalid_key"):
            key, value = ".".join(map(str, error["loc"])), error["input"]
            while isinstance(value, dict) and value:  # the path to the first value below it
                inner, value = next(iter(value.items()))
                key = f"{key}.{inner}"
            return f"unknown key {key!r}; {hint(key, [option.key for option in known])}"
    place = errors[0]["loc"]
    keys = {option.key: option for option in known}
    key = next(key for n in range(len(place)) if (key := ".".join(map(str, place[: n + 1]))) in keys)
    option = keys[key]
    if errors[0]["type"] == "missing":
        return f"{key} has no value; expected {option.type}"
    value = at(values, key)
    if value is None:
        default = list(option.default) if isinstance(option.default, tuple) else option.default
        given = option.type if default is Parameter.empty else f"such as {default!r}"
        return f"{key} is null; give a value, {given}"
    quotes = option.may_be(str) and not option.may_be(int) and not isinstance(value, str)
    return f"{key} is {_shown(value)}; expected {option.type}{': put it in quotes' if quotes else ''}"


def _check_empty(config: Mapping[str, Any], known: list[Option]) -> None:
    """Raises `RecipeError` for empty text where null says that there is none."""
    for option in known:
        value = at(config, option.key)
        if isinstance(value, str) and not value.strip() and option.may_be(NoneType):
            raise RecipeError(f"{option.key} is {value!r}; expected {option.type}")


def _shown(value: Any) -> str:
    """A wrong value in a message, however long it is."""
    if isinstance(value, int) and value.bit_length() > 256:
        return "a number of more than 70 digits"
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def _check_together(config: Mapping[str, Any]) -> None:
    """Raises `RecipeError` for options that contradict each other."""
    optimiser, negatives = config["optimiser"], config["negatives"]
    rate, decay = (
        max(optimiser[f"{room}{option}"] or 0 for room in ("", "items_", "backbone_"))
        for option in ("learning_rate", "weight_decay")
    )
    if rate * decay >= 1:
        raise RecipeError(
            f"learning_rate {rate:g} times weight_decay {decay:g} is {rate * decay:g}: a step would shrink "
            "weights past zero; expected less than 1"
        )
    if config["users"].get("towers") and config["training"]["batch_size"] < 2:
        raise RecipeError(
            "training.batch_size is 1, but users.towers normalise over a batch; expected at least 2"
        )
    if config["fit"]["passes"] and not config["scoring"].get("unit_items"):
        raise RecipeError(
            f"fit.passes is {config['fit']['passes']}, and a fit by the cosine leaves the length of item "
            "vectors open; set scoring.name cosine and scoring.unit_items true"
        )
    overlap, length = config["windowing"]["overlap"], config["length"]
    if not 0 <= overlap <= length or (overlap >= 1 and overlap != int(overlap)):
        raise RecipeError(
            f"windowing.overlap is {overlap}; expected a whole number from 0 to length, {length}, or a "
            "fraction below 1"
        )
    adjustment, softmax = negatives.get("logit_adjustment"), config["loss"]["name"] == "softmax"
    if adjustment and not (softmax and negatives["correct"]):
        raise RecipeError(
            f"negatives.logit_adjustment is {adjustment:g}, which needs loss.name softmax and "
            "negatives.correct true; set those, or negatives.logit_adjustment 0"
        )
