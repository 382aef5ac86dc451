"""A random world with pictures: recipes over pixels must learn nothing in it either."""

from __future__ import annotations

import pytest

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.demonstration.world import generate_world
from pixelrec.images.pack import pack


@pytest.fixture(scope="session")
def random_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The random world of the other tests, with covers of 32 pixels."""
    folder = tmp_path_factory.mktemp("random-pictures")
    world = generate_world(folder / "world", users=400, items=120, random=True, picture_size=32)
    found = prepare(world.interactions, out=folder / "data")
    pack(world.covers, found.covers, list(found.item_ids), size=32)
    return found
