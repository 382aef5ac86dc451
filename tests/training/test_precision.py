"""`training.precision` decides whether steps are under autocast, and warns where that is slow."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.recommender import Recommender

SMALL = {"length": 5, "items.width": 8, "users.heads": 1, "users.layers": 1, "training.epochs": 1}


@pytest.mark.parametrize(
    ("precision", "native", "expected"),
    [
        ("fp32", True, False),
        ("fast", True, True),
        ("fast", False, False),
        ("bf16", True, True),
        ("bf16", False, True),
    ],
)
def test_steps_are_in_bf16_if_the_recipe_says_so(
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    native: bool,
    expected: bool,
) -> None:
    monkeypatch.setattr("pixelrec.numerics.precision.has_bf16", lambda _device: native)
    seen, forward = set(), Recommender.forward

    def noting(self: Recommender, batch: object) -> object:
        seen.add(torch.is_autocast_enabled("cpu"))
        return forward(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(Recommender, "forward", noting)
    overrides = {**SMALL, "training.device": "cpu", "training.precision": precision}
    console = Console(file=StringIO())
    pixelrec.train(
        "sasrec-id", data=dataset.folder, out=tmp_path / "run", overrides=overrides, console=console
    )
    assert seen == {expected}
    told = "training: precision bf16 is emulated" in console.file.getvalue()  # type: ignore[attr-defined]
    assert told == (precision == "bf16" and not native)
