"""Opening data sets: what they give, and what is said of those that cannot be opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec.data.dataset import Dataset
from pixelrec.data.dropping import drop_items
from pixelrec.data.manifest import is_dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.sequences import Sequences, hold_out
from pixelrec.data.split import all_events
from pixelrec.errors import DataError, RequestError


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    lines = [f"item{n * 7 % 30},user{n % 12},{n}" for n in range(100)] + ["item0,short,1"]
    (folder / "x.csv").write_text("\n".join(["item_id,user_id,timestamp", *lines]), encoding="utf-8")
    return prepare(folder / "x.csv", out=folder / "out").folder


@pytest.fixture
def copy(shop: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shop, tmp_path / "copy"))


def test_arrays_are_mapped_read_only_and_the_data_set_is_frozen(shop: Path) -> None:
    dataset = Dataset.open(shop)
    for array in (dataset.offsets, dataset.event_items, dataset.event_times, dataset.evaluated):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        dataset.users = 3  # type: ignore[misc]


def test_its_representation_is_one_line(shop: Path) -> None:
    assert repr(Dataset.open(shop)) == f"Dataset({str(shop)!r}: 13 users, 30 items, 101 interactions)"


def test_evaluated_users_are_known_without_the_held_out_events(copy: Path) -> None:
    shutil.rmtree(copy / "held_out")
    dataset = Dataset.open(copy)
    assert dataset.evaluated.tolist() == [False] + [True] * 12 + [False]
    assert dataset.user_ids[12] == "short"
    with pytest.raises(DataError, match="held_out/items.npy: missing"):
        dataset.held_out()


def test_numbers_of_ids(shop: Path) -> None:
    dataset = Dataset.open(str(shop))
    numbers = dataset.item_numbers(["item7", "item0", "item7"])
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [2, 1, 2]
    assert dataset.user_numbers(dataset.user_ids.to_list()).tolist() == list(range(1, 14))
    assert dataset.user_numbers([]).tolist() == []


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["user0", "usr3"], "unknown user 'usr3'; did you mean 'user3'?"),
        (["sort"], "unknown user 'sort'; did you mean 'short'?"),
        (["nobody"], "unknown user 'nobody'; ids look like 'user0'"),
        ([""], "unknown user ''; ids look like 'user0'"),
        (["a", "b"], "unknown users 'a', 'b'; ids look like 'user0'"),
        (
            [f"x{n}" for n in range(2_000)],
            "unknown users 'x0', 'x1', 'x2', 'x3', 'x4' and 1,995 more; ids look like",
        ),
    ],
)
def test_a_few_unknown_ids_are_named(shop: Path, ids: list[str], expected: str) -> None:
    with pytest.raises(RequestError) as caught:
        Dataset.open(shop).user_numbers(ids)
    assert str(caught.value).startswith(expected)
    assert len(str(caught.value)) < 200


def edit(name: str, **changes: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        manifest = json.loads((folder / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(manifest | changes), encoding="utf-8")

    return change


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-9])


DAMAGES = {
    "gone": (shutil.rmtree, "no such data set; make one with `pixelrec prepare"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "not a data set: it holds no manifest.json"),
    "cut manifest": (cut("manifest.json"), "manifest.json: cannot be read"),
    "list": (
        lambda f: (f / "manifest.json").write_text("[]", encoding="utf-8"),
        "not a data set: its manifest",
    ),
    "another format": (
        edit("manifest.json", format="something"),
        "not a data set: its manifest.json is of something",
    ),
    "later version": (edit("manifest.json", version=9), "of format version 9, expected 3; make it again"),
    "no counts": (
        edit("manifest.json", counts={"users": 3}),
        "manifest.json: an entry is missing, of another type or out of range",
    ),
    "no digests": (
        edit("manifest.json", digests={"user_ids": "0"}),
        "manifest.json: an entry is missing, of another type or out of range",
    ),
    "other counts": (
        edit("manifest.json", counts={"users": 2, "items": 1, "interactions": 9, "evaluated_users": 2}),
        "offsets.npy: holds int64[15], expected int64[4]",
    ),
    "no offsets": (lambda f: (f / "events" / "offsets.npy").unlink(), "offsets.npy: missing; make it again"),
    "cut items": (cut("events/items.npy"), "events/items.npy: cut off or damaged"),
    "cut times": (cut("events/times.npy"), "events/times.npy: cut off or damaged"),
    "empty": (
        lambda f: (f / "events" / "evaluated.npy").write_bytes(b""),
        "evaluated.npy: cut off or damaged",
    ),
    "another type": (
        lambda f: np.save(f / "events" / "items.npy", np.zeros(89, np.int64)),
        "items.npy: holds int64[89], expected int32[89]",
    ),
    "offsets of another": (
        lambda f: np.save(f / "events" / "offsets.npy", np.zeros(15, np.int64)),
        "offsets.npy: does not belong to the other files",
    ),
    "objects": (
        lambda f: np.save(f / "events" / "items.npy", np.array([{}]), allow_pickle=True),
        "items.npy: cut off or damaged",
    ),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_data_sets_are_refused(copy: Path, damage: Callable[[Path], object], expected: str) -> None:
    damage(copy)
    with pytest.raises(DataError) as caught:
        Dataset.open(copy)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_data_set_of_another_version_is_still_one(copy: Path) -> None:
    edit("manifest.json", version=99)(copy)
    assert is_dataset(copy)
    assert not is_dataset(copy / "events")


def test_damaged_tables_are_named_when_they_are_read(copy: Path) -> None:
    dataset = Dataset.open(copy)
    (copy / "items.parquet").write_bytes((copy / "users.parquet").read_bytes())
    with pytest.raises(DataError, match="items.parquet: missing or damaged"):
        _ = dataset.item_ids
    with pytest.raises(DataError, match="items.parquet: was changed or replaced"):
        _ = dataset.information
    (copy / "users.parquet").unlink()
    with pytest.raises(DataError, match="users.parquet: missing; make it again"):
        _ = dataset.user_ids


def test_cut_held_out_events_are_refused(copy: Path) -> None:
    dataset = Dataset.open(copy)
    cut("held_out/times.npy")(copy)
    with pytest.raises(DataError, match="held_out/times.npy: cut off or damaged"):
        dataset.held_out()


def changed(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        values = np.load(folder / name)
        values[values > 0] = np.roll(values[values > 0], 1)
        np.save(folder / name, values)

    return change


@pytest.mark.parametrize("name", ["events/items.npy", "events/times.npy"])
def test_changed_events_are_noticed_before_they_are_used(copy: Path, name: str) -> None:
    Dataset.open(copy).verify()
    changed(name)(copy)
    with pytest.raises(DataError, match=f"{name}: was changed or replaced since .*; make it again"):
        Dataset.open(copy).verify()


def test_renamed_ids_are_noticed(copy: Path) -> None:
    table = pl.read_parquet(copy / "users.parquet").with_columns(pl.col("user_id").reverse())
    table.write_parquet(copy / "users.parquet")
    for use in (Dataset.verify, lambda dataset: dataset.user_ids):
        with pytest.raises(DataError, match="users.parquet: was changed"):
            use(Dataset.open(copy))


def test_other_test_events_are_refused_when_they_are_opened(copy: Path) -> None:
    changed("held_out/items.npy")(copy)
    dataset = Dataset.open(copy)
    dataset.verify()
    with pytest.raises(DataError, match="held_out/items.npy: was changed"):
        dataset.held_out()


def test_held_out_events_of_a_successor_are_refused(copy: Path, shop: Path) -> None:
    """A data set that is replaced while it is open keeps its mapped events, and must not mix them."""
    dataset = Dataset.open(copy)
    prepare(shop.parent / "x.csv", out=copy, user_column="item_id", item_column="user_id", overwrite=True)
    with pytest.raises(DataError, match="held_out/items.npy"):
        dataset.held_out()


def test_the_fingerprint_is_of_ids_items_order_times_and_held_out_events(tmp_path: Path) -> None:
    events = [f"i{n % 3},u{n % 2},{10 * n}" for n in range(12)]
    variants = {
        "same": events,
        "another user": [line.replace("u1", "u2") for line in events],
        "another item": [line.replace("i2", "i3") for line in events],
        "another event": ["i1,u0,0", *events[1:]],
        "another time": ["i0,u0,1", *events[1:]],
        "another order": ["i0,u0,25", *events[1:]],
        "another test event": [*events[:-1], "i0,u1,110"],
        "another test time": [*events[:-1], "i2,u1,111"],
    }
    found = {}
    for name, lines in variants.items():
        (tmp_path / "x.csv").write_text("\n".join(["item_id,user_id,timestamp", *lines]), encoding="utf-8")
        found[name] = prepare(tmp_path / "x.csv", out=tmp_path / name).fingerprint
    assert len(set(found.values())) == len(variants)
    pl.read_csv(tmp_path / "x.csv").write_parquet(tmp_path / "x.parquet")
    again = prepare(tmp_path / "x.parquet", out=tmp_path / "again")
    assert again.fingerprint == found["another test time"], "whatever the file was"
    assert drop_items(again, ["i0"]).fingerprint != again.fingerprint


def test_holding_out_and_putting_back_are_inverse(shop: Path) -> None:
    dataset = Dataset.open(shop)
    held, events = dataset.held_out(), all_events(dataset)
    owners = np.repeat(np.arange(dataset.users + 1), events.stops - events.starts)
    assert len(owners) == len(events.items) == dataset.interactions == 101
    again = hold_out(
        pl.DataFrame({"user": owners, "item": events.items, "seconds": events.times}), dataset.users
    )
    arrays = (dataset.offsets, dataset.event_items, dataset.event_times, dataset.evaluated)
    expected = Sequences(*arrays, held.items, held.times)
    for name in Sequences.__dataclass_fields__:
        assert np.array_equal(getattr(again, name), getattr(expected, name)), name
