"""Tiles show the right covers at the right places, for bounded work and memory."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.images.store import PictureStore
from pixelrec.insight.pyramid import Pyramid
from pixelrec.insight.tiles import PIXELS, LatestBytes, Tiles, colour_of

SIDE = 16


def scattered(items: int, side: int = SIDE) -> Pyramid:
    """Items in cells drawn at random; the popularity of each is different."""
    rng = np.random.default_rng(0)
    where = rng.permutation(side * side)[:items]
    cells = np.stack([where % side, where // side], axis=1).astype(np.int16)
    return Pyramid(side, cells, rng.permutation(items))


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def test_a_place_shows_the_most_popular_item_of_its_square() -> None:
    pyramid = scattered(120)
    top = pyramid.tile(0, 0, 0)
    assert top.shape == (8, 8)
    for row, column in np.ndindex(8, 8):
        inside = np.flatnonzero((pyramid.cells // 2 == [column, row]).all(1))
        expected = inside[pyramid.counts[inside].argmax()] if len(inside) else -1
        assert top[row, column] == expected


def test_every_item_is_shown_once_on_every_deeper_level() -> None:
    pyramid = scattered(120)
    for level in range(1, pyramid.levels):
        sides = range(2**level)
        found = np.concatenate([pyramid.tile(level, x, y).ravel() for x in sides for y in sides])
        assert sorted(found[found >= 0].tolist()) == list(range(120))
    assert pyramid.tile(pyramid.levels - 1, 3, 5).shape == (1, 1)


@pytest.mark.parametrize("place", [(-1, 0, 0), (0, 1, 0), (0, 0, -1), (99, 0, 0), (2, 4, 0), (1, 0, 10**30)])
def test_tiles_that_are_not_there_are_refused(place: tuple[int, int, int]) -> None:
    tiles = Tiles(scattered(5), pl.Series([str(n) for n in range(5)]), None)
    with pytest.raises(RequestError, match="there is no tile"):
        tiles.tile(*place)
    assert tiles.kept.bytes == 0


def test_items_within_a_part_of_the_map_the_most_popular_first() -> None:
    pyramid = scattered(120)
    found = pyramid.within(4, 0, 12, 8)
    expected = [n for n, (x, y) in enumerate(pyramid.cells.tolist()) if 4 <= x < 12 and y < 8]
    assert sorted(found.tolist()) == expected
    assert (np.diff(pyramid.counts[found]) < 0).all()
    assert not len(pyramid.within(9, 9, 9, 99))


def test_a_tile_draws_the_covers_of_its_items(dataset: Dataset) -> None:
    ids = pl.concat([dataset.item_ids.head(9), pl.Series("item_id", ["without cover"])])
    cells = np.array([[n % 8, n // 8] for n in range(10)], np.int16)
    store = PictureStore.open(dataset.covers)
    tiles = Tiles(Pyramid(8, cells, np.zeros(10, int)), ids, store)
    drawn = pixels(tiles.tile(0, 0, 0))
    assert drawn.shape == (PIXELS, PIXELS, 4)
    shown = [drawn[y * 32 : y * 32 + 30, x * 32 : x * 32 + 30, :3].mean((0, 1)) for x, y in cells]
    for item, colour in zip(ids[:9], shown[:9], strict=True):
        assert np.abs(colour - store.read([item])[0].mean((0, 1))).max() < 25
    assert np.abs(shown[9] - colour_of("without cover")).max() < 25
    assert (drawn[3 * 32 :, :, 3] == 0).all(), "empty places are transparent"
    own = pixels(tiles.tile(3, 4, 1))[..., :3].mean((0, 1))  # a tile of one cover, of a place that is empty
    assert not own.any()
    own = pixels(tiles.tile(3, 0, 1))[..., :3].mean((0, 1))
    assert np.abs(own - store.read([ids[8]])[0].mean((0, 1))).max() < 25


def test_many_threads_get_the_same_tiles(dataset: Dataset) -> None:
    tiles = Tiles(scattered(120), dataset.item_ids, PictureStore.open(dataset.covers))
    places = [(1, x, y) for x in range(2) for y in range(2)] * 3
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda place: tiles.tile(*place), places))
    assert found[:4] == found[4:8] == found[8:]


def test_the_cache_holds_the_latest_that_fit() -> None:
    cache, made = LatestBytes(10), []

    def value(key: str) -> bytes:
        return cache.get(key, lambda: made.append(key) or bytes(4))  # type: ignore[func-returns-value]

    for key in "ababacab":
        assert value(key) == bytes(4)
        assert cache.bytes <= 10
    assert made == ["a", "b", "c", "b"]  # b was the oldest when c came
    assert cache.get("large", lambda: bytes(99)) == bytes(99)
    assert cache.bytes == 0
