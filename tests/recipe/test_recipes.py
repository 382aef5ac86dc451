"""Recipes: every shipped one is complete and builds, options are read as they are meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import pytest
import yaml
from torch import Tensor

from pixelrec.batch import DatasetSpec, Items
from pixelrec.cli.main import main
from pixelrec.errors import RecipeError
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.build import build_loss, build_recommender
from pixelrec.recipe.recipe import Recipe, read_recipe, recipes, resolve
from pixelrec.recipe.yaml_text import read_value
from pixelrec.users import USER_MODELS


@pytest.mark.parametrize("name", list(recipes()))
def test_every_shipped_recipe_builds(name: str) -> None:
    # Over ids: the weights that picture networks start from are not here.
    recipe, file = read_recipe(name, {"items.name": "id_table", "items.width": 16}), None
    if USER_MODELS[recipe["users"]["name"]].needs_regions:
        recipe, file = read_recipe(name), {"file": "regions", "width": 8, "digest": ""}
    assert 0 < len(recipe["about"]) <= 54, (
        "a recipe says what it is, in what a line of 80 has beside its name"
    )
    build_recommender(recipe, DatasetSpec(users=5, items=7, length=recipe["length"]), file)
    build_loss(recipe)


# arXiv 2309.06789, tables of tuned settings and of results on Pixel200K: width, learning rate, batch, decay,
# Recall@10, NDCG@10; whether the loss sums over a window; and what the paper and its code say of the model.
PUBLISHED: dict[str, tuple[tuple[float | None, ...], bool, dict[str, Any]]] = {
    "mf": ((4096, 1e-4, 512, 0, 1.013, 0.490), False, {"towers": ()}),
    "fm": ((4096, 5e-5, 64, 0, 1.357, 0.679), False, {}),
    "dssm": ((4096, 1e-4, 64, 0, 1.401, 0.701), False, {"towers": ()}),
    "lightgcn": ((256, 5e-4, 1024, 0.01, None, None), False, {"layers": 2}),
    "sasrec": (
        (512, 5e-5, 64, 0.1, 2.500, 1.350),
        True,
        {"layers": 2, "heads": 4, "expansion": 2, "dropout": 0.1, "attention_dropout": 0.1},
    ),
    "bert4rec": (
        (512, 5e-5, 64, 0.1, 1.972, 0.994),
        True,
        {"layers": 2, "heads": 4, "expansion": 1, "dropout": 0.1, "attention_dropout": 0.1},
    ),
    "lightsans": (
        (512, 5e-5, 512, 0.1, 2.578, 1.384),
        False,
        {"layers": 1, "heads": 4, "interests": 3, "expansion": 2, "dropout": 0.1},
    ),
    "gru4rec": ((2048, 1e-4, 64, 0.01, 1.833, 0.937), True, {"layers": 1, "hidden": 2}),
    "nextitnet": (
        (1024, 5e-4, 64, 0.01, 2.187, 1.153),
        True,
        {"blocks": 3, "kernel": 3, "dilations": (1, 4)},
    ),
    "srgnn": ((512, 5e-5, 64, 0.01, 1.597, 0.808), False, {"steps": 2}),
}
ROW_PER_TARGET = {"lightsans", "srgnn"}  # the published code makes a row of each prefix
INSIDE_THE_LOG = {"mf", "lightgcn", "srgnn"}  # ours is the logarithm of a sigmoid, whatever is added outside


def test_every_published_row_over_ids_is_checked() -> None:
    named = {name for name in recipes() if name.startswith("published/") and name.endswith("-id")}
    assert named == {f"published/{model}-id" for model in PUBLISHED}


@pytest.mark.parametrize("model", list(PUBLISHED))
def test_published_values_are_kept(model: str) -> None:
    numbers, sums, of_the_model = PUBLISHED[model]
    found = read_recipe(f"published/{model}-id")
    optimiser, training, windowing = found["optimiser"], found["training"], found["windowing"]
    assert numbers == (
        found["items"]["width"],
        optimiser["learning_rate"],
        training["batch_size"],
        optimiser["weight_decay"],
        found.published.get("Recall@10"),
        found.published.get("NDCG@10"),
    )
    assert found["users"]["name"] == model
    assert {word: found["users"][word] for word in of_the_model} == of_the_model
    assert (optimiser["beta1"], optimiser["beta2"]) == (0.9, 0.999)
    assert {optimiser[f"items_{word}"] for word in ("learning_rate", "weight_decay")} == {None}
    assert (found["length"], training["epochs"], training["patience"]) == (10, 200, 30)
    assert (training["precision"], training["clip"], training["schedule"]) == ("fp32", 0, "constant")
    assert (found["negatives"]["name"], found["negatives"]["count"], found["negatives"]["alpha"]) == (
        "per_target",
        1,
        0,
    )
    assert found["scoring"] == {"name": "dot"}
    if USER_MODELS[model].view != "pairs":
        assert (windowing["overlap"], windowing["leftover"], windowing["hide"]) == (0, "drop", 0.6)
        assert windowing["rows"] == ("targets" if model in ROW_PER_TARGET else "windows")
    assert found["loss"] == {
        "name": "bpr",
        "reduction": "window" if sums else "mean",
        "epsilon": 0 if model in INSIDE_THE_LOG else 1e-8,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("x=y", "x=y"),
        ("true", True),
        ("1e-3", 1e-3),
        ("null", None),
        ("1e1x", "1e1x"),
        ("2026-13-45", "2026-13-45"),
        ("a: b: c", "a: b: c"),
    ],
)
def test_values_of_the_command_line(text: str, value: object) -> None:
    assert read_value(text) == value


def test_another_name_is_another_class_with_its_own_options() -> None:
    recipe = read_recipe("sasrec-id", {"users.name": "mf", "users.dropout": 0.2})
    assert recipe["users"]["name"] == "mf" and "layers" not in recipe["users"]
    assert recipe["users"]["dropout"] == 0.2
    unsaid = resolve("mine", {"users": {"layers": 3}}, {"users.name": "mf"})
    assert "layers" not in unsaid["users"], "they were meant for the default, sasrec"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "expected sections"),
        ("users: [1", "not YAML"),
        ("users: sasrec\n", "name: sasrec"),
        ("users: {name: sasrec, depth: 2}\n", "users.depth"),
        ("length: 3\nitems: {width: 8}\nitems: {width: 4}\n", "items occurs twice, in lines 2 and 3"),
        ("users: {layers: 1, layers: 2}\n", "users.layers occurs twice, in line 1; remove one"),
        ("training: {epochs: many}\n", "epochs is 'many'; expected a whole number from 0 to 1,000,000"),
        ("training: {epochs: 1.5e0}\n", "training.epochs is 1.5; expected a whole number"),
        ("items: {name: pixels, size: big}\n", "expected a whole number from 1 to 10,000, or null"),
        ("items: {name: pixels, precision: fp16}\n", "expected one of fp32, bf16, fast, auto"),
        ("items: {name: pixels, revision: 1e5}\n", "expected text, or null: put it in quotes"),
        ("users: {name: nextitnet, dilations: 1}\n", "expected a list of whole numbers"),
        ("lenght: 3\n", "did you mean 'length'"),
        ("users: {layers: }\n", "users.layers is null"),
        ("seed:\n", "seed is null"),
        ("users: {name: mf, towers: null}\n", "users.towers is null; give a value, such as []"),
        ("users: {1: 2}\n", "unknown key 'users.1'"),
        (
            "3: 4\n",
            "unknown key '3'; options are called SECTION.WORD, with the sections items, users,",
        ),
        ("optimiser: {learning_rate: null}\n", "optimiser.learning_rate is null"),
        ("optimiser: {learning_rate: 0.1, backbone_weight_decay: 20}\n", "weight_decay 20 is 2: a step"),
        ("users: {name: mf, towers: [4]}\ntraining: {batch_size: 1}\n", "training.batch_size is 1"),
    ],
)
def test_a_wrong_recipe_is_one_clear_line(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=".") as raised:
        read_recipe(path)
    assert says in str(raised.value) and "\n" not in str(raised.value)


def test_numbers_with_an_exponent(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("about: '1e5'\noptimiser: {learning_rate: 1e-3, weight_decay: 2E-1}\n", encoding="utf-8")
    recipe = read_recipe(path)
    assert (recipe["optimiser"]["learning_rate"], recipe["optimiser"]["weight_decay"]) == (0.001, 0.2)
    epochs = read_recipe("sasrec-id", {"training.epochs": read_value("1e1")})["training"]["epochs"]
    assert (epochs, type(epochs)) == (10, int)
    path.write_text(recipe.dump(), encoding="utf-8")
    assert read_recipe(path)["about"] == "1e5", "a text stays a text"


def test_a_merge_key_is_not_a_duplicate(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("users: {<<: {layers: 1}, layers: 3}\n", encoding="utf-8")
    assert read_recipe(path)["users"]["layers"] == 3


def test_null_is_a_value_where_it_is_the_default() -> None:
    recipe = read_recipe("sasrec-id", {"optimiser.items_learning_rate": None})
    assert recipe["optimiser"]["items_learning_rate"] is None


@pytest.mark.parametrize("model", ["sasrec", "bert4rec", "lightsans", "curatornet", "gru4rec"])
def test_a_narrow_inner_layer_has_at_least_one_unit(model: str) -> None:
    word = "users.hidden" if model == "gru4rec" else "users.expansion"
    recipe = read_recipe("sasrec-id", {"users.name": model, word: 0.01, "items.width": 16})
    made = build_recommender(recipe, DatasetSpec(users=5, items=7, length=4))
    assert all(parameter.numel() for parameter in made.parameters()), "a layer of no unit learns nothing"


@pytest.mark.parametrize("dilations", [[], [0], [1, 10**30]])
def test_dilations_are_distances(dilations: list[int]) -> None:
    recipe = read_recipe("nextitnet-id", {"users.dilations": dilations})
    with pytest.raises(RecipeError, match="users.dilations is .* expected distances from 1"):
        build_recommender(recipe, DatasetSpec(users=5, items=7, length=4))


def test_a_missing_file_and_yaml_types(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match="no recipe is called 'xyz'; `pixelrec recipes` lists the shipped ones"
    ):
        read_recipe("xyz")
    with pytest.raises(RecipeError, match="no such recipe file"):
        read_recipe(tmp_path / "none.yaml")
    assert yaml.safe_load(read_recipe("sasrec-id").dump())["users"]["name"] == "sasrec"


JOINED = """
items:
  name: joined
  parts:
    ids: {name: id_table, width: 64}
    more: {name: id_table, width: 64, init: uniform}
users: {name: sasrec, heads: 2}
"""


def joined_recipe(folder: Path, overrides: Mapping[str, Any] | None = None, text: str = JOINED) -> Recipe:
    path = folder / "joined.yaml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path, overrides)


def test_options_of_parts_are_options_of_the_recipe(tmp_path: Path) -> None:
    words = {"items.parts.ids.init": "xavier_normal"}
    recipe = joined_recipe(tmp_path, words)
    assert recipe["items"] == {
        "name": "joined",
        "combine": "sum",
        "width": None,
        "head": None,
        "head_activation": "none",
        "head_init": "small",
        "bound": 0.5,
        "parts": {
            "ids": {"name": "id_table", "width": 64, "init": "xavier_normal"},
            "more": {"name": "id_table", "width": 64, "init": "uniform"},
        },
    }
    assert joined_recipe(tmp_path, text=recipe.dump()).config == recipe.config
    assert build_recommender(recipe, DatasetSpec(users=5, items=7, length=4)).items.width == 64


def test_another_name_of_a_part_is_another_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ITEM_ENCODERS.registered, "numbered", Numbered)
    words = {"items.parts.more.top": "stages 3-4", "items.parts.more.name": "numbered", "items.width": 8}
    recipe = joined_recipe(tmp_path, words)
    assert recipe["items"]["parts"] == {
        "ids": {"name": "id_table", "width": 8, "init": "normal"},
        "more": {"name": "numbered", "width": 8, "top": "stages 3-4", "sizes": None},
    }
    alone = joined_recipe(tmp_path, {"items.name": "numbered"})
    assert alone["items"] == {"name": "numbered", "width": 4, "top": 2, "sizes": None}
    again = {"items.name": "joined", "items.parts.one.name": "id_table", "items.parts.one.init": "uniform"}
    assert read_recipe("sasrec-id", again)["items"]["parts"] == {
        "one": {"name": "id_table", "width": 128, "init": "uniform"}
    }
    nameless = "items: {name: joined, parts: {one: {top: all}}}"
    named = joined_recipe(tmp_path, {"items.parts.one.name": "numbered"}, nameless)
    assert named["items"]["parts"]["one"]["top"] == "all", "it waited for its class"


def test_a_number_or_text_keeps_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ITEM_ENCODERS.registered, "numbered", Numbered)
    text = "items: {name: joined, parts: {one: {name: numbered, top: 3}, two: {name: numbered, top: none}}}"
    recipe = joined_recipe(tmp_path, text=text)
    assert [part["top"] for part in recipe["items"]["parts"].values()] == [3, "none"]
    assert joined_recipe(tmp_path, text=recipe.dump()).config == recipe.config
    chosen = joined_recipe(tmp_path, {"items.parts.one.top": "stages 3-4"}, text)
    assert chosen["items"]["parts"]["one"]["top"] == "stages 3-4"
    with pytest.raises(RecipeError, match="items.parts.one.top"):
        joined_recipe(tmp_path, {"items.parts.one.top": 1.5}, text)


def test_an_option_may_hold_keys_with_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ITEM_ENCODERS.registered, "numbered", Numbered)
    recipe = read_recipe(
        "sasrec-id", {"items.name": "numbered", "items.sizes": {"depths": [1, 2], "in": {"a": 1}}}
    )
    assert recipe["items"]["sizes"] == {"depths": [1, 2], "in": {"a": 1}}
    assert joined_recipe(tmp_path, text=recipe.dump()).config == recipe.config
    changed = joined_recipe(tmp_path, {"items.sizes.depths": [3]}, recipe.dump())
    assert changed["items"]["sizes"] == {"depths": [3], "in": {"a": 1}}


def test_the_width_of_a_section_is_that_of_its_parts(tmp_path: Path) -> None:
    def widths(overrides: Mapping[str, Any], text: str = JOINED) -> list[int | None]:
        items = joined_recipe(tmp_path, overrides, text)["items"]
        return [items["width"], *(part["width"] for part in items["parts"].values())]

    once = JOINED.replace(", width: 64", "").replace("name: joined", "name: joined\n  width: 32")
    assert widths({}, once) == [32, 32, 32]
    assert widths({"items.width": 16}) == [16, 16, 16], "an override is of all parts, whatever the file says"
    assert widths({"items.width": None}) == [None, 64, 64]
    assert widths({"items.width": None}, once) == [None, 128, 128]
    assert widths({"items.parts.ids.width": 8, "items.width": 16}) == [16, 8, 16]
    assert widths({"items.width": 16, "items.parts.ids.width": 8}) == [16, 8, 16]
    dumped = joined_recipe(tmp_path, {"items.width": 16}).dump()
    assert widths({"items.width": 4}, dumped) == [4, 4, 4]
    with pytest.raises(RecipeError, match="items.width is 16 and items.parts.ids.width is 8"):
        recipe = joined_recipe(tmp_path, {"items.width": 16, "items.parts.ids.width": 8})
        build_recommender(recipe, DatasetSpec(users=5, items=7, length=4))


def test_values_that_are_passed_in_are_not_changed() -> None:
    parts = {"one": {"name": "id_table", "width": 64}}
    values = {"items": {"name": "joined", "parts": parts}}
    resolve("mine", values, {"items.width": 8, "items.parts.one.init": "uniform"})
    assert values == {"items": {"name": "joined", "parts": {"one": {"name": "id_table", "width": 64}}}}
    resolve("mine", {}, {**values, "items.width": 8, "items.parts.one.init": "uniform"})
    assert parts == {"one": {"name": "id_table", "width": 64}}


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (
            {"items.parts.ids.widht": 3},
            "unknown key 'items.parts.ids.widht'; did you mean 'items.parts.ids.width'",
        ),
        ({"items.part.ids.width": 3}, "did you mean 'items.parts.ids.width'"),
        (
            {"items.parts.x.width": 3},
            "items.parts.x has no name, such as name: id_table; parts with one: ids",
        ),
        ({"items.parts.idz.width": 3}, "items.parts.idz has no name, .*did you mean 'ids'"),
        ({"items.parts.ids.width": "many"}, "items.parts.ids.width"),
        ({"items.parts.ids.width": 0}, "items.parts.ids.width is 0; expected a whole number from 1"),
        ({"items.parts.ids.width": None}, "items.parts.ids.width is null"),
        ({"items.parts.ids.init": "wild"}, "items.parts.ids.init"),
        ({"items.parts.ids.name": "id_tabel"}, "items.parts.ids.name is 'id_tabel'; did you mean 'id_table'"),
        ({"items.parts.ids.name": "joined"}, "parts have no parts"),
        ({"name": "joined"}, "unknown key 'name'"),
        ({"items.parts": {}}, "items.parts is {}; expected"),
        ({"items.parts": None}, "items.parts is None; expected"),
        ({"items.parts": ["id_table"]}, "expected items.parts: {ids: {name"),
        ({"items.parts.ids": "id_table"}, "items.parts.ids has no name"),
        ({"items.parts": {True: {"name": "id_table"}}}, "one called True"),
        ({"items.parts.a-b.name": "id_table"}, "one called 'a-b'"),
        ({"items.name": "id_table", "items.parts.ids.name": "id_table"}, "unknown key 'items.parts"),
    ],
)
def test_a_wrong_option_of_a_part_is_one_clear_line(
    overrides: dict[str, Any], says: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=says) as raised:
        joined_recipe(tmp_path, overrides)
    assert "\n" not in str(raised.value)


def test_help_lists_the_options_of_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joined_recipe(tmp_path)
    assert main(["train", str(tmp_path / "joined.yaml"), "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--items.parts.more.init" in said and "[default: uniform]" in said
    assert "CONFIG" not in said, "a section is no file"


def test_a_recipe_is_printed_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "published/sasrec-id"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    mine, shipped = read_recipe(tmp_path / "mine.yaml"), read_recipe("published/sasrec-id")
    assert (mine.config, mine.published) == (shipped.config, shipped.published)
    (tmp_path / "mine.yaml").write_text("items: {width: 64}\n", encoding="utf-8")
    assert main(["recipes", str(tmp_path / "mine.yaml")]) == 0
    assert "length: 10\n" in capsys.readouterr().out, "the default of the class, as the guide says"
    assert main(["recipes", "sasrec-ids"]) == 2
    assert "did you mean 'sasrec-id'" in capsys.readouterr().err


def test_help_shows_types_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sasrec-vit-top", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(one of fp32, bf16, fast, auto) [default: fast]" in said
    assert "(a whole number from 0 to 1,000,000) [default: 200]" in said
    assert "runs/<date>-<time>-<recipe>" in said and "train --resume RUN" in said
    assert "Literal" not in said and "Optional" not in said and "%%" not in said


@final
class Numbered(AbstractItemEncoder):
    """An option that is a number or text, and one that holds keys with values."""

    def __init__(
        self, spec: DatasetSpec, *, width: int = 4, top: int | str = 2, sizes: dict[str, Any] | None = None
    ) -> None:
        raise AssertionError(f"recipes build nothing: {spec}, {width}, {top}, {sizes}")

    def forward(self, items: Items) -> Tensor:
        raise AssertionError(items)


def test_sources_and_starts_mean_the_same_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("network", "runs/seed-3"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    words = {"seed": 3, "items.source": "network", "training.warm_start": "runs/seed-{seed}"}
    recipe = read_recipe("sasrec-mobilenet", words)
    assert recipe["items"]["source"] == str(tmp_path / "network")
    assert recipe["training"]["warm_start"] == str(tmp_path / "runs" / "seed-{seed}")
    both = read_recipe("sasrec-id-mobilenet", {"items.parts.pixels.source": "network"})
    assert both["items"]["parts"]["pixels"]["source"] == str(tmp_path / "network")
    assert read_recipe("sasrec-vit")["items"]["source"] == "openai/clip-vit-base-patch32", "a name on the hub"


@pytest.mark.parametrize(
    "key", ["training.warm_start", "items.source", "items.revision", "items.cache_folder"]
)
def test_empty_text_is_not_nothing(key: str) -> None:
    with pytest.raises(RecipeError, match=f"{key} is ''; expected text, or null"):
        read_recipe("sasrec-mobilenet", {key: read_value("")})


def test_another_class_is_part_of_the_name() -> None:
    assert read_recipe("sasrec-id", {"items.name": "pixels"}).name == "sasrec-id, items.name=pixels"
    assert read_recipe("sasrec-id", {"users.name": "mf", "items.width": 8}).name == "sasrec-id, users.name=mf"
    assert read_recipe("sasrec-id", {"items.name": "id_table", "users.layers": 1}).name == "sasrec-id"


def test_a_number_of_any_length_is_a_line() -> None:
    with pytest.raises(RecipeError, match="users.layers is a number of more than 70 digits; expected a"):
        read_recipe("sasrec-id", {"users.layers": 10**5000})


def test_a_control_is_in_the_name_however_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("items: {name: features, control: random}\n", encoding="utf-8")
    found = read_recipe(path)
    assert found.name == "mine (control: random)" and found.is_control
    path.write_text(found.dump(named=True), encoding="utf-8")
    assert read_recipe(path).name == found.name
    joined = read_recipe("sasrec-id-mobilenet", {"items.parts.pixels.control": "shuffled"})
    assert joined.name == "sasrec-id-mobilenet (control: shuffled)"
    true = read_recipe("sasrec-id-mobilenet")
    assert not true.is_control and true.controlled("shuffled") == joined
    assert read_recipe("sasrec-id").controlled("shuffled") is None
