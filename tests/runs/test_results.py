"""The result of an evaluation in the run folder, and its tables in the terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pixelrec.cli.show_evaluation import print_evaluation
from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison
from pixelrec.evaluation.significance import Interval
from pixelrec.evaluation.slices import SliceResult
from pixelrec.runs.results import EvaluationResult, result_files

FOUND = EvaluationResult(
    "test",
    "sasrec-id",
    {
        "sasrec-id": {"Recall@10": 0.2, "NDCG@10": 0.1},
        "random": {"Recall@10": 0.01, "NDCG@10": 0.005},
        "EASE": {"Recall@10": 0.19, "NDCG@10": 0.12},
        "popularity": {"Recall@10": 0.05, "NDCG@10": 0.02},
    },
    Comparison("EASE", Interval(-0.02, -0.03, -0.01, 0.01, 500)),
    {"EASE": "ridge 100", "item-kNN": "left out: for some reason"},
)

FEW = SliceResult(
    "long-tail items",
    "< 5 training events",
    1234,
    {name: {"NDCG@10": value} for name, value in (("sasrec-id", 0.011), ("EASE", 0.0), ("random", 0.044))},
    Comparison("random", Interval(-0.033, -0.04, -0.02, 0.01, 500)),
)
REST = SliceResult(
    "other items",
    "≥ 5 training events",
    56,
    {name: {"NDCG@10": value} for name, value in (("sasrec-id", 0.2), ("EASE", 0.25), ("random", 0.003))},
    Comparison("EASE", Interval(0.1, 0.05, 0.15, 0.01, 500)),
)
SLICED = replace(FOUND, slices=(FEW, REST))


def printed(found: EvaluationResult, width: int = 80) -> str:
    file = io.StringIO()
    print_evaluation(found, Console(file=file, width=width, soft_wrap=True))
    return file.getvalue()


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    bare = replace(FEW, comparison=None)
    for found in (FOUND, SLICED, replace(FOUND, comparison=None, notes={}, slices=(bare,))):
        found.write(tmp_path)
        assert EvaluationResult.read(tmp_path, "test") == found
    assert list(tmp_path.iterdir()) == [result_files(tmp_path, "test")[1]]


def test_a_missing_or_damaged_result_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such file; evaluate the run with"):
        EvaluationResult.read(tmp_path, "test")
    FOUND.write(tmp_path)
    path = tmp_path / "evaluation-test.json"
    whole = path.read_text(encoding="utf-8")
    for text in ("{", "{}", "[]", whole[:-20], whole.replace('"slices": []', '"slices": [{"cases": 3}]')):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="damaged.*evaluate the run with") as caught:
            EvaluationResult.read(tmp_path, "test")
        assert len(str(caught.value).splitlines()) == 1


def test_a_second_table_is_about_items_with_few_training_events() -> None:
    text = printed(SLICED)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    start = lines.index("NDCG@10 on items with NDCG@10 on items with")
    assert lines[start + 1 : start + 6] == [
        "< 5 training events ≥ 5 training events",
        "test, % (n = 1,234) (n = 56)",
        "random 4.40 0.30",
        "> sasrec-id 1.10 20.00",
        "EASE 0.00 25.00",
    ]
    assert (
        "On items with < 5 training events (n = 1,234), sasrec-id is behind random, the best baseline there: "
        "NDCG@10 −3.30 points (95 % interval −4.00 to −2.00)"
    ) in text
    assert "On items with ≥" not in text and "or more" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()[start : start + 6]) <= 80


def test_what_is_not_compared_or_not_there_is_said() -> None:
    text = printed(replace(FOUND, slices=(replace(FEW, cases=7, comparison=None), REST)))
    assert "items with < 5 training events (n = 7): models are compared on 30 test events or more" in text
    assert "best baseline there" not in text and "1.10" in text
    alone = printed(replace(FOUND, slices=(REST,)))
    assert "all 56 test events are of items with ≥ 5 training events" in alone and "20.00 " in alone
    assert "NDCG@10 on" not in alone
    assert "training events" not in printed(FOUND)


def test_the_table_goes_from_the_best_to_the_worst_and_marks_the_run() -> None:
    lines = printed(FOUND).splitlines()
    rows = [line.rstrip() for line in lines if "." in line and "%" not in line and "points" not in line]
    assert [row[:16].strip() for row in rows] == ["EASE", "> sasrec-id", "popularity", "random"]
    assert rows[1].split() == [">", "sasrec-id", "20.00", "10.00"]


def test_a_model_behind_is_said_so_and_what_was_chosen() -> None:
    text = printed(FOUND)
    assert "sasrec-id is behind EASE, the best baseline: NDCG@10 −2.00 points" in text
    assert "baselines: EASE (ridge 100), item-kNN (left out: for some reason); tuned on validation" in text
    alone = printed(replace(FOUND, comparison=None, notes={}))
    assert "behind" not in alone and "chosen" not in alone


def test_names_with_brackets_are_text() -> None:
    odd = replace(FOUND, model="[red]", metrics={"[red]": {"NDCG@10": 0.1}, "EASE": {"NDCG@10": 0.2}})
    assert "> [red]" in printed(odd)


WIDE = dict.fromkeys(("Recall@5", "NDCG@5", "MRR@5", "Recall@10", "NDCG@10", "MRR@10"), 0.123)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (100, {*WIDE}),
        (60, {"Recall@5", "NDCG@5", "Recall@10", "NDCG@10"}),
        (45, {"Recall@10", "NDCG@10"}),
        (32, {"NDCG@10"}),
        (20, {"NDCG@10"}),
    ],
)
def test_a_narrow_terminal_loses_whole_columns_and_no_digit(width: int, shown: set[str]) -> None:
    found = replace(SLICED, metrics=dict.fromkeys((*FOUND.metrics, "recent popularity"), WIDE))
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
