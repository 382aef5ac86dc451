"""Whatever data holds, a terminal gets no control character from it."""

from __future__ import annotations

from io import StringIO

import pytest

from pixelrec.console.terminal import Output, Screen, first_that_fits, plain_table, printable, say

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x7f"
HARMLESS = "a\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202egnp.exe\\u2066\\x7f"


def test_control_characters_are_escaped_and_others_stay() -> None:
    assert printable(HOSTILE) == HARMLESS
    assert printable("two\nlines\t|") == "two\\x0alines\\x09|"
    assert printable("two\nlines\t|\x1b", lines=True) == "two\nlines\t|\\x1b"
    ordinary = "Füße 東京 👩\u200d🚀 می\u200cخواهم é"
    assert printable(ordinary) == ordinary
    assert printable("a\u200bb\ufeff\u2066\U000e0041") == "a\\u200bb\\ufeff\\u2066\\U000e0041"


@pytest.mark.parametrize("how", ["say", "table", "print", "title"])
def test_a_screen_prints_nothing_raw(how: str) -> None:
    file = StringIO()
    screen = Screen(file=file, width=200, force_terminal=how == "say", markup=False)
    if how == "say":
        say(HOSTILE, screen)
    elif how == "print":
        screen.print(HOSTILE, soft_wrap=True, highlight=False)
    else:
        table = plain_table(HOSTILE if how == "title" else "item")
        table.add_row(HOSTILE)
        screen.print(table)
    said = file.getvalue()
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\x7f"} & set(said)
    assert "a\\x1b]0;owned" in said


def test_a_screen_keeps_its_own_colours() -> None:
    file = StringIO()
    Screen(file=file, force_terminal=True, color_system="standard").print("red", style="red")
    assert file.getvalue() == "\x1b[31mred\x1b[0m\n"


def test_the_first_table_that_fits() -> None:
    tables = [plain_table("x" * width) for width in (50, 30, 10)]
    assert first_that_fits(tables, Screen(width=32)) is tables[1]
    assert first_that_fits(tables, Screen(width=5)) is tables[2]


@pytest.mark.parametrize(("columns", "width"), [("0", 80), ("120", 120)])
def test_a_width_of_zero_is_none(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert Screen.on(Output(StringIO())).width == width
