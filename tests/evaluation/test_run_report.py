"""The report of a real run: its row among the baselines, from the best to the worst."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pixelrec import api
from pixelrec.baselines import BASELINES
from pixelrec.data.dataset import Dataset
from pixelrec.evaluation.measured import Measured
from pixelrec.run import Run
from pixelrec.run_report import BEST_POSSIBLE, write_run_report

SMALL = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.fixture(scope="module")
def run(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = api.train(
        "sasrec-id", data=dataset.folder, out=tmp_path_factory.mktemp("report") / "run", overrides=SMALL
    )
    api.evaluate(made)
    return made


def rows(page: Path) -> list[tuple[str, str]]:
    """Role and name of every row of the table of metrics."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r'<tr role="row" class="(\w+)"><th scope="row" role="rowheader">([^<]+?) ?<', text)


def test_rows_go_from_the_best_to_the_worst(run: Run, dataset: Dataset) -> None:
    page = write_run_report(run, dataset, "test", {"Recall@10": 0.9, "NDCG@10": 0.8})
    found = rows(page)
    measured = Measured.read(run.folder, "test")
    values = {name: each["NDCG@10"] for name, each in measured.metrics.items()}
    assert found[0] == ("ceiling", BEST_POSSIBLE)
    names = [name for _, name in found[1:]]
    assert set(names) == {"sasrec-id", *BASELINES}
    assert [values[name] for name in names] == sorted(values.values(), reverse=True)
    assert [name for role, name in found if role == "model"] == ["sasrec-id"]
    assert [role for role, _ in found].count("baseline") == len(BASELINES)


def test_the_report_says_how_the_run_stands(run: Run, dataset: Dataset) -> None:
    text = write_run_report(run, dataset, "test").read_text(encoding="utf-8")
    measured = Measured.read(run.folder, "test")
    assert measured.comparison is not None
    assert measured.comparison.sentence("sasrec-id") in text
    for name, choice in measured.notes.items():
        assert f"{name} ({choice})" in text


def test_an_evaluation_without_baselines_is_made_again(run: Run, tmp_path: Path) -> None:
    older = tmp_path / "run"
    shutil.copytree(run.folder, older)
    (older / "baselines-test.json").unlink()
    page = api.report(older)
    assert (older / "baselines-test.json").exists()
    assert ("model", "sasrec-id") in rows(page)
