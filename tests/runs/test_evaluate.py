"""A run is evaluated beside every baseline on the same cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec.baselines import BASELINES
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases, training_events
from pixelrec.demonstration.world import World
from pixelrec.evaluation.metrics import metrics
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.evaluate import baselines, evaluate_run
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import Run


def untrained(folder: Path, name: str, dataset: Dataset) -> Run:
    """A run whose best checkpoint is random."""
    recipe = read_recipe("mf-id", {"items.width": 8, "length": 5})
    run = Run.create(folder, replace(recipe, name=name), dataset)
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
