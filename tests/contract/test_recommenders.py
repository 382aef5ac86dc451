"""What every user model over every item encoder keeps; a new one is tested by being registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.batch import Batch, Events, Items
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
CHOICES = {
    "joined": {"parts": {"normal": {"name": "id_table"}, "uniform": {"name": "id_table", "init": "uniform"}}},
    "pixels": {
        "family": "resnet",
        "pretrained": False,
        "sizes": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        "trainable": "all",
    },
}
PAIRS = [(items, users) for items in ITEM_ENCODERS for users in USER_MODELS]
over_all_pairs = pytest.mark.parametrize(("items", "users"), PAIRS)


def build(dataset: Dataset, items: str, users: str, scoring: str = "dot") -> Recommender:
    spec = dataset.spec(LENGTH, training_events(dataset))
    chosen = {"name": items, "width": 16, **CHOICES.get(items, {})}
    made = Recommender(chosen, {"name": users}, {"name": scoring}, spec).double().eval()
    with torch.no_grad():  # far from the small start, so that a difference shows
        for name, parameter in made.named_parameters():
            if parameter.dim() > 1 and "backbone" not in name:  # pictures differ as they are
                parameter.mul_(20 if "project" not in name else 3)
    return made


def one_batch(made: Recommender, negatives: str = "per_target") -> Batch:
    held = made.spec.history
    assert held is not None
    view = VIEWS[made.users.view]
    reader = Reader.over(view, held, LENGTH, Windowing())
    sampler = NEGATIVES[negatives](reader, made.spec.items)  # type: ignore[call-arg]
    items = made.spec.items
    return next(
        Batcher(reader, sampler, made.items.load, items, made.users.needs_catalogue, batch_size=32).epoch(0)
    )


def events_of(dataset: Dataset, users: np.ndarray, length: int = LENGTH) -> Events:
    held = training_events(dataset)
    return latest_events(users, *latest(held, users, length))


def with_scorings(users: str) -> list[str]:
    """A model that looks at candidates scores them itself."""
    return ["dot"] if USER_MODELS[users].looks_at_candidates else list(SCORINGS)


over_all_scorings = pytest.mark.parametrize(
    ("items", "users", "scoring"), [(i, u, s) for i, u in PAIRS for s in with_scorings(u)]
)


@over_all_scorings
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
        torch.testing.assert_close(made.users(table, short), made.users(table, padded))


@over_all_pairs
def test_a_vector_knows_what_its_view_shows(dataset: Dataset, items: str, users: str) -> None:
    """Change an event: only vectors that may know of it change, and those do."""
    view = USER_MODELS[users].view
    if view == "pairs":
        pytest.skip("no event is looked at")
    made = build(dataset, items, users)
    width = LENGTH if view == "next_item" else LENGTH + 1
    some = np.flatnonzero(np.diff(dataset.offsets) > width)[:20]
    now = events_of(dataset, some, width)
    place = torch.arange(width)
    changed = 4 if view == "cloze" else 5
    target_mask = (place >= 2) & ((place % 2 == 1) | (view != "cloze"))
    history = now.history.masked_fill(target_mask, 0) if view == "cloze" else now.history
    now = replace(now, history=history, target_mask=target_mask.expand_as(history).clone())
    later = replace(now, history=history.clone())
    later.history[:, changed] = later.history[:, changed] % dataset.items + 1
    table = made.catalogue().table.double()
    with torch.no_grad():
        difference = (made.users(table, now) - made.users(table, later)).flatten(1).abs().amax(1)
    difference = difference.view(len(some), -1)
    knows = {"next_item": place >= changed, "rest_of_window": place != changed, "cloze": place >= 0}[view]
    assert (difference[:, knows[target_mask]] > 1e-9).all()
    assert not difference[:, ~knows[target_mask]].any() or difference[:, ~knows[target_mask]].max() < 1e-9


@over_all_pairs
def test_of_a_longer_history_the_latest_events_count(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    some = np.flatnonzero(np.diff(dataset.offsets) > LENGTH + 4)[:20]
    catalogue = made.catalogue()
    vectors = [made.vectors(catalogue, events_of(dataset, some, LENGTH + more)) for more in (0, 4)]
    assert len(some) > 5 and vectors[0].abs().amax() > 0
    torch.testing.assert_close(*vectors)


@over_all_pairs
def test_of_no_event_nothing_is_known(dataset: Dataset, items: str, users: str) -> None:
    """Only what is said of anybody stands there: the same for all."""
    made = build(dataset, items, users)
    if USER_MODELS[users].needs_known_user:
        pytest.skip("it knows users, not histories")
    catalogue, nothing = made.catalogue(), torch.zeros(2, LENGTH, dtype=torch.int64)
    vectors = made.vectors(catalogue, Events(torch.tensor([0, 1]), nothing, nothing))
    assert torch.isfinite(vectors).all() and torch.equal(vectors[0], vectors[1])
    assert users == "bert4rec" or not vectors.any()


@over_all_pairs
def test_the_training_scores_are_the_scores_that_rank(dataset: Dataset, items: str, users: str) -> None:
    """What follows L events, asked as training asks and as evaluation does."""
    made = build(dataset, items, users)
    batch, events, target = what_follows(dataset, USER_MODELS[users].view)
    batch = replace(batch, items=made._items(batch.items.ids))
    catalogue = made.catalogue()
    scores = made.scores(catalogue, made.vectors(catalogue, events))
    expected = scores.gather(1, target[:, None])[:, 0]
    with torch.no_grad():
        torch.testing.assert_close(made(batch).positive, expected, rtol=1e-4, atol=1e-4)


def what_follows(dataset: Dataset, view: str) -> tuple[Batch, Events, torch.Tensor]:
    """The event after L others: as a training batch, and as evaluation's events and target."""
    some = np.flatnonzero(np.diff(dataset.offsets) > LENGTH + 4)[:20]
    line = events_of(dataset, some, LENGTH + 1)
    before = Events(line.users, line.history[:, :-1], line.times[:, :-1])
    target = line.history[:, -1]
    last = torch.arange(LENGTH + 1) == LENGTH
    as_trained = {
        "pairs": (line.history[:, :0], torch.ones(1, dtype=torch.bool)),
        "next_item": (before.history, last[1:]),
        "rest_of_window": (line.history, last),
        "cloze": (line.history.masked_fill(last, 0), last),
    }
    history, target_mask = as_trained[view]
    target_mask = target_mask.expand(len(target), -1).clone()
    events = Events(line.users, history, line.times[:, : history.shape[1]], target_mask)
    targets = torch.where(target_mask, target[:, None], 0)
    everything = Items(torch.arange(dataset.items + 1), {})
    return Batch(everything, events, targets, torch.ones(1, dtype=torch.int64)), before, target


@over_all_scorings
def test_saved_and_loaded_is_the_same(
    dataset: Dataset, items: str, users: str, scoring: str, tmp_path: Path
) -> None:
    made = build(dataset, items, users, scoring).float()
    made.save(tmp_path / "saved")
    loaded = Recommender.from_pretrained(tmp_path / "saved", data=made.spec)
    events = events_of(dataset, np.arange(1, 30))
    assert torch.equal(made.vectors(made.catalogue(), events), loaded.vectors(loaded.catalogue(), events))
    chunks = loaded.catalogue(chunk=7)
    torch.testing.assert_close(chunks.table, made.catalogue().table, rtol=1e-4, atol=1e-4)
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
    batch = replace(one_batch(made, "shared"), log_q=None)
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


@over_all_pairs
def test_a_corrected_sample_competes_as_one_negative(dataset: Dataset, items: str, users: str) -> None:
    made = build(dataset, items, users)
    batch = one_batch(made, "shared")
    assert batch.log_q is not None
    found = made(batch).negative.logsumexp(1)
    plain = made(replace(batch, log_q=None)).negative - batch.log_q
    torch.testing.assert_close(found, plain.logsumexp(1))
