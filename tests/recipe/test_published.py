"""The figures that a paper reports for a recipe: read, checked, kept, without effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import read_recipe, resolve

FIGURES = {"data": "Pixel200K", "Recall@10": 2.5, "NDCG@10": 1.35}


def test_figures_are_read_and_written_but_configure_nothing(tmp_path: Path) -> None:
    recipe = read_recipe("published/sasrec-id")
    assert recipe.published == FIGURES
    assert "published" not in recipe.config
    path = tmp_path / "again.yaml"
    path.write_text(recipe.dump(), encoding="utf-8")
    assert read_recipe(path) == type(recipe)("again", recipe.config, recipe.published)
    assert resolve("again", recipe.values, {"seed": 3}).published == FIGURES


def test_other_recipes_have_no_figures() -> None:
    recipe = read_recipe("sasrec-id")
    assert recipe.published == {} and "published" not in recipe.dump()


@pytest.mark.parametrize(
    ("published", "says"),
    [
        ("2.5", "got 2.5"),
        ("{Recall@10: 2.5}", "name the data set"),
        ("{data: '', Recall@10: 2.5}", "name the data set"),
        ("{data: A, recall: 2.5}", "metrics are Recall@k"),
        ("{data: A, Recall@0: 2.5}", "metrics are Recall@k"),
        ("{data: A, Recall@10: high}", "from 0 to 100"),
        ("{data: A, Recall@10: true}", "from 0 to 100"),
        ("{data: A, Recall@10: 101}", "from 0 to 100"),
        ("{data: A, Recall@10: .nan}", "from 0 to 100"),
    ],
)
def test_a_wrong_form_is_one_clear_line(published: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"published: {published}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="recipe mine: expected published") as raised:
        read_recipe(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)
