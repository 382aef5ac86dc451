"""A run over pixels that was interrupted in mid-epoch ends as if it had not been, to the last bit."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from end_to_end.pixel_runs import RESNET, USERS, checkpoint

from pixelrec import api
from pixelrec.data.dataset import Dataset
from pixelrec.errors import StoppedError
from pixelrec.items.projection import Standardised
from pixelrec.training import loop

STALE = {
    "negatives.bank": True,
    "negatives.reencoded": 5,
    "negatives.drawn": 40,
    "training.epochs": 2,
    "training.batch_size": 100,
}
RUNS: dict[str, dict[str, Any]] = {
    "resnet": {
        **RESNET,
        **STALE,
        "items.cache": "always",
        "items.norm": "items",
        "items.trainable": 1,
        "items.depths": "all",
        "items.adapters": 3,
    },
    "clip": {
        **USERS,
        **STALE,
        "items.name": "pixels",
        "items.trainable": 1,
        "items.pooling": "tokens",
        "items.cache": "always",
        "items.chunk": 9,
        "items.keep_activations": 18,
        "items.norm": "items",
        "items.lora": 2,
    },
    "never cached": {
        **RESNET,
        **STALE,
        "items.cache": "never",
        "items.trainable": "all",
        "items.keep_activations": 0,
    },
}


def weights(run: Path, which: str) -> bytes:
    return (run / which / "model.safetensors").read_bytes()


def bank(run: Path) -> bytes:
    return (run / "last" / "bank.safetensors").read_bytes()


def journal(run: Path) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    timing = ("seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds")
    return [{k: v for k, v in json.loads(line).items() if k not in timing} for line in lines]


def interrupted(monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    """From now on, a signal comes while batch number `at` (of all epochs) is under way."""
    batches, train_batch = 0, loop.train_batch

    def signalled(*words: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == at:
            signal.raise_signal(signal.SIGTERM)
        return train_batch(*words)

    monkeypatch.setattr(loop, "train_batch", signalled)


@pytest.mark.parametrize(("network", "epoch"), [("resnet", 0), ("clip", 1), ("never cached", 1)])
def test_it_ends_the_same(
    network: str, epoch: int, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides, source, out = dict(RUNS[network]), tmp_path / "source", tmp_path / "run"
    if network == "clip":
        overrides["items.source"] = str(checkpoint(source, "clip"))
    whole = api.train("sasrec-id", data=own_data, out=tmp_path / "whole", overrides=overrides).folder
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        interrupted(patch, at=2 + epoch * len_of(own_data, overrides))
        api.train("sasrec-id", data=own_data, out=out, overrides=overrides)
    state = json.loads((out / "last" / "progress.json").read_text(encoding="utf-8"))
    assert (state["epoch"], state["batch"]) == (epoch, 2)
    if network == "clip":  # it is built again from what the checkpoint says, and so is the cache
        shutil.rmtree(source)
        shutil.rmtree(own_data / "activations")
    with monkeypatch.context() as patch:
        patch.setattr(Standardised, "fit", lambda *_: pytest.fail("statistics are fitted anew"))
        api.resume(out)
    assert journal(out) == journal(whole)
    for which in ("last", "best"):
        assert weights(out, which) == weights(whole, which)
    assert bank(out) == bank(whole)


class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("network", ["resnet", "never cached"])
def test_killed_after_a_save_within_an_epoch_it_ends_the_same(
    network: str, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides, out = dict(RUNS[network]), tmp_path / "run"
    whole = api.train("sasrec-id", data=own_data, out=tmp_path / "whole", overrides=overrides).folder
    overrides["training.save_minutes"] = 1e-9  # after every step
    last, batches, train_batch = len_of(own_data, overrides) + 3, 0, loop.train_batch

    def killed(*words: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == last:
            raise Killed
        return train_batch(*words)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "train_batch", killed)
        api.train("sasrec-id", data=own_data, out=out, overrides=overrides)
    state = json.loads((out / "last" / "progress.json").read_text(encoding="utf-8"))
    assert (state["epoch"], state["batch"]) == (1, 2)
    api.resume(out)
    assert journal(out) == journal(whole)
    for which in ("last", "best"):
        assert weights(out, which) == weights(whole, which)
    assert bank(out) == bank(whole)


def len_of(own_data: Path, overrides: dict[str, Any]) -> int:
    """Batches of an epoch."""
    from pixelrec.data.split import training_events
    from pixelrec.data.views import VIEWS, Reader, Windowing
    from pixelrec.recipe.recipe import read_recipe

    recipe = read_recipe("sasrec-id", overrides)
    view, windowing = VIEWS["next_item"], Windowing(**recipe["windowing"])
    rows = len(Reader.over(view, training_events(Dataset.open(own_data)), recipe["length"], windowing))
    assert rows > 3 * recipe["training"]["batch_size"]
    return -(-rows // recipe["training"]["batch_size"])


def test_killed_before_anything_was_saved_it_starts_again(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = RUNS["resnet"] | {"training.epochs": 1}
    whole = api.train("sasrec-id", data=own_data, out=tmp_path / "whole", overrides=overrides).folder

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "end_epoch", killed)
        api.train("sasrec-id", data=own_data, out=tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run" / "last").exists()
    api.resume(tmp_path / "run")
    assert weights(tmp_path / "run", "last") == weights(whole, "last")
