"""Files for RecBole and MMRec hold every event in order, and the split."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import pixelrec
from pixelrec.choices import ExportFormat
from pixelrec.data import exporting
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events
from pixelrec.errors import DataError, FeatureError, RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing

ODD = ['a "quoted" title', "tab\there", "two\nlines", "plain"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Users of one to eight events, with ids and titles that need quotes."""
    folder = tmp_path_factory.mktemp("exported")
    rows = [
        (f"item {(user * 3 + n) % 7}", f'u"{user}', 1_700_000_000 + 9 * n)
        for user in range(8)
        for n in range(user + 1)
    ]
    pl.DataFrame(rows, ["item_id", "user_id", "timestamp"], orient="row").write_parquet(
        folder / "events.parquet"
    )
    items = {
        "item_id": [f"item {n}" for n in range(4)],
        "title": ODD,
        "price": [1.5, 2, 3, 4.25],
        "a:b": list("wxyz"),
    }
    pl.DataFrame(items).write_parquet(folder / "items.parquet")
    return pixelrec.prepare(folder / "events.parquet", out=folder / "data", items=folder / "items.parquet")


def features(folder: Path, ids: pl.Series, vectors: np.ndarray) -> FeatureFile:
    with writing(folder, ids, vectors.shape[1:], {"kind": "imported"}) as file:
        file.append(vectors)
    return FeatureFile.open(folder)


def events(dataset: Dataset) -> list[tuple[str, str, int]]:
    found = all_events(dataset)
    users = np.repeat(np.arange(dataset.users), np.diff(found.stops))
    ids = dataset.user_ids[users].to_list(), dataset.item_ids[found.items - 1].to_list(), found.times.tolist()
    return list(zip(*ids, strict=True))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.mark.parametrize("at_once", [3, 1000])
def test_recbole(data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(exporting, "_EVENTS", at_once)
    files = pixelrec.export_data(data, out=tmp_path / "shop", format="recbole")
    assert [each.name for each in files] == ["shop.inter", "shop.item"]
    rows = read(files[0])
    assert list(rows[0]) == ["user_id:token", "item_id:token", "timestamp:float"]
    assert [(u, i, int(t)) for u, i, t in (row.values() for row in rows)] == events(data)
    items = read(files[1])
    assert list(items[0]) == ["item_id:token", "title:token_seq", "price:float", "a_b:token"]
    assert {row["item_id:token"]: row["title:token_seq"] for row in items} == {
        **{f"item {n}": "" for n in range(7)},
        **{f"item {n}": title for n, title in enumerate(ODD)},
    }


def test_mmrec(data: Dataset, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(data.items, 3)).astype("f4")
    shuffled = np.random.default_rng(1).permutation(data.items)
    given = features(tmp_path / "f", data.item_ids[shuffled], vectors[shuffled])
    out = tmp_path / "mm"
    pixelrec.export_data(data, out=out, format="mmrec", image_features=given)
    assert np.array_equal(np.load(out / "image_feat.npy"), vectors)
    assert "inter_file_name: 'mm.inter'" in (out / "mm.yaml").read_text()
    users = {int(row["userID"]): row["user_id"] for row in read(out / "u_id_mapping.csv")}
    items = {int(row["itemID"]): row["asin"] for row in read(out / "i_id_mapping.csv")}
    rows = read(out / "mm.inter")
    assert [(users[int(r["userID"])], items[int(r["itemID"])], int(r["timestamp"])) for r in rows] == events(
        data
    )
    labels: dict[str, list[str]] = {}
    for row in rows:
        labels.setdefault(users[int(row["userID"])], []).append(row["x_label"])
    for number in range(8):  # of number + 1 events
        expected = ["0"] * (number + 1) if number < 2 else ["0"] * (number - 1) + ["1", "2"]
        assert labels[f'u"{number}'] == expected


@pytest.mark.parametrize("form", ["recbole", "mmrec"])
def test_an_export_is_prepared_as_the_same_events(data: Dataset, tmp_path: Path, form: ExportFormat) -> None:
    pixelrec.export_data(data, out=tmp_path / "shop", format=form)
    again = pixelrec.prepare(tmp_path / "shop", out=tmp_path / "again")
    assert sorted(events(again)) == sorted(events(data))
    assert np.array_equal(again.evaluated, data.evaluated)
    if form == "recbole":
        by_id = again.information.select(data.information.columns[:3]).sort("item_id")
        assert by_id.rows() == data.information[:, :3].sort("item_id").rows()


def test_nothing_is_replaced_or_left_half_done(data: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "shop"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty; replace its files with --overwrite"):
        pixelrec.export_data(data, out=out, format="recbole")
    pixelrec.export_data(data, out=out, format="recbole", overwrite=True)
    assert sorted(each.name for each in out.iterdir()) == ["notes.txt", "shop.inter", "shop.item"]
    few = features(tmp_path / "f", data.item_ids[:2], np.ones((2, 3), "f4"))
    with pytest.raises(FeatureError, match="no vector for 5 of 7 items"):
        pixelrec.export_data(data, out=tmp_path / "mm", format="mmrec", image_features=few)
    assert not (tmp_path / "mm").exists()
    with pytest.raises(RequestError, match="--format mmrec"):
        pixelrec.export_data(data, out=tmp_path / "rb", format="recbole", image_features=few)


def test_ids_that_recbole_would_lose_are_named(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp\nNA,i1,1\nNA,i2,2\nNA,i3,3\n")
    data = pixelrec.prepare(tmp_path / "e.csv", out=tmp_path / "data")
    with pytest.raises(DataError, match="user ids 'NA': RecBole takes them for missing"):
        pixelrec.export_data(data, out=tmp_path / "out", format="recbole")


def test_a_data_set_is_not_prepared_again(tmp_path: Path) -> None:
    rows = "".join(f"i{n},u,{1_700_000_000 + n}\n" for n in range(4))
    (tmp_path / "e.csv").write_text(f"item_id,user_id,timestamp\n{rows}", encoding="utf-8")
    data = pixelrec.prepare(tmp_path / "e.csv", out=tmp_path / "my data").folder
    told = f"{data}: a data set already; train on it with `pixelrec train sasrec-id --data '{data}'`, or give"
    for out in (data, tmp_path / "out"):
        with pytest.raises(DataError) as refused:
            pixelrec.prepare(data, out=out)
        assert str(refused.value).startswith(told)
    assert not (tmp_path / "out").exists()
