"""Every verb: complete help within 80 columns, from one signature, without waiting."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from pixelrec import api, errors
from pixelrec.cli.main import main
from pixelrec.cli.verbs import VERBS


@pytest.mark.parametrize("name", VERBS)
def test_help_explains_every_option_in_eighty_columns(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for each in VERBS[name].parameters():
        assert each.text, f"{each.flag} is not explained"
    assert main([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: pixelrec {name}") and max(map(len, said.splitlines())) <= 80


def test_help_lists_the_options_of_a_class_that_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sasrec-id", "--users.name", "gru4rec", "--users.dropout", "x", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--users.layers" in said and "--users.heads" not in said and "gru4rec" in said


def test_help_says_what_a_class_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "sasrec-id", "--items.name", "joined", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "(keys with values); it has no default --items.combine" in said


@pytest.mark.parametrize("name", VERBS)
def test_no_option_means_two_things(name: str) -> None:
    flags = [flag for each in VERBS[name].parameters() for flag in each.flags]
    assert len(flags) == len(set(flags))


def test_the_overview_fits_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80 and all(f"  {name}" in said for name in VERBS)


def test_every_function_of_the_api_is_a_verb() -> None:
    functions = {getattr(api, name) for name in api.__all__}
    assert functions - {api.load, api.from_pretrained} <= {verb.call for verb in VERBS.values()}


def test_what_should_not_happen_is_a_line_of_its_own_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object, __: object) -> None:
        raise ZeroDivisionError("division\nby zero \x1b[2J")

    monkeypatch.setattr(type(VERBS["compare"]), "help", lambda *_: broken(0, 0))
    assert main(["compare", "--help"]) == 70
    said = capsys.readouterr().err
    assert said == (
        "pixelrec: internal error (ZeroDivisionError: division by zero \\x1b[2J); --debug shows where: "
        "please report it\n"
    )
    with pytest.raises(ZeroDivisionError):
        main(["compare", "--help", "--debug"])


@pytest.mark.parametrize("words", [["--help"], ["recipes"]])
def test_a_reader_that_goes_away_is_no_error(words: list[str]) -> None:
    command = [str(Path(sys.executable).with_name("python")), "-m", "pixelrec", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait(60) == 0
    process.stderr.close()


def test_without_standard_output_nothing_is_printed() -> None:
    for words in ("--help", "recipes"):
        command = f"{sys.executable} -m pixelrec {words} >&-"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_is_a_line() -> None:
    command = f"{sys.executable} -m pixelrec recipes > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "pixelrec: No space left on device; --debug shows where\n"


def test_mistakes_are_answered_before_pytorch_is_imported(tmp_path: Path) -> None:
    startup = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "startup.py"))
    startup["make_place"](tmp_path)
    code = (
        "import shlex, sys; from pixelrec.cli.main import main; main(['recipes'])\n"
        f"for line in {startup['MISTAKES']!r}:\n"
        "    status = main(shlex.split(line))\n"
        "    heavy = [name for name in ('torch', 'polars', 'transformers') if name in sys.modules]\n"
        "    assert status == 2 and not heavy, (line, status, heavy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == len(startup["MISTAKES"])
    assert {path.name for path in tmp_path.iterdir()} == {"covers", "data", "full", "run", "log.csv"}


def test_help_lists_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.partition("Exit status:")[2].split())
    errors_of_users = [each for each in vars(errors).values() if isinstance(each, type)]
    statuses = {each.exit_code for each in errors_of_users if issubclass(each, errors.PixelrecError)}
    assert statuses == {1, 2, 3, 4} and "128 + n" in said
    assert all(f"{status} " in said for status in (0, *statuses, 70))


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (
            type("PanicException", (BaseException,), {})("a panic"),
            70,
            "internal error (PanicException: a panic)",
        ),
        (RuntimeError("unable to open file x: Too many open files (24)"), 2, "too many open files: raise"),
        (RuntimeError("Symlink loop from 'x'"), 2, "Symlink loop from 'x': the link points to itself"),
        (OSError(24, "Too many open files", "x"), 2, "x: Too many open files"),
    ],
    ids=str,
)
def test_errors_of_libraries_are_a_line(
    error: BaseException,
    status: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(VERBS["compare"]), "help", broken)
    assert main(["compare", "--help"]) == status
    said = capsys.readouterr().err
    assert said.startswith(f"pixelrec: {says}") and len(said.splitlines()) == 1
