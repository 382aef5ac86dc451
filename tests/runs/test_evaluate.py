"""A run is measured beside every baseline, on the same questions."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pixelrec.baselines import BASELINES
from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases, training_events
from pixelrec.demonstration.world import World
from pixelrec.evaluation.metrics import metrics
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.evaluate import baselines, measure
from pixelrec.runs.results import Measured


@dataclass(frozen=True)
class Untrained:
    """A run whose recommender knows nothing."""

    folder: Path
    name: str
    spec: DatasetSpec
    length: int = 5

    def recommender(self, spec: DatasetSpec | None = None) -> Recommender:
        items = {"name": "id_table", "width": 8}
        return Recommender(items, {"name": "mf"}, {"name": "dot"}, spec or self.spec)

    def catalogue(self, recommender: Recommender) -> Catalogue:
        return recommender.catalogue()


@pytest.fixture
def run(dataset: Dataset, tmp_path: Path) -> Untrained:
    return Untrained(tmp_path, "mine", dataset.spec(5, training_events(dataset)))


def test_the_run_comes_first_and_every_baseline_after_it(run: Untrained, dataset: Dataset) -> None:
    told: list[str] = []
    found = measure(run, dataset, "test", told.append)
    assert list(found) == ["mine", *BASELINES]
    assert told[0] == "mine"
    assert json.loads((run.folder / "metrics-test.json").read_text(encoding="utf-8")) == found
    for name, ranks in baselines(dataset, "test").ranks.items():
        assert found[name] == metrics(ranks), name
    kept = pl.read_parquet(run.folder / "ranks-test.parquet")["rank"].to_numpy()
    assert found["mine"] == metrics(kept) and len(kept) == len(test_cases(dataset))
    measured = Measured.read(run.folder, "test")
    assert measured.model == "mine" and measured.metrics == found
    assert measured.comparison is not None and measured.comparison.verdict == "behind"
    best = max(BASELINES, key=lambda name: found[name]["NDCG@10"])
    assert measured.comparison.baseline == best
    expected = found["mine"]["NDCG@10"] - found[best]["NDCG@10"]
    assert measured.comparison.interval.difference == pytest.approx(expected)


@pytest.mark.parametrize("name", ["popularity", "EASE"])
def test_a_recipe_may_be_called_like_a_baseline(run: Untrained, dataset: Dataset, name: str) -> None:
    namesake = Untrained(run.folder, name, run.spec)
    found = measure(namesake, dataset, "validation")
    assert len(found) == 6 and f"{name} (baseline)" in found
    ranks = pl.read_parquet(run.folder / "ranks-validation.parquet")["rank"].to_numpy()
    assert found[name] == metrics(ranks)
    assert found[f"{name} (baseline)"] == metrics(baselines(dataset, "validation").ranks[name])


def test_the_order_of_users_is_the_questions(dataset: Dataset) -> None:
    cases = test_cases(dataset)
    assert all(ranks.shape == cases.users.shape for ranks in baselines(dataset, "test").ranks.values())
    assert np.all(np.diff(cases.users) > 0)


def test_training_events_of_items_are_counted_in_the_raw_data(
    run: Untrained, dataset: Dataset, world: World
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
    found = measure(run, dataset, "test")
    table = pl.read_parquet(run.folder / "ranks-test.parquet")
    assert dict(zip(table["user_id"], table["item_id"], strict=True)) == answers
    assert table["item_training_events"].to_list() == [trained[item] for item in table["item_id"]]
    few = np.array([trained[item] < 5 for item in table["item_id"]])
    assert 0 < few.sum() < len(few) and 0 in table["item_training_events"]
    part, others = Measured.read(run.folder, "test").slices
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
