"""Errors of a grid are found before any of it starts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pixelrec.api import bench
from pixelrec.data.dataset import Dataset
from pixelrec.errors import DataError, PixelrecError, RecipeError, RequestError, RunError
from pixelrec.grid.cell import Cell
from pixelrec.grid.outcome import Outcome
from pixelrec.grid.plan import Grid, plan, slug
from pixelrec.grid.progress import ProgressPrinter
from pixelrec.grid.results import Results
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.new_run import create_run

from .conftest import Finish


def planned(dataset: Dataset, out: Path, *recipes: Any, **more: Any) -> Grid:
    settings = {"seeds": 2, "split": "test", "overrides": {}, **more}
    return plan(dataset, recipes or ["mf-id"], out=out, **settings)


def test_the_first_seed_of_all_comes_before_the_second_of_any(dataset: Dataset, tmp_path: Path) -> None:
    grid = planned(dataset, tmp_path / "out", "mf-id", "sasrec-id")
    assert [cell.name for cell in grid.in_turn()] == [
        "mf-id seed 0",
        "sasrec-id seed 0",
        "mf-id seed 1",
        "sasrec-id seed 1",
    ]
    assert [cell.recipe["seed"] for cell in grid.in_turn()] == [0, 0, 1, 1]
    assert grid.cells[1][1].folder == tmp_path / "out" / "sasrec-id" / "seed-1"
    assert not (tmp_path / "out").exists()


def test_overrides_are_of_every_recipe(dataset: Dataset, tmp_path: Path) -> None:
    ready = read_recipe("sasrec-id", {"users.layers": 1})
    grid = planned(dataset, tmp_path, "mf-id", ready, overrides={"items.width": 8})
    assert [recipe["items"]["width"] for recipe in grid.recipes] == [8, 8]
    assert grid.recipes[1]["users"]["layers"] == 1


@pytest.mark.parametrize(
    ("recipes", "more", "kind", "says"),
    [
        ([], {"recipes": []}, RequestError, "at least one recipe"),
        (["mf-id"], {"seeds": 0}, RequestError, "at least 1"),
        (["mf-id"], {"overrides": {"seed": 3}}, RequestError, "--seeds"),
        (["mf-id", "mf-ids"], {}, RecipeError, "did you mean 'mf-id'"),
        (["mf-id"], {"overrides": {"users.layers": 2}}, RecipeError, "recipe mf-id: unknown key"),
        (
            ["mf-id"],
            {"overrides": {"loss.name": "bpr", "negatives.name": "catalogue"}},
            RecipeError,
            "softmax",
        ),
        (["mf-id", "mf-id"], {}, RecipeError, "give each recipe once"),
        (["mf-id", "sasrec-id"], {"overrides": {"items.width": 33}}, RecipeError, "users.heads 2"),
        (["mf-id", "sasrec-id-mobilenet"], {"overrides": {"items.width": 33}}, RecipeError, "users.heads 2"),
        (["din-id"], {"overrides": {"scoring.name": "cosine"}}, RecipeError, "leave scoring.name at dot"),
    ],
)
def test_a_wrong_request(
    recipes: list[str],
    more: dict[str, Any],
    kind: type[PixelrecError],
    says: str,
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    given = more.pop("recipes", recipes)
    settings = {"seeds": 2, "split": "test", "overrides": {}, **more}
    with pytest.raises(kind, match=says):
        plan(dataset, given, out=tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_a_common_reason_is_given_once(dataset: Dataset, tmp_path: Path) -> None:
    grid = planned(dataset, tmp_path / "out", "mf-id", "fm-id")
    for cell, why in zip(grid.in_turn(), ("no room", "no covers", "no covers", "no covers"), strict=True):
        cell.folder.parent.mkdir(parents=True, exist_ok=True)
        cell.fail(why)
    reasons = Outcome(grid, Results.__new__(Results)).reasons
    assert reasons == "mf-id seed 0: no room; fm-id seed 0, mf-id seed 1, fm-id seed 1: no covers"


def test_files_of_one_name_would_share_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("published-mf-id.yaml", "other.yaml", "Other.yaml"):
        (tmp_path / name).write_text("users: {name: mf}\n", encoding="utf-8")
    grid = planned(dataset, tmp_path / "out", "published/mf-id", tmp_path / "published-mf-id.yaml")
    assert [recipe.name for recipe in grid.recipes] == ["published/mf-id", f"{tmp_path.name}/published-mf-id"]
    with pytest.raises(RecipeError, match="name of its own"):
        planned(dataset, tmp_path / "out", tmp_path / "other.yaml", tmp_path / "Other.yaml")


def test_an_option_is_set_for_the_recipes_that_have_it(dataset: Dataset, tmp_path: Path) -> None:
    words = {"items.source": "owner/network", "users.layers": 1, "training.epochs": 2}
    recipes = ["sasrec-id", "mf-id", "sasrec-mobilenet"]
    grid = plan(dataset, recipes, seeds=1, split="test", out=tmp_path, overrides=words)
    ids, mf, pictures = grid.recipes
    assert pictures["items"]["source"] == "owner/network" and "source" not in ids["items"]
    assert [one["training"]["epochs"] for one in grid.recipes] == [2, 2, 2]
    assert (ids["users"]["layers"], pictures["users"]["layers"]) == (1, 1) and "layers" not in mf["users"]
    assert grid.without == {"items.source": ["sasrec-id", "mf-id"], "users.layers": ["mf-id"]}
    assert grid.shown_overrides["items.source"] == "owner/network (no option of sasrec-id, mf-id)"
    for key in ("items.sourse", "training.lr"):
        with pytest.raises(RecipeError, match=f"unknown key '{key}'; did you mean"):
            plan(dataset, recipes, seeds=1, split="test", out=tmp_path, overrides={key: 1})


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("published/mf-id", "published-mf-id"),
        ("..", "recipe"),
        (".hidden", "hidden"),
        ("été 1", "été-1"),
        ("a\\b:c", "a-b-c"),
    ],
)
def test_folders_have_harmless_names(name: str, folder: str) -> None:
    assert slug(name) == folder


def test_out_is_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(RequestError, match="is a file"):
        bench(dataset, ["sasrec-id"], out=tmp_path / "out")


@pytest.fixture
def begun(dataset: Dataset, tmp_path: Path) -> Cell:
    """A cell whose run folder has been made."""
    cell = planned(dataset, tmp_path / "out").in_turn()[0]
    create_run(cell.folder, cell.recipe, dataset)
    return cell


def test_a_begun_cell_is_continued(begun: Cell, dataset: Dataset) -> None:
    out = begun.folder.parents[1]
    assert planned(dataset, out).in_turn()[0].state("test") == "begun"


def test_another_recipe_is_refused(begun: Cell, dataset: Dataset) -> None:
    out = begun.folder.parents[1]
    with pytest.raises(RunError, match=r"training.epochs 200, which is now 3; .* delete .*out/mf-id$"):
        planned(dataset, out, overrides={"training.epochs": 3})


def test_the_description_of_a_recipe_may_change(begun: Cell, dataset: Dataset) -> None:
    planned(dataset, begun.folder.parents[1], overrides={"about": "something else"})


def test_another_data_set_is_refused(begun: Cell, random_dataset: Dataset) -> None:
    with pytest.raises(RunError, match="with other users, items or histories than .* has now"):
        planned(random_dataset, begun.folder.parents[1])


def test_a_cell_over_other_pictures_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    cell = planned(dataset, tmp_path / "out").in_turn()[0]
    create_run(cell.folder, cell.recipe, dataset, reads="of covers that were replaced since")
    with pytest.raises(RunError, match=r"with other pictures than .* has now; .* or delete .*out$"):
        planned(dataset, tmp_path / "out")


def test_seeds_of_two_networks_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    """As when the weights under `items.source` are exchanged between two starts."""
    cells = planned(dataset, tmp_path / "out", seeds=3).cells[0]
    for cell, network in zip(cells, ("a1", "a1", "b2"), strict=True):
        create_run(cell.folder, cell.recipe, dataset)
        about = json.loads((cell.folder / "run.json").read_text(encoding="utf-8"))
        (cell.folder / "run.json").write_text(json.dumps({**about, "pretrained": {"items": network}}))
    planned(dataset, tmp_path / "out", seeds=2)
    with pytest.raises(RunError, match=r"seed-2 started from another .* than .*seed-0: .* delete .*seed-2$"):
        planned(dataset, tmp_path / "out", seeds=3)


def test_a_folder_that_is_no_run_is_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "mf-id" / "seed-1"
    folder.mkdir(parents=True)
    (folder / "thesis.tex").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="no run"):
        planned(dataset, tmp_path / "out")
    assert (folder / "thesis.tex").exists()


@pytest.mark.parametrize("written", [[], ["items.parquet", "recipe.yaml"]])
def test_a_run_killed_while_its_folder_was_made_is_made_again(
    written: list[str], begun: Cell, dataset: Dataset
) -> None:
    for path in begun.folder.iterdir():
        if path.name not in written:
            path.unlink()
    for name in (".lock", ".run.json.0123abcd.draft"):
        (begun.folder / name).touch()
    cell = planned(dataset, begun.folder.parents[1]).in_turn()[0]
    assert cell.state("test") == "new"


def test_a_recipe_of_another_version_is_named(begun: Cell, dataset: Dataset) -> None:
    path = begun.folder / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "nonsense: 1\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"seed-0 cannot be continued.*nonsense"):
        planned(dataset, begun.folder.parents[1])


def test_users_to_compare_over_are_needed(tmp_path: Path) -> None:
    from pixelrec.data.prepare import prepare

    path = tmp_path / "few.csv"
    rows = "".join(f"i{n},u1,{n}\n" for n in range(5)) + "i1,u2,9\n"
    path.write_text("item_id,user_id,timestamp\n" + rows, encoding="utf-8")
    with pytest.raises(DataError, match="at least 2"):
        planned(prepare(path, out=tmp_path / "few"), tmp_path / "out")


def test_costs_of_another_version_are_no_costs(begun: Cell) -> None:
    (begun.folder / "cell.json").write_text(json.dumps({"epochs": 3}), encoding="utf-8")
    assert begun.state("test") == "begun"


@pytest.mark.parametrize(
    ("seeds", "says"), [(1, "1 recipe × 1 seed in out: 1 run to go"), (2, "× 2 seeds in out: 2 runs to go")]
)
def test_numbers_agree_with_their_nouns(
    seeds: int, says: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = planned(dataset, Path("out"), seeds=seeds)
    ProgressPrinter(grid, Console(file=(screen := StringIO()), width=120)).begin(jobs=1)
    assert says in screen.getvalue()


def test_a_runner_that_waits_names_the_process_it_waits_for(dataset: Dataset, tmp_path: Path) -> None:
    grid = planned(dataset, tmp_path / "out", seeds=1)
    (cell,) = grid.in_turn()
    printer = ProgressPrinter(grid, Console(file=(screen := StringIO()), width=200))
    with cell.lock() or pytest.fail("locked"):
        printer.wait_for([cell])
    assert f"waiting    for process {os.getpid()} on " in screen.getvalue()
    assert screen.getvalue().endswith("working on mf-id seed 0\n")


def test_files_of_one_name_are_told_apart_by_their_folders(dataset: Dataset, tmp_path: Path) -> None:
    files = [tmp_path / folder / "mine.yaml" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text("users: {name: mf}\nlength: 5\n", encoding="utf-8")
    grid = planned(dataset, tmp_path / "out", *files, seeds=1)
    assert [recipe.name for recipe in grid.recipes] == ["a/mine", "b/mine"]
    assert [cell.folder.parent.name for cell in grid.in_turn()] == ["a-mine", "b-mine"]
    assert [recipe.name for recipe in planned(dataset, tmp_path / "out", files[0]).recipes] == ["mine"]
    with pytest.raises(RecipeError, match="would share"):
        planned(dataset, tmp_path / "out", files[0], files[0])


def test_runs_that_are_only_to_rank_are_counted_apart(grid: Grid, finish: Finish) -> None:
    for cell in grid.in_turn()[:2]:
        finish(cell)
    file = StringIO()
    progress = ProgressPrinter(replace(grid, split="validation"), Console(file=file, width=200))
    progress.begin(1)
    assert "6 runs to go, 2 of them only to rank" in file.getvalue()
