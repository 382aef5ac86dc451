"""Exported vectors: their dot products are the scores, so a vector store recommends the same items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.runs import vectors
from pixelrec.runs.run import Run

TINY = {"length": 4, "items.width": 8, "training.epochs": 1}


def log(place: Path, users: int) -> Path:
    rows = [(f"i{(user * 5 + n) % 12}", f"u{user}", n) for user in range(users) for n in range(6)]
    pl.DataFrame(rows, ["item_id", "user_id", "timestamp"], orient="row").write_csv(place)
    return place


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("vectors")
    return pixelrec.prepare(log(folder / "events.csv", 30), out=folder / "data")


def trained(recipe: str, data: Dataset, **options: object) -> Run:
    return pixelrec.train(recipe, data=data, out=data.folder.parent / recipe, overrides={**TINY, **options})


@pytest.fixture(scope="module")
def run(data: Dataset) -> Run:
    options = {"users.heads": 1, "users.layers": 1, "scoring.name": "cosine"}
    return trained("sasrec-id", data, **options)


def exported(run: Run, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    for of in ("items", "users"):
        pixelrec.export_vectors(run, of=of, out=folder / f"{of}.parquet")
    return pl.read_parquet(folder / "items.parquet"), pl.read_parquet(folder / "users.parquet")


def as_a_store_recommends(items: pl.DataFrame, users: pl.DataFrame) -> dict[str, list[str]]:
    scores = users["vector"].to_numpy() @ items["vector"].to_numpy().T
    return {
        user: items["item_id"][row].to_list()
        for user, row in zip(users["user_id"], np.argsort(-scores, axis=1)[:, :5], strict=True)
    }


def as_recommended(run: Run, users: list[str]) -> dict[str, list[str]]:
    found = pixelrec.recommend(run, users=users, k=5, seen=True)
    return {str(user): rows["item_id"].to_list() for (user,), rows in found.group_by("user_id")}


def test_a_store_recommends_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "USERS", 7)  # at a time
    items, users = exported(run, tmp_path)
    assert as_a_store_recommends(items, users) == as_recommended(run, users["user_id"].to_list())
    schema = pq.read_schema(tmp_path / "items.parquet")
    assert schema.field("vector").type == pa.list_(pa.float32(), 8)


def test_a_model_of_known_users_has_theirs(data: Dataset, tmp_path: Path) -> None:
    run = trained("mf-id", data)
    items, users = exported(run, tmp_path)
    assert as_a_store_recommends(items, users) == as_recommended(run, users["user_id"].to_list())


def test_users_without_a_known_item_have_no_vector(run: Run, tmp_path: Path) -> None:
    rows = ["i3,old,1", "i1,old,2", "i4,old,3", "new,fresh,1", "new,fresh,2", "new,fresh,3"]
    (tmp_path / "e.csv").write_text("\n".join(["item_id,user_id,timestamp", *rows]) + "\n")
    newer = pixelrec.prepare(tmp_path / "e.csv", out=tmp_path / "newer")
    pixelrec.export_vectors(run, of="users", out=tmp_path / "u.parquet", data=newer)
    assert pl.read_parquet(tmp_path / "u.parquet")["user_id"].to_list() == ["old"]


def test_what_has_no_vectors_is_refused(run: Run, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="^din looks at the events of a user together with each candidate"):
        pixelrec.export_vectors(trained("din-id", data), of="items", out=tmp_path / "i.parquet")
    with pytest.raises(RequestError, match="ends in .parquet"):
        pixelrec.export_vectors(run, of="items", out=tmp_path / "i.csv")
    (tmp_path / "i.parquet").write_text("mine")
    with pytest.raises(RequestError, match="is there already; replace it with --overwrite"):
        pixelrec.export_vectors(run, of="items", out=tmp_path / "i.parquet")
    assert (tmp_path / "i.parquet").read_text() == "mine"
