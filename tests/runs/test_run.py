"""A run belongs to the data set it was trained on, and to its pictures if it reads them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from end_to_end.pixel_runs import RESNET
from PIL import Image

from pixelrec import api
from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.errors import PixelrecError, RunError
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender
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
    return Run.create(tmp_path / "run", read_recipe("sasrec-id"), opened, reads=reads)


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
    run = Run.create(tmp_path / "run", read_recipe("sasrec-id"), Dataset.open(data))
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    assert run.dataset().folder == data


def test_the_recipe_of_a_run_keeps_its_name(data: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", read_recipe("published/sasrec-id"), Dataset.open(data))
    again = read_recipe(run.folder / "recipe.yaml")
    assert again == run.recipe and again.name == "published/sasrec-id"


def test_a_moved_project_needs_no_data_path(data: Path, tmp_path: Path) -> None:
    """Runs and data moved together, with another data set at the old place of the data or without one."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(data, project / "data")
    Run.create(project / "runs" / "one", read_recipe("sasrec-id"), Dataset.open(project / "data"))
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
    Run.create(project / "run", read_recipe("sasrec-id"), Dataset.open(project / "data"))
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
    created = Run.create(tmp_path / "one", read_recipe("sasrec-id"), Dataset.open(data), described=network)
    joined = {"ids": {}, "pictures": network}
    other = Run.create(tmp_path / "two", read_recipe("sasrec-id"), Dataset.open(data), described=joined)
    assert Run.open(created.folder).about["pretrained"] == {"items": network["provenance"]}
    assert Run.open(other.folder).about["pretrained"] == {"items.parts.pictures": network["provenance"]}
    over_pixels = RESNET | {"training.epochs": 1, "items.cache": "never"}
    trained = api.train("sasrec-id", data=data, out=tmp_path / "three", overrides=over_pixels)
    assert trained.about["pretrained"] == {"items": {"source": "", "revision": None}}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("run.json", b"[]", "run.json: expected an object; the run is damaged"),
        ("run.json", b"\xff", "run.json: not JSON .* the run is damaged"),
        ("run.json", b"[" * 100_000, "run.json: not JSON .* the run is damaged"),
        ("recipe.yaml", b"about: caf\xe9\n", "recipe.yaml: cannot be read: .* expected YAML in UTF-8"),
        ("items.parquet", b"PAR1", "items.parquet: missing or damaged"),
    ],
)
def test_a_damaged_run_is_one_line(run: Run, name: str, content: bytes, says: str) -> None:
    (run.folder / name).write_bytes(content)
    with pytest.raises(PixelrecError, match=f"^[^\n]*{says}[^\n]*$"):
        _ = Run.open(run.folder).vocabulary


def test_run_json_without_an_entry_is_one_line(run: Run) -> None:
    about = json.loads((run.folder / "run.json").read_text())
    del about["data"]
    (run.folder / "run.json").write_text(json.dumps(about))
    with pytest.raises(RunError, match="run.json: lacks data; the run is damaged"):
        Run.open(run.folder)


def test_a_folder_of_something_else_at_the_old_place_does_not_matter(data: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.move(data, project / "data")
    Run.create(project / "run", read_recipe("sasrec-id"), Dataset.open(project / "data"))
    project.rename(tmp_path / "moved")
    (project / "data").mkdir(parents=True)
    assert Run.open(tmp_path / "moved" / "run").dataset().folder == tmp_path / "moved" / "data"


@pytest.mark.parametrize("section", ["items", "spec"])
def test_a_checkpoint_with_half_a_description_is_one_line(section: str, tmp_path: Path) -> None:
    config = read_recipe("mf-id", {"items.width": 4}).config
    Recommender(config["items"], config["users"], config["scoring"], DatasetSpec(3, 5, 2)).save(tmp_path)
    path = tmp_path / "recommender.json"
    saved = json.loads(path.read_text())
    del saved[section]
    path.write_text(json.dumps(saved))
    with pytest.raises(RunError, match=f"its description lacks {section}; it is damaged"):
        Recommender.from_pretrained(tmp_path)


def test_weights_of_another_model_are_one_line(tmp_path: Path) -> None:
    config = read_recipe("mf-id", {"items.width": 4}).config
    for folder, items in (("a", 5), ("b", 6)):
        spec = DatasetSpec(3, items, 2)
        Recommender(config["items"], config["users"], config["scoring"], spec).save(tmp_path / folder)
    shutil.copy(tmp_path / "b" / "model.safetensors", tmp_path / "a")
    with pytest.raises(RunError, match="its weights do not fit its description; it is damaged"):
        Recommender.from_pretrained(tmp_path / "a")
