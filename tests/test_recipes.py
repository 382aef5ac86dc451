"""Recipes: every shipped one is complete and builds, words are read as they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pixelrec.batch import Facts
from pixelrec.errors import RecipeError
from pixelrec.recipe import build_loss, build_recommender, parse_overrides, read_recipe, recipes


@pytest.mark.parametrize("name", list(recipes()))
def test_every_shipped_recipe_builds(name: str) -> None:
    recipe = read_recipe(name, {"items.width": 16})
    assert recipe["about"], "a recipe says what it is"
    build_recommender(recipe, Facts(users=5, items=7, length=recipe["length"]))
    build_loss(recipe)


@pytest.mark.parametrize("name", list(recipes()))
def test_a_resolved_recipe_reads_back_as_itself(name: str, tmp_path: Path) -> None:
    recipe = read_recipe(name)
    path = tmp_path / "again.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert read_recipe(path).choices == recipe.choices


def test_published_values_are_kept() -> None:
    published = read_recipe("published/sasrec-id")
    assert (published["items"]["width"], published["length"]) == (512, 10)
    assert (published["optimiser"]["learning_rate"], published["optimiser"]["weight_decay"]) == (5e-5, 0.1)
    assert (published["training"]["batch_size"], published["training"]["patience"]) == (64, 30)
    assert published["windowing"] == {"overlap": 0, "leftover": "drop", "hide": 0.6, "rows": "windows"}
    assert published["loss"] == {"name": "bpr", "reduction": "window", "epsilon": 1e-8}


def test_words_of_the_command_line() -> None:
    words = ["--users.layers", "3", "--a.b=x=y", "c.d=true", "--lr", "1e-3", "--none", "null", "--e", "east"]
    assert parse_overrides(words) == {
        "users.layers": 3,
        "a.b": "x=y",
        "c.d": True,
        "lr": 1e-3,
        "none": None,
        "e": "east",
    }


def test_another_name_is_another_class_with_its_own_words() -> None:
    recipe = read_recipe("sasrec-id", {"users.name": "mf", "users.dropout": 0.2})
    assert recipe["users"]["name"] == "mf" and "layers" not in recipe["users"]
    assert recipe["users"]["dropout"] == 0.2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "expected sections"),
        ("users: [1", "not YAML"),
        ("users: sasrec\n", "name: sasrec"),
        ("users: {name: sasrec, depth: 2}\n", "users.depth"),
        ("training: {epochs: many}\n", "training.epochs"),
        ("lenght: 3\n", "did you mean 'length'"),
        ("users: {layers: }\n", "users.layers is null"),
        ("seed:\n", "seed is null"),
        ("optimiser: {learning_rate: null}\n", "optimiser.learning_rate is null"),
        ("users: {name: mf, towers: [4]}\ntraining: {batch_size: 1}\n", "training.batch_size is 1"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=".") as raised:
        read_recipe(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_null_is_a_value_where_it_is_the_default() -> None:
    recipe = read_recipe("sasrec-id", {"optimiser.items_learning_rate": None})
    assert recipe["optimiser"]["items_learning_rate"] is None


@pytest.mark.parametrize("model", ["sasrec", "bert4rec", "lightsans", "curatornet", "gru4rec"])
def test_a_narrow_inner_layer_keeps_a_unit(model: str) -> None:
    word = "users.hidden" if model == "gru4rec" else "users.expansion"
    recipe = read_recipe("sasrec-id", {"users.name": model, word: 0.01, "items.width": 16})
    made = build_recommender(recipe, Facts(users=5, items=7, length=4))
    assert all(parameter.numel() for parameter in made.parameters()), "a layer of no unit learns nothing"


@pytest.mark.parametrize("dilations", [[], [0], [1, 10**30]])
def test_dilations_are_distances(dilations: list[int]) -> None:
    recipe = read_recipe("nextitnet-id", {"users.dilations": dilations})
    with pytest.raises(RecipeError, match="users.dilations is .* expected distances from 1"):
        build_recommender(recipe, Facts(users=5, items=7, length=4))


def test_a_missing_file_and_yaml_types(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such recipe file"):
        read_recipe(tmp_path / "none.yaml")
    assert yaml.safe_load(read_recipe("sasrec-id").dump())["users"]["name"] == "sasrec"
