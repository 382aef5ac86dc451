"""A run is evaluated beside every baseline on the same cases."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
import torch

from pixelrec.baselines import BASELINES
from pixelrec.choices import Split
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.split import test_cases, training_events
from pixelrec.demonstration.world import World
from pixelrec.errors import RunError
from pixelrec.evaluation.metrics import metrics
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs import results
from pixelrec.runs.evaluate import baselines, evaluate_run
from pixelrec.runs.new_run import create_run
from pixelrec.runs.report import write_run_report
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import Run
from pixelrec.runs.saved_ranks import SavedRanks


def untrained(folder: Path, name: str, dataset: Dataset) -> Run:
    """A run whose best checkpoint is random."""
    recipe = read_recipe("mf-id", {"items.width": 8, "length": 5})
    run = create_run(folder, replace(recipe, name=name), dataset)
    build_recommender(recipe, dataset.spec(5, training_events(dataset))).save(folder / "best")
    return run


@pytest.fixture
def run(dataset: Dataset, tmp_path: Path) -> Run:
    return untrained(tmp_path / "run", "mine", dataset)


def test_the_run_comes_first_and_every_baseline_after_it(run: Run, dataset: Dataset) -> None:
    started: list[str] = []
    result = evaluate_run(run, dataset, "test", started.append)
    found = result.metrics
    assert list(found) == ["mine", *BASELINES]
    assert started[0] == "ranking by mine"
    assert EvaluationResult.read(run.folder, "test") == result
    assert result.weights == sha256((run.folder / "best" / "model.safetensors").read_bytes()).hexdigest()
    for name, ranks in baselines(dataset, "test").ranks.items():
        assert found[name] == metrics(ranks), name
    kept = pl.read_parquet(run.folder / "ranks-test.parquet")["rank"].to_numpy()
    assert found["mine"] == metrics(kept) and len(kept) == len(test_cases(dataset))
    measured = EvaluationResult.read(run.folder, "test")
    assert measured.model == "mine" and measured.metrics == found
    assert measured.comparison is not None and measured.comparison.verdict == "behind"
    best = max(BASELINES, key=lambda name: found[name]["NDCG@10"])
    assert measured.comparison.baseline == best
    expected = found["mine"]["NDCG@10"] - found[best]["NDCG@10"]
    assert measured.comparison.interval.difference == pytest.approx(expected)


@pytest.mark.parametrize("name", ["popularity", "EASE"])
def test_a_recipe_may_have_the_name_of_a_baseline(dataset: Dataset, tmp_path: Path, name: str) -> None:
    run = untrained(tmp_path / "run", name, dataset)
    found = evaluate_run(run, dataset, "validation").metrics
    assert len(found) == 6 and f"{name} (baseline)" in found
    ranks = pl.read_parquet(run.folder / "ranks-validation.parquet")["rank"].to_numpy()
    assert found[name] == metrics(ranks)
    assert found[f"{name} (baseline)"] == metrics(baselines(dataset, "validation").ranks[name])


def test_ranks_are_in_the_order_of_the_cases(dataset: Dataset) -> None:
    cases = test_cases(dataset)
    assert all(ranks.shape == cases.users.shape for ranks in baselines(dataset, "test").ranks.values())
    assert np.all(np.diff(cases.users) > 0)


def test_training_events_of_items_are_counted_in_the_raw_data(
    run: Run, dataset: Dataset, world: World
) -> None:
    """Against the interactions themselves: the last two events of whoever has three do not train."""
    trained: Counter[str] = Counter()
    answers: dict[str, str] = {}
    events = pl.read_csv(world.interactions).sort("timestamp", maintain_order=True)
    for (user,), taken in events.group_by(["user_id"], maintain_order=True):
        items = taken["item_id"].to_list()
        if len(items) >= 3:
            answers[user] = items[-1]
        trained.update(items[:-2] if len(items) >= 3 else items)
    found = evaluate_run(run, dataset, "test").metrics
    table = pl.read_parquet(run.folder / "ranks-test.parquet")
    assert dict(zip(table["user_id"], table["item_id"], strict=True)) == answers
    assert table["item_training_events"].to_list() == [trained[item] for item in table["item_id"]]
    few = np.array([trained[item] < 5 for item in table["item_id"]])
    assert 0 < few.sum() < len(few) and 0 in table["item_training_events"]
    part, new, others = EvaluationResult.read(run.folder, "test").slices
    assert new.cases == sum(trained[item] == 0 for item in table["item_id"])
    assert (part.cases, others.cases) == (few.sum(), (~few).sum())
    everyone = {"mine": table["rank"].to_numpy(), **baselines(dataset, "test").ranks}
    assert list(part.metrics) == list(everyone) == list(found)
    for name, ranks in everyone.items():
        gain = np.where(ranks <= 10, 1 / np.log2(ranks + 1.0), 0)
        assert part.metrics[name]["NDCG@10"] == pytest.approx(gain[few].mean(), rel=1e-12)
        assert others.metrics[name]["NDCG@10"] == pytest.approx(gain[~few].mean(), rel=1e-12)
    assert part.comparison is not None
    best = max(BASELINES, key=lambda name: part.metrics[name]["NDCG@10"])
    assert part.comparison.baseline == best
    difference = part.metrics["mine"]["NDCG@10"] - part.metrics[best]["NDCG@10"]
    assert part.comparison.interval.difference == pytest.approx(difference)


def prepared(folder: Path, lines: dict[str, str]) -> Dataset:
    """A data set of these histories, an event a second."""
    rows = [f"{item},{user},{time}" for user, line in lines.items() for time, item in enumerate(line.split())]
    (folder / "log.csv").write_text("item_id,user_id,timestamp\n" + "\n".join(rows), encoding="utf-8")
    return prepare(folder / "log.csv", out=folder / "data")


def test_users_with_a_repeated_target_are_counted_and_left_out(tmp_path: Path) -> None:
    """By the run, all baselines and validation; their test event is the first of their history."""
    new = {f"n{n}": " ".join(f"i{(n * step) % 37}" for step in (1, 2, 3, 5)) for n in range(1, 31)}
    repeated = {f"r{n}": f"i{n} i{n + 1} i{n + 2} i{n}" for n in range(10)}
    data = prepared(tmp_path, {**new, **repeated})
    run = untrained(tmp_path / "run", "mine", data)
    for split, repeats in (("test", 10), ("validation", 0)):
        found = evaluate_run(run, data, cast("Split", split))
        kept = SavedRanks.read(run.folder, split).table
        assert found.repeats == repeats and found.overall.cases == len(kept) == 40 - repeats
        assert {user[0] for user in kept["user_id"]} == ({"n"} if repeats else {"n", "r"})
        by_baseline = baselines(data, cast("Split", split)).ranks
        assert {len(ranks) for ranks in by_baseline.values()} == {40 - repeats}
        for name, ranks in by_baseline.items():
            assert found.metrics[name] == metrics(ranks)
        assert found.repeats_note.startswith(f"{repeats} of 40 users") == (repeats > 0)
    page = write_run_report(run, data, "test").read_text(encoding="utf-8")
    assert "10 of 40 users are left out: their test event repeats an item of their history" in page


def test_without_a_case_that_is_new_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event twice, the second time a second later: each test event repeats the one before it."""
    data = prepared(tmp_path, {f"u{n}": f"i{n} i{n} i{n + 1} i{n + 1} i{n + 2} i{n + 2}" for n in range(5)})
    run = untrained(tmp_path / "run", "mine", data)
    assert evaluate_run(run, data, "validation").overall.cases == 5
    assert main(["evaluate", str(run.folder)]) == 2
    said = capsys.readouterr().err
    assert "the test event of every user repeats an item" in said and said.count("\n") == 1
    again = tmp_path / "validation"
    again.mkdir()
    data = prepared(again, {f"u{n}": f"i{n} i{n} i{n} i{n + 1}" for n in range(5)})
    assert main(["train", "mf-id", "--data", str(data.folder), "--out", str(again / "run")]) == 2
    said = capsys.readouterr().err
    assert "the validation event of every user repeats" in said and not (again / "run").exists()


def test_the_folder_is_checked_before_anything_is_ranked(
    run: Run, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may write everywhere; so the refusal is simulated."""

    def refused(dir: Path) -> None:  # noqa: ARG001
        raise PermissionError(13, "Permission denied")

    started: list[str] = []
    with (
        monkeypatch.context() as patch,
        pytest.raises(RunError, match=r"cannot be written: Perm.*--out FOLD"),
    ):
        patch.setattr(results, "TemporaryFile", refused)
        evaluate_run(run, dataset, "test", started.append)
    assert not started
    before = sorted(run.folder.rglob("*"))
    out = tmp_path / "some" / "where"
    assert main(["evaluate", str(run.folder), "--out", str(out)]) == 0
    assert sorted(run.folder.rglob("*")) == before
    assert {path.name for path in out.iterdir()} == {
        "evaluation-test.json",
        "ranks-test.parquet",
        "report.html",
    }
    (tmp_path / "file").touch()
    assert main(["evaluate", str(run.folder), "--out", str(tmp_path / "file")]) == 2


def test_item_vectors_that_are_almost_identical_are_told(
    run: Run, dataset: Dataset, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert evaluate_run(run, dataset, "test").warning is None
    recommender = run.recommender(dataset)
    with torch.no_grad():
        rows = recommender.items.rows.weight
        rows[1:] = torch.ones(rows.shape[1]) + 1e-4 * torch.randn_like(rows[1:])
    shutil.rmtree(run.folder / "best")
    recommender.save(run.folder / "best")
    assert main(["evaluate", str(run.folder)]) == 0
    assert "item vectors are almost identical (they differ by 0.01 % of" in words_of(capsys)
    monkeypatch.setattr("pixelrec.recommender.ALIKE", 100)
    options = ["--items.width", "8", "--length", "5", "--training.epochs", "3"]
    start = ["train", "mf-id", "--data", str(dataset.folder), "--out", str(run.folder.with_name("other"))]
    assert main([*start, *options]) == 0
    assert words_of(capsys).count("so ranks are arbitrary") == 2, "after the first and the last epoch"


def words_of(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())
