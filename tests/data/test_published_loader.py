"""The loader of the published code on the same file, by an independent reading of its rules.

Source: arXiv 2309.06789. Ids are numbered by first appearance in the file, 0 is padding; events are sorted by
time; the last event of a user is the test, the last but one the validation event; training events are cut
from the end into windows of length + 1, and what fills no window is dropped unless it is all.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.split import test_cases as cases_of_test
from pixelrec.data.split import training_events, validation_cases
from pixelrec.data.views import Windowing, cut_windows

LENGTH = 10


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the published form: unsorted, every time once, histories of 3 to 40 different items."""
    chance = random.Random(4)
    lengths = [3, 4, 12, 13, 14, 24, 25, 40, *(chance.randint(3, 40) for _ in range(40))]
    pairs = [
        (f"u{user:03}", f"i{item}") for user, n in enumerate(lengths) for item in chance.sample(range(120), n)
    ]
    times = chance.sample(range(1_500_000_000, 1_600_000_000), len(pairs))
    rows = [(item, user, str(time)) for (user, item), time in zip(pairs, times, strict=True)]
    chance.shuffle(rows)
    path = tmp_path_factory.mktemp("log") / "Pixel50.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("item_id", "user_id", "timestamp"), *rows])
    return path


@pytest.fixture(scope="module")
def dataset(log: Path) -> Dataset:
    return prepare(log, out=log.parent / "data")


def rows_of(log: Path) -> list[tuple[str, str, int]]:
    with log.open(encoding="utf-8", newline="") as file:
        return [(row["item_id"], row["user_id"], int(row["timestamp"])) for row in csv.DictReader(file)]


def numbered(values: Sequence[str]) -> dict[str, int]:
    """Dense numbers from 1, by first appearance."""
    return {value: number for number, value in enumerate(dict.fromkeys(values), 1)}


def sequences_of(log: Path) -> dict[int, list[int]]:
    """User number → item numbers, in time order."""
    rows = rows_of(log)
    items, users = numbered([row[0] for row in rows]), numbered([row[1] for row in rows])
    found: dict[int, list[int]] = {}
    for item, user, _ in sorted(rows, key=lambda row: row[2]):
        found.setdefault(users[user], []).append(items[item])
    return found


def windows_of(events: list[int]) -> list[list[int]]:
    width = LENGTH + 1
    if len(events) <= width:
        return [events]
    kept = events[len(events) % width :]
    return [kept[start : start + width] for start in range(0, len(kept), width)]


def test_ids_are_numbered_by_first_appearance(log: Path, dataset: Dataset) -> None:
    rows = rows_of(log)
    assert dataset.item_ids.to_list() == list(dict.fromkeys(row[0] for row in rows))
    assert dataset.user_ids.to_list() == list(dict.fromkeys(row[1] for row in rows))


def test_the_last_events_are_held_out(log: Path, dataset: Dataset) -> None:
    sequences = sequences_of(log)
    for cases, place in ((validation_cases(dataset), -2), (cases_of_test(dataset), -1)):
        assert len(cases) == len(sequences)
        for user, target in zip(cases.users.tolist(), cases.targets.tolist(), strict=True):
            history = cases.histories.items[cases.histories.starts[user] : cases.histories.stops[user]]
            assert target == sequences[user][place] and history.tolist() == sequences[user][:place]


def test_training_windows_are_cut_from_the_end(log: Path, dataset: Dataset) -> None:
    histories = training_events(dataset)
    cuts = cut_windows(histories, LENGTH + 1, Windowing(overlap=0, leftover="drop"))
    found = [histories.items[a:b].tolist() for a, b in zip(cuts.starts, cuts.stops, strict=True)]
    expected = [
        window
        for _, events in sorted(sequences_of(log).items())
        for window in windows_of(events[:-2])
        if len(window) > 1  # one event alone has no target
    ]
    assert sorted(found) == sorted(expected)
    assert np.unique(cuts.users).size < len(found), "some history fills several windows"
