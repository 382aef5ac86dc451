"""Weights of a blend: against a fine grid, against an independent reading, and not fitted to chance."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.evaluation.weights import SHRINKAGES, Contest, choose_weights, lattice

ITEMS, USERS = 40, 60


def world(models: int, seed: int, users: int = USERS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (P, B, N + 1) that know the targets (B) more or less; hidden, bool[B, N + 1]."""
    rng = np.random.default_rng(seed)
    scores, targets = rng.normal(size=(models, users, ITEMS + 1)), rng.integers(1, ITEMS + 1, users)
    for each, help_ in zip(scores, rng.uniform(0, 2, models), strict=True):
        each[np.arange(users), targets] += help_
    hidden = rng.random((users, ITEMS + 1)) < 0.1
    hidden[:, 0] = hidden[np.arange(users), targets] = True
    return scores, targets, hidden


def ndcg(weights: np.ndarray, scores: np.ndarray, targets: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Of every user, in float64 and one item after the other."""
    found = []
    for mixed, target, out in zip(np.tensordot(weights, scores, 1), targets, hidden, strict=True):
        rank = 1 + sum(mixed[item] >= mixed[target] for item in range(ITEMS + 1) if not out[item])
        found.append(1 / np.log2(rank + 1) if rank <= 10 else 0.0)
    return np.array(found)


@pytest.mark.parametrize("models", [2, 3, 5])
def test_gains_are_those_of_a_plain_count(models: int) -> None:
    made = world(models, 0)
    tried = np.random.default_rng(1).dirichlet(np.ones(models), 5)
    found = Contest.of(
        [
            tuple(part[:, :25] if part.ndim == 3 else part[:25] for part in made),  # type: ignore[misc]
            tuple(part[:, 25:] if part.ndim == 3 else part[25:] for part in made),
        ]
    ).gains(tried)  # type: ignore[misc]
    np.testing.assert_allclose(found, [ndcg(each, *made) for each in tried])


@pytest.mark.parametrize("seed", range(3))
def test_without_shrinkage_it_is_about_the_best_of_a_fine_grid(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.evaluation.weights.SHRINKAGES", (0.0,))
    contest = Contest.of([world(3, seed)])
    first, second = np.meshgrid(np.arange(101) / 100, np.arange(101) / 100)
    grid = np.stack([first, second, 1 - first - second], -1).reshape(-1, 3)
    best = contest.gains(grid[grid[:, 2] >= 0]).mean(1).max()
    found = choose_weights(contest, np.arange(3))
    assert contest.gains(found[None]).mean() >= best - 0.005
    assert found.sum() == pytest.approx(1, abs=1e-3) and (found >= 0).all()


def test_models_that_are_equally_good_get_about_equal_weights() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(3, 200, ITEMS + 1)), rng.integers(1, ITEMS + 1, 200)
    scores[:, np.arange(200), targets] += 1
    hidden = np.zeros((200, ITEMS + 1), bool)
    hidden[:, 0] = hidden[np.arange(200), targets] = True
    assert choose_weights(Contest.of([(scores, targets, hidden)]), np.arange(3)).min() > 0.2


def test_a_model_of_noise_gets_little_and_ties_are_kept() -> None:
    scores, targets, hidden = world(4, 0, 400)
    noise = np.random.default_rng(5).normal(size=scores.shape)
    scores[2:] = noise[2:]
    scores[:2, np.arange(400), targets] += 2
    found = choose_weights(Contest.of([(scores, targets, hidden)]), np.array([0, 0, 1, 2]))
    assert found[0] == found[1] and found[2:].max() < found[0]


@pytest.mark.parametrize("users", [1, 2])
def test_a_few_users_are_enough_to_choose(users: int) -> None:
    found = choose_weights(Contest.of([world(2, 0, users)]), np.arange(2))
    assert found.sum() == pytest.approx(1, abs=1e-3)


def test_the_lattice_holds_equal_weights_and_each_model_alone() -> None:
    for count in (1, 2, 3, 8, 30):
        rows = lattice(count).tolist()
        assert [1 / count] * count in rows and all(row in rows for row in np.eye(count).tolist())
        assert len(rows) <= 401
    assert SHRINKAGES[0] == 1, "of equal ones the strongest is taken"
