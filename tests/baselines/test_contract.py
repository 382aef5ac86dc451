"""The contract of every baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from baselines.pasts import Past, drawn_past, histories_of

from pixelrec.baselines import BASELINES
from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.ease import MOST_ITEMS
from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events, validation_cases

N = 12
kinds = pytest.mark.parametrize("kind", BASELINES.values(), ids=BASELINES)


def scores_of(
    kind: type[AbstractBaseline], training: Histories, shown: Histories, users: np.ndarray
) -> np.ndarray:
    """Of every candidate: C, B, N + 1."""
    return np.array([each.scores(shown, users) for each in kind.candidates(training, N)])


@kinds
def test_scores_are_whole_and_finite(kind: type[AbstractBaseline], past: Past) -> None:
    users = np.array([4, 3, 40])
    found = scores_of(kind, histories_of(past), histories_of(drawn_past(seed=1)), users)
    assert found.shape[1:] == (3, N + 1) and found.dtype == np.float64
    assert np.isfinite(found).all()


@kinds
def test_scores_of_a_user_do_not_depend_on_others(kind: type[AbstractBaseline], past: Past) -> None:
    training, shown, everyone = histories_of(past), histories_of(drawn_past(seed=1)), np.arange(1, 41)
    together = scores_of(kind, training, shown, everyone)
    backwards = scores_of(kind, training, shown, everyone[::-1])[:, ::-1]
    alone = np.concatenate([scores_of(kind, training, shown, everyone[n : n + 1]) for n in range(40)], axis=1)
    np.testing.assert_allclose(together, backwards, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-15)
    none = scores_of(kind, training, shown, everyone[:0])
    assert none.shape[1:] == (0, N + 1)


@kinds
def test_candidates_differ_and_name_their_hyperparameters(kind: type[AbstractBaseline], past: Past) -> None:
    candidates = list(kind.candidates(histories_of(past), N))
    config = [each.choice for each in candidates]
    assert len(set(config)) == len(config)
    assert len(config) == 1 or all(config)
    shown = histories_of(drawn_past(seed=1))
    found = [each.scores(shown, np.arange(1, 41)).tobytes() for each in candidates]
    assert len(set(found)) == len(found)


@kinds
def test_only_training_events_are_learnt_from(kind: type[AbstractBaseline], dataset: Dataset) -> None:
    """Whatever the events after the training events are, what is fitted is the same."""
    training, cases = training_events(dataset), validation_cases(dataset)
    users = cases.users[:50]
    changed = np.array(training.items)
    later = training.stops[dataset.evaluated]
    changed[later] = changed[later] % dataset.items + 1
    times = np.array(training.times)
    times[later] += 10**9
    blind = replace(training, items=changed, times=times)
    for one, other in zip(
        kind.candidates(training, dataset.items), kind.candidates(blind, dataset.items), strict=True
    ):
        np.testing.assert_array_equal(one.scores(training, users), other.scores(training, users))


@kinds
def test_scores_depend_on_the_given_history_alone(kind: type[AbstractBaseline], dataset: Dataset) -> None:
    """Events after those shown change no score."""
    training, users = training_events(dataset), validation_cases(dataset).users[:50]
    later = np.array(training.items)
    later[training.stops[dataset.evaluated]] = 1
    fitted = next(kind.candidates(training, dataset.items))
    np.testing.assert_array_equal(
        fitted.scores(training, users), fitted.scores(replace(training, items=later), users)
    )


def test_ease_refuses_a_catalogue_that_is_too_large() -> None:
    assert BASELINES["EASE"].obstacle(MOST_ITEMS) is None
    assert "96,282" in str(BASELINES["EASE"].obstacle(96_282))
    assert all(kind.obstacle(10**6) is None for name, kind in BASELINES.items() if name != "EASE")
