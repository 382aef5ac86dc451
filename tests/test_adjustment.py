"""Scores that are freed of popularity: what is added to whom, against a softmax written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.batch import Batch, DatasetSpec
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import Shared, item_counts
from pixelrec.data.split import training_events
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender

LENGTH, ADJUST = 6, 0.7


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(LENGTH, training_events(dataset))


@pytest.fixture(scope="module")
def recommender(spec: DatasetSpec) -> Recommender:
    torch.manual_seed(0)
    return Recommender(
        {"name": "id_table", "width": 16}, {"name": "sasrec"}, {"name": "cosine"}, spec
    ).double()


def a_batch(recommender: Recommender, logit_adjustment: float) -> Batch:
    held, items = recommender.spec.history, recommender.spec.items
    assert held is not None
    reader = Reader.over(VIEWS["next_item"], held, LENGTH, Windowing())
    sampler = Shared(reader, items, drawn=60, in_batch=True, logit_adjustment=logit_adjustment)
    return next(Batcher(reader, sampler, recommender.items.load, items, Batching(5)).epoch(0))


def shares(spec: DatasetSpec) -> Tensor:
    assert spec.history is not None
    counts = item_counts(spec.history, spec.items) + 1.0
    return torch.from_numpy(counts / counts[1:].sum())


def test_it_is_the_softmax_of_scores_plus_log_frequencies(recommender: Recommender) -> None:
    recommender.eval()
    plain, adjusted = a_batch(recommender, 0.0), a_batch(recommender, ADJUST)
    assert plain.adjustment is None and plain.log_q is not None and plain.negative is not None
    assert torch.equal(plain.items.ids, adjusted.items.ids)
    found = recommender(adjusted)
    table = recommender._table(plain.items)
    vectors = recommender.scoring.users(recommender.users(table, plain.events))
    scores = vectors @ recommender.scoring.items(table).T  # M, U
    scores = scores + ADJUST * shares(recommender.spec).log()[plain.items.ids]
    targets = plain.target[plain.target != 0]
    tight = {"rtol": 1e-6, "atol": 1e-6}  # the prior is fp32
    torch.testing.assert_close(found.positive, scores.gather(1, targets[:, None])[:, 0], **tight)
    negative = scores[:, plain.negative] - plain.log_q.double()
    negative = negative.masked_fill(plain.negative == targets[:, None], -torch.inf)
    torch.testing.assert_close(found.negative[:, 0], negative.logsumexp(1), **tight)


def test_every_item_counts_once_more(spec: DatasetSpec) -> None:
    """So that the share of what nobody has taken is small, and not none."""
    assert spec.history is not None
    reader = Reader.over(VIEWS["next_item"], spec.history, LENGTH, Windowing())
    sampler = Shared(reader, spec.items, logit_adjustment=0.5)
    assert sampler.adjustment is not None
    np.testing.assert_allclose(np.exp(2 * sampler.adjustment[1:]), shares(spec)[1:])
    assert (item_counts(spec.history, spec.items)[1:] == 0).any() and np.isfinite(sampler.adjustment).all()


def test_it_moves_with_the_batch(recommender: Recommender) -> None:
    batch = a_batch(recommender, ADJUST)
    moved = replace(batch).to("meta")
    assert moved.adjustment is not None and moved.adjustment.device.type == "meta"
    assert moved.adjustment.shape == batch.target.shape


@pytest.mark.parametrize("words", [{"loss.name": "bce"}, {"negatives.correct": False}])
def test_it_is_refused_with_losses_that_ignore_it(words: dict[str, object]) -> None:
    read_recipe("sasrec-scratch", {"negatives.logit_adjustment": 0.0, **words})
    with pytest.raises(RecipeError, match="negatives.logit_adjustment is 0.5, which needs loss.name softmax"):
        read_recipe("sasrec-scratch", {"negatives.logit_adjustment": 0.5, **words})
