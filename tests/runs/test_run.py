"""A run belongs to the data set it was trained on, and to its pictures if it reads them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from end_to_end.pixel_runs import RESNET
from PIL import Image
from safetensors.torch import save_file

from pixelrec import api
from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.errors import PixelrecError, RunError
from pixelrec.files import checkpoint
from pixelrec.files.checkpoint import WEIGHTS, read_hashed_weights, read_weights
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender
from pixelrec.runs.new_run import create_run
from pixelrec.runs.run import Run


@pytest.fixture
def data(dataset: Dataset, tmp_path: Path) -> Path:
    """The data set, to be changed."""
    return Path(shutil.copytree(dataset.folder, tmp_path / "data"))


@pytest.fixture
def covers(world: World, tmp_path: Path) -> Path:
    """Its covers, to be changed."""
    return Path(shutil.copytree(world.covers, tmp_path / "covers"))


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Run:
    """A run that looks at pictures, as far as `run.json` tells."""
    opened = Dataset.open(data)
    reads = opened.pictures_fingerprint
    return create_run(tmp_path / "run", read_recipe("sasrec-id"), opened, reads=reads)


def replaced(covers: Path) -> None:
    for path in sorted(covers.iterdir())[:5]:
        Image.new("RGB", (32, 32), "pink").save(path)


def test_pictures_that_changed_are_refused(run: Run, data: Path, covers: Path, world: World) -> None:
    assert run.dataset().folder == data
    assert repr(run) == f"Run({str(run.folder)!r}: sasrec-id)"
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    with pytest.raises(
        RunError, match="its pictures differ; pack the covers it was trained on again, or train again"
    ):
        run.dataset()
    api.pack_images(world.covers, data=data, size=32)
    assert run.dataset().folder == data


def test_the_same_covers_packed_again_are_accepted(run: Run, data: Path, covers: Path) -> None:
    for path in covers.iterdir():
        path.touch()
    shutil.rmtree(data / "covers.lmdb")
    api.pack_images(covers, data=data, size=32)
    assert run.dataset().folder == data
    api.pack_images(covers, data=data, size=16, overwrite=True)
    with pytest.raises(RunError, match="its pictures differ"):
        run.dataset()


def test_a_run_over_pixels_records_its_pictures(data: Path, covers: Path, tmp_path: Path) -> None:
    over_pixels = RESNET | {"training.epochs": 1, "items.cache": "never"}
    seeing = api.train("sasrec-id", data=data, out=tmp_path / "seeing", overrides=over_pixels)
    quick = {"training.epochs": 1, "items.width": 8}
    blind = api.train("mf-id", data=data, out=tmp_path / "blind", overrides=quick)
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    for call in (api.evaluate, api.report, api.resume, lambda run: api.recommend(run, users=["u1"])):
        with pytest.raises(RunError, match="its pictures differ"):
            call(seeing)
    api.recommend(blind, users=["u1"])


def test_other_pictures_do_not_matter_to_a_run_over_ids(data: Path, covers: Path, tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", read_recipe("sasrec-id"), Dataset.open(data))
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    assert run.dataset().folder == data


def test_the_recipe_of_a_run_keeps_its_name(data: Path, tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", read_recipe("published/sasrec-id"), Dataset.open(data))
    again = read_recipe(run.folder / "recipe.yaml")
    assert again == run.recipe and again.name == "published/sasrec-id"


def test_a_moved_project_needs_no_data_path(data: Path, tmp_path: Path) -> None:
    """Runs and data moved together, with another data set at the old place of the data or without one."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(data, project / "data")
    create_run(project / "runs" / "one", read_recipe("sasrec-id"), Dataset.open(project / "data"))
    moved = tmp_path / "elsewhere"
    shutil.move(project, moved)
    run = Run.open(moved / "runs" / "one")
    assert run.dataset().folder.resolve() == moved / "data"
    shutil.move(moved / "data", tmp_path / "gone")
    with pytest.raises(RunError, match=f"no longer at {project / 'data'}; give it with --data"):
        run.dataset()
    assert run.dataset(tmp_path / "gone").folder == tmp_path / "gone"


def test_another_data_set_at_the_old_place_does_not_matter(
    data: Path, random_dataset: Dataset, tmp_path: Path
) -> None:
    project, moved = tmp_path / "project", tmp_path / "moved"
    project.mkdir()
    shutil.move(data, project / "data")
    create_run(project / "run", read_recipe("sasrec-id"), Dataset.open(project / "data"))
    shutil.move(project, moved)
    shutil.copytree(random_dataset.folder, project / "data")
    assert Run.open(moved / "run").dataset().folder.resolve() == moved / "data"
    shutil.rmtree(moved / "data")
    with pytest.raises(RunError, match="its users, items or histories differ; give the one"):
        Run.open(moved / "run").dataset()


def test_a_run_is_repeated_from_its_recipe(data: Path, tmp_path: Path) -> None:
    quick = {"training.epochs": 1, "items.width": 8}
    first = api.train("mf-id", data=data, out=tmp_path / "one", overrides=quick)
    second = api.train(first.folder / "recipe.yaml", data=data, out=tmp_path / "two")
    assert first.name == second.name == Run.open(second.folder).name == "mf-id"
    assert (tmp_path / "one" / "last" / "model.safetensors").read_bytes() == (
        tmp_path / "two" / "last" / "model.safetensors"
    ).read_bytes()
    assert len({*first.names, *second.names}) > 3, "and tables can tell them apart"


def test_pretrained_networks_are_recorded(data: Path, tmp_path: Path) -> None:
    network = {"network": {}, "provenance": {"source": "hub/name", "revision": "abc"}, "fit": "stretch"}
    created = create_run(tmp_path / "one", read_recipe("sasrec-id"), Dataset.open(data), described=network)
    joined = {"ids": {}, "pictures": network}
    other = create_run(tmp_path / "two", read_recipe("sasrec-id"), Dataset.open(data), described=joined)
    assert Run.open(created.folder).about["pretrained"] == {"items": network["provenance"]}
    assert Run.open(other.folder).about["pretrained"] == {"items.parts.pictures": network["provenance"]}
    over_pixels = RESNET | {"training.epochs": 1, "items.cache": "never"}
    trained = api.train("sasrec-id", data=data, out=tmp_path / "three", overrides=over_pixels)
    assert trained.about["pretrained"] == {"items": {"source": "", "revision": None}}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "run.json",
            b"[]",
            "run.json: expected an object; the run is damaged: put it back from a copy",
        ),
        ("run.json", b"\xff", "run.json: not JSON .* the run is damaged"),
        ("run.json", b"[" * 100_000, "run.json: not JSON .* the run is damaged"),
        ("recipe.yaml", b"about: caf\xe9\n", "recipe.yaml: cannot be read: .* expected YAML in UTF-8"),
        ("items.parquet", b"PAR1", "items.parquet: missing or damaged"),
    ],
)
def test_a_damaged_run_is_one_line(run: Run, name: str, content: bytes, says: str) -> None:
    (run.folder / name).write_bytes(content)
    with pytest.raises(PixelrecError, match=f"^[^\n]*{says}[^\n]*$"):
        opened = Run.open(run.folder)
        _ = opened.recipe, opened.vocabulary


def test_another_recipe_in_a_run_is_refused(run: Run) -> None:
    path = run.folder / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("epochs: ", "epochs: 1"), encoding="utf-8")
    with pytest.raises(RunError, match="recipe.yaml: has changed since the training began"):
        _ = Run.open(run.folder).recipe


def test_run_json_without_an_entry_is_one_line(run: Run) -> None:
    about = json.loads((run.folder / "run.json").read_text())
    del about["data"]
    (run.folder / "run.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match="run.json: has no text as data; the run is damaged"):
        Run.open(run.folder)


def test_a_folder_of_something_else_at_the_old_place_does_not_matter(data: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.move(data, project / "data")
    create_run(project / "run", read_recipe("sasrec-id"), Dataset.open(project / "data"))
    project.rename(tmp_path / "moved")
    (project / "data").mkdir(parents=True)
    assert Run.open(tmp_path / "moved" / "run").dataset().folder == tmp_path / "moved" / "data"


def small_checkpoint(folder: Path, items: int = 5) -> Path:
    config = read_recipe("mf-id", {"items.width": 4}).config
    Recommender(config["items"], config["users"], config["scoring"], DatasetSpec(3, items, 2)).save(folder)
    return folder


@pytest.mark.parametrize(
    ("before", "after"),
    [('"length": 2', '"length": 3'), ('"users": 3,', ""), ('"name": "mf"', '"name": "dssm"')],
)
def test_a_description_that_was_changed_is_one_line(before: str, after: str, tmp_path: Path) -> None:
    path = small_checkpoint(tmp_path) / "recommender.json"
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(RunError, match=r"recommender.json: (was changed since it was saved|not JSON)"):
        Recommender.from_pretrained(tmp_path)


def other_weights(folder: Path) -> None:
    """Of the same names and shapes, one bit changed."""
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def larger_weights(folder: Path) -> None:
    shutil.copy(small_checkpoint(folder / "other", items=6) / WEIGHTS, folder)


def fewer_weights(folder: Path) -> None:
    tensors = read_weights(folder)
    tensors.popitem()
    save_file(tensors, folder / WEIGHTS)


@pytest.mark.parametrize("change", [other_weights, larger_weights, fewer_weights])
def test_weights_of_another_model_are_one_line(change: Callable[[Path], None], tmp_path: Path) -> None:
    change(small_checkpoint(tmp_path))
    for read in (Recommender.from_pretrained, read_hashed_weights):
        with pytest.raises(RunError, match="not the weights that were saved with recommender.json; put both"):
            read(tmp_path)


def test_a_checkpoint_replaced_between_two_reads_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_checkpoint(tmp_path)
    read = checkpoint.read_description

    def replacing(folder: Path) -> dict[str, Any]:
        found = read(folder)
        monkeypatch.setattr(checkpoint, "read_description", read)
        small_checkpoint(tmp_path)
        return found

    monkeypatch.setattr(checkpoint, "read_description", replacing)
    found = Recommender.from_pretrained(tmp_path)
    assert torch.equal(found.state_dict()["items.rows.weight"], read_weights(tmp_path)["items.rows.weight"])


def reordered(items: pl.DataFrame) -> pl.DataFrame:
    return items.reverse()


def renamed(items: pl.DataFrame) -> pl.DataFrame:
    return items.rename({"item_id": "id"})


def numbered(items: pl.DataFrame) -> pl.DataFrame:
    return items.with_columns(item_id=pl.int_range(pl.len()))


def shortened(items: pl.DataFrame) -> pl.DataFrame:
    return items.head(7)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (reordered, "has other items, or in another order, than the run"),
        (shortened, "has other items, or in another order, than the run"),
        (renamed, "has no column item_id of text"),
        (numbered, "has no column item_id of text"),
    ],
)
def test_other_items_are_one_line(
    run: Run, change: Callable[[pl.DataFrame], pl.DataFrame], says: str
) -> None:
    path = run.folder / "items.parquet"
    change(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(RunError, match=f"items.parquet: {says}; copy items.parquet of the data set"):
        _ = run.vocabulary
