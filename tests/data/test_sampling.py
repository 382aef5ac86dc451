"""Negatives: what they avoid, how often they come, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.sampling import PerTarget, PopularitySampler, Shared, item_counts
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError

from .test_views import histories

RNG = np.random.default_rng


def read(view: str, *lines: list[int], length: int = 4):  # noqa: ANN201
    held = histories(*lines)
    reader = Reader.over(VIEWS[view], held, length, Windowing())
    return reader, reader.read(np.arange(len(reader)), RNG(0))


def test_window_negatives_avoid_the_window_only() -> None:
    reader, rows = read("next_item", [1, 2, 3, 4, 5, 6, 7], [8, 9])
    drawn = PerTarget(reader, 9, count=200).draw(rows, RNG(1)).items
    assert drawn is not None and drawn.shape == (*rows.target.shape, 200)
    for row in range(len(rows.target)):
        real = drawn[row][rows.target[row] != 0]
        assert set(real.ravel()) == set(range(1, 10)) - set(rows.window[row])
        assert not drawn[row][rows.target[row] == 0].any()


def test_pair_negatives_avoid_all_of_the_users_events() -> None:
    reader, rows = read("pairs", [1, 2, 3], [4, 4])
    drawn = PerTarget(reader, 6, count=100).draw(rows, RNG(1)).items
    assert drawn is not None
    for user, some in zip(rows.users, drawn, strict=True):
        assert set(some.ravel()) == ({4, 5, 6} if user == 1 else {1, 2, 3, 5, 6})


def test_a_user_who_has_seen_everything_has_no_negative() -> None:
    reader, rows = read("next_item", [1, 2, 3])
    assert not PerTarget(reader, 3, count=5).draw(rows, RNG(0)).items.any()


def test_popularity_to_a_power() -> None:
    held = histories([1] * 8 + [2], [3])
    drawn = PopularitySampler(held, 4, 0.5).draw(200_000, RNG(0))
    share = np.bincount(drawn, minlength=5) / len(drawn)
    weight = np.array([0, 8**0.5, 1, 1, 0])
    np.testing.assert_allclose(share, weight / weight.sum(), atol=0.005)


def test_items_without_events_are_drawn_or_not() -> None:
    reader, rows = read("next_item", [1, 2, 2, 2], [2, 4])
    drawn = PopularitySampler(reader.histories, 6, 0.0, interacted_only=True).draw(60_000, RNG(0))
    shares = np.bincount(drawn, minlength=7) / len(drawn)
    assert shares == pytest.approx([0, 1 / 3, 1 / 3, 0, 1 / 3, 0, 0], abs=0.01)
    all_of_them = Shared(reader, 6, drawn=300).draw(rows, RNG(0)).items
    shared = Shared(reader, 6, drawn=300, interacted_only=True).draw(rows, RNG(0))
    assert shared.items is not None and shared.log_q is not None and all_of_them is not None
    assert set(shared.items) == {1, 2, 4} and set(all_of_them) == set(range(1, 7))
    times = np.exp(-shared.log_q) * 100
    assert times.sum() == pytest.approx(300) and times == pytest.approx([100, 100, 100], abs=30)


def test_counts_exclude_events_between_histories() -> None:
    held = histories([1, 2, 3], [2, 2, 3])
    shortened = type(held)(held.items, held.times, held.starts, held.stops - np.array([0, 1, 1]))
    assert item_counts(shortened, 4).tolist() == [0, 1, 3, 0, 0]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("in_batch", [False, True])
def test_the_expected_weight_of_every_item_is_one(alpha: float, in_batch: bool) -> None:
    """Sums over negatives, each by e^-log_q, are sums over the catalogue: what the correction is for."""
    reader, _ = read("next_item", [1, 1, 1, 2, 3], [4, 5, 1])
    sampler = Shared(reader, 6, drawn=7, alpha=alpha, in_batch=in_batch)
    rng, weights, rounds = RNG(0), np.zeros(7), 4000
    for _ in range(rounds):
        rows = reader.read(np.arange(len(reader)), rng)
        drawn = sampler.draw(rows, rng)
        assert drawn.items is not None and drawn.log_q is not None
        assert len(np.unique(drawn.items)) == len(drawn.items) == len(drawn.log_q)
        weights[drawn.items] += np.exp(-drawn.log_q)
    possible = item_counts(reader.histories, 6)[1:] > 0 if alpha else np.ones(6, bool)
    np.testing.assert_allclose(weights[1:] / rounds, possible, rtol=0.05)


WINDOWINGS = [
    Windowing(overlap, leftover, rows=rows)  # type: ignore[arg-type]
    for overlap in (0, 1, 0.5)
    for leftover in ("keep", "drop")
    for rows in ("windows", "targets")
]


@pytest.mark.parametrize("windowing", WINDOWINGS, ids=str)
@pytest.mark.parametrize("view", VIEWS)
def test_targets_of_batches_come_as_often_as_expected(view: str, windowing: Windowing) -> None:
    random = RNG(3)
    lines = [random.geometric(0.2, size=random.integers(1, 25)).clip(max=20).tolist() for _ in range(40)]
    reader = Reader.over(VIEWS[view], histories(*lines), 5, windowing)
    sampler = Shared(reader, 20, drawn=0, in_batch=True)
    epochs = 60 if view == "cloze" else 1
    came, expected = np.zeros(21), np.zeros(21)
    for epoch in range(epochs):
        for batch in Batcher(reader, sampler, lambda _: {}, 20, Batching(7, threads=0)).epoch(epoch):
            items = batch.items.ids.numpy()
            targets = items[batch.target[batch.events.target_mask].numpy()]
            times = np.bincount(targets, minlength=21)
            came += times
            assert batch.negative is not None and batch.log_q is not None
            negatives = items[batch.negative.numpy()]
            probabilities = np.exp(batch.log_q.numpy()) * times[negatives] / len(targets)
            expected += len(targets) * sampler.target_probabilities
            np.testing.assert_allclose(probabilities, sampler.target_probabilities[negatives], rtol=1e-5)
    assert came.sum() > 100 * epochs
    noise = 4 * np.sqrt(expected) if view == "cloze" else 1e-6
    assert (np.abs(came - expected) <= noise).all()


def test_nothing_to_compete_with_is_refused() -> None:
    reader, _ = read("next_item", [1, 2])
    with pytest.raises(RecipeError, match="compete with nothing"):
        Shared(reader, 2, drawn=0)
