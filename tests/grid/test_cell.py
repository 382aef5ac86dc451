"""Locks, processes and states of cells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from pixelrec.console.terminal import Screen
from pixelrec.errors import RunError
from pixelrec.files.lock import holder
from pixelrec.grid import outcome
from pixelrec.grid.cell import Cell, check_same_networks
from pixelrec.grid.plan import Grid
from pixelrec.grid.process import CellProcess, threads
from pixelrec.grid.progress import ProgressPrinter
from pixelrec.grid.runner import Runner
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.machine import peak_memory


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(read_recipe("published/mf-id"), tmp_path / "mf-id" / "seed-0")


def test_a_child_holds_what_it_inherits_until_it_dies(cell: Cell) -> None:
    lock = cell.lock()
    assert lock is not None and cell.lock() is None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        pass_fds=(lock.descriptor,),
        stderr=subprocess.DEVNULL,
    )
    os.close(lock.descriptor)  # as when the runner dies
    assert cell.lock() is None
    child.kill()
    child.communicate()
    with cell.lock() or pytest.fail("still locked"):
        assert holder(cell.lock_file).startswith(f"process {os.getpid()} on ")


def test_a_process_locks_its_cell_and_gives_the_reason_of_its_failure(cell: Cell, tmp_path: Path) -> None:
    lock = cell.lock()
    assert lock is not None
    cell.fail("an earlier reason")
    process = CellProcess(cell, lock, tmp_path / "nothing", "test", 1)
    assert cell.failure is None
    os.close(lock.descriptor)  # as when the runner dies
    held = cell.lock()
    while not process.is_over():
        time.sleep(0.01)
    assert held is None, "its process holds the cell too"
    assert "nothing: no such data set" in (process.failure() or "")
    opened = os.open(os.devnull, os.O_RDONLY)  # takes the number that was closed, or another one
    os.dup2(opened, lock.descriptor)
    process.close()
    if opened != lock.descriptor:
        os.close(opened)


def test_a_failure_is_kept_until_it_is_forgotten(cell: Cell) -> None:
    assert cell.state("test") == "new" and cell.failure is None
    cell.folder.parent.mkdir()
    cell.fail("the loss is nan")
    assert cell.state("test") == "failed" and cell.failure == "the loss is nan"
    cell.failure_file.unlink()
    assert cell.state("test") == "new"


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [threads(jobs) for jobs in (1, 3, 8, 20)] == [8, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [threads(jobs) for jobs in (1, 8)] == [2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "0")
    assert threads(1) == 8


def test_memory_is_the_process_s_own() -> None:
    """A small child of a large process is small, though the kernel's other count says otherwise."""
    large = bytes(1) * 300_000_000 + b"x"  # written to, so that it is really there
    assert peak_memory() > len(large)
    code = "from pixelrec.runs.machine import peak_memory; print(peak_memory())"
    small = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert 1_000_000 < small < 100_000_000


@pytest.mark.parametrize("weights", ["one", "other"])
def test_seeds_start_from_the_same_weights_of_a_run(grid: Grid, weights: str) -> None:
    cells = grid.cells[0][:2]
    for cell, sha256 in zip(cells, ("one", weights), strict=True):
        cell.folder.mkdir(parents=True)
        about = {"warm_start": {"run": "/runs/first", "sha256": sha256}}
        (cell.folder / "run.json").write_text(json.dumps(about), encoding="utf-8")
    refused = pytest.raises(RunError, match="other weights of /runs/first than .*seed-0: .*exchanged")
    with nullcontext() if weights == "one" else refused:
        check_same_networks(cells)


def test_the_lock_file_of_a_killed_process_is_removed_when_its_cell_is_done(
    grid: Grid, finish: Callable[[Cell], object]
) -> None:
    for cell in grid.in_turn():
        finish(cell)
        cell.lock_file.touch()
    held = grid.in_turn()[0].lock()
    assert held is not None
    runner = Runner(grid, 1, ProgressPrinter(grid, Screen(quiet=True)), lambda: None)
    assert runner.run() is None
    with held:
        assert [cell for cell in grid.in_turn() if cell.lock_file.exists()] == grid.in_turn()[:1]


def test_a_place_that_cannot_be_written_is_named_before_baselines_are_ranked(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "baselines", lambda *_: pytest.fail("too late"))
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written: Not a directory; choose a folder"):
        outcome.run_grid(replace(grid, out=tmp_path / "file" / "out"), 1, Screen(quiet=True))
