"""What every user model over every item encoder keeps; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.batch import Batch, Events, Facts
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.batcher import Batcher
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.split import training_events
from pixelrec.data.views import VIEWS, Reader, Windowing, latest
from pixelrec.items import ITEM_ENCODERS
from pixelrec.recommender import Recommender, latest_events
from pixelrec.users import USER_MODELS

LENGTH = 8
PAIRS = [(items, users) for items in ITEM_ENCODERS for users in USER_MODELS]
over_all_pairs = pytest.mark.parametrize(("items", "users"), PAIRS)


def build(dataset: Dataset, items: str, users: str, scoring: str = "dot") -> Recommender:
    facts = Facts(dataset.users, dataset.items, LENGTH, dataset.folder, training_events(dataset))
    made = (
        Recommender({"name": items, "width": 16}, {"name": users}, {"name": scoring}, facts).double().eval()
    )
    with torch.no_grad():  # far from the small start, so that a difference shows
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.mul_(20)
    return made


def one_batch(made: Recommender, negatives: str = "per_target") -> Batch:
    held = made.facts.history
    assert held is not None
    view = VIEWS[made.users.view]
    reader = Reader.over(view, held, LENGTH, Windowing())
    sampler = NEGATIVES[negatives](held, made.facts.items, view.avoids)  # type: ignore[call-arg]
    items = made.facts.items
    return next(
        Batcher(reader, sampler, made.items.load, items, made.users.needs_catalogue, batch_size=32).epoch(0)
    )


def events_of(dataset: Dataset, users: np.ndarray, length: int = LENGTH) -> Events:
    held = training_events(dataset)
    return latest_events(users, *latest(held, users, length))


@over_all_pairs
@pytest.mark.parametrize("scoring", list(SCORINGS))
def test_table_of_the_batch_is_the_table_of_the_catalogue(
    dataset: Dataset, items: str, users: str, scoring: str
) -> None:
    made = build(dataset, items, users, scoring)
    batch = one_batch(made)
    ids = batch.items.ids
    everything = torch.arange(dataset.items + 1)
    whole = Batch(
        items=made._items(everything),
        events=replace(batch.events, history=ids[batch.events.history]),
        target=ids[batch.target],
        negative=ids[batch.negative],
    )
    few, all_items = made(batch), made(whole)
    assert len(few.positive) > 20
    torch.testing.assert_close(few.positive, all_items.positive, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(few.negative, all_items.negative, rtol=1e-9, atol=1e-9)


@over_all_pairs
def test_padding_on_the_left_changes_nothing(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    some = np.flatnonzero(np.diff(dataset.offsets) > 4)[:20]
    short = events_of(dataset, some, 3)
    padded = events_of(dataset, some, LENGTH)
    history = torch.where(torch.arange(LENGTH) < LENGTH - 3, 0, padded.history)
    padded = replace(padded, history=history, times=torch.where(history == 0, 0, padded.times))
    table = made.catalogue(chunk=50).table.double()
    with torch.no_grad():
        torch.testing.assert_close(made.users(table, short)[:, -1], made.users(table, padded)[:, -1])


@over_all_pairs
def test_a_vector_knows_only_what_came_before(dataset: Dataset, items: str, users: str) -> None:
    if USER_MODELS[users].view != "next_item":
        pytest.skip("this view has no vector before the last event")
    made = build(dataset, items, users)
    now = events_of(dataset, np.flatnonzero(np.diff(dataset.offsets) > LENGTH)[:20])
    later = replace(now, history=now.history.clone())
    later.history[:, 5:] = later.history[:, 5:] % dataset.items + 1
    table = made.catalogue().table.double()
    with torch.no_grad():
        a, b = made.users(table, now), made.users(table, later)
    torch.testing.assert_close(a[:, :5], b[:, :5])
    assert not torch.allclose(a[:, 5:], b[:, 5:])


@over_all_pairs
def test_the_training_scores_are_the_scores_that_rank(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    batch = one_batch(made)
    ids, last = batch.items.ids, batch.target[:, -1] != 0
    catalogue = made.catalogue()
    events = replace(batch.events, history=ids[batch.events.history])
    vectors = made.vectors(catalogue, events)[last]
    expected = (vectors * catalogue.candidates[ids[batch.target[:, -1]]][last]).sum(1)
    flat = (batch.target != 0).flatten().cumsum(0).view_as(batch.target)[:, -1][last] - 1
    with torch.no_grad():
        torch.testing.assert_close(made(batch).positive[flat].float(), expected, rtol=1e-4, atol=1e-4)


@over_all_pairs
@pytest.mark.parametrize("scoring", list(SCORINGS))
def test_saved_and_loaded_is_the_same(
    dataset: Dataset, items: str, users: str, scoring: str, tmp_path: Path
) -> None:
    made = build(dataset, items, users, scoring).float()
    made.save(tmp_path / "saved")
    loaded = Recommender.from_pretrained(tmp_path / "saved", data=made.facts)
    events = events_of(dataset, np.arange(1, 30))
    assert torch.equal(
        made.vectors(made.catalogue(), events), loaded.vectors(loaded.catalogue(chunk=7), events)
    ) or torch.allclose(
        made.vectors(made.catalogue(), events), loaded.vectors(loaded.catalogue(chunk=7), events)
    )
    assert all(torch.equal(v, loaded.state_dict()[k]) for k, v in made.state_dict().items())


@over_all_pairs
@pytest.mark.parametrize("negatives", list(NEGATIVES))
def test_gradients_reach_everything_but_padding(
    dataset: Dataset, items: str, users: str, negatives: str
) -> None:
    made = build(dataset, items, users)
    scores = made(one_batch(made, negatives))
    (scores.positive.sum() - scores.negative[scores.negative.isfinite()].sum()).backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        if name.endswith("rows.weight"):
            assert not parameter.grad[0].any(), f"{name}: padding is trained"


@over_all_pairs
@pytest.mark.parametrize("negatives", list(NEGATIVES))
def test_scores_stay_in_full_precision(dataset: Dataset, items: str, users: str, negatives: str) -> None:
    made = build(dataset, items, users).float()
    batch = one_batch(made, negatives)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = made(batch)
    assert scores.positive.dtype == scores.negative.dtype == torch.float32
    assert (scores.positive.bfloat16().float() != scores.positive).any(), "they were rounded before"


@over_all_pairs
def test_a_target_never_competes_with_itself(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    batch = one_batch(made, "shared")
    targets = batch.target[batch.target != 0]
    assert batch.negative is not None
    itself = batch.negative == targets[:, None]
    assert itself.any(), "no accident to be seen"
    negative = made(batch).negative
    assert (negative[itself] == -torch.inf).all() and negative[~itself].isfinite().all()


@over_all_pairs
def test_the_whole_catalogue_competes_as_one_negative(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    scores = made(one_batch(made, "catalogue"))
    shared = replace(one_batch(made, "catalogue"), negative=torch.arange(1, dataset.items + 1))
    torch.testing.assert_close(scores.negative[:, 0], made(shared).negative.logsumexp(1))
