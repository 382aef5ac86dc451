"""What each view reads out of histories, on lines worked by hand and against a plain reading in Python."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.batch import Histories
from pixelrec.data.views import VIEWS, Reader, Rows, Windowing, latest, seen_items


def histories(*lines: list[int]) -> Histories:
    """User 1's line of items, user 2's, …; times are 10 × place."""
    lengths = np.array([0, *map(len, lines)])
    stops = np.cumsum(lengths)
    items = np.array([item for line in lines for item in line], np.int32)
    times = np.concatenate([np.arange(len(line)) * 10 + 10 for line in lines]).astype(np.int64)
    return Histories(items, times, stops - lengths, stops)


def read_all(view: str, held: Histories, length: int, windowing: Windowing | None = None) -> Rows:
    reader = Reader.over(VIEWS[view], held, length, windowing or Windowing())
    return reader.read(np.arange(len(reader)), np.random.default_rng(0))


def rows(*arrays: np.ndarray) -> list[tuple[list[int], ...]]:
    return sorted(tuple(list(map(int, np.ravel(a[row]))) for a in arrays) for row in range(len(arrays[0])))


def test_next_item_makes_every_event_but_the_first_a_target_once() -> None:
    read = read_all("next_item", histories([1, 2, 3, 4, 5], [6], [7, 8]), 3)
    assert rows(read.history, read.target) == [
        ([0, 0, 1], [0, 0, 2]),
        ([0, 0, 7], [0, 0, 8]),
        ([2, 3, 4], [3, 4, 5]),
    ]
    assert rows(read.times)[-1] == ([20, 30, 40],)


def test_next_item_as_published_drops_events_that_fill_no_window() -> None:
    published = Windowing(overlap=0, leftover="drop")
    read = read_all("next_item", histories([1, 2, 3, 4, 5, 6, 7, 8, 9], [7, 8]), 3, published)
    assert rows(read.history, read.target) == [
        ([0, 0, 7], [0, 0, 8]),
        ([2, 3, 4], [3, 4, 5]),
        ([6, 7, 8], [7, 8, 9]),
    ]


def test_pairs_are_all_events() -> None:
    read = read_all("pairs", histories([1, 2], [], [3]), 5)
    assert rows(read.users, read.target) == [([1], [1]), ([1], [2]), ([3], [3])]
    assert read.history.shape == (3, 0)


def test_one_target_per_row_makes_prefixes() -> None:
    read = read_all("next_item", histories([1, 2, 3, 4, 5]), 3, Windowing(rows="targets"))
    assert rows(read.history, read.target, read.window) == [
        ([0, 0, 1], [0, 0, 2], [0, 0, 1, 2]),
        ([0, 0, 2], [0, 0, 3], [2, 3, 4, 5]),
        ([0, 2, 3], [0, 0, 4], [2, 3, 4, 5]),
        ([2, 3, 4], [0, 0, 5], [2, 3, 4, 5]),
    ]


def test_rest_of_window_makes_every_event_a_target() -> None:
    read = read_all("rest_of_window", histories([1, 2, 3, 4], [5, 6]), 3)
    assert rows(read.history, read.times, read.target) == [
        ([0, 0, 5, 6], [0, 0, 10, 20], [0, 0, 5, 6]),
        ([1, 2, 3, 4], [10, 20, 30, 40], [1, 2, 3, 4]),
    ]


def test_rest_of_window_with_one_target_per_row() -> None:
    read = read_all("rest_of_window", histories([1, 2, 3], [5, 6]), 3, Windowing(rows="targets"))
    assert rows(read.history, read.target) == sorted(
        [([0, 1, 2, 3], [0, *(i if i == target else 0 for i in (1, 2, 3))]) for target in (1, 2, 3)]
        + [([0, 0, 5, 6], [0, 0, 5, 0]), ([0, 0, 5, 6], [0, 0, 0, 6])]
    )


def test_cloze_hides_its_targets() -> None:
    held = histories(*[list(range(1, 12))] * 300, [1, 2])
    read = read_all("cloze", held, 10)
    hidden = read.target != 0
    assert not read.history[hidden].any()
    assert (read.history + read.target == read.window).all()
    assert hidden.any(axis=1).all()
    assert hidden[:300].mean() == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize("view", ["next_item", "rest_of_window"])
def test_one_target_per_row_gives_the_same_targets(view: str) -> None:
    random = np.random.default_rng(3)
    held = histories(*[random.integers(1, 50, size=random.integers(0, 25)).tolist() for _ in range(60)])
    whole, single = read_all(view, held, 5), read_all(view, held, 5, Windowing(rows="targets"))
    assert ((single.target != 0).sum(axis=1) == 1).all()
    assert sorted(whole.target[whole.target != 0]) == sorted(single.target[single.target != 0])


@pytest.mark.parametrize(
    "windowing",
    [Windowing(), Windowing(overlap=0), Windowing(overlap=0, leftover="drop"), Windowing(overlap=0.5)],
)
@pytest.mark.parametrize("length", [1, 3, 7])
def test_windows_equal_a_plain_implementation(length: int, windowing: Windowing) -> None:
    random = np.random.default_rng(length)
    lines = [random.integers(1, 50, size=random.integers(0, 25)).tolist() for _ in range(60)]
    expected = []
    for line in lines:
        stop, width = len(line), length + 1
        while True:
            start = max(0, stop - width)
            if stop - start < 2 or (windowing.leftover == "drop" and start == 0 and stop < width < len(line)):
                break
            window = line[start:stop]
            pad = [0] * (length - len(window) + 1)
            expected.append((pad + window[:-1], pad + window[1:]))
            if start == 0:
                break
            stop = start + (length // 2 if windowing.overlap == 0.5 else windowing.overlap)
    read = read_all("next_item", histories(*lines), length, windowing)
    assert rows(read.history, read.target) == sorted(expected)


def test_latest_and_seen() -> None:
    held = histories([1, 2, 3], [], [4])
    items, times = latest(held, np.array([1, 3, 2]), 2)
    assert items.tolist() == [[2, 3], [0, 4], [0, 0]]
    assert times.tolist() == [[20, 30], [0, 10], [0, 0]]
    seen, owners = seen_items(held, np.array([3, 1]))
    assert list(zip(seen.tolist(), owners.tolist(), strict=True)) == [(4, 0), (1, 1), (2, 1), (3, 1)]


def test_a_short_line_is_a_window_whatever_the_overlap() -> None:
    read = read_all("next_item", histories([1, 2, 3]), 10, Windowing(overlap=5))
    assert rows(read.target)[0][0][-2:] == [2, 3]
