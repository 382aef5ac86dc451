"""Damaged stores: each is one line, or the right pictures; never a signal, which LMDB alone would give."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pixelrec.errors import ImageError
from pixelrec.images.covers import Stamp
from pixelrec.images.manifest import Manifest
from pixelrec.images.store import PictureStore
from pixelrec.images.writer import StoreWriter

SIZE, COUNT, PAGE = 40, 400, 4096
IDS = [f"item-{n}" for n in range(COUNT)]
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
MANIFEST = Manifest(SIZE, "crop", COUNT, False, "covers")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A store with branches, pictures in pages of their own, and free pages."""
    path = tmp_path_factory.mktemp("whole")
    with StoreWriter(path, MANIFEST) as writer:
        writer.begin(COUNT)
        for n, item_id in enumerate(IDS):
            writer.add(item_id, PICTURES[n], Stamp(n, n), bytes(32))
        writer.commit()
        writer.drop(IDS[:9])
        for n in range(9):
            writer.add(IDS[n], PICTURES[n], Stamp(n, n), bytes(32))
        writer.finish(grey={})
    return (path / "data.mdb").read_bytes()


def placed(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    (folder / "data.mdb").write_bytes(content)
    return folder


def outcome(path: Path, *, write: bool) -> str:
    try:
        if write:
            with StoreWriter(path, MANIFEST) as writer:
                writer.begin(1)
                writer.stamps()
                writer.add(IDS[0], PICTURES[0], Stamp(0, 0), bytes(32))
                writer.finish(grey={})
        with PictureStore.open(path) as store:
            store.fingerprint(IDS)
            return "right" if (store.read(IDS) == PICTURES).all() else "wrong"
    except ImageError:
        return "one line"


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
@pytest.mark.parametrize("part", [0.001, 0.004, 0.5, 0.97])
def test_a_store_cut_short_is_one_line_before_any_picture_is_read(
    tmp_path: Path, whole: bytes, part: float, write: bool
):
    path = placed(tmp_path / "store", whole[: int(part * len(whole))])
    with pytest.raises(
        ImageError, match=r"is damaged \(cut short.*: pack the covers again at their size, with .*--overwrite"
    ):
        StoreWriter(path, MANIFEST) if write else PictureStore.open(path)


def _damaged(whole: bytes, chance: random.Random) -> bytes:
    content = bytearray(whole)
    tree_pages = [at for at in range(0, len(whole), PAGE) if whole[at + 10] in (1, 2, 8)]
    page = chance.choice(tree_pages)
    if chance.random() < 0.2:
        content[page : page + PAGE] = chance.choice([bytes(PAGE), chance.randbytes(PAGE), whole[-PAGE:]])
    for _ in range(chance.choice([1, 1, 4])):
        at = page + chance.choice([chance.randrange(160), chance.randrange(PAGE)])
        content[at] = chance.choice([0, 255, content[at] ^ 1 << chance.randrange(8)])
    return bytes(content)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_damaged_pages_are_one_line_or_do_not_matter(tmp_path: Path, whole: bytes):
    """In a child, which a signal would end."""
    child = os.fork()
    if not child:
        chance, found = random.Random(7), Counter[str]()
        try:
            for n in range(80):
                path = placed(tmp_path / str(n), _damaged(whole, chance))
                found[outcome(path, write=n % 3 == 0)] += 1
        finally:
            os._exit(0 if found["right"] + found["one line"] == 80 and found["one line"] > 20 else 1)
    assert os.waitpid(child, 0)[1] == 0
