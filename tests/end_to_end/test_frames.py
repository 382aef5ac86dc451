"""Frames of Polars, pandas and PyArrow go in and out, and ids come back with the type they came with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.data.id_types import IdTypes
from pixelrec.errors import DataError, FeatureError, RequestError
from pixelrec.runs.run import Run

TABLE = pl.DataFrame(
    {
        "user_id": [1000 + n % 12 for n in range(120)],
        "item_id": [(n * 7 + n // 12) % 31 for n in range(120)],
        "timestamp": [1_700_000_000 + n for n in range(120)],
        "rating": [n % 5 for n in range(120)],
    }
)
ITEMS = pl.DataFrame({"item_id": range(31), "title": [f"item {n}" for n in range(31)]})
Frame = Callable[[pl.DataFrame], Any]
KINDS: dict[str, Frame] = {
    "polars": lambda table: table,
    "lazy": lambda table: table.lazy(),
    "pandas": lambda table: table.to_pandas(),
    "nullable": lambda table: table.to_pandas().convert_dtypes(),
    "pyarrow": lambda table: table.to_arrow(),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("frames")
    TABLE.write_parquet(folder / "x.parquet")
    ITEMS.write_parquet(folder / "items.parquet")
    return api.prepare(folder / "x.parquet", items=folder / "items.parquet", out=folder / "data")


@pytest.fixture(scope="module")
def run(plain: Dataset) -> Run:
    overrides = {
        "training.epochs": 1,
        "items.width": 8,
        "users.layers": 1,
        "users.heads": 1,
        "length": 5,
        "negatives.drawn": 8,
    }
    return api.train("sasrec-id", data=plain, out=plain.folder.with_name("run"), overrides=overrides)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_frame_gives_the_data_set_of_its_file(tmp_path: Path, plain: Dataset, kind: Frame) -> None:
    dataset = api.prepare(kind(TABLE), items=kind(ITEMS), out=tmp_path / "out")
    assert dataset.manifest["digests"] == plain.manifest["digests"]
    assert dataset.information.equals(plain.information)
    assert dataset.id_types == IdTypes(pl.Int64(), pl.Int64())
    assert [source["name"] for source in dataset.manifest["sources"]] == ["data frame 1", "items"]
    assert dataset.identical_sources == []


def test_frames_and_files_are_read_in_turn(tmp_path: Path, plain: Dataset) -> None:
    TABLE[50:80].write_csv(tmp_path / "x.csv")
    parts = [TABLE[:50], tmp_path / "x.csv", TABLE[80:].to_pandas()]
    dataset = api.prepare(parts, out=tmp_path / "out", min_rating=0)
    assert dataset.manifest["digests"] == plain.manifest["digests"]
    assert dataset.id_types == IdTypes()  # CSV has text only


@pytest.mark.parametrize(
    ("table", "error", "expected"),
    [
        (TABLE.drop("user_id"), DataError, "data frame 1: no column 'user_id'; the columns are 'item_id', "),
        (TABLE.with_columns(user_id=None), DataError, "data frame 1: column 'user_id' holds Null, expected"),
        (TABLE.clear(), DataError, "data frame 1: no interactions"),
        (
            pd.DataFrame({"user_id": [object(), object()]}),
            RequestError,
            "interactions is a value",
        ),
        (5, RequestError, "interactions is 5; expected a path or a data frame"),
        ([], RequestError, "interactions is empty; expected at least one path or data frame"),
        (
            TABLE["user_id"],
            RequestError,
            "interactions is a value of type Series; expected a path or a data frame",
        ),
    ],
)
def test_frames_that_cannot_be_used(
    tmp_path: Path, table: Any, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        api.prepare(table, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def as_kind(table: Any) -> str:
    return {pl.DataFrame: "polars", pd.DataFrame: "pandas", pa.Table: "pyarrow"}[type(table)]


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_recommendations_have_the_kind_and_the_ids_of_what_was_asked(run: Run, kind: str) -> None:
    histories = TABLE.select("user_id", "item_id").filter(pl.col("user_id") < 1003)
    answer = api.recommend(run, histories=KINDS[kind](histories), k=2)
    assert as_kind(answer) == kind
    table: Any = pl.DataFrame(answer)
    assert table["user_id"].to_list() == [1000, 1000, 1001, 1001, 1002, 1002]
    assert set(table["item_id"]) <= set(TABLE["item_id"])
    users = KINDS[kind](histories)["user_id"]
    answer = api.recommend(run, users=users, k=1)
    assert as_kind(answer) == kind
    assert pl.DataFrame(answer)["user_id"].to_list() == histories["user_id"].to_list()
    assert pl.DataFrame(answer).columns == ["user_id", "rank", "item_id", "score", "title"]


def test_lists_and_arrays_give_polars_and_ids_as_they_came(run: Run, tmp_path: Path) -> None:
    for users in ([1000, 1001], ["1000", "1001"], np.array([1000, 1001]), (1000, 1001)):
        table = api.recommend(run, users=users, k=1)  # type: ignore[arg-type]
        assert (table["user_id"].to_list(), table["item_id"].dtype) == ([1000, 1001], pl.Int64)
    assert isinstance(api.load(run).recommend(users=[1000])[0][0].item_id, int)
    api.recommend_all(run, out=tmp_path / "all.parquet", k=1)
    assert pl.read_parquet(tmp_path / "all.parquet")["user_id"].to_list() == [1000 + n for n in range(12)]


def test_the_table_of_ranks_has_ids_as_they_came(run: Run) -> None:
    api.evaluate(run)
    ranks = pl.read_parquet(run.folder / "ranks-test.parquet")
    assert ranks.schema["user_id"] == ranks.schema["item_id"] == pl.Int64
    last = TABLE.group_by("user_id").agg(pl.last("item_id"))
    assert ranks.join(last, on=["user_id", "item_id"]).height == len(ranks)
    assert api.compare(run, shutil.copytree(run.folder, run.folder.with_name("copy"))).parts


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_similar_items_have_the_kind_and_the_ids_of_what_was_asked(
    plain: Dataset, kind: str, tmp_path: Path
) -> None:
    vectors = np.random.default_rng(0).normal(size=(31, 4)).astype(np.float32)
    given = KINDS[kind](pl.DataFrame({"item_id": plain.item_ids, "vector": vectors.tolist()}))
    features = api.import_features(given, data=plain, out=tmp_path / "f").features
    assert np.allclose(features.vectors, vectors)
    with pytest.raises(RequestError, match="vectors in a data frame have no name: give the folder"):
        api.import_features(given)
    with pytest.raises(FeatureError, match="data frame: no column 'vector'; the columns are item_id"):
        api.import_features(KINDS[kind](ITEMS), out=tmp_path / "g")
    for data in (plain, None):
        answer = api.similar(features, items=KINDS[kind](ITEMS[:2])["item_id"], k=3, data=data)
        assert as_kind(answer) == kind
        table = pl.DataFrame(answer)
        assert (table["query"].to_list(), table.schema["item_id"]) == ([0, 0, 0, 1, 1, 1], pl.Int64)
    assert api.similar(features, items=["0"], k=3).schema["item_id"] == pl.String


@pytest.mark.parametrize("kind", [pl.Int8, pl.UInt64, pl.Int128, pl.String, pl.Categorical], ids=str)
def test_every_type_of_ids_comes_back(tmp_path: Path, kind: Any) -> None:
    table = TABLE.with_columns(pl.col("item_id").cast(pl.String).cast(kind))
    found = api.prepare(table, out=tmp_path / "out").id_types
    assert found == IdTypes(pl.Int64(), kind() if kind().is_integer() else pl.String())
    ids = found.restored(pl.DataFrame({"item_id": ["7", "a"] if found.item == pl.String else ["7", "8"]}))
    assert ids.schema["item_id"] == found.item
    assert found.restored(pl.DataFrame({"item_id": ["7", "new"]})).schema["item_id"] == pl.String
