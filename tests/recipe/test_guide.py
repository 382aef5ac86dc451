"""What docs/recipes.md says of recipes is true."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pixelrec.recipe.build import build_loss
from pixelrec.recipe.recipe import read_recipe, resolve
from pixelrec.recipe.registry import NAMED
from pixelrec.recipe.schema import recipe_options
from pixelrec.recipe.yaml_text import read_value, read_yaml

GUIDE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
YAML = re.findall(r"```yaml\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.mark.parametrize("text", YAML)
def test_files_of_the_guide_are_recipes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(text, encoding="utf-8")
    read_recipe(path)


def test_overrides_of_the_guide_are_options(tmp_path: Path) -> None:
    path = tmp_path / "both.yaml"
    path.write_text(YAML[-1], encoding="utf-8")
    (line,) = [line for line in GUIDE.splitlines() if line.startswith("pixelrec train both.yaml")]
    given = shlex.split(line)[5:]
    keys = [word.removeprefix("--") for word in given[::2]]
    recipe = read_recipe(path, dict(zip(keys, map(read_value, given[1::2]), strict=True)))
    assert [part["width"] for part in recipe["items"]["parts"].values()] == [256, 256]
    assert recipe["items"]["parts"]["pixels"]["trainable"] == "all"


def test_options_that_the_guide_names_exist() -> None:
    known = {option.key for option in recipe_options(read_recipe("sasrec-id").config)}
    for text in re.findall(r"`(?:--)?((?:windowing|negatives|optimiser|training)\.\w+)", GUIDE):
        assert text in known, text


def test_every_class_of_the_guide_exists() -> None:
    table = GUIDE.partition("| section |")[2].partition("\n\n")[0]
    for section in ("scoring", "negatives", "loss"):
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{section}` |")]
        assert set(re.findall(r"`(\w+)`", row)) - {section} == set(NAMED[section])


def test_losses_and_negatives_of_the_guide_go_together() -> None:
    rows = re.findall(r"\| `(\w+)`(?: \(`(.*?)`\))? \| `(\{.*?\})` \|", GUIDE)
    assert len(rows) == 7
    for loss, more, negatives in rows:
        options = dict(read_yaml(f"{{{more.replace('`', '')}}}", "guide") or {})
        values = {"loss": {"name": loss, **options}, "negatives": read_yaml(negatives, "guide")}
        build_loss(resolve("guide", values, {}))


def test_the_defaults_of_classes_are_not_those_of_a_tuned_recipe() -> None:
    recipe, tuned = resolve("mine", {"items": {"width": 64}}, {}), read_recipe("sasrec-id")
    assert (recipe["length"], tuned["length"]) == (10, 50)
    assert recipe["optimiser"]["weight_decay"] == 0
    names = [recipe[section]["name"] for section in ("items", "users", "scoring", "negatives", "loss")]
    assert names == ["id_table", "sasrec", "dot", "shared", "softmax"]
