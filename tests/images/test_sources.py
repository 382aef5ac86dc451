"""Covers that are no folder of files: each source packs to the same store as the files would."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import polars as pl
import pytest
from PIL import Image

from pixelrec.errors import ImageError
from pixelrec.images.decode import Refused
from pixelrec.images.doctor import check
from pixelrec.images.pack import demand_packable, pack
from pixelrec.images.pickled import unpickled_picture
from pixelrec.images.store import PictureStore

SIZE = 24
PICTURES = {
    f"i{n}": np.random.default_rng(n).integers(0, 256, (20 + n, 30 - n, 3), np.uint8) for n in range(6)
}


class LMDB_Image:  # noqa: N801  # as the published code calls it
    def __init__(self, image: np.ndarray, id: str) -> None:
        self.channels = image.shape[2]
        self.size = image.shape[:2]
        self.image = image.tobytes()
        self.id = id


def png(pixels: np.ndarray) -> bytes:
    content = BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def database(path: Path, records: Mapping[str, bytes], *, folder: bool = False) -> Path:
    """An LMDB as the published code makes it, one file, or in a folder."""
    with lmdb.open(str(path), subdir=folder, map_size=1 << 24) as env, env.begin(write=True) as txn:
        for item_id, record in records.items():
            txn.put(item_id.encode("ascii"), record)
        txn.put(b"__keys__", pickle.dumps([each.encode() for each in records]))
        txn.put(b"__len__", pickle.dumps(len(records)))
    return path


def packed(covers: Path, out: Path, ids: list[str] | None = None, **options: Any) -> np.ndarray:
    ids = list(PICTURES) if ids is None else ids
    report = pack(covers, out, ids, size=SIZE, fit="stretch", threads=2, **options)
    assert report.packed == len(ids) and not report.unusable
    assert pack(covers, out, ids, threads=1).packed == 0, "nothing has changed"
    with PictureStore.open(out) as store:
        return store.read(ids)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("files")
    (folder / "covers").mkdir()
    for item_id, pixels in PICTURES.items():
        (folder / "covers" / f"{item_id}.png").write_bytes(png(pixels))
    return packed(folder / "covers", folder / "store")


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize(
    "record",
    [
        lambda pixels, name: pickle.dumps(LMDB_Image(pixels, name)),
        lambda pixels, name: pickle.dumps(LMDB_Image(pixels, name), 2),
        lambda pixels, _: pickle.dumps(pixels),
        lambda pixels, _: pickle.dumps(np.asfortranarray(pixels), 5),
        lambda pixels, _: png(pixels),
    ],
    ids=["published", "published-2", "array", "array-5", "file"],
)
def test_an_lmdb_packs_as_the_files(
    record: Callable[[np.ndarray, str], bytes], folder: bool, expected: np.ndarray, tmp_path: Path
) -> None:
    covers = database(tmp_path / "image.lmdb", {k: record(v, k) for k, v in PICTURES.items()}, folder=folder)
    assert np.array_equal(packed(covers, tmp_path / "store"), expected)
    found = check(covers)
    assert found.sound == len(PICTURES) and found.measures["width"][0] == 25


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_protocol_is_read(protocol: int, order: Any) -> None:
    for pixels in PICTURES.values():
        for value in (np.array(pixels, order=order), LMDB_Image(pixels, "x")):
            assert np.array_equal(unpickled_picture(pickle.dumps(value, protocol), ""), pixels)


class Calls:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, *asked: Any) -> None:
        self.asked = asked

    def __reduce__(self) -> Any:
        return self.asked


def inside(value: Any) -> LMDB_Image:
    """A picture of the published code, one of whose values is hostile."""
    picture = LMDB_Image(PICTURES["i0"], "i0")
    picture.image = value
    return picture


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("hostile", "name"),
    [
        (lambda mark: Calls(os.system, (f"touch {mark}",)), "posix.system"),
        (lambda mark: Calls(eval, (f"open({mark!r}, 'w')",)), r"builtins.eval|__builtin__.eval"),
        (lambda _: Calls(getattr, (os, "system")), ""),
        (lambda mark: inside(Calls(os.system, (f"touch {mark}",))), "posix.system"),
        (lambda mark: Calls(np.load, (str(mark), None, True)), "numpy"),
        (lambda mark: Calls(os.mkdir, (str(mark),)), "posix.mkdir"),
    ],
)
def test_a_hostile_pickle_is_refused_by_name_and_does_nothing(
    hostile: Callable[[Path], Any], name: str, protocol: int, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    try:
        data = pickle.dumps(hostile(mark), protocol)
    except TypeError:  # a module cannot be pickled
        data = b"cbuiltins\ngetattr\n(cos\nsystem\nS'x'\ntR."
    covers = database(tmp_path / "image.lmdb", {"i0": data, "i1": pickle.dumps(PICTURES["i1"])})
    with pytest.raises(ImageError, match=rf"image.lmdb, item 'i0': the pickle asks for .*({name})"):
        pack(covers, tmp_path / "store", ["i0", "i1"], size=SIZE, fit="stretch")
    assert not mark.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b"no pickle at all",
        b"(i" + b"os\nsystem\n.",  # INST
        b"\x80\x04\x82\x01.",  # EXT1
        b"\x80\x04P1\n.",  # PERSID
        b"r\xff\xff\xff\xff.",  # LONG_BINPUT of nothing
        b"\x80\x04K\x01r\xff\xff\xff\xff.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # BYTEARRAY8 of 8 EiB
        b"\x80\x04" + b"(" * 20_000 + b".",
        b"\x80\x04)" + b"\x85" * 20_000 + b".",
        pickle.dumps(np.zeros((4, 4), np.uint8)),
        pickle.dumps(np.zeros((4, 4, 3))),
        pickle.dumps(np.zeros((0, 4, 3), np.uint8)),
        pickle.dumps(np.zeros((4, 4, 4), np.uint8)),
        pickle.dumps(np.array([[[None] * 3]], object)),
        pickle.dumps({"image": 1}),
        pickle.dumps([PICTURES["i0"]]),
        pickle.dumps(PICTURES["i0"])[:-200],
        pickle.dumps(PICTURES["i0"]).replace(b"u1", b"u9"),
        pickle.dumps(inside(b"short")),
        pickle.dumps(inside(5)),
    ],
)
def test_what_holds_no_picture_is_unusable(data: bytes) -> None:
    with pytest.raises(Refused):
        unpickled_picture(data, "")


def test_a_huge_shape_takes_no_memory() -> None:
    picture = inside(b"abc")
    picture.size = (1 << 40, 1 << 40)
    with pytest.raises(Refused, match="too-large"):
        unpickled_picture(pickle.dumps(picture), "")


def test_a_damaged_lmdb_is_one_line(tmp_path: Path) -> None:
    covers = database(tmp_path / "image.lmdb", {k: pickle.dumps(v) for k, v in PICTURES.items()})
    os.truncate(covers, covers.stat().st_size // 2)
    with pytest.raises(ImageError, match="the LMDB is damaged"):
        pack(covers, tmp_path / "store", list(PICTURES), size=SIZE, fit="stretch")
    covers.write_bytes(b"no lmdb")
    with pytest.raises(ImageError, match="damaged|is a file, expected a folder"):
        pack(covers, tmp_path / "store", list(PICTURES), size=SIZE, fit="stretch")


def test_a_picture_store_is_no_source(tmp_path: Path) -> None:
    covers = database(tmp_path / "image.lmdb", {k: pickle.dumps(v) for k, v in PICTURES.items()})
    packed(covers, tmp_path / "store")
    with pytest.raises(ImageError, match="is a picture store of pixelrec"):
        pack(tmp_path / "store", tmp_path / "other", list(PICTURES), size=SIZE, fit="stretch")


@pytest.mark.parametrize("ids", ["item_id", "asin", None])
def test_parquet_of_the_hub_packs_as_the_files(ids: str | None, expected: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    names = list(PICTURES)
    for part, some in enumerate((names[3:], names[:3])):
        rows = [{"bytes": png(PICTURES[name]), "path": f"{name}.png"} for name in some]
        table = pl.DataFrame({"image": rows, "label": some if ids is None else [0] * len(some)})
        if ids is not None:
            table = table.with_columns(pl.Series(ids, some))
        table.write_parquet(folder / f"train-{part:05}-of-00002.parquet")
    demand_packable(tmp_path, tmp_path / "store", size=SIZE, fit="stretch", missing="error")
    assert np.array_equal(packed(tmp_path, tmp_path / "store"), expected)
    assert check(folder).sound == len(PICTURES)


def test_parquet_faults(tmp_path: Path) -> None:
    path = tmp_path / "covers.parquet"
    pl.DataFrame(
        {"image": [png(PICTURES["i0"]), b"no picture", None], "item_id": ["a", "b", "c"]}
    ).write_parquet(path)
    report = check(path, ["a", "b", "c", "d"])
    assert {u.item_id: u.reason for u in report.unusable} == {
        "b": "not-a-picture",
        "c": "empty",
        "d": "missing",
    }
    pl.DataFrame({"image": [png(PICTURES["i0"])]}).write_parquet(path)
    with pytest.raises(ImageError, match="no column of item ids"):
        check(path)
    pl.DataFrame({"item_id": ["a"]}).write_parquet(path)
    with pytest.raises(ImageError, match="no column of pictures; the columns are item_id"):
        check(path)


def test_a_damaged_part_is_named_and_other_tables_do_not_matter(tmp_path: Path) -> None:
    rows = {"image": [png(pixels) for pixels in PICTURES.values()], "item_id": list(PICTURES)}
    pl.DataFrame(rows).write_parquet(tmp_path / "0.parquet")
    pl.DataFrame({"item_id": ["i0"], "title": ["x"]}).write_parquet(tmp_path / "titles.parquet")
    assert check(tmp_path).sound == len(PICTURES)
    (tmp_path / "1.parquet").write_bytes((tmp_path / "0.parquet").read_bytes()[:-100])
    with pytest.raises(ImageError, match="1.parquet: not a readable Parquet file"):
        check(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_table_beside_the_files_names_them(kind: str, expected: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "covers" / "train").mkdir(parents=True)
    rows = [{"file_name": f"train/{n:04}.png", "item_id": name} for n, name in enumerate(PICTURES)]
    for row, pixels in zip(rows, PICTURES.values(), strict=True):
        (tmp_path / "covers" / row["file_name"]).write_bytes(png(pixels))
    table, path = pl.DataFrame(rows), tmp_path / "covers" / f"metadata.{kind}"
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[kind](path)
    assert np.array_equal(packed(tmp_path / "covers", tmp_path / "store"), expected)


def test_a_table_names_no_files_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(PICTURES["i0"]))
    (tmp_path / "covers").mkdir()
    (tmp_path / "covers" / "b.png").write_bytes(png(PICTURES["i1"]))
    names = f"file_name,item_id\n../secret.png,a\n{tmp_path}/secret.png,c\nb.png,b\n"
    (tmp_path / "covers" / "metadata.csv").write_text(names, encoding="utf-8")
    report = check(tmp_path / "covers", ["a", "b", "c"])
    assert report.sound == 1 and [u.item_id for u in report.unusable] == ["a", "c"]


def test_a_table_without_ids_leaves_the_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(PICTURES["i0"]))
    (tmp_path / "metadata.csv").write_text("file_name,text\na.png,hello\n", encoding="utf-8")
    assert check(tmp_path, ["a"]).sound == 1
    (tmp_path / "metadata.csv").write_bytes(b"file_name,item_id\n\xff\xfe\xfa,1\n")
    with pytest.raises(ImageError, match="the table of pictures cannot be read"):
        check(tmp_path, ["a"])
