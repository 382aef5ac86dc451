"""The result of an evaluation in the run folder, and its tables in the terminal."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pixelrec.cli.show_evaluation import print_evaluation
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison, Difference
from pixelrec.evaluation.exposure import Exposure
from pixelrec.evaluation.significance import Interval
from pixelrec.evaluation.slices import SliceResult
from pixelrec.runs import results
from pixelrec.runs.results import EvaluationResult, result_file

Values = dict[str, dict[str, float]]


def compared(baseline: str, interval: Interval, where: str = "") -> Comparison:
    return Comparison(baseline, Difference({"NDCG@10": interval}, (13, 3), 460, where))


def part(
    name: str, events: str, cases: int, values: Values, against: Comparison | None, median: float = 50
) -> SliceResult:
    bounds = {model: {m: (v - 0.005, v + 0.005) for m, v in each.items()} for model, each in values.items()}
    return SliceResult(name, events, cases, values, bounds, dict.fromkeys(values, median), against)


def ndcg(own: float, ease: float, random: float) -> Values:
    found = {"sasrec-id": own, "EASE": ease, "random": random}
    return {name: {"NDCG@10": value} for name, value in found.items()}


FOUND = EvaluationResult(
    "test",
    "sasrec-id",
    part(
        "all items",
        "",
        460,
        {
            "sasrec-id": {"Recall@10": 0.2, "NDCG@10": 0.1},
            "random": {"Recall@10": 0.01, "NDCG@10": 0.005},
            "EASE": {"Recall@10": 0.19, "NDCG@10": 0.12},
            "popularity": {"Recall@10": 0.05, "NDCG@10": 0.02},
        },
        compared("EASE", Interval(-0.02, -0.03, -0.01, 0.01, 500)),
    ),
    {"EASE": "ridge 100", "item-kNN": "left out: for some reason"},
)
FEW = part(
    "long-tail items",
    "< 5 training events",
    1234,
    ndcg(0.011, 0.0, 0.044),
    compared(
        "random", Interval(-0.033, -0.04, -0.02, 0.01, 500), "items with < 5 training events (n = 1,234)"
    ),
)
NEW = part("new items", "no training event", 32, ndcg(0.02, 0.0, 0.01), None, 2367.5)
REST = part(
    "other items",
    "≥ 5 training events",
    56,
    ndcg(0.2, 0.25, 0.003),
    compared("EASE", Interval(0.1, 0.05, 0.15, 0.01, 500), "items with ≥ 5 training events (n = 56)"),
)
SLICED = replace(FOUND, slices=(FEW, NEW, REST))


def overall(values: Values) -> SliceResult:
    return part("all items", "", 460, values, FOUND.comparison)


def printed(found: EvaluationResult, width: int = 80) -> str:
    file = io.StringIO()
    print_evaluation(found, Console(file=file, width=width, soft_wrap=True))
    return file.getvalue()


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    bare = replace(FEW, comparison=None)
    shown = Exposure(460, 90, 100, 0.4, (("i1", 7), ("i2", 3)))
    whole = replace(FOUND, overall=replace(FOUND.overall, comparison=None), notes={}, slices=(bare,))
    for found in (FOUND, SLICED, whole, replace(SLICED, repeats=40, exposure=shown)):
        found.write(tmp_path)
        assert EvaluationResult.read(tmp_path, "test") == found
    assert list(tmp_path.iterdir()) == [result_file(tmp_path, "test")]


def signed(text: str) -> str:
    """With the digest of its content, if it is an object."""
    try:
        content = json.loads(text)
        content.pop("digest")
    except (ValueError, LookupError, TypeError, RecursionError):
        return text
    return json.dumps({**content, "digest": results._digest(content)})


def test_a_changed_number_is_noticed(tmp_path: Path) -> None:
    FOUND.write(tmp_path)
    path = tmp_path / "evaluation-test.json"
    whole = path.read_text(encoding="utf-8")
    for change in (
        ('"NDCG@10": 0.005', '"NDCG@10": 0.006'),
        ('"digest"', '"other"'),
        ('"cases": 460', '"cases": 9'),
    ):
        path.write_text(whole.replace(*change), encoding="utf-8")
        with pytest.raises(RunError, match="damaged"):
            EvaluationResult.read(tmp_path, "test")


DAMAGES = [
    ('"NDCG@10": 0.005', '"NDCG@10": true'),
    ('"test"', '"validation"'),
    ('"repeats": 0', '"repeats": "many"'),
]


def test_a_missing_or_damaged_result_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file; evaluate the run with"):
        EvaluationResult.read(tmp_path, "test")
    FOUND.write(tmp_path)
    path = tmp_path / "evaluation-test.json"
    whole = path.read_text(encoding="utf-8")
    for text in (
        "{",
        "{}",
        "[]",
        "[" * 100_000,
        whole[:-20],
        whole.replace('"slices": []', '"slices": [{"cases": 3}]'),
        *(whole.replace(*change) for change in DAMAGES),
    ):
        path.write_text(signed(text), encoding="utf-8")
        with pytest.raises(RunError, match="damaged.*evaluate the run with") as caught:
            EvaluationResult.read(tmp_path, "test")
        assert len(str(caught.value).splitlines()) == 1


def test_a_second_table_is_about_items_with_few_training_events() -> None:
    text = printed(SLICED)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    start = lines.index("NDCG@10 NDCG@10 median rank NDCG@10")
    assert lines[start + 1 : start + 6] == [
        "test, % < 5 none none ≥ 5",
        "training events (n = 1,234) (n = 32) (n = 32) (n = 56)",
        "random 4.40 1.00 2,368 0.30",
        "> sasrec-id 1.10 2.00 2,368 20.00",
        "EASE 0.00 0.00 2,368 25.00",
    ]
    assert (
        "On items with < 5 training events (n = 1,234), sasrec-id is behind random, the best baseline there: "
        "NDCG@10 −3.30 points (95 % interval −4.00 to −2.00; hits in the top 10: 13 of 460 against 3)"
    ) in text
    assert "On items with ≥" not in text and text.count("models are not compared") == 1
    assert "items with no training event (n = 32): models are not compared, as fewer than 30 test" in text
    assert max(len(line.rstrip()) for line in text.splitlines()[start : start + 6]) <= 80


def test_what_is_not_compared_or_not_there_is_said() -> None:
    text = printed(replace(FOUND, slices=(replace(FEW, cases=7, comparison=None), REST)))
    assert "items with < 5 training events (n = 7): models are not compared, as fewer than 30 test" in text
    assert "best baseline there" not in text and "1.10" in text
    alone = printed(replace(FOUND, slices=(REST,)))
    assert "all 56 test events are of items with ≥ 5 training events" in alone and "20.00 " in alone
    assert "NDCG@10  median" not in alone
    assert "training events" not in printed(FOUND)


def test_the_table_goes_from_the_best_to_the_worst_and_marks_the_run() -> None:
    lines = printed(FOUND).splitlines()
    rows = [line.rstrip() for line in lines if "." in line and "%" not in line and "points" not in line]
    assert [row[:16].strip() for row in rows] == ["EASE", "> sasrec-id", "popularity", "random"]
    assert rows[1].split() == [">", "sasrec-id", "20.00", "10.00", "0.50"]
    assert lines[0].split() == ["test,", "%", "Recall@10", "NDCG@10", "±", "95", "%"]


def test_a_model_behind_is_said_so_and_what_was_chosen() -> None:
    text = printed(FOUND)
    assert "sasrec-id is behind EASE, the best baseline: NDCG@10 −2.00 points" in text
    assert "baselines: EASE (ridge 100), item-kNN (left out: for some reason); tuned on validation" in text
    alone = printed(replace(FOUND, overall=replace(FOUND.overall, comparison=None), notes={}))
    assert "behind" not in alone and "chosen" not in alone


def test_names_with_brackets_are_text() -> None:
    values = {"[red]": {"NDCG@10": 0.1}, "EASE": {"NDCG@10": 0.2}}
    odd = replace(FOUND, model="[red]", overall=overall(values))
    assert "> [red]" in printed(odd)


WIDE = dict.fromkeys(("Recall@5", "NDCG@5", "MRR@5", "Recall@10", "NDCG@10", "MRR@10"), 0.123)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, {*WIDE}),
        (70, {"Recall@5", "NDCG@5", "Recall@10", "NDCG@10"}),
        (60, {"Recall@10", "NDCG@10"}),
        (45, {"Recall@10", "NDCG@10"}),
        (32, {"NDCG@10"}),
        (20, {"NDCG@10"}),
    ],
)
def test_a_narrow_terminal_loses_whole_columns_and_no_digit(width: int, shown: set[str]) -> None:
    values = dict.fromkeys((*FOUND.metrics, "recent popularity"), WIDE)
    found = replace(SLICED, overall=overall(values))
    first, _, rest = printed(found, width).strip().partition("\n\n")
    assert set(first.splitlines()[0].split()) & set(WIDE) == shown
    assert first.count("12.30") == len(shown) * len(found.metrics)
    slices = rest.partition("tuned on validation\n\n")[2].partition("\n\n")[0]
    for table in (first, slices):
        assert "…" not in table and max(map(len, table.splitlines())) <= width
    assert "4.40" in slices and ("56" in slices) == (width >= 45)


def test_sentences_break_between_words_where_somebody_looks() -> None:
    for terminal in (True, False):
        file = io.StringIO()
        console = Console(file=file, width=30, soft_wrap=True, force_terminal=terminal, color_system=None)
        print_evaluation(FOUND, console)
        lines = file.getvalue().splitlines()
        said = FOUND.comparison.sentence("sasrec-id") if FOUND.comparison else ""
        assert said in " ".join(" ".join(lines).split())
        assert (said in lines) != terminal
        if terminal:
            assert max(map(len, lines)) <= 30


def test_users_that_are_left_out_and_the_spread_of_the_lists_are_told() -> None:
    shown = Exposure(460, 90, 1000, 0.4, (("i1", 7),))
    text = printed(replace(FOUND, repeats=40, exposure=shown), 200)
    assert "40 of 500 users are left out: their test event repeats an item of their history" in text
    assert "coverage: the top 10 of 460 users contain 90 of 1,000 items (9.0 %), Gini 0.40" in text


def test_the_frame_has_intervals_and_slices() -> None:
    frame = SLICED.table()
    assert frame.filter(trained=True, items="all items", metric="NDCG@10").rows() == [
        ("all items", 460, "sasrec-id", True, "NDCG@10", 0.1, 0.1 - 0.005, 0.1 + 0.005)
    ]
    new = frame.filter(items="new items", metric="median rank", model="EASE")
    assert new.rows() == [("new items", 32, "EASE", False, "median rank", 2367.5, None, None)]
    assert frame["items"].unique(maintain_order=True).to_list() == [
        "all items",
        FEW.name,
        NEW.name,
        REST.name,
    ]
    assert repr(FOUND) == f"EvaluationResult(test: NDCG@10 10.00 %, {FOUND.comparison.sentence('sasrec-id')})"  # type: ignore[union-attr]
