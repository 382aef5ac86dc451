"""Unknown words of a recipe: the option that is meant comes first, and before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recipe.schema import recipe_options
from pixelrec.recipe.unknown import _OTHER_NAMES, OWN, SECTIONS, TOP


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("epochs", "'training.epochs'?"),
        ("lr", "'optimiser.learning_rate'?"),
        ("learning-rate", "'optimiser.learning_rate'?"),
        ("training.lr", "'optimiser.learning_rate'?"),
        ("training.learning_rate", "'optimiser.learning_rate'?"),
        ("device", "'training.device', which is auto (a GPU where there is one) or cpu?"),
        ("batch-size", "'training.batch_size'?"),
        ("dim", "'items.width'?"),
        ("embedding_size", "'items.width'?"),
        ("users.hidden_size", "'items.width'?"),
        ("n_layers", "'users.layers'?"),
        ("max_seq_length", "'length'?"),
        ("seeed", "'seed'?"),
        ("epohcs", "'training.epochs'?"),
        ("users.weight_decay", "'optimiser.weight_decay'?"),
        ("users.layer", "'users.layers'?"),
        ("User.layers", "'users.layers'?"),
    ],
)
def test_the_option_that_is_meant_comes_first(word: str, meant: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read_recipe("sasrec-id", {word: 3})
    assert str(raised.value) == f"recipe sasrec-id: unknown key {word!r}; did you mean {meant}"


@pytest.mark.parametrize("word", ["foo", "training.foobar", "about.x", "foo.bar.baz"])
def test_a_word_unlike_any_other_is_a_short_line(word: str) -> None:
    with pytest.raises(RecipeError, match="--help` lists all options|did you mean") as raised:
        read_recipe("sasrec-id", {word: 3})
    assert len(str(raised.value)) < 260


@pytest.mark.parametrize("name", ["SASRec-ID", "sasrec-id", "Published/MF-id"])
def test_the_name_of_a_recipe_may_have_capitals(name: str) -> None:
    assert read_recipe(name).name == name.lower() or name.startswith("Published")


@pytest.mark.parametrize(("name", "meant"), [("SASRec", "sasrec-id"), ("BERT4Rec", "bert4rec-id")])
def test_an_unknown_recipe_names_the_nearest_whatever_its_capitals(name: str, meant: str) -> None:
    with pytest.raises(RecipeError, match=f"no recipe is called '{name}'; did you mean '{meant}'"):
        read_recipe(name)


def test_other_names_stand_for_options_and_are_none_themselves() -> None:
    used = {
        option.key
        for name in ("sasrec-id", "sasrec-vit")
        for option in recipe_options(read_recipe(name).config)
    }
    assert set(_OTHER_NAMES) <= used
    assert set(SECTIONS) | set(TOP) == {key.partition(".")[0] for key in used} | {"published"}
    for key, names in _OTHER_NAMES.items():
        for name in names.split():
            for section in set(OWN) - {"fit"}:  # which has rates and batches of its own
                assert f"{section}.{name}" not in used or f"{section}.{name}" == key


def test_the_recipe_of_a_run_has_no_unknown_word(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(read_recipe("published/mf-id").dump(named=True), encoding="utf-8")
    assert read_recipe(path).name == "published/mf-id"


def test_the_answer_loads_no_pytorch() -> None:
    code = """
import sys
from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import read_recipe
try:
    read_recipe("sasrec-id", {"epochs": 3})
except RecipeError:
    print([name for name in ("torch", "polars", "pydantic") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
