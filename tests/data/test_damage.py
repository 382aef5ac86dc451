"""Damaged files of a data set: each is a line that names the file, or nothing that is read has changed."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.split import all_events, test_cases, validation_cases
from pixelrec.data.statistics import statistics
from pixelrec.errors import DataError

ARRAYS = ["events/offsets.npy", "events/items.npy", "events/times.npy", "events/evaluated.npy"]
FILES = [
    *ARRAYS,
    "held_out/items.npy",
    "held_out/times.npy",
    "users.parquet",
    "items.parquet",
    "manifest.json",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    lines = [f"item{n * 7 % 30},user{n % 12},{n}" for n in range(100)] + ["item0,short,1"]
    (folder / "x.csv").write_text("\n".join(["item_id,user_id,timestamp", *lines]), encoding="utf-8")
    (folder / "items.csv").write_text("item_id,title\nitem0,A\nitem7,B\n", encoding="utf-8")
    return prepare(folder / "x.csv", out=folder / "out", items=folder / "items.csv").folder


def read_all(folder: Path) -> list[object]:
    """Everything that commands read of a data set."""
    dataset = Dataset.open(folder)
    events, cases = all_events(dataset), (validation_cases(dataset), test_cases(dataset))
    found = statistics(dataset)
    return [
        dataset.fingerprint, dataset.user_ids.to_list(), dataset.information.rows(), events.items.tolist(),
        events.times.tolist(), events.starts.tolist(), *(each.targets.tolist() for each in cases), found,
        dataset.identical_sources, dataset.exact_repeats,
    ]  # fmt: skip


def damaged(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    kinds: list[Callable[[], bytes]] = [
        lambda: content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :],
        lambda: content[:place] + chance.randbytes(8) + content[place + 8 :],
        lambda: content[:place],
        lambda: content[:place] + content[place + 1 :],
        lambda: content + chance.randbytes(9),
        lambda: bytes(len(content)),
        lambda: content[::-1],
    ]
    return chance.choice(kinds)()


@pytest.mark.parametrize("name", FILES)
def test_damage_anywhere_is_named_or_changes_nothing(whole: Path, tmp_path: Path, name: str) -> None:
    expected, chance = read_all(whole), random.Random(name)
    content = (whole / name).read_bytes()
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    for _ in range(int(os.environ.get("DAMAGES", "25"))):
        (copy / name).write_bytes(damaged(content, chance))
        try:
            found = read_all(copy)
        except DataError as error:
            assert "\n" not in str(error)
            assert str(copy) in str(error)
        else:
            if name != "manifest.json":  # its names of sources and versions are not checked
                assert found == expected


SOURCES: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "x.csv": lambda frame, path: frame.write_csv(path),
    "quoted.csv": lambda frame, path: frame.write_csv(path, quote_style="always"),
    "x.csv.gz": lambda frame, path: path.write_bytes(gzip.compress(frame.write_csv().encode(), mtime=0)),
    "x.parquet": lambda frame, path: frame.write_parquet(path, compression="uncompressed"),
    "small.parquet": lambda frame, path: frame.write_parquet(path),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("role", ["interactions", "items"])
def test_damaged_sources_are_read_as_python_reads_them_or_named(
    tmp_path: Path, name: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())
    events = pl.DataFrame(
        {"item_id": [f"i{n % 7}" for n in range(30)], "user_id": [f"ü{n % 4}" for n in range(30)],
         "timestamp": range(1_600_000_000, 1_600_000_030)}
    )  # fmt: skip
    described = pl.DataFrame(
        {"item_id": [f"i{n}" for n in range(7)], "title": ["a, b", "", "ü", "1", "2", "3", "4"]}
    )
    plain, source, chance = tmp_path / "plain.parquet", tmp_path / name, random.Random(name + role)
    events.write_parquet(plain)
    SOURCES[name](events if role == "interactions" else described, source)
    content = source.read_bytes()
    for turn in range(int(os.environ.get("DAMAGES", "8"))):
        source.write_bytes(damaged(content, chance))
        try:
            if role == "interactions":
                dataset = prepare(source, out=tmp_path / f"out{turn}")
            else:
                dataset = prepare(plain, items=source, out=tmp_path / f"out{turn}")
        except DataError as error:
            assert "\n" not in str(error)
            assert str(source) in str(error)
            continue
        if role == "interactions" and source.suffix == ".csv":
            with source.open(encoding="utf-8-sig", newline="") as file:
                rows = [row for row in csv.DictReader(file) if any(row.values())]
            assert dataset.interactions + dataset.exact_repeats == len(rows)
            assert set(dataset.user_ids) == {
                row[next(k for k in row if "user_id" in k.lower())] for row in rows
            }


def manifest(**changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "manifest.json"
        old = json.loads(path.read_text(encoding="utf-8"))
        merged = {key: {**old[key], **new} if isinstance(new, dict) else new for key, new in changes.items()}
        path.write_text(json.dumps(old | merged), encoding="utf-8")

    return change


def array(name: str, place: int, value: int) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        values = np.load(folder / "events" / f"{name}.npy")
        values[place] = value
        np.save(folder / "events" / f"{name}.npy", values)

    return change


def table(name: str, column: pl.Expr) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        pl.read_parquet(folder / name).with_columns(column).write_parquet(folder / name)

    return change


def pipe(name: str) -> Callable[[Path], object]:
    return lambda folder: ((folder / name).unlink(), os.mkfifo(folder / name))


HAND_MADE: dict[str, tuple[Callable[[Path], object], str]] = {
    "negative offset": (array("offsets", 5, -(2**31)), "events/offsets.npy: does not belong"),
    "offsets that go back": (array("offsets", 5, 90), "events/offsets.npy: does not belong"),
    "offset of another user": (array("offsets", 5, 30), "events/offsets.npy: was changed"),
    "a user more": (array("evaluated", -1, 1), "events/evaluated.npy: does not belong"),
    "event number out of range": (array("items", 3, 10**6), "events/items.npy: was changed"),
    "negative event number": (array("items", 3, -5), "events/items.npy: was changed"),
    "counts as text": (manifest(counts={"users": "13"}), "manifest.json: an entry"),
    "a fraction of a user": (manifest(counts={"users": 13.0}), "manifest.json: an entry"),
    "no items": (manifest(counts={"items": 0}), "manifest.json: an entry"),
    "negative counts": (manifest(counts={"interactions": -1}), "manifest.json: an entry"),
    "too many events": (manifest(counts={"interactions": 10**30}), "manifest.json: an entry"),
    "digests are a list": (manifest(digests=[]), "manifest.json: an entry"),
    "options are null": (manifest(options=None), "manifest.json: an entry"),
    "repeats are text": (manifest(exact_repeats="many"), "manifest.json: an entry"),
    "dropped items are text": (manifest(dropped_items="many"), "manifest.json: an entry"),
    "sources are text": (manifest(sources=["x.csv"]), "manifest.json: an entry"),
    "nesting without end": (
        lambda f: (f / "manifest.json").write_text("[" * 100_000, encoding="utf-8"),
        "manifest.json: cannot be read",
    ),
    "categorical ids": (
        table("items.parquet", pl.col("item_id").cast(pl.Categorical)),
        "items.parquet: was changed",
    ),
    "ids in lists": (table("users.parquet", pl.concat_list("user_id")), "users.parquet: missing or damaged"),
    "ids in structs": (table("users.parquet", pl.struct("user_id").alias("user_id")), "users.parquet: "),
    "a missing id": (
        table("users.parquet", pl.when(pl.col("user_id") != "user3").then("user_id").alias("user_id")),
        "users.parquet: was changed",
    ),
    "another title": (table("items.parquet", pl.lit("C").alias("title")), "items.parquet: was changed"),
    "no titles": (
        lambda f: pl.read_parquet(f / "items.parquet").select("item_id").write_parquet(f / "items.parquet"),
        "items.parquet: was changed",
    ),
    **{f"{name} is a pipe": (pipe(name), f"{name}: is no file") for name in FILES if name != "manifest.json"},
    "manifest.json is a pipe": (pipe("manifest.json"), "holds no manifest.json"),
}


@pytest.mark.parametrize(("damage", "expected"), HAND_MADE.values(), ids=HAND_MADE)
def test_each_damage_has_a_line(
    whole: Path, tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    damage(copy)
    with pytest.raises(DataError) as caught:
        read_all(copy)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)
