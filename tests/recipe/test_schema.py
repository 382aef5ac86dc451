"""Types, limits and the JSON Schema of recipes."""

from __future__ import annotations

from typing import Annotated, Any

import jsonschema
import pytest
from annotated_types import Interval

from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import SHIPPED, read_recipe, recipes
from pixelrec.recipe.schema import json_schema, words
from pixelrec.recipe.words import Word
from pixelrec.recipe.yaml_text import read_yaml


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json_schema()
    made = jsonschema.validators.validator_for(schema)
    made.check_schema(schema)
    return made(schema)


@pytest.mark.parametrize("name", list(recipes()))
def test_shipped_recipes_fulfil_the_json_schema(name: str, validator: Any) -> None:
    validator.validate(read_yaml((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"), name))
    validator.validate(read_yaml(read_recipe(name).dump(named=True), name))


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
def test_the_json_schema_takes_what_a_recipe_may_say(text: str, validator: Any) -> None:
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


def test_a_whole_number_is_a_number() -> None:
    found = read_recipe("sasrec-id", {"optimiser.weight_decay": 1, "windowing.overlap": 2})
    assert found["optimiser"]["weight_decay"] == 1 and type(found["optimiser"]["weight_decay"]) is float
    assert found["windowing"]["overlap"] == 2 and type(found["windowing"]["overlap"]) is int


def test_words_have_a_key_a_type_a_default_and_help() -> None:
    found = {word.key: word for word in words(read_recipe("sasrec-id-vit").config)}
    layers = found["users.layers"]
    assert (layers.type, layers.default) == ("a whole number from 1 to 1000", 2)
    assert found["items.parts.pixels.size"].type == "a whole number from 1 to 10000, or null"
    assert found["training.precision"].type == "one of fp32, bf16, fast"
    assert "items.parts" not in found and "items.parts.ids.init" in found
    assert all(word.help for word in found.values()), [key for key, word in found.items() if not word.help]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (bool, "true or false"),
        (int | str, "a whole number, or text"),
        (int | float, "a number"),
        (Annotated[float, Interval(ge=0, le=0.5)] | None, "a number from 0 to 0.5, or null"),
        (tuple[int, ...], "a list of whole numbers"),
        (dict[str, Any] | None, "words with values, or null"),
        (Any, "any value"),
    ],
)
def test_types_in_plain_words(hint: Any, text: str) -> None:
    assert Word("key", hint, None, "").type == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("items: &a {name: id_table, more: *a}", "line 1 contains itself; remove the alias"),
        ("users:\n  name: &b [1, *b]", "line 2 contains itself"),
        ("users: &c {<<: *c}", "line 1 contains itself"),
        (f"about: {'[' * 2000}", "nested too deeply"),
    ],
)
def test_an_endless_recipe_is_one_clear_line(text: str, says: str, tmp_path: Any) -> None:
    path = tmp_path / "endless.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as raised:
        read_recipe(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)


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
