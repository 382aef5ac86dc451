"""Every baseline against a plain reading of its definition, in loops and float64."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

import numpy as np
import pytest
from baselines.pasts import Past, drawn_past, histories_of

from pixelrec.baselines import item_knn
from pixelrec.baselines.baseline import RandomOrder
from pixelrec.baselines.ease import EASE
from pixelrec.baselines.item_knn import ItemKNN
from pixelrec.baselines.popularity import Popularity, RecentPopularity

N = 12
SHOWN = drawn_past(seed=5)  # what is known of users at evaluation, other than the fitted events
ASKED = np.array([7, 1, 3, 2, 40, 7])


def every_score(
    score: Callable[[list[tuple[int, int]], int], float], users: np.ndarray = ASKED
) -> np.ndarray:
    """Items 1 … N for each user, one by one."""
    return np.array([[score(SHOWN[user], item) for item in range(1, N + 1)] for user in users])


def moments(events: list[tuple[int, int]]) -> list[int]:
    times = sorted({time for _, time in events})
    return [times.index(time) for _, time in events]


def test_popularity_counts_every_event(past: Past) -> None:
    found = Popularity.fit(histories_of(past), N).scores(histories_of(SHOWN), ASKED)
    taken = [item for events in past for item, _ in events]
    np.testing.assert_array_equal(found[:, 1:], every_score(lambda _, item: taken.count(item)))


@pytest.mark.parametrize("window", [0.001, 0.1, 0.5, 1.0])
def test_recent_popularity_counts_the_latest_events_before_the_users_own(past: Past, window: float) -> None:
    line = sorted((event for events in past for event in events), key=lambda event: event[1])
    events = max(1, round(window * len(line)))
    most = max(sum(item == other for other, _ in line) for item in range(1, N + 1))

    def score(shown: list[tuple[int, int]], item: int) -> float:
        now = shown[-1][1] if shown else inf
        known = [other for other, time in line if time <= now]
        return known[-events:].count(item) + [other for other, _ in line].count(item) / (most + 1)

    found = RecentPopularity.fit(histories_of(past), N, window=window)
    np.testing.assert_allclose(
        found.scores(histories_of(SHOWN), ASKED)[:, 1:], every_score(score), rtol=1e-12
    )


def similarities(past: Past, reach: float, shrinkage: float) -> np.ndarray:
    """N + 1, N + 1, by the definition: weights of users of both, less with the moments between."""
    lengths = [len({item for item, _ in events}) for events in past]
    scale = sum(lengths) / sum(sqrt(length) for length in lengths)
    together, size = np.zeros((N + 1, N + 1)), np.zeros(N + 1)
    for events, length in zip(past, lengths, strict=True):
        latest: dict[int, int] = {}
        for item, time in events:
            latest[item] = time
        times = sorted(set(latest.values()))
        for i, at in latest.items():
            size[i] += scale / sqrt(length)
            for j, then in latest.items():
                between = abs(times.index(at) - times.index(then))
                together[i, j] += scale / sqrt(length) * 0.5 ** (between / reach)
    found = together / (np.sqrt(size[:, None] * size) + shrinkage)
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize("reach", [0.7, 3.0, inf])
@pytest.mark.parametrize("pairs", [1, 50, 10**6])
def test_neighbours_share_users(
    past: Past, reach: float, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_knn, "_PAIRS", pairs)
    half_life, shrinkage = 1.5, 2.0
    near = similarities(past, reach, shrinkage)

    def score(shown: list[tuple[int, int]], item: int) -> float:
        at = moments(shown)
        return sum(
            0.5 ** ((at[-1] - at[n]) / half_life) * near[taken, item] for n, (taken, _) in enumerate(shown)
        )

    fitted = ItemKNN.fit(histories_of(past), N, half_life=half_life, reach=reach, shrinkage=shrinkage)
    np.testing.assert_allclose(fitted.similarity.toarray(), near, rtol=1e-12, atol=1e-15)
    found = fitted.scores(histories_of(SHOWN), ASKED)
    np.testing.assert_allclose(found[:, 1:], every_score(score), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("most", [1, 3, 5, N])
def test_only_the_nearest_neighbours_are_kept(past: Past, most: int) -> None:
    near = similarities(past, 3.0, 1.0)
    found = ItemKNN.fit(histories_of(past), N, reach=3.0, shrinkage=1.0, neighbours=most).similarity.toarray()
    for row, kept in zip(near, found, strict=True):
        nearest = sorted(range(N + 1), key=lambda item: (-row[item], item))[:most]
        expected = np.where(np.isin(np.arange(N + 1), nearest), row, 0)
        np.testing.assert_allclose(kept, expected, rtol=1e-12, atol=1e-15)


def test_of_equally_near_neighbours_the_first_are_kept() -> None:
    alike = histories_of([[], *[[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)]] * 3])
    found = ItemKNN.fit(alike, 5, neighbours=2).similarity
    assert [found[[item]].indices.tolist() for item in range(1, 6)] == [
        [2, 3],
        [1, 3],
        [1, 2],
        [1, 2],
        [1, 2],
    ]


def test_of_very_long_histories_the_latest_events_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_knn, "_LONGEST", 3)
    endless = [(item, time) for time, item in enumerate([1, 2, 3, 4, 5, 6])]
    other = [(1, 0), (6, 1)]
    found = ItemKNN.fit(histories_of([[], endless, other]), 6, reach=inf, shrinkage=0.0).similarity.toarray()
    np.testing.assert_allclose(
        found,
        ItemKNN.fit(histories_of([[], endless[3:], other]), 6, reach=inf, shrinkage=0.0).similarity.toarray(),
    )
    assert found[4, 5] > 0 and found[3, 4] == 0


@pytest.mark.parametrize("ridge", [0.5, 20.0])
def test_ease_is_ridge_regression_on_all_other_items(past: Past, ridge: float) -> None:
    taken = np.zeros((len(past), N + 1))
    for user, events in enumerate(past):
        for item, _ in events:
            taken[user, item] = 1
    weights = np.zeros((N + 1, N + 1))
    for target in range(1, N + 1):  # least squares with the ridge as N more rows, without the target's column
        others = [item for item in range(1, N + 1) if item != target]
        rows = np.vstack([taken[:, others], sqrt(ridge) * np.eye(N - 1)])
        weights[others, target] = np.linalg.lstsq(
            rows, np.append(taken[:, target], np.zeros(N - 1)), rcond=None
        )[0]
    fitted = EASE.fit(histories_of(past), N, ridge=ridge)
    np.testing.assert_allclose(fitted.weights, weights, atol=1e-12)

    def score(shown: list[tuple[int, int]], item: int) -> float:
        return sum(weights[other, item] for other in {taken for taken, _ in shown})

    found = fitted.scores(histories_of(SHOWN), ASKED)
    np.testing.assert_allclose(found[:, 1:], every_score(score), atol=1e-12)


def test_ease_of_a_catalogue_of_several_blocks() -> None:
    """The matrix is filled and mirrored block by block."""
    many = drawn_past(users=60, items=1_300)
    found = EASE.fit(histories_of(many), 1_300, ridge=3.0).weights
    taken = np.zeros((len(many), 1_301))
    for user, events in enumerate(many):
        taken[user, [item for item, _ in events]] = 1
    inverse = np.linalg.inv(taken.T @ taken + 3.0 * np.eye(1_301))
    expected = -inverse / np.diag(inverse)
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert found.flags.c_contiguous, "its products with histories would copy it"


def test_chance_is_fair_and_depends_on_the_seed(past: Past) -> None:
    shown, users = histories_of(past), np.arange(1, 41)
    drawn = RandomOrder.fit(shown, 2_000, seed=1).scores(shown, users)
    assert abs(drawn[:, 1:].mean() - 0.5) < 0.01
    assert len(np.unique(drawn)) == drawn.size
    assert (drawn != RandomOrder.fit(shown, 2_000, seed=2).scores(shown, users)).all()
