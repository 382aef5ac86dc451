"""CSV for spreadsheets: no cell is run, numbers stay numbers, and the exact text can be had back."""

from __future__ import annotations

import csv
import re
from io import StringIO

import pytest

from pixelrec.files import csv_text as module
from pixelrec.files.csv_text import csv_text

RUN = ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "-abc", '=HYPERLINK("x","y")']
KEPT = ["-1.5", "+3", "-1e-05", ".5", "-.5E+10", "a=1", "", "'", "'quoted'", "it's", "日本", 'a"b,c\nd']
APOSTROPHES = ["'=1", "''-x", "'-1.5"]


def read(text: str) -> list[str]:
    return [row[0] for row in csv.reader(StringIO(text, newline=""))]


@pytest.mark.parametrize("cell", RUN)
def test_a_cell_that_a_spreadsheet_runs_gets_an_apostrophe(cell: str) -> None:
    assert read(csv_text([(cell, "x")])) == ["'" + cell]
    assert read(csv_text([(cell, "x")], raw=True)) == [cell]


@pytest.mark.parametrize("cell", KEPT)
def test_other_cells_are_unchanged(cell: str) -> None:
    assert read(csv_text([(cell, "x")])) == [cell]


def test_numbers_are_unchanged() -> None:
    assert csv_text([(-1, -0.5, None, 1e-7, float("-inf"))]) == "-1,-0.5,,1e-07,-inf\n"


def test_the_exact_text_can_be_had_back() -> None:
    pattern = re.search("`(.*)`", module.__doc__ or "")
    assert pattern is not None
    cells = [*RUN, *KEPT, *APOSTROPHES]
    read_back = [re.sub(pattern[1], "", cell) for cell in read(csv_text((cell, "x") for cell in cells))]
    assert read_back == cells


def test_a_lone_surrogate_is_escaped() -> None:
    assert csv_text([("a\udcff", "x")]) == "a\\udcff,x\n"
