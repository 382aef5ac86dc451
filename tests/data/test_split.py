"""Leave-one-out, on lines worked by hand: who trains on what, and what is asked about whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelrec.batch import Histories
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.data.split import all_events, test_cases, training_events, validation_cases

LINES = {"a": "p q r s", "b": "q p", "c": "s r q", "d": "p"}


@pytest.fixture
def small(tmp_path: Path) -> Dataset:
    rows = [f"{item},{user},{time}" for user, line in LINES.items() for time, item in enumerate(line.split())]
    source = tmp_path / "interactions.csv"
    source.write_text("item_id,user_id,timestamp\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return prepare(source, out=tmp_path / "data")


def lines(dataset: Dataset, histories: Histories) -> dict[str, str]:
    return {
        user: " ".join(
            str(dataset.item_ids[int(n) - 1])
            for n in histories.items[histories.starts[number] : histories.stops[number]]
        )
        for number, user in enumerate(dataset.user_ids, start=1)
    }


def test_training_events_and_evaluation_cases(small: Dataset) -> None:
    assert lines(small, training_events(small)) == {"a": "p q", "b": "q p", "c": "s", "d": "p"}
    for ask, targets, known in (
        (validation_cases, ["r", "r"], {"a": "p q", "c": "s"}),
        (test_cases, ["s", "q"], {"a": "p q r", "c": "s r"}),
    ):
        cases = ask(small)
        assert [small.user_ids[int(u) - 1] for u in cases.users] == ["a", "c"]
        assert [small.item_ids[int(t) - 1] for t in cases.targets] == targets
        assert lines(small, cases.histories).items() >= known.items()


def test_all_events_include_the_test_events(small: Dataset) -> None:
    assert lines(small, all_events(small)) == LINES
    times = all_events(small).times
    assert times.tolist() == [0, 1, 2, 3, 0, 1, 0, 1, 2, 0]


@pytest.mark.parametrize("chunk", [1, 65_536])
def test_a_target_of_the_history_is_no_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Only for the split whose event it is; the events stay in the histories."""
    monkeypatch.setattr("pixelrec.data.split._USERS", chunk)
    source = tmp_path / "interactions.csv"
    lines = {**LINES, "e": "p q p", "f": "p q q r", "g": "p p p", "h": "q p r"}
    rows = [f"{item},{user},{time}" for user, line in lines.items() for time, item in enumerate(line.split())]
    source.write_text("item_id,user_id,timestamp\n" + "\n".join(rows) + "\n", encoding="utf-8")
    data = prepare(source, out=tmp_path / "data")
    for ask, users, repeats in ((validation_cases, "a c e h", 2), (test_cases, "a c f h", 2)):
        cases = ask(data)
        assert [data.user_ids[int(u) - 1] for u in cases.users] == users.split()
        assert cases.repeats == repeats and len(cases.targets) == len(cases)
        assert len(cases.histories.starts) == len(data.user_ids) + 1
