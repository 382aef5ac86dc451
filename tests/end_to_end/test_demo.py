"""The demo, in a shop small enough for a test: three runs, one table, one report."""

from __future__ import annotations

import html
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from pixelrec import api
from pixelrec.cli.main import main
from pixelrec.cli.show_demo import print_demonstration
from pixelrec.demonstration import demonstrate as demonstration
from pixelrec.demonstration.demonstrate import CONTENDERS, FITTED, Demonstration
from pixelrec.demonstration.world import generate_world
from pixelrec.errors import RequestError
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.run import Run
from pixelrec.training.journal import JOURNAL, cost_of, read_journal


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="module")
def said(out: Path) -> str:
    """What the command prints; all its files are in `out` by then."""
    printed = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(demonstration, "generate_world", partial(generate_world, users=300, items=100))
        patch.setenv("COLUMNS", "80")
        for each in CONTENDERS:
            patch.setitem(cast("dict[str, object]", each.options), "training.epochs", 1)
        for name in ("fit.rows", "fit.passes"):
            patch.setitem(cast("dict[str, object]", FITTED.options), name, 1)
        assert main(["demo", "--out", str(out)]) == 0
    return printed.getvalue()


@pytest.fixture(scope="module")
def found(said: str, out: Path) -> Demonstration:  # noqa: ARG001 - it is made first
    ids, pixels, fitted = (Run.open(out / each.folder) for each in CONTENDERS)
    return Demonstration(ids, pixels, fitted, {"Recall@10": 0.5, "NDCG@10": 0.4})


def rows(said: str) -> dict[str, list[str]]:
    """Cells of the table by the name of their row."""
    lines = said.partition("test, %")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [line.rsplit(maxsplit=5) for line in lines]
    return {name.strip(): numbers for name, *numbers in cells}


def test_all_runs_are_in_one_table_with_their_cost(said: str, found: Demonstration) -> None:
    table = rows(said)
    assert {"best possible", "popularity", *found.runs} <= table.keys()
    assert next(iter(table)) == "best possible" and table["best possible"][2:] == ["–"] * 3
    for name, run in found.runs.items():
        measured = EvaluationResult.read(run.folder, "test")
        ours, rare = measured.metrics[run.name], measured.slices[0].metrics[run.name]
        values = [ours["Recall@10"], ours["NDCG@10"], rare["NDCG@10"]]
        cost = cost_of(read_journal(run.folder / JOURNAL, "NDCG@10"))
        pictures = cost["encodes"] + cost["trained_encodes"]
        costs = [f"{cost['cpu_seconds']:,.0f}", f"{pictures:,.0f}"]
        assert table[name] == [*(f"{100 * value:.2f}" for value in values), *costs]
        assert cost["cpu_seconds"] > 0 and (pictures > 0) == (run is not found.ids)
    kept = [float(numbers[1]) for numbers in table.values()]
    assert kept == sorted(kept, reverse=True)


def test_the_best_baselines_are_in_it(said: str, found: Demonstration) -> None:
    measured = EvaluationResult.read(found.ids.folder, "test")
    for part in (measured.metrics, measured.slices[0].metrics):
        baselines = {name: values["NDCG@10"] for name, values in part.items() if name != found.ids.name}
        assert max(baselines, key=lambda name: baselines[name]) in rows(said)
    assert len(rows(said)) <= 7


def test_the_difference_is_said_overall_and_on_long_tail_items(said: str, found: Demonstration) -> None:
    assert found.differences.keys() == found.runs.keys() - {FITTED.name}
    for name, difference in found.differences.items():
        assert difference.long_tail is not None
        for pair in (difference.overall, difference.long_tail):
            assert pair.sentence(FITTED.name, name) in said
        assert said.index(difference.long_tail.where) > said.index("test, %")


def test_a_narrow_terminal_loses_recall_and_no_digit(found: Demonstration) -> None:
    file = StringIO()
    print_demonstration(found, Console(file=file, width=60, soft_wrap=True))
    table = file.getvalue().strip().partition("\n\n")[0]
    assert table.count("NDCG@10") == 2 and "Recall@10" not in table and "…" not in table
    assert "40.00" in table and all(f"{name} " in table for name in found.runs)


def test_the_report_has_all_runs_their_cost_and_the_best_possible(said: str, found: Demonstration) -> None:
    assert str(found.report) in said
    page = html.unescape(found.report.read_text(encoding="utf-8"))
    assert "law of the world" in page
    for run, difference in zip((found.ids, found.pixels), found.differences.values(), strict=True):
        assert difference.overall.sentence(found.fitted.name, run.name) in page
    costs = page.partition("Cost of training")[2].partition("</table>")[0]
    assert all(run.name in costs for run in found.runs.values())


def test_without_picture_networks_it_says_so_at_once(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.errors.find_spec", lambda _: None)
    with pytest.raises(RequestError, match=r"pixelrec\[pixels\]"):
        api.demo(out=out.parent / "other")
    assert not (out.parent / "other").exists()
