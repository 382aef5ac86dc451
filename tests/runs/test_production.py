"""Training for production: on every event, and with more epochs."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import pixelrec
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import all_events
from pixelrec.errors import PixelrecError
from pixelrec.runs import train
from pixelrec.runs.run import Run

TINY = {"length": 6, "items.width": 16, "users.heads": 2, "users.layers": 1, "training.batch_size": 64}
TIMES = ("seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds")


def trained(dataset: Dataset, out: Path, recipe: str = "sasrec-id", **words: Any) -> Run:
    overrides = {**TINY, **{key.replace("__", "."): value for key, value in words.items()}}
    return pixelrec.train(recipe, data=dataset, out=out, overrides=overrides)


def rows(run: Run) -> list[dict[str, float]]:
    lines = (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMES} for line in lines]


def weights(run: Run, which: str = "best") -> bytes:
    return (run.folder / which / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def short(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(dataset, tmp_path_factory.mktemp("production") / "short", training__epochs=2)


@pytest.fixture(scope="module")
def last(short: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """`short`, trained on every event."""
    return pixelrec.train_final(short, out=tmp_path_factory.mktemp("final") / "run")


def test_more_epochs_equal_a_longer_run(dataset: Dataset, short: Run, tmp_path: Path) -> None:
    longer = trained(dataset, tmp_path / "longer", training__epochs=3)
    copy = Path(shutil.copytree(short.folder, tmp_path / "copy"))
    assert main(["train", "--resume", str(copy), "--training.epochs", "3"]) == 0
    run = Run.open(copy)
    assert rows(run) == rows(longer)
    for which in ("best", "last"):
        assert weights(run, which) == weights(longer, which)
    assert run.recipe == longer.recipe and run.recipe.training.epochs == 3


def test_prolonged_and_killed_before_an_epoch_it_continues(
    short: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(short.folder, tmp_path / "copy"))
    with monkeypatch.context() as patch:
        patch.setattr(train, "build_parts", lambda *_: (_ for _ in ()).throw(KeyError("killed")))
        with pytest.raises(KeyError):
            pixelrec.resume(copy, overrides={"training.epochs": 3})
    shutil.copy(short.folder / "recipe.yaml", copy)  # killed before this was replaced
    assert len(rows(pixelrec.resume(copy))) == 2, "with its former recipe, it has ended"
    assert len(rows(pixelrec.resume(copy, overrides={"training.epochs": 3}))) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training.epochs": 2}, "has 2 epochs, the best of them"),
        ({"training.epochs": 1}, "raise them further"),
        (
            {"training.batch_size": 8},
            "only, not with another training.batch_size; train a new run: pixelrec train",
        ),
        ({"training.epochs": 0.5}, "training.epochs"),
    ],
)
def test_what_prolongs_nothing_is_refused(short: Run, changes: dict[str, Any], message: str) -> None:
    before = (short.folder / "run.json").read_bytes()
    with pytest.raises(PixelrecError, match=message):
        pixelrec.resume(short, overrides=changes)
    assert (short.folder / "run.json").read_bytes() == before


def test_a_falling_rate_goes_on_and_says_so(dataset: Dataset, tmp_path: Path) -> None:
    run, screen = (
        trained(dataset, tmp_path / "run", training__epochs=1, training__schedule="cosine"),
        StringIO(),
    )
    run = pixelrec.resume(run, overrides={"training.epochs": 2}, console=Console(file=screen, width=200))
    assert "schedule   cosine: the learning rate goes on as in a run of 2 epochs" in screen.getvalue()
    assert [row["lr_factor"] < 0.1 for row in rows(run)] == [True, True], "each fell to its end"


def test_a_final_run_is_trained_on_every_event_for_the_chosen_epochs(
    dataset: Dataset, short: Run, last: Run
) -> None:
    chosen = max(rows(short), key=lambda row: row["NDCG@10"])["epoch"]
    found = rows(last)
    assert len(found) == chosen and not [name for name in found[0] if "@" in name]
    assert last.about["final"]["run"] == str(short.folder.resolve())
    parts = train.build_parts(last.recipe, dataset, train.Processes.launched("cpu"), None, train.Final("", 1))
    events = all_events(dataset)
    assert parts.batcher.reader.histories.stops.tolist() == events.stops.tolist()
    assert np.array_equal(parts.batcher.reader.histories.items, events.items) and parts.epochs == 1
    assert weights(last) == weights(last, "last") != weights(short)


def test_a_final_run_has_no_metrics(dataset: Dataset, short: Run, last: Run, tmp_path: Path) -> None:
    other = Run.open(shutil.copytree(last.folder, tmp_path / "bench" / "sasrec-id" / "seed-0"))
    attempts = {
        "evaluate": lambda: pixelrec.evaluate(last),
        "compare": lambda: pixelrec.compare(short, last),
        "blend": lambda: pixelrec.blend([last], baselines=["ease"], out=tmp_path / "blend"),
        "report": lambda: pixelrec.report(last),
        "bench": lambda: pixelrec.bench(
            dataset,
            ["sasrec-id"],
            seeds=1,
            out=other.folder.parents[1],
            overrides={**TINY, "training.epochs": 2},
        ),
        "final": lambda: pixelrec.train_final(last, out=tmp_path / "again"),
        "warm start": lambda: trained(dataset, tmp_path / "warm", training__warm_start=str(last.folder)),
    }
    for name, attempt in attempts.items():
        with pytest.raises(PixelrecError, match="is a final run: it was trained on every event") as error:
            attempt()
        assert str(short.folder) in str(error.value), name
    assert not (tmp_path / "warm").exists() and not (tmp_path / "again").exists()


def test_a_final_run_recommends_and_resumes(last: Run, tmp_path: Path) -> None:
    history = last.vocabulary["item_id"].head(3).to_list()
    assert pixelrec.recommend(last, history=history, k=3).height == 3
    copy = Path(shutil.copytree(last.folder, tmp_path / "run"))
    shutil.rmtree(copy / "last")
    assert weights(pixelrec.resume(copy)) == weights(last)


def test_a_final_run_takes_no_more_epochs(short: Run, last: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(last.folder)]) == 0
    assert main(["train", "--resume", str(last.folder), "--training.epochs", "9"]) == 2
    for said in capsys.readouterr():
        words = " ".join(said.split())
        assert "takes no more epochs" in words and f"--final {short.folder.resolve()}" in words


def test_only_a_finished_run_has_chosen(short: Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(short.folder, tmp_path / "copy"))
    shutil.rmtree(copy / "last")
    with pytest.raises(PixelrecError, match="progress.json: no such file"):
        pixelrec.train_final(copy, out=tmp_path / "run")


def test_vectors_of_a_final_run_are_no_features(dataset: Dataset, last: Run, tmp_path: Path) -> None:
    extracted = pixelrec.extract_features(dataset, run=last, out=tmp_path / "vectors").features
    with pytest.raises(PixelrecError, match="vectors of a final run, which was trained on the test events"):
        trained(dataset, tmp_path / "run", "sasrec-features", items__file=str(extracted.folder))
    assert extracted.knows_test_events
    assert pixelrec.similar(extracted, items=[dataset.item_ids[0]], k=2).height == 2
