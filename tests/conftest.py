"""Generated worlds that many tests share; each is made once a session and only read."""

from __future__ import annotations

import os
import signal

# The models of the tests are tiny: threads that wait for each other would cost more than they do.
os.environ["OMP_NUM_THREADS"] = "1"

from collections.abc import Iterator  # noqa: E402
from pathlib import Path

import pytest
import torch

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.demonstration.world import World, generate_world
from pixelrec.images.pack import pack

torch.set_num_threads(1)
# Started in the background by a shell, this process and its children would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_chance() -> Iterator[None]:
    """Every test starts from the same random state."""
    torch.manual_seed(0)
    yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A small world with pictures, from which something can be learnt."""
    return generate_world(tmp_path_factory.mktemp("world") / "world", users=400, items=120, picture_size=32)


@pytest.fixture(scope="session")
def dataset(world: World) -> Dataset:
    """`world`, prepared, with its covers at 32 pixels."""
    found = prepare(world.interactions, out=world.folder.parent / "data", items=world.items)
    pack(world.covers, found.covers, list(found.item_ids), size=32)
    return found


@pytest.fixture
def own_data(dataset: Dataset, tmp_path: Path) -> Path:
    """The folder of `dataset` by links, with room for activations and covers of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in dataset.folder.iterdir():
        if path.name != "activations":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def random_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A world in which nothing can be learnt."""
    folder: Path = tmp_path_factory.mktemp("random")
    found = generate_world(folder / "world", users=400, items=120, random=True, pictures=False)
    return prepare(found.interactions, out=folder / "data")
