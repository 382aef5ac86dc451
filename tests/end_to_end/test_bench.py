"""A grid on the real command line: stopped, killed, shared or failing, it ends as if undisturbed."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import PATIENCE, Command

import pixelrec
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.grid.plan import plan
from pixelrec.runs.results import EvaluationResult

TINY = {"items.width": 8, "training.epochs": 3, "training.batch_size": 64}
EPOCHS = 12  # of the run that is disturbed three times


def words(dataset: Dataset, out: Path, *more: object, epochs: int = 3) -> list[str]:
    chosen = [f"--{key}={value}" for key, value in {**TINY, "training.epochs": epochs}.items()]
    return [str(word) for word in ["bench", dataset.folder, *more, "--out", out, *chosen]]


def end(command: Command, status: int) -> tuple[str, str]:
    ended = command.end()
    assert ended.status == status, ended
    return ended.out, ended.err


def rows(run: Path) -> list[dict[str, float]]:
    """The journal without what clocks say."""
    path = run / "metrics.jsonl"
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    clocks = {"seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds"}
    return [{k: v for k, v in row.items() if k not in clocks} for row in found]


def untouched(out: Path) -> Mapping[str, int]:
    """When the files of finished cells were last written."""
    return {
        str(path.relative_to(out)): path.stat().st_mtime_ns
        for cell in out.glob("*/seed-*/cell.json")
        for path in cell.parent.rglob("*")
    }


def weights(run: Path) -> bytes:
    return (run / "best" / "model.safetensors").read_bytes()


def test_a_grid_with_a_recipe_that_fails_and_is_mended(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd, out = tmp_path / "odd.yaml", tmp_path / "out"
    odd.write_text("items: {name: pixels, source: gone}\nlength: 5\n", encoding="utf-8")
    command = words(dataset, out, "--recipes", "mf-id", odd, "--seeds", 1)
    assert main(command) == 1
    done, failed = capsys.readouterr()
    assert "mf-id  seed 0  NDCG@10" in done and "▼" in done and "results-test.html" in done
    assert failed.startswith("pixelrec: 1 run failed") and len(failed.splitlines()) == 1
    assert "odd seed 0: " in failed and "gone" in failed
    assert "odd (0 of 1 seed, 1 failed)" in (out / "results-test.md").read_text("utf-8")
    before = untouched(out)

    odd.write_text("users: {name: sasrec, heads: 2, layers: 1}\nlength: 5\n", encoding="utf-8")
    assert main(command) == 0
    again = capsys.readouterr().out
    assert "1 done already, 1 to go" in again and "again      odd seed 0, which failed" in again
    after = untouched(out)
    assert before == {name: after[name] for name in before}
    assert not list(out.glob("*/*.failed"))
    check_changes_are_refused(command, out, capsys)


def check_tables(out: Path, model: str) -> None:
    """The quoted metric of both tables, from the ranks alone."""
    ranks = [pl.read_parquet(path)["rank"].to_numpy() for path in sorted(out.glob(f"{model}/*/ranks-test*"))]
    assert len(ranks) == 2
    value = np.mean([np.where(one <= 10, 1 / np.log2(one + 1.0), 0) for one in ranks])
    lines = list(csv.DictReader((out / "results-test.csv").read_text("utf-8").splitlines()))
    found = [x for x in lines if (x["model"], x["seed"], x["quantity"]) == (model, "", "NDCG@10")]
    assert [float(line["value"]) for line in found] == [pytest.approx(value, rel=1e-12)]
    table = (out / "results-test.md").read_text("utf-8").splitlines()
    row = next(line for line in table if line.startswith(f"| {model} "))
    assert f" {100 * value:.2f} ± " in row
    page = (out / "results-test.html").read_text("utf-8")
    assert f"{100 * value:.2f}" in page and "src=" not in page and "@import" not in page
    costs = json.loads((out / model / "seed-1" / "cell.json").read_text("utf-8"))
    journal = (out / model / "seed-1" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert costs["seconds"] == pytest.approx(sum(json.loads(line)["seconds"] for line in journal))
    assert costs["epochs"] == 3 and 50e6 < costs["memory"] < 5e9


def check_changes_are_refused(command: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = untouched(out)
    capsys.readouterr()
    assert main([*command, "--training.epochs=4"]) == 2
    assert "training.epochs 3, which is now 4" in capsys.readouterr().err
    assert main([*command, "--users.layers=2"]) == 2
    assert "users.layers 1, which is now 2" in capsys.readouterr().err  # of the recipe that has the word
    assert untouched(out) == before


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]


def is_running(pid: int) -> bool:
    """Whether it is there and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the child in /proc")
def test_it_ends_the_same_however_it_is_disturbed(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = out / "mf-id" / "seed-0"
    command = words(dataset, out, "--recipes", "mf-id", "--seeds", 1, epochs=EPOCHS)
    for disturb in (interrupt_runner, kill_child, kill_runner):
        before = len(rows(run))
        process = Command(*command)
        process.wait_until(lambda: len(rows(run)) > before)  # noqa: B023
        (child,) = children_of(process.pid)
        disturb(process, child, run)
        until = time.monotonic() + PATIENCE
        while is_running(child) and time.monotonic() < until:
            time.sleep(0.01)
        assert len(rows(run)) < EPOCHS, "it went on by itself, or was over before it could be disturbed"
    assert main(command) == 0
    assert "1 of 1  mf-id  seed 0" in capsys.readouterr().out
    chosen = {**TINY, "training.epochs": EPOCHS, "seed": 0}
    whole = pixelrec.train("mf-id", data=dataset.folder, out=tmp_path / "run", overrides=chosen).folder
    assert rows(run) == rows(whole)
    assert weights(run) == weights(whole)
    log = run.with_name("seed-0.log").read_text("utf-8")
    assert log.count("epoch   1 ") == 1, "an epoch that was done is not done again"


def interrupt_runner(process: Command, child: int, run: Path) -> None:
    assert os.getpgid(child) != os.getpgid(process.pid), "Ctrl-C is for the runner alone, or it comes twice"
    requested = time.time_ns()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    said, why = end(process, 130)
    assert "stopping   mf-id seed 0" in said and "Traceback" not in why
    assert why == "pixelrec: stopped; 0 of 1 runs done; the same command continues\n"
    assert (run / "last" / "progress.json").stat().st_mtime_ns > requested, "it saved before it stopped"
    assert "0 of 1 seed)" in (run.parents[1] / "results-test.md").read_text("utf-8")


def kill_child(process: Command, child: int, _run: Path) -> None:
    os.kill(child, signal.SIGKILL)
    assert "mf-id seed 0: its process was ended by SIGKILL" in end(process, 1)[1]


def kill_runner(process: Command, _child: int, _run: Path) -> None:
    process.send(signal.SIGKILL)
    end(process, -signal.SIGKILL)


def test_two_runners_share_the_work_and_another_split_needs_no_training(
    dataset: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = words(dataset, out, "--recipes", "mf-id", "--seeds", 2, "--split", "validation", "--jobs", 2)
    runners = [Command(*command), Command(*command)]
    said = [end(runner, 0)[0] for runner in runners]
    for seed in range(2):
        log = (out / "mf-id" / f"seed-{seed}.log").read_text("utf-8")
        assert log.count("epoch   1 ") == 1, "each run is trained once"
    tables = [text.partition("validation, %")[2].partition("table ")[0] for text in said]
    assert tables[0] == tables[1] != ""
    assert rows(out / "mf-id" / "seed-0") != rows(out / "mf-id" / "seed-1")
    assert "2 runs at a time" in (out / "results-validation.md").read_text("utf-8")
    run = out / "mf-id" / "seed-1"
    assert not (run / "ranks-test.parquet").exists(), "the test events stay closed"

    before = (run / "cell.json").stat().st_mtime_ns
    found = pixelrec.bench(dataset.folder, ["mf-id"], seeds=2, out=out, overrides=TINY)
    assert (run / "cell.json").stat().st_mtime_ns == before
    assert found.failed == {} and found.markdown.name == "results-test.md"
    (row,) = found.results.recipes
    measured = EvaluationResult.read(run, "test").metrics["mf-id"]
    assert {name: mean.mean for name, mean in row.seeds[1].overall.metrics.items()} == pytest.approx(measured)
    assert {costs.jobs for costs in row.costs} == {2}
    assert found.grid.other_recipes == []
    other = plan(dataset, ["fm-id"], seeds=1, split="test", out=out, overrides=TINY)
    assert other.other_recipes == ["mf-id"]
    check_tables(out, "mf-id")
