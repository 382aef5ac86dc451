"""Where training and what follows it takes place, whatever the machine and the launcher offer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from accelerate.state import AcceleratorState

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.numerics.device import device_of
from pixelrec.recipe.recipe import read_recipe
from pixelrec.runs.train import _accelerator

SMALL = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.mark.parametrize(("device", "expected"), [("cpu", "cpu"), ("auto", "meta")])
def test_what_trained_on_the_cpu_by_choice_stays_there(
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
    assert device_of(choice).type == expected


def test_precision_and_accumulation_are_the_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    accelerator = _accelerator(read_recipe("sasrec-id", {"training.device": "cpu"}))
    assert (accelerator.mixed_precision, accelerator.gradient_accumulation_steps) == ("no", 1)
