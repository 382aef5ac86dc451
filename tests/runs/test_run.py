"""A run belongs to the data set that it was trained on, pictures included where it looks at them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from end_to_end.pixel_runs import RESNET
from PIL import Image

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.errors import RunError
from pixelrec.recipe.recipe import read_recipe
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
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    with pytest.raises(RunError, match="its pictures differ; pack the covers of then again, or train again"):
        run.dataset()
    api.pack_images(world.covers, data=data, size=32)
    assert run.dataset().folder == data


def test_the_same_covers_copied_and_packed_anew_are_the_same(run: Run, data: Path, covers: Path) -> None:
    for path in covers.iterdir():
        path.touch()
    shutil.rmtree(data / "covers.lmdb")
    api.pack_images(covers, data=data, size=32)
    assert run.dataset().folder == data
    api.pack_images(covers, data=data, size=16, overwrite=True)
    with pytest.raises(RunError, match="its pictures differ"):
        run.dataset()


def test_training_notes_the_pictures_that_it_looks_at(data: Path, covers: Path, tmp_path: Path) -> None:
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


def test_runs_that_noted_no_pictures_go_on(data: Path, covers: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", read_recipe("sasrec-id"), Dataset.open(data))
    replaced(covers)
    api.pack_images(covers, data=data, size=32)
    assert run.dataset().folder == data


def test_the_recipe_of_a_run_keeps_its_name(data: Path, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", read_recipe("published/sasrec-id"), Dataset.open(data))
    again = read_recipe(run.folder / "recipe.yaml")
    assert again == run.recipe and again.name == "published/sasrec-id"
