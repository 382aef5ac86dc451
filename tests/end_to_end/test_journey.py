"""The whole way through the real command line, as a new user goes it."""

from __future__ import annotations

import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from commands import pixelrec

from pixelrec.data.dataset import Dataset
from pixelrec.demonstration.world import World
from pixelrec.recommender import Recommender

SMALL = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--users.layers", "1"]


@pytest.fixture(scope="module")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("journey") / "shop"
    pictures = ["--covers", world.covers, "--size", 32]
    done = pixelrec("prepare", world.interactions, "--items", world.items, *pictures, "--out", out)
    assert "sparsity" in done.out and "pixelrec train" in done.out
    return out


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    out = data.parent / "run"
    done = pixelrec("train", "sasrec-id", "--data", data, "--out", out, *SMALL, "--training.epochs", 2)
    assert done.out.count("\nepoch ") == 2 and "pixelrec evaluate" in done.out
    return out


def test_a_data_set_has_all_its_parts(data: Path) -> None:
    names = {path.name for path in data.iterdir()}
    assert {"manifest.json", "users.parquet", "items.parquet", "events", "held_out", "stats.svg"} <= names
    assert (data / "covers.lmdb").exists()


def test_a_run_has_all_its_parts(run: Path) -> None:
    assert {p.name for p in run.iterdir()} >= {"recipe.yaml", "run.json", "items.parquet", "best", "last"}
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"loss", "windows_per_second", "Recall@5", "NDCG@10", "MRR@10"} <= rows[0].keys()
    assert list((run / "tensorboard").iterdir())
    assert not [p for p in run.rglob("*") if p.suffix in {".pt", ".pkl", ".bin"}]


def test_evaluation_prints_and_keeps_what_it_found(run: Path) -> None:
    done = pixelrec("evaluate", run)
    assert "sasrec-id" in done.out and "popularity" in done.out and "Recall@10" in done.out
    ranks = pl.read_parquet(run / "ranks-test.parquet")
    found = json.loads((run / "evaluation-test.json").read_text(encoding="utf-8"))["overall"]["metrics"]
    assert found["sasrec-id"]["Recall@10"] == pytest.approx(float((ranks["rank"] <= 10).mean()))
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!")
    validation = pixelrec("evaluate", run, "--split", "validation", "--no-report").out
    assert "validation" in validation


def test_validation_during_training_is_validation_afterwards(run: Path) -> None:
    pixelrec("evaluate", run, "--split", "validation", "--no-report")
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    best = max(rows, key=lambda row: row["NDCG@10"])
    found = json.loads((run / "evaluation-validation.json").read_text(encoding="utf-8"))["overall"][
        "metrics"
    ]["sasrec-id"]
    assert found == {name: best[name] for name in found}


def test_recommendations_by_user_and_by_history(run: Path, world: World) -> None:
    csv = pixelrec("recommend", run, "--user", "u1", "u2", "-k", 5, "--form", "csv").out
    lines = csv.splitlines()
    assert lines[0] == "user_id,rank,item_id,score,title" and len(lines) == 11
    taken = pl.read_csv(world.interactions).filter(pl.col("user_id") == "u1")["item_id"]
    assert not set(taken) & {line.split(",")[2] for line in lines[1:6]}
    history = taken.to_list()[-3:]
    found = json.loads(pixelrec("recommend", run, "--history", *history, "-k", 3, "--form", "json").out)
    assert [row["rank"] for row in found] == [1, 2, 3]
    assert not set(history) & {row["item_id"] for row in found}
    assert np.all(np.diff([row["score"] for row in found]) <= 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--user", "u999999"], "u999999"),
        (["--history", "nothing"], "'nothing'"),
        ([], "exactly one"),
        (["--user", "u1", "-k", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_recommended_is_said_in_a_line(run: Path, words: list[str], says: str) -> None:
    done = pixelrec("recommend", run, *words, status=2)
    assert says in done.err and len(done.err.strip().splitlines()) == 1


def test_another_data_set_is_refused(run: Path, random_dataset: Dataset) -> None:
    assert "not the data set" in pixelrec("evaluate", run, "--data", random_dataset.folder, status=2).err


def test_titles_are_text_and_not_markup(run: Path, tmp_path: Path) -> None:
    odd = tmp_path / "run"
    shutil.copytree(run, odd)
    items = pl.read_parquet(odd / "items.parquet").with_columns(title=pl.lit("[MV] a [/b]"))
    items.write_parquet(odd / "items.parquet")
    assert pixelrec("recommend", odd, "--user", "u1").out.count("[MV] a [/b]") == 10


def test_the_report_follows_the_best_checkpoint(run: Path, tmp_path: Path) -> None:
    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    pixelrec("evaluate", mine, "--no-report")
    weights = mine / "best" / "model.safetensors"
    better = Recommender.from_pretrained(mine / "best")
    with torch.no_grad():
        for parameter in better.parameters():
            parameter.add_(1)
    better.save(mine / "best")
    pixelrec("report", mine)
    result = json.loads((mine / "evaluation-test.json").read_text(encoding="utf-8"))
    assert result["weights"] == sha256(weights.read_bytes()).hexdigest()


def test_training_needs_no_test_events(data: Path, run: Path, tmp_path: Path) -> None:
    """A data set without its held-out files trains to the very same weights."""
    blind = tmp_path / "blind"
    blind.mkdir()
    for path in data.iterdir():
        if path.name != "held_out":
            (blind / path.name).symlink_to(path)
    pixelrec("train", "sasrec-id", "--data", blind, "--out", tmp_path / "run", *SMALL, "--training.epochs", 2)
    same = [p / "best" / "model.safetensors" for p in (run, tmp_path / "run")]
    assert same[0].read_bytes() == same[1].read_bytes()
    assert "held_out" in pixelrec("evaluate", tmp_path / "run", status=2).err
