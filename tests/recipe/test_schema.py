"""Types, limits and the JSON Schema of recipes."""

from __future__ import annotations

import os
from typing import Annotated, Any

import jsonschema
import numpy as np
import pytest
from annotated_types import Ge, Gt, Interval

from pixelrec.batch import DatasetSpec
from pixelrec.errors import RecipeError
from pixelrec.items import ITEM_ENCODERS
from pixelrec.recipe.options import Option, options_of
from pixelrec.recipe.recipe import SHIPPED, read_recipe, recipes, resolve
from pixelrec.recipe.registry import NAMED, joins
from pixelrec.recipe.schema import json_schema, recipe_options
from pixelrec.recipe.yaml_text import read_yaml, write_yaml
from pixelrec.users import USER_MODELS
from pixelrec.users.sasrec import SASRec


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    made = jsonschema.validators.validator_for(schema)
    made.check_schema(schema)
    return made(schema)


@pytest.mark.parametrize("name", list(recipes()))
def test_shipped_recipes_fulfil_the_json_schema_and_read_back(name: str, validator: Any) -> None:
    validator.validate(read_yaml((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"), name))
    recipe = read_recipe(name)
    written = read_yaml(recipe.dump(named=True), name)
    validator.validate(written)
    assert resolve(written.pop("name"), written, {}) == recipe


@pytest.mark.parametrize(
    "text",
    [
        "users: {layers: 3}\nitems: {width: 8}\ntraining: {epochs: 1e3}",
        "users: {name: mf, towers: [64, 32]}\nnegatives: {name: per_target, count: 2}",
        "items: {name: joined, parts: {ids: {name: id_table}, on_2: {name: pixels, trainable: all}}}",
        "name: mine\nabout: a recipe\npublished: {data: Pixel200K, Recall@10: 2}",
        "optimiser: {items_learning_rate: null, learning_rate: 1}",
    ],
)
def test_the_json_schema_accepts_correct_recipes(text: str, validator: Any) -> None:
    validator.validate(read_yaml(text, "mine"))


WRONG = [
    "lenght: 3",
    "length: 0",
    "length: 100001",
    "seed: -1",
    "users: {name: sasrecc}",
    "users: {name: sasrec, depth: 1}",
    "users: {name: mf, layers: 1}",
    "users: {layers: true}",
    "users: {layers: '3'}",
    "users: {layers: 2.5}",
    "users: {dropout: 1}",
    "users: {dropout: '0.1'}",
    "users: {dropout: false}",
    "users: {name: mf, towers: [true], dropout: 0.1}",
    "users: {name: mf, towers: 64}",
    "scoring: {name: cosine, learn: 1}",
    "items: {name: joined}",
    "items: {name: joined, parts: {a: {width: 3}}}",
    "items: {name: joined, parts: {a: {name: joined}}}",
    "items: {name: joined, parts: {a-b: {name: id_table}}}",
    "items: {name: pixels, revision: 5}",
    "training: {precision: fp16}",
    "training: {monitor: null}",
    "training: {epochs: .inf}",
    "optimiser: {learning_rate: .nan}",
    "published: {data: a, recall: 3}",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_recipe_is_an_error_and_fails_the_json_schema(
    text: str, validator: Any, tmp_path: Any
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    assert "\n" not in str(raised.value) and str(raised.value).startswith(
        ("recipe wrong: ", "items.", "users.")
    )
    if ".nan" not in text:  # JSON has none, and no comparison with it is true
        assert not validator.is_valid(read_yaml(text, "wrong"))


@pytest.mark.parametrize(
    ("value", "read"), [(3, 3), (3.0, 3), (1e3, 1000)], ids=["whole", "with a point", "with an exponent"]
)
def test_a_number_without_a_fraction_is_a_whole_number(value: float, read: int) -> None:
    found = read_recipe("sasrec-id", {"training.epochs": value})["training"]["epochs"]
    assert (found, type(found)) == (read, int)


def test_numbers_of_numpy_are_the_numbers_that_they_mean() -> None:
    given = {"training.epochs": np.int64(3), "optimiser.learning_rate": np.float32(0.5), "seed": np.uint8(2)}
    towers = {"users.towers": [np.int32(64)], "users.name": "mf", "items": {"width": np.int16(8)}}
    found = read_recipe("sasrec-id", {**given, **towers})
    values = (found["training"]["epochs"], found["optimiser"]["learning_rate"], found["seed"])
    assert values == (3, 0.5, 2) and [type(value) for value in values] == [int, float, int]
    assert (found["users"]["towers"], found["items"]["width"]) == ((64,), 8)
    assert read_recipe("sasrec-id", {"scoring.name": "cosine", "scoring.learn": np.True_})["scoring"]["learn"]


def test_a_whole_number_is_a_number() -> None:
    found = read_recipe("sasrec-id", {"optimiser.weight_decay": 1, "windowing.overlap": 2})
    assert found["optimiser"]["weight_decay"] == 1 and type(found["optimiser"]["weight_decay"]) is float
    assert found["windowing"]["overlap"] == 2 and type(found["windowing"]["overlap"]) is int


def test_options_have_a_key_a_type_a_default_and_help() -> None:
    found = {option.key: option for option in recipe_options(read_recipe("sasrec-id-vit").config)}
    layers = found["users.layers"]
    assert (layers.type, layers.default) == ("a whole number from 1 to 1,000", 2)
    assert found["items.parts.pixels.size"].type == "a whole number from 1 to 10,000, or null"
    assert found["training.precision"].type == "one of fp32, bf16, fast"
    assert found["seed"].type == "a whole number of at least 0", "the upper limit is only the machine's"
    encoders = ", ".join(name for name in ITEM_ENCODERS if name != "joined")
    assert found["items.parts.ids.name"].type == f"one of {encoders}", "parts have no parts"
    assert "items.parts" not in found and "items.parts.ids.init" in found
    assert all(option.help for option in found.values()), [
        key for key, option in found.items() if not option.help
    ]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (bool, "true or false"),
        (int | str, "a whole number, or text"),
        (int | float, "a number"),
        (Annotated[float, Interval(ge=0, le=0.5)] | None, "a number from 0 to 0.5, or null"),
        (tuple[int, ...], "a list of whole numbers"),
        (dict[str, Any] | None, "keys with values, or null"),
        (Any, "any value"),
    ],
)
def test_types_in_plain_words(hint: Any, text: str) -> None:
    assert Option("key", hint, None, "").type == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("items: &a {name: id_table, more: *a}", "line 1 contains itself; remove the alias"),
        ("users:\n  name: &b [1, *b]", "line 2 contains itself"),
        ("users: &c {<<: *c}", "line 1 contains itself"),
        (f"about: {'[' * 2000}", "nested too deeply"),
        (
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)),
            "its aliases stand for over 200,000 values",
        ),
        ("".join(f"key{n}: 1\n" for n in range(20_000)), "bytes; expected a recipe of at most 200,000"),
        ('about: "\x1b[2J"', r"the control character '\x1b' at position 8"),
        (r'about: "\e[2J"', r"about holds the control character '\x1b'; remove it"),
        ("about: a\0b", r"the control character '\x00'"),
        ("a: 1\n---\nb: 2", "expected a single document in the stream, but found another"),
        ("seed: " + "9" * 5000, "not YAML: Exceeds the limit"),
        ("seed: 0x" + "f" * 5000, "expected a whole number"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor for the tag"),
    ],
)
def test_a_recipe_without_end_or_sense_is_one_clear_line(text: str, says: str, tmp_path: Any) -> None:
    path = tmp_path / "endless.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("010", 10),
        ("-7", -7),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("true", True),
        ("~", None),
        ("", None),
        ("yes", "yes"),
        ("no", "no"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2024-01-05", "2024-01-05"),
        ("\u0664", "\u0664"),
    ],
)
def test_plain_values_are_read_as_they_are_written(text: str, read: Any) -> None:
    found = read_yaml(text, "value")
    assert (found, type(found)) == (read, type(read))
    assert read_yaml(write_yaml({"value": found}), "again") == {"value": found}


def test_what_is_no_file_of_text_is_no_recipe(tmp_path: Any) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("pipe", "zero", "folder"):
        with pytest.raises(RecipeError, match="is no file; give the path of a recipe"):
            read_recipe(tmp_path / f"{name}.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"about: caf\xe9")
    with pytest.raises(RecipeError, match="cannot be read: .* expected YAML in UTF-8"):
        read_recipe(tmp_path / "latin.yaml")
    with pytest.raises(RecipeError, match="about holds the control character"):
        read_recipe("sasrec-id", {"about": "\x1b]0;title\x07"})


def test_an_alias_used_twice_is_no_circle(tmp_path: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("items: {name: joined, parts: {a: &x {name: id_table}, b: *x}}", encoding="utf-8")
    recipe = read_recipe(path, {"items.parts.a.width": 8, "items.parts.b.width": 4})
    assert [part["width"] for part in recipe["items"]["parts"].values()] == [8, 4]


def test_a_recipe_keeps_its_own_name(tmp_path: Any) -> None:
    recipe = read_recipe("published/sasrec-id")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.dump(named=True), encoding="utf-8")
    assert read_recipe(path) == recipe
    path.write_text(recipe.dump(), encoding="utf-8")
    assert read_recipe(path).name == "recipe"
    for name in ("3", "''", "[a]", "null"):
        path.write_text(f"name: {name}\n", encoding="utf-8")
        with pytest.raises(RecipeError, match="name is .*; expected text, or leave it out"):
            read_recipe(path)


def test_a_type_that_no_recipe_can_hold_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(USER_MODELS, "registered", {"odd": Odd, "late": Late})
    with pytest.raises(RecipeError, match=r"Odd: kind is a <class 'complex'>, which no recipe can hold"):
        read_recipe("sasrec-id", {"users.name": "odd"})
    with pytest.raises(RecipeError, match=r"Late: name 'Nowhere' is not defined; import it where"):
        read_recipe("sasrec-id", {"users.name": "late"})


class Odd(SASRec):
    def __init__(self, spec: DatasetSpec, width: int, *, kind: complex = 1j) -> None:
        raise AssertionError(f"recipes build nothing: {spec}, {width}, {kind}")


class Late(SASRec):
    def __init__(self, spec: Elsewhere, width: int, *, kind: Nowhere = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
        raise AssertionError(f"recipes build nothing: {spec}, {width}, {kind}")


class Required(SASRec):
    """Has options that pydantic would take for its own, one without a default, and other limits."""

    def __init__(
        self,
        spec: Elsewhere,  # type: ignore[name-defined]  # noqa: F821 - only a type checker sees it
        width: int,
        *,
        scale: Annotated[float, Gt(0)],
        copy: Annotated[int, Ge(2)] | None = None,
        model_config: bool = False,
        json: list[float] = (),  # type: ignore[assignment]
    ) -> None:
        raise AssertionError(
            f"recipes build nothing: {spec}, {width}, {scale}, {copy}, {model_config}, {json}"
        )


def test_options_may_have_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(USER_MODELS, "registered", {"required": Required})
    with pytest.raises(RecipeError, match=r"users\.scale has no value; expected a number above 0"):
        read_recipe("sasrec-id", {"users.name": "required"})
    with pytest.raises(RecipeError, match=r"users\.copy is 1; .* number of at least 2, or null"):
        read_recipe("sasrec-id", {"users.name": "required", "users.scale": 1, "users.copy": 1})
    chosen = {"users.scale": 1, "users.model_config": True, "users.json": [1, 2.5]}
    found = read_recipe("sasrec-id", {"users.name": "required", **chosen})["users"]
    assert found == {"name": "required", "scale": 1, "copy": None, "model_config": True, "json": [1, 2.5]}
    assert json_schema()["definitions"]["users__required"]["required"] == ["name", "scale"]


@pytest.mark.parametrize(("section", "name"), [(s, n) for s, named in NAMED.items() for n in named])
def test_defaults_keep_their_own_types_and_limits(section: str, name: str) -> None:
    given = {each.key: each.default for each in options_of(NAMED[section][name]) if each.key != "parts"}
    parts = {"parts": {"ids": {"name": "id_table"}}} if joins(NAMED[section][name]) else {}
    found = resolve("defaults", {section: {"name": name, **given, **parts}}, {})[section]
    assert {key: found[key] for key in given} == given


def test_a_recipe_is_a_short_line_in_a_notebook() -> None:
    shown = "Recipe('mf-id': items id_table, users mf, scoring cosine, negatives shared, loss softmax)"
    assert repr(read_recipe("mf-id")) == shown
