"""Negatives: what they avoid, how often they come, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.data.sampling import PerTarget, Popularity, Shared, item_counts
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError

from .test_views import histories

RNG = np.random.default_rng


def read(view: str, *lines: list[int], length: int = 4):  # noqa: ANN201
    held = histories(*lines)
    reader = Reader.over(VIEWS[view], held, length, Windowing())
    return held, reader.read(np.arange(len(reader)), RNG(0))


def test_window_negatives_avoid_the_window_only() -> None:
    held, rows = read("next_item", [1, 2, 3, 4, 5, 6, 7], [8, 9])
    drawn = PerTarget(held, 9, "window", count=200).draw(rows, RNG(1)).items
    assert drawn is not None and drawn.shape == (*rows.target.shape, 200)
    for row in range(len(rows.target)):
        real = drawn[row][rows.target[row] != 0]
        assert set(real.ravel()) == set(range(1, 10)) - set(rows.window[row])
        assert not drawn[row][rows.target[row] == 0].any()


def test_pair_negatives_avoid_all_of_the_users_events() -> None:
    held, rows = read("pairs", [1, 2, 3], [4, 4])
    drawn = PerTarget(held, 6, "history", count=100).draw(rows, RNG(1)).items
    assert drawn is not None
    for user, some in zip(rows.users, drawn, strict=True):
        assert set(some.ravel()) == ({4, 5, 6} if user == 1 else {1, 2, 3, 5, 6})


def test_a_user_who_has_seen_everything_has_no_negative() -> None:
    held, rows = read("next_item", [1, 2, 3])
    assert not PerTarget(held, 3, "window", count=5).draw(rows, RNG(0)).items.any()


def test_popularity_to_a_power() -> None:
    held = histories([1] * 8 + [2], [3])
    drawn = Popularity(held, 4, 0.5).draw(200_000, RNG(0))
    share = np.bincount(drawn, minlength=5) / len(drawn)
    weight = np.array([0, 8**0.5, 1, 1, 0])
    np.testing.assert_allclose(share, weight / weight.sum(), atol=0.005)


def test_what_nobody_has_taken_is_drawn_or_not() -> None:
    held = histories([1, 2, 2, 2], [2, 4])
    drawn = Popularity(held, 6, 0.0, interacted_only=True).draw(60_000, RNG(0))
    shares = np.bincount(drawn, minlength=7) / len(drawn)
    assert shares == pytest.approx([0, 1 / 3, 1 / 3, 0, 1 / 3, 0, 0], abs=0.01)
    _, rows = read("next_item", [1, 2, 2, 2], [2, 4])
    all_of_them = Shared(held, 6, "window", drawn=300).draw(rows, RNG(0)).items
    shared = Shared(held, 6, "window", drawn=300, interacted_only=True).draw(rows, RNG(0))
    assert shared.items is not None and shared.log_q is not None and all_of_them is not None
    assert set(shared.items) == {1, 2, 4} and set(all_of_them) == set(range(1, 7))
    times = np.exp(-shared.log_q) * 100
    assert times.sum() == pytest.approx(300) and times == pytest.approx([100, 100, 100], abs=30)


def test_counts_leave_out_what_lies_between_histories() -> None:
    held = histories([1, 2, 3], [2, 2, 3])
    shortened = type(held)(held.items, held.times, held.starts, held.stops - np.array([0, 1, 1]))
    assert item_counts(shortened, 4).tolist() == [0, 1, 3, 0, 0]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("in_batch", [False, True])
def test_on_average_every_item_has_the_weight_of_one(alpha: float, in_batch: bool) -> None:
    """Sums over negatives, each by e^-log_q, are sums over the catalogue: what the correction is for."""
    held, _ = read("next_item", [1, 1, 1, 2, 3], [4, 5, 1])
    reader = Reader.over(VIEWS["next_item"], held, 4, Windowing())
    sampler = Shared(held, 6, "window", drawn=7, alpha=alpha, in_batch=in_batch)
    rng, weights, rounds = RNG(0), np.zeros(7), 4000
    for _ in range(rounds):
        rows = reader.read(np.arange(len(reader)), rng)
        drawn = sampler.draw(rows, rng)
        assert drawn.items is not None and drawn.log_q is not None
        assert len(np.unique(drawn.items)) == len(drawn.items) == len(drawn.log_q)
        weights[drawn.items] += np.exp(-drawn.log_q)
    popularity = item_counts(held, 6) / 8
    chance = popularity if alpha else np.full(7, 1 / 6)
    came, expected = 7 * chance, 7 * chance
    if in_batch:  # the targets of this tiny batch are always the same, and expected like events
        came = came + np.bincount(rows.target[rows.target != 0], minlength=7)
        expected = expected + 6 * popularity
    some = expected > 0
    some[0] = False
    assert some.sum() == (5 if alpha else 6)
    np.testing.assert_allclose(weights[some] / rounds, came[some] / expected[some], rtol=0.05)


def test_nothing_to_compete_with_is_refused() -> None:
    held = histories([1, 2])
    with pytest.raises(RecipeError, match="compete with nothing"):
        Shared(held, 2, "window", drawn=0)
    with pytest.raises(RecipeError, match="at least 1"):
        PerTarget(held, 2, "window", count=0)
