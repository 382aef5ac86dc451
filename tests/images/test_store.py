"""Reading a picture store: exact, by name, from threads and across forks."""

from __future__ import annotations

import gc
import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import numpy as np
import pytest

from pixelrec.errors import ImageError
from pixelrec.images.covers import Stamp
from pixelrec.images.environment import KEY, PICTURES
from pixelrec.images.manifest import Manifest
from pixelrec.images.records import key_of
from pixelrec.images.store import PictureStore
from pixelrec.images.writer import StoreWriter

SIZE = 6
LONG = "ä" * 400  # 800 bytes of UTF-8, more than LMDB takes
IDS = ["manifest", "pictures", "ünïcode 🖼", LONG, LONG + "x", *(f"i{n}" for n in range(200))]


def picture(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    with StoreWriter(path, Manifest(SIZE, "crop", len(IDS), False, "covers")) as writer:
        writer.begin(len(IDS))
        for n, item_id in enumerate(IDS):
            writer.add(item_id, picture(n), Stamp(n, n))
        writer.finish(grey={"i7": "missing"})
    return path


def test_pictures_are_in_the_given_order(path: Path):
    store = PictureStore.open(path)
    order = np.random.default_rng(0).integers(0, len(IDS), 300)
    got = store.read([IDS[n] for n in order])
    assert got.shape == (300, SIZE, SIZE, 3) and got.dtype == np.uint8 and got.flags.c_contiguous
    assert (got == np.stack([picture(n) for n in order])).all()
    got[:] = 0  # the batch is the caller's: the store does not change
    assert (store.read([IDS[3]])[0] == picture(3)).all()


def test_properties_of_a_store(path: Path):
    store = PictureStore.open(str(path))
    assert (store.size, store.fit, len(store), dict(store.grey)) == (SIZE, "crop", 205, {"i7": "missing"})
    assert (store.manifest.count, store.manifest.channels, store.manifest.source) == (205, "RGB", "covers")
    assert LONG in store and "i0" in store
    assert "nobody" not in store and LONG + "y" not in store and "" not in store


def test_a_fingerprint_is_of_covers_not_of_when_they_were_packed(tmp_path: Path):
    def packed(name: str, stamp: Stamp, digest: bytes) -> str:
        with StoreWriter(tmp_path / name, Manifest(SIZE, "crop", 1, False, "covers")) as writer:
            writer.begin(1)
            writer.add("i", picture(1), stamp, digest)
            writer.finish(grey={})
        return PictureStore.open(tmp_path / name).fingerprint(["i"])

    first = packed("first", Stamp(1, 1), b"x" * 32)
    assert packed("later", Stamp(1, 2), b"x" * 32) == first
    assert packed("other", Stamp(1, 1), b"y" * 32) != first


def test_no_items_give_an_empty_batch(path: Path):
    assert PictureStore.open(path).read([]).shape == (0, SIZE, SIZE, 3)


def test_a_batch_buffer_can_be_reused(path: Path):
    store = PictureStore.open(path)
    out = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    assert store.read(IDS[:2], out=out) is out
    assert (out[1] == picture(1)).all()
    for wrong in (np.zeros((3, SIZE, SIZE, 3), np.uint8), out.astype(float), out.transpose(0, 2, 1, 3)):
        with pytest.raises(ValueError, match="expected contiguous uint8"):
            store.read(IDS[:2], out=wrong)


def test_missing_items_are_named(path: Path):
    with pytest.raises(
        ImageError, match=r"5 of 6 items are not in the .*'a', 'b', 'c' and 2 more; pack the covers"
    ):
        PictureStore.open(path).read(["a", "b", "i1", "c", "d", "e"])


def test_many_threads_read_at_once(path: Path):
    store = PictureStore.open(path)
    expected = store.read(IDS)

    def read(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(IDS))
        return bool((store.read([IDS[n] for n in order]) == expected[order]).all())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(64)))


def test_opening_twice_shares_the_mapping(path: Path):
    first, second = PictureStore.open(path), PictureStore.open(path.parent / "." / "store")
    assert (first.read(["i3"]) == second.read(["i3"])).all()
    del first
    gc.collect()
    assert "i3" in second


def test_a_closed_store_is_refused_and_can_be_opened_again(path: Path):
    store = PictureStore.open(path)
    store.close()
    with pytest.raises(ImageError, match="was closed"):
        store.read(["i1"])
    assert "i1" in PictureStore.open(path)


def _sum_in_child(store: PictureStore, answers) -> None:
    with ThreadPoolExecutor(4) as pool:
        sums = {int(s) for s in pool.map(lambda _: store.read(IDS).sum(), range(8))}
    assert store._pid == os.getpid()  # LMDB forbids the parent's environment
    answers.put(sums)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_and_spawned_processes_read_the_store(path: Path, method: str):
    store = PictureStore.open(path)
    expected = int(store.read(IDS).sum())
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    children = [context.Process(target=_sum_in_child, args=(store, answers)) for _ in range(2)]
    for child in children:
        child.start()
    assert [answers.get(timeout=30) for _ in children] == [{expected}] * 2
    for child in children:
        child.join(30)
        assert child.exitcode == 0
    assert int(store.read(IDS).sum()) == expected


def test_a_forked_process_refuses_a_store_that_was_replaced(path: Path):
    store = PictureStore.open(path)
    shutil.copytree(path, path.with_name("other"))
    path.rename(path.with_name("old"))
    path.with_name("other").rename(path)
    assert (store.read(["i3"]) == PictureStore.open(path).read(["i3"])).all()
    store._pid = 0  # as after a fork
    for _ in range(2):
        with pytest.raises(ImageError, match="was replaced: open it again"):
            store.read(["i3"])


@pytest.mark.skipif(os.geteuid() == 0, reason="no permission stops root")
def test_a_store_that_may_not_be_written_is_read(path: Path):
    (path / "lock.mdb").unlink(missing_ok=True)
    path.chmod(0o555)
    try:
        assert "i1" in PictureStore.open(path)
    finally:
        path.chmod(0o755)


def test_a_store_is_read_without_a_lock_if_none_can_be_made(path: Path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    (path / "lock.mdb").unlink()
    assert "i1" in PictureStore.open(path)
    assert not (path / "lock.mdb").exists()


def test_other_folders_are_refused(tmp_path: Path):
    with pytest.raises(ImageError, match="no picture store at"):
        PictureStore.open(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="is not a picture store"):
        PictureStore.open(tmp_path)
    (tmp_path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(ImageError, match="is damaged .its first two pages are not LMDB's"):
        PictureStore.open(tmp_path)


def test_another_programs_lmdb(tmp_path: Path):
    with lmdb.open(str(tmp_path / "other"), max_dbs=1) as env, env.begin(write=True) as txn:
        txn.put(b"key", b"value")
    with pytest.raises(ImageError, match="is not a picture store"):
        PictureStore.open(tmp_path / "other")
    with pytest.raises(ImageError, match="an LMDB but not a picture store"):
        StoreWriter(tmp_path / "other", Manifest(SIZE, "crop", 1, False, "covers"))
    with lmdb.open(str(tmp_path / "other"), max_dbs=1) as env:
        env.open_db(PICTURES)
    with pytest.raises(ImageError, match="is not a picture store"):
        PictureStore.open(tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b'"version": 2', b'"version": 99'), "format version 99, this pixelrec reads 2: pack .*--overwrite"),
        ((b'"crop"', b'"crap"'), "is damaged .its manifest was changed.: pack .*--overwrite"),
        ((b'"size": 6', b'"size": 7'), "is damaged .its manifest was changed.: pack .*--overwrite"),
        ((b'"pixelrec pictures"', b'"holiday"'), "is not a picture store"),
        ((b'{"', b'"'), "is not a picture store"),
    ],
)
def test_manifests_of_other_programs_and_versions(path: Path, change: tuple[bytes, bytes], message: str):
    with lmdb.open(str(path), max_dbs=2) as env, env.begin(write=True) as txn:
        before = bytes(txn.get(KEY))
        assert change[0] in before
        txn.put(KEY, before.replace(*change))
    with pytest.raises(ImageError, match=message):
        PictureStore.open(path)


def rewrite(path: Path, change) -> None:
    """Changes the records of pictures, whatever their checksums say."""
    with lmdb.open(str(path), max_dbs=2) as env:
        pictures = env.open_db(PICTURES)
        with env.begin(write=True, db=pictures) as txn:
            records = {item: bytes(txn.get(key_of(item))) for item in ("i1", "i2")}
            for item, record in change(records).items():
                txn.put(key_of(item), record)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"i1": r["i1"][:50] + bytes([r["i1"][50] ^ 1]) + r["i1"][51:]},
        lambda r: {"i1": bytes(len(r["i1"]))},
        lambda r: {"i1": r["i2"]},  # another item's picture
        lambda r: {"i1": r["i1"][:-1]},
        lambda r: {"i1": r["i1"] + b" "},
        lambda _: {"i1": b""},
    ],
    ids=["a bit", "zeros", "another item's", "shorter", "longer", "empty"],
)
def test_a_damaged_picture_is_named_when_it_is_read(path: Path, change):
    rewrite(path, change)
    store = PictureStore.open(path)
    assert (store.read(["i2"]) == picture(IDS.index("i2"))).all()
    for _ in range(2):
        with pytest.raises(
            ImageError, match=r"is damaged .*picture of item 'i1' was changed.*`pixelrec images pack` packs"
        ):
            store.read(["i2", "i1"])


@pytest.mark.parametrize(("fit", "aspect"), [("stretch", 2.5), ("crop", 1.0), ("pad", 1.0)])
def test_the_aspect_of_a_stretched_cover_is_kept(tmp_path: Path, fit, aspect: float):
    with StoreWriter(tmp_path, Manifest(SIZE, fit, 2, False, "covers")) as writer:
        writer.begin(2)
        writer.add("wide", picture(1), Stamp(1, 1), shape=(50, 20))
        writer.add("grey", picture(2), None)
        writer.finish(grey={"grey": "missing"})
    store = PictureStore.open(tmp_path)
    found = store.aspects(["grey", "wide"])
    assert found.dtype == np.float32 and found.tolist() == [1.0, aspect]
    assert store.aspects([]).shape == (0,)
    with pytest.raises(ImageError, match="'nobody'"):
        store.aspects(["wide", "nobody"])


def test_keys_are_short_and_distinct():
    assert max(len(key_of(item_id)) for item_id in IDS) <= 511
    assert len({key_of(item_id) for item_id in IDS}) == len(IDS)
    assert key_of("a\udcff")  # a file name that is not UTF-8


def test_a_pipe_in_place_of_the_pictures_is_refused(path: Path):
    (path / "data.mdb").unlink()
    os.mkfifo(path / "data.mdb")
    with pytest.raises(ImageError, match="is not a picture store"):
        PictureStore.open(path)
    with pytest.raises(ImageError, match="is a pipe or a device, not a file"):
        StoreWriter(path, Manifest(SIZE, "crop", 1, False, "covers"))


def test_a_pipe_in_place_of_the_lock_is_refused(path: Path):
    (path / "lock.mdb").unlink(missing_ok=True)
    os.mkfifo(path / "lock.mdb")
    with pytest.raises(ImageError, match="is a pipe or a device, not a file"):
        PictureStore.open(path)
    with pytest.raises(ImageError, match="is a pipe or a device, not a file"):
        StoreWriter(path, Manifest(SIZE, "crop", 1, False, "covers"))
