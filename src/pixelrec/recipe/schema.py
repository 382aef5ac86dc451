"""Recipes as pydantic models, made from the words of the classes that they name; and as JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce
from inspect import Parameter
from operator import or_
from types import UnionType
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

from pixelrec.errors import RecipeError, nearest
from pixelrec.recipe.overrides import DEFAULT_NAMES, at
from pixelrec.recipe.published import PUBLISHED_SCHEMA
from pixelrec.recipe.registry import NAMED, PART, PLAIN, classes, joins
from pixelrec.recipe.words import Word, words_of

Tree: TypeAlias = "dict[str, Word | Tree]"
"""The words of a recipe, or of a section, by their own names."""

_TOP = (
    Word("about", str, "", "what this recipe is, in a line"),
    Word("seed", Annotated[int, Interval(ge=0, le=2**63 - 1)], 0, "of weights, training order and negatives"),
    Word("length", Annotated[int, Interval(ge=1, le=100_000)], 10, "latest events of a history that count"),
)

_SECTIONS = {
    "items": "the item encoder",
    "users": "the user model",
    "scoring": "how vectors of users and items are compared",
    "negatives": "what a target competes with",
    "loss": "what training minimises",
}


def words(values: Mapping[str, Any]) -> list[Word]:
    """Every word of a recipe, with its dotted key.

    Args:
        values: by section, with the name of every class.
    """
    return _flat(_tree(values))


def checked(recipe: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe, by section, complete and of the right types.

    Args:
        recipe: its name, for messages.
        values: by section, with the name of every class.

    Raises:
        RecipeError: an unknown key, a wrong type, a number out of its limits.
    """
    tree = _tree(values)
    try:
        return _model(recipe, tree).model_validate(values).model_dump(by_alias=True)
    except ValidationError as error:
        raise RecipeError(f"recipe {recipe}: {_message(error.errors(), values, _flat(tree))}") from None


def json_schema() -> dict[str, Any]:
    """A JSON Schema of recipe files, for editors: a section is one of its classes, told apart by `name`.

    Raises:
        RecipeError: an installed package provides a class that cannot be used.
    """
    tree: Tree = {"name": Word("name", str, "", "how tables call it; by default the file's name")}
    tree |= {word.key: word for word in _TOP}
    published = Annotated[dict[str, Any], WithJsonSchema(PUBLISHED_SCHEMA)]
    tree["published"] = Word("published", published, {}, "what a paper reports for this recipe, in %")
    for section, named in NAMED.items():
        variants = [_variant(section, name, named[name], DEFAULT_NAMES[section]) for name in named]
        tree[section] = Word(section, _one_of(variants), {}, _SECTIONS[section])
    for section, plain in PLAIN.items():
        tree[section] = {word.key: word for word in words_of(plain)}
    found = _model("recipe", tree).model_json_schema(schema_generator=_Untitled)
    return {"$schema": _Untitled.schema_dialect, **found, "title": "A recipe of pixelrec"}


def _variant(section: str, name: str, chosen: Callable[..., Any], default: str | None) -> type[BaseModel]:
    """A class as one of the variants of a section, or of a part, which has no default."""
    given = name if name == default else Parameter.empty
    tree: Tree = {"name": Word("name", Literal[name], given, "of the class")}
    tree |= {word.key: word for word in words_of(chosen)}
    if joins(chosen):
        others = {n: each for n, each in NAMED[section].items() if not joins(each)}
        parts = [_variant(f"part of {section}", n, each, None) for n, each in others.items()]
        key = Annotated[str, StringConstraints(pattern=f"^{PART.pattern}$")]
        closed = Field(json_schema_extra={"additionalProperties": False})
        hint = Annotated[dict[key, _one_of(parts)], closed]  # type: ignore[misc, valid-type]
        tree["parts"] = Word("parts", hint, Parameter.empty, "encoders, by names of your choice")
    return _model(f"{section}: {name}", tree, (chosen.__doc__ or "").partition("\n\n")[0].strip())


def _one_of(variants: list[type[BaseModel]]) -> Any:
    return Annotated[reduce(or_, variants), Field(discriminator="word_name")]


@final
class _Untitled(GenerateJsonSchema):
    """Leaves out titles, which only repeat the names of words."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def _tree(values: Mapping[str, Any]) -> Tree:
    tree: Tree = {word.key: word for word in _TOP}
    for place, chosen in classes(values):
        section, within, part = place.partition(".parts.")
        name = Word("name", Literal[(*NAMED[section],)], at(values, place)["name"], "of the class")
        own: Tree = {word.key: word for word in (name, *words_of(chosen))}
        if within:
            at(tree, section)["parts"][part] = own
        else:
            tree[section] = {**own, "parts": {}} if "parts" in own else own
    for section, plain in PLAIN.items():
        tree[section] = {word.key: word for word in words_of(plain)}
    return tree


def _flat(tree: Tree, prefix: str = "") -> list[Word]:
    found: list[Word] = []
    for name, word in tree.items():
        key = f"{prefix}{name}"
        found += _flat(word, f"{key}.") if isinstance(word, dict) else [replace(word, key=key)]
    return found


def _model(title: str, tree: Tree, doc: str = "") -> type[BaseModel]:
    """A field is called by its alias: a word such as `copy` may be no name of a pydantic field."""
    fields: dict[str, Any] = {}
    for name, word in tree.items():
        if isinstance(word, dict):
            model = _model(f"{title}.{name}", word)
            fields[f"word_{name}"] = (model, Field(alias=name, default_factory=model))
        else:
            default = ... if word.default is Parameter.empty else word.default
            fields[f"word_{name}"] = (_as_yaml(word.hint), Field(default, alias=name, description=word.help))
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(title, __config__=config, __doc__=doc or None, **fields)


def _as_yaml(hint: Any) -> Any:
    """The type as YAML writes its values: 1e3 is a whole number too, and a list becomes a tuple."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[(*inner, *_readers(inner[0]))]
    if origin in (Union, UnionType):
        return reduce(or_, (each if float in inner else _as_yaml(each) for each in inner))
    if origin is tuple:
        kinds = tuple(each if each is ... else _as_yaml(each) for each in inner)
        return Annotated[tuple.__class_getitem__(kinds), Strict(False)]
    return Annotated[(hint, *_readers(hint))] if hint is int else hint


def _readers(kind: Any) -> list[BeforeValidator]:
    return [BeforeValidator(_whole)] if kind is int else []


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _message(errors: list[ErrorDetails], values: Mapping[str, Any], known: list[Word]) -> str:
    """The first unknown key, or else the first wrong value."""
    for error in errors:
        if error["type"] in ("extra_forbidden", "invalid_key"):
            key = ".".join(map(str, error["loc"])) + _rest(error["input"])
            return f"unknown key {key!r}; {_near(key, [word.key for word in known])}"
    place = errors[0]["loc"]
    keys = {word.key: word for word in known}
    key = next(key for n in range(len(place)) if (key := ".".join(map(str, place[: n + 1]))) in keys)
    word = keys[key]
    if errors[0]["type"] == "missing":
        return f"{key} has no value; expected {word.type}"
    value = at(values, key)
    if value is None:
        given = f"such as {word.default!r}" if word.default is not Parameter.empty else word.type
        return f"{key} is null; give a value, {given}"
    quotes = word.may_be(str) and not word.may_be(int) and not isinstance(value, str)
    return f"{key} is {value!r}; expected {word.type}{': put it in quotes' if quotes else ''}"


def _rest(value: Any) -> str:
    """The path from an unknown key to the first value below it."""
    if not isinstance(value, dict) or not value:
        return ""
    key, inner = next(iter(value.items()))
    return f".{key}{_rest(inner)}"


def _near(key: str, known: list[str]) -> str:
    """A hint for an unknown key, from the words of the innermost section or part that exists."""
    above, _, _ = key.rpartition(".")
    while above:
        inside = [k for k in known if k.startswith(f"{above}.")]
        if inside:
            return nearest(key, inside)
        above, _, _ = above.rpartition(".")
    return nearest(key, known)
