"""A model that looks at candidates, made to be a dot product: all ways through the recommender must agree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pixelrec import recommender as module
from pixelrec.batch import DatasetSpec, Events
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.split import training_events
from pixelrec.data.views import VIEWS, Reader, Windowing, latest, seen_items
from pixelrec.evaluation import trained_ranker
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.recommender import Recommender
from pixelrec.runs.evaluate import cases_of
from pixelrec.training.losses import softmax
from pixelrec.users.wide_deep import WideDeep

DOT = {"name": "dot"}


def twins(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> tuple[Recommender, Recommender]:
    """Wide & Deep whose deep part is silent and whose crosses are i = j is DSSM, which is a dot product."""
    monkeypatch.setattr(module, "CANDIDATES", 50)  # more than one part of the 120 items
    spec = DatasetSpec(dataset.users, dataset.items, 8, dataset.folder, training_events(dataset))
    items = {"name": "id_table", "width": 16}
    looking = Recommender(items, {"name": "wide_deep"}, DOT, spec)
    plain = Recommender(items, {"name": "dssm"}, DOT, spec)
    assert isinstance(looking.users, WideDeep)
    with torch.no_grad():
        looking.items.load_state_dict(plain.items.state_dict())
        for parameter in looking.users.parameters():
            parameter.zero_()
        looking.users.cross.copy_(torch.eye(16))
    return looking, plain


def test_catalogue_scores_ranks_and_recommendations(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking, plain = twins(dataset, monkeypatch)
    monkeypatch.setattr(trained_ranker, "FEW_USERS", 30)
    cases = cases_of(dataset, "validation")
    ours, theirs = (TrainedRanker(made, made.catalogue()).rank(cases) for made in (looking, plain))
    assert (ours == theirs).mean() > 0.99, "but for what rounding decides"
    assert np.abs(ours - theirs).max() <= 1
    users = np.arange(1, 40)
    held = training_events(dataset)
    events = Events.of_numbers(users, *latest(held, users, 8))
    found = [
        made.recommend(made.catalogue(), events, *seen_items(held, users), 7) for made in (looking, plain)
    ]
    torch.testing.assert_close(found[0][0], found[1][0])
    assert (found[0][1] == found[1][1]).float().mean() > 0.99
    scores = looking.scores(looking.catalogue(), looking.vectors(looking.catalogue(), events))
    assert scores.shape == (39, dataset.items + 1)
    torch.testing.assert_close(
        scores, plain.scores(plain.catalogue(), plain.vectors(plain.catalogue(), events))
    )


@pytest.mark.parametrize("negatives", list(NEGATIVES))
def test_training_scores_and_gradients(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, negatives: str
) -> None:
    looking, plain = (made.double() for made in twins(dataset, monkeypatch))
    held = training_events(dataset)
    reader = Reader.over(VIEWS["rest_of_window"], held, 8, Windowing())
    sampler = NEGATIVES[negatives](reader, dataset.items)  # type: ignore[call-arg]
    batch = next(Batcher(reader, sampler, plain.items.load, dataset.items, Batching(16)).epoch(0))
    batch = replace(batch, log_q=None if batch.log_q is None else batch.log_q.double())
    ours, theirs = looking(batch), plain(batch)
    torch.testing.assert_close(ours.positive, theirs.positive)
    # Negatives one by one, or one log-sum-exp of all.
    torch.testing.assert_close(ours.negative.logsumexp(1), theirs.negative.logsumexp(1))
    gradients = []
    for made, scores in ((looking, ours), (plain, theirs)):
        softmax(scores).backward()
        gradients.append(made.items.rows.weight.grad)  # type: ignore[union-attr]
    torch.testing.assert_close(*gradients)
