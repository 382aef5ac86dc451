"""What an evaluation leaves in the run folder, and what the terminal shows of it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from pixelrec.errors import RunError
from pixelrec.evaluation.comparison import Comparison
from pixelrec.evaluation.measured import Measured, measured_files
from pixelrec.evaluation.printed import print_measured

FOUND = Measured(
    "test",
    "sasrec-id",
    {
        "sasrec-id": {"Recall@10": 0.2, "NDCG@10": 0.1},
        "random": {"Recall@10": 0.01, "NDCG@10": 0.005},
        "EASE": {"Recall@10": 0.19, "NDCG@10": 0.12},
        "popularity": {"Recall@10": 0.05, "NDCG@10": 0.02},
    },
    Comparison("EASE", -0.02, -0.03, -0.01),
    {"EASE": "ridge 100", "item-kNN": "left out: for some reason"},
)


def printed(found: Measured, ceiling: dict[str, dict[str, float]] | None = None, width: int = 80) -> str:
    file = io.StringIO()
    print_measured(found, Console(file=file, width=width, soft_wrap=True), ceiling)
    return file.getvalue()


def test_written_and_read_it_is_the_same(tmp_path: Path) -> None:
    for found in (FOUND, replace(FOUND, comparison=None, notes={})):
        found.write(tmp_path)
        assert Measured.read(tmp_path, "test") == found
    assert sorted(tmp_path.iterdir()) == sorted(measured_files(tmp_path, "test"))


def test_what_is_missing_or_damaged_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="evaluate the run first"):
        Measured.read(tmp_path, "test")
    FOUND.write(tmp_path)
    for text in ("{", "{}", '{"model": "m", "against": {"x": 1}, "choices": {}}'):
        (tmp_path / "baselines-test.json").write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="damaged.*evaluate again") as caught:
            Measured.read(tmp_path, "test")
        assert len(str(caught.value).splitlines()) == 1


def test_the_table_goes_from_the_best_to_the_worst_and_marks_the_run() -> None:
    lines = printed(FOUND, {"best possible": {"Recall@10": 0.6, "NDCG@10": 0.4}}).splitlines()
    rows = [line.rstrip() for line in lines if "." in line and "%" not in line and "points" not in line]
    assert [row[:16].strip() for row in rows] == [
        "best possible",
        "EASE",
        "> sasrec-id",
        "popularity",
        "random",
    ]
    assert rows[2].split() == [">", "sasrec-id", "20.00", "10.00"]


def test_a_model_behind_is_said_so_and_what_was_chosen() -> None:
    text = printed(FOUND)
    assert "sasrec-id is behind EASE, the best baseline: NDCG@10 −2.00 points" in text
    assert "baselines: EASE (ridge 100), item-kNN (left out: for some reason); chosen on validation" in text
    alone = printed(replace(FOUND, comparison=None, notes={}))
    assert "behind" not in alone and "chosen" not in alone


def test_a_metric_that_the_ceiling_lacks_is_a_dash() -> None:
    assert "–" in printed(FOUND, {"best possible": {"NDCG@10": 0.4}})


def test_names_with_brackets_are_text() -> None:
    odd = replace(FOUND, model="[red]", metrics={"[red]": {"NDCG@10": 0.1}, "EASE": {"NDCG@10": 0.2}})
    assert "> [red]" in printed(odd)
