"""Flat events of users, in any order of users."""

from __future__ import annotations

import numpy as np
from baselines.pasts import histories_of

from pixelrec.baselines.events import FlatEvents

PAST = histories_of([[], [(3, 10), (1, 10), (3, 20)], [], [(2, 5), (2, 7), (2, 7), (1, 9)]])


def test_users_in_any_order() -> None:
    events = FlatEvents.of(PAST, np.array([3, 2, 1, 3]))
    assert events.owners.tolist() == [0] * 4 + [2] * 3 + [3] * 4
    assert events.items.tolist() == [2, 2, 2, 1, 3, 1, 3, 2, 2, 2, 1]
    assert events.times.tolist() == [5, 7, 7, 9, 10, 10, 20, 5, 7, 7, 9]
    assert events.lengths().tolist() == [4, 0, 3, 4]


def test_ages_count_time_steps() -> None:
    assert FlatEvents.all(PAST).ages().tolist() == [1, 1, 0, 2, 1, 1, 0]
    assert FlatEvents.of(PAST, np.array([3, 1])).ages().tolist() == [2, 1, 1, 0, 1, 1, 0]


def test_no_users_give_no_events() -> None:
    events = FlatEvents.of(PAST, np.array([0, 2]))
    assert len(events.ages()) == len(events.time_steps()) == len(events.latest_of_each_item().items) == 0
    assert events.binary_matrix(3).shape == (2, 4)


def test_the_latest_of_each_item_is_kept() -> None:
    latest = FlatEvents.all(PAST).latest_of_each_item()
    assert latest.owners.tolist() == [1, 1, 3, 3]
    assert latest.items.tolist() == [1, 3, 2, 1]
    assert latest.times.tolist() == [10, 20, 7, 9]


def test_matrices_add_up_and_the_binary_one_counts_once() -> None:
    events = FlatEvents.of(PAST, np.array([3, 1]))
    np.testing.assert_array_equal(
        events.matrix(3, np.arange(7.0)).toarray(), [[0, 3, 0 + 1 + 2, 0], [0, 5, 0, 4 + 6]]
    )
    np.testing.assert_array_equal(events.binary_matrix(3).toarray(), [[0, 1, 1, 0], [0, 1, 0, 1]])
