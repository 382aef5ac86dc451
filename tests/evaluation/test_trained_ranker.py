"""Ranks of models that look at every candidate are those of a full sort in float64."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, test_cases, training_events
from pixelrec.data.views import latest, seen_items
from pixelrec.evaluation import trained_ranker
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.recommender import Recommender


@pytest.fixture(params=["din", "wide_deep"])
def recommender(request: pytest.FixtureRequest, dataset: Dataset) -> Recommender:
    """With every item ten times in the catalogue, but for differences that fp32 scores cannot show."""
    spec = DatasetSpec(dataset.users, dataset.items, 8, dataset.folder, training_events(dataset))
    torch.manual_seed(0)
    made = Recommender({"name": "id_table", "width": 16}, {"name": request.param}, {"name": "dot"}, spec)
    with torch.no_grad():
        rows = made.items.rows.weight  # type: ignore[union-attr]
        assert isinstance(rows, Tensor)
        rows[1:] = torch.randn(dataset.items // 10, 16).repeat(11, 1)[: dataset.items]
        rows[1:] += 1e-6 * torch.randn(dataset.items, 16)
    return made.eval()


def rank(recommender: Recommender, cases: EvaluationCases) -> np.ndarray:
    return TrainedRanker(recommender, recommender.catalogue()).rank(cases)


@torch.no_grad()
def sorted_in_float64(recommender: Recommender, cases: EvaluationCases) -> list[int]:
    exact, catalogue = deepcopy(recommender.users).double(), recommender.catalogue()
    events = Events.of_numbers(cases.users, *latest(cases.histories, cases.users, recommender.spec.length))
    vectors = recommender.vectors(catalogue, events).double()
    scores = exact.score(vectors, catalogue.candidates.double())
    own = scores.gather(1, torch.from_numpy(cases.targets)[:, None])
    beaten = scores >= own - 1e-9 * scores[:, 1:].abs().amax(dim=1, keepdim=True)
    beaten[:, 0] = False
    seen, owners = seen_items(cases.histories, cases.users)
    beaten[owners, seen] = False
    ranks = beaten.sum(dim=1)
    ranks[owners[torch.from_numpy(cases.targets)[owners] == seen]] = recommender.spec.items
    return ranks.tolist()


@pytest.mark.parametrize("pairs", [7, 4096])
def test_ranks_are_those_of_a_full_sort_in_float64(
    recommender: Recommender, dataset: Dataset, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained_ranker, "_PAIRS", pairs)
    cases = test_cases(dataset)
    assert rank(recommender, cases).tolist() == sorted_in_float64(recommender, cases)


def test_whole_rows_are_scored_again_where_all_items_are_alike(
    recommender: Recommender, dataset: Dataset
) -> None:
    with torch.no_grad():
        rows = recommender.items.rows.weight  # type: ignore[union-attr]
        assert isinstance(rows, Tensor)
        rows[1:] = rows[1] + 1e-6 * torch.randn(dataset.items, 16)
    cases = test_cases(dataset)
    found = rank(recommender, cases)
    assert found.tolist() == sorted_in_float64(recommender, cases)
    assert len(np.unique(found)) > 20
