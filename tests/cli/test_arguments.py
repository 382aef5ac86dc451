"""A signature and a docstring as a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixelrec.choices import Overrides, Split
from pixelrec.cli.arguments import help_text, parameters, parse, summary
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.runs.run import Run


def example(
    run: Run | Path | str,
    other: str | None = None,
    *,
    users: Sequence[str | int] = (),
    split: Split = "test",
    k: int = 10,
    report: bool = True,
    quick: bool = False,
    overrides: Overrides | None = None,
    console: Console | None = None,
) -> Run:
    """Do it.

    At length.

    Args:
        run: run folder.
        users: ids, of which there may be so many that a line is too short
            for all that there is to say.
        k: number.
        console: unseen.

    Returns:
        Nothing.
    """
    raise AssertionError(run, other, users, split, k, report, quick, overrides, console)


KNOWN = parameters(example, {"users": "user"})


def read(*words: str) -> dict[str, Any]:
    return parse("example", KNOWN, words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["r"], {"run": Path("r")}),
        (["r", "o", "-k", "3"], {"run": Path("r"), "other": "o", "k": 3}),
        (["--split=validation", "r"], {"run": Path("r"), "split": "validation"}),
        (["r", "--no-report", "--quick"], {"run": Path("r"), "report": False, "quick": True}),
        (["r", "--report"], {"run": Path("r"), "report": True}),
        (["r", "-k", "-3"], {"run": Path("r"), "k": -3}),
        (["r", "--user", "a", "b", "-k", "3"], {"run": Path("r"), "users": ["a", "b"], "k": 3}),
        (["r", "--user", "-abc", "-", "-1", "b"], {"run": Path("r"), "users": ["-abc", "-", "-1", "b"]}),
        (["r", "--user", "a", "--user=-k", "--user", "b"], {"run": Path("r"), "users": ["a", "-k", "b"]}),
        (["r", "--user=--split", "--user==x=y"], {"run": Path("r"), "users": ["--split", "=x=y"]}),
        (
            ["r", "--user", "a", "--users.layers", "3", "--x.y=[1, 2]", "--seed", "-1", "--z.t", "a: b: c"],
            {
                "run": Path("r"),
                "users": ["a"],
                "overrides": {"users.layers": 3, "x.y": [1, 2], "seed": -1, "z.t": "a: b: c"},
            },
        ),
    ],
)
def test_words_become_arguments(words: list[str], expected: dict[str, Any]) -> None:
    assert read(*words) == expected


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "RUN is missing"),
        (["--user", "a", "r"], "RUN is missing; give it first, as --user takes all words behind it"),
        (["r", "o", "x"], "'x' is one word too many"),
        (["r", "-k", "3.0"], "-k is '3.0'; expected a whole number"),
        (["r", "-k"], "-k has no value; expected -k VALUE, or -k=VALUE"),
        (["r", "-k", "--quick"], "-k has no value"),
        (["r", "--user", "--split", "test"], "--user has no value"),
        (["r", "--split", "tst"], "--split is 'tst'; expected one of validation, test"),
        (["r", "--quick=1"], "--quick takes no value, not '1'"),
        (["r", "--no-quick", "1"], "unknown option --no-quick; did you mean '--quick'?"),
        (["r", "--usr", "a"], "unknown option --usr; did you mean '--user'?"),
        (["r", "-x"], "unknown option -x; known: "),
        (["r", "--a.b"], "--a.b has no value"),
    ],
)
def test_wrong_words(words: list[str], says: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(*words)
    assert str(raised.value).startswith(f"example: {says}")
    assert str(raised.value).endswith("; see pixelrec example --help")


def several(
    paths: Path | str | Sequence[Path | str],
    names: Sequence[str | Path] = (),
    *,
    out: Path,
    k: Sequence[int] | None = None,
) -> None:
    """Do it with several."""
    raise AssertionError(paths, names, out, k)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "--out", "o"], {"paths": [Path("a")], "out": Path("o")}),
        (["a", "b", "--out", "o", "c"], {"paths": [Path("a"), Path("b"), Path("c")], "out": Path("o")}),
        (["-k", "1", "2", "--out=o", "a"], {"paths": [Path("a")], "out": Path("o"), "k": [1, 2]}),
        (
            ["--names", "a", "b", "--out=o", "c"],
            {"names": ["a", "b"], "out": Path("o"), "paths": [Path("c")]},
        ),
    ],
)
def test_one_value_or_several_without_an_option(words: list[str], expected: dict[str, Any]) -> None:
    known = parameters(several)
    assert parse("several", known, words) == expected
    assert "usage: pixelrec several PATHS … --out PATH [OPTION …]" in help_text("several", "", known)


def test_what_is_wrong_may_be_left_out() -> None:
    assert parse("example", KNOWN, ["r", "-k", "x"], partly=True) == {"run": Path("r")}


def test_help_is_the_docstring_in_eighty_columns() -> None:
    said = help_text("example", summary(example), KNOWN)
    assert said.splitlines()[:5] == [
        "usage: pixelrec example RUN [OTHER] [OPTION …] [--SECTION.WORD VALUE …]",
        "",
        "Do it.",
        "",
        "At length.",
    ]
    assert max(map(len, said.splitlines())) <= 80
    assert "for all that there is to say\n" in said and "-k NUMBER               number [default: 10]" in said
    assert "--[no-]report" in said and "--quick" in said and "--split validation|test" in said
    assert "console" not in said and "Returns" not in said
