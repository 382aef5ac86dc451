"""One process trains wherever a recipe says; several agree on what they do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from accelerate.state import AcceleratorState, PartialState

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.numerics.precision import device_of
from pixelrec.training.interruption import Interruption
from pixelrec.training.processes import Processes
from pixelrec.training.watch import GO_ON, SAVE, STOP, Watch

SMALL = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.mark.parametrize(("device", "expected"), [("cpu", "cpu"), ("auto", "meta")])
def test_a_run_trained_on_the_cpu_by_choice_stays_there(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, expected: str
) -> None:
    chosen = {**SMALL, "training.device": device}
    run = pixelrec.train("sasrec-id", data=dataset.folder, out=tmp_path / "run", overrides=chosen)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: torch.device("meta"))
    assert run.recommender().device.type == expected


@pytest.mark.parametrize(
    ("there", "choice", "expected"),
    [("cuda", "auto", "cuda"), ("cuda", "cpu", "cpu"), ("mps", "auto", "cpu"), (None, "auto", "cpu")],
)
def test_an_accelerator_needs_float64(
    monkeypatch: pytest.MonkeyPatch, there: str | None, choice: Literal["auto", "cpu"], expected: str
) -> None:
    found = None if there is None else torch.device(there)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda **_: found)
    assert device_of(choice).type == Processes.launched(choice).device.type == expected


@pytest.mark.parametrize("mixed_precision", ["no", "bf16"])
def test_an_accelerator_elsewhere_in_the_process_does_not_matter(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixed_precision: str
) -> None:
    """As after a training on a GPU, or in a notebook that made an Accelerator of its own."""
    state = {"device": torch.device("meta"), "_cpu": False, "num_processes": 1, "process_index": 0}
    monkeypatch.setattr(PartialState, "_shared_state", dict(state))
    monkeypatch.setattr(AcceleratorState, "_shared_state", {**state, "_mixed_precision": mixed_precision})
    chosen = {**SMALL, "training.device": "cpu"}
    run = pixelrec.train("sasrec-id", data=dataset.folder, out=tmp_path / "run", overrides=chosen)
    assert run.recommender().device.type == "cpu"


def test_a_launcher_decides_neither_precision_nor_accumulation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    given = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    made: list[dict[str, Any]] = []
    monkeypatch.setattr("accelerate.Accelerator", lambda **words: made.append(words) or _accelerator())
    assert Processes.launched("cpu").count == 2
    assert made[0]["cpu"] is True and made[0]["mixed_precision"] == "no"
    assert made[0]["gradient_accumulation_plugin"].num_steps == 1


def _accelerator() -> Any:
    places = {"process_index": 0, "num_processes": 2, "end_training": lambda: None}
    return SimpleNamespace(device=torch.device("cpu"), **places)


def watch(minutes: float, processes: Any, now: list[float], monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr("pixelrec.training.watch.monotonic", lambda: now[0])
    return Watch(processes, minutes, Interruption())


def test_one_process_saves_by_its_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    found = watch(10, Processes(torch.device("cpu")), now, monkeypatch)
    assert found.after_step() == GO_ON
    now[0] = 600.0
    assert found.after_step() == SAVE
    found.saved()
    assert found.after_step() == GO_ON
    found.interruption.signal = 15
    assert found.after_step() == STOP


def test_without_minutes_only_ends_of_epochs_are_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    found = watch(0, Processes(torch.device("cpu")), now, monkeypatch)
    now[0] = 1e9
    assert found.after_step() == GO_ON


@pytest.mark.parametrize(("seconds", "expected"), [(0.001, 5), (0.25, 20), (3.0, 80)])
def test_several_processes_agree_rarely(
    seconds: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once in sixteen steps, or every second if steps are slow; the leader's clock decides."""
    now, asked = [0.0], []

    def maxima(values: list[int]) -> list[int]:
        asked.append(values)
        return values

    processes = SimpleNamespace(count=2, leads=True, maxima=maxima)
    found = watch(0, processes, now, monkeypatch)
    for _ in range(80):
        now[0] += seconds
        assert found.after_step() == GO_ON
    assert len(asked) == pytest.approx(expected, abs=1)
    follower = watch(1, SimpleNamespace(count=2, leads=False, maxima=lambda v: [v[0], 16]), now, monkeypatch)
    now[0] += 1000
    assert follower.now() == GO_ON, "only the leader's clock counts"
    follower.interruption.signal = 15
    assert follower.now() == STOP, "but everybody's signals"
