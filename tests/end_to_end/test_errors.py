"""Mistakes are answered in one line that says how to mend them, and leave nothing behind."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import Tensor

from pixelrec.batch import Batch, Scores
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.data.views import Windowing, cut_windows
from pixelrec.recipe.recipe import read_recipe
from pixelrec.recommender import Recommender
from pixelrec.training.losses import LOSSES

TINY = ["--length", "6", "--items.width", "16", "--users.heads", "2", "--users.layers", "1"]


def said(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    assert main([str(word) for word in words]) == code
    out = capsys.readouterr()
    assert len(out.err.strip().splitlines()) == 1, out.err
    return out.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--users.layer", "3"], "did you mean 'users.layers'"),
        (["--users.layers", "three"], "users.layers is 'three'; expected a whole number from 1 to 1,000"),
        (["--users.name", "sasrecc"], "did you mean 'sasrec'"),
        (["--items.width", "31"], "heads"),
        (["--loss.name", "bce", "--negatives.name", "catalogue"], "softmax only"),
        (["--training.monitor", "NDCG@7"], "NDCG@10"),
        (["--training.precision", "fp16"], "precision"),
        (["--nonsense", "1"], "nonsense"),
        (["--users.layers"], "no value"),
        (["users"], "section.word"),
        (["--training.batch_size", "0"], "from 1"),
        (["--users.dropout", "1"], "0.99"),
        (["--windowing.overlap", "51"], "expected a whole number from 0 to length"),
        (["--windowing.overlap", "1.5"], "or a fraction below 1"),
        (["--training", "null"], "below it"),
        (["--optimiser.weight_decay", "100", "--optimiser.learning_rate", "1"], "less than 1"),
        (["--users.name", "[mf]"], "users.name"),
        (["--optimiser.learning_rate", "-1"], "learning_rate"),
    ],
)
def test_a_wrong_word(
    words: list[str], says: str, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert says in said(capsys, "train", "sasrec-id", "--data", dataset.folder, "--out", out, *words)
    assert not out.exists()


def test_memory_that_does_not_suffice(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An allocator really refuses: PyTorch has no class of error for that on a CPU."""
    forward = Recommender.forward

    def greedy(self: Recommender, batch: Batch) -> Scores:
        torch.empty(1 << 55)
        return forward(self, batch)

    monkeypatch.setattr(Recommender, "forward", greedy)
    out = tmp_path / "run"
    words = ["sasrec-id", "--data", dataset.folder, "--out", out, *TINY, "--training.epochs", "1"]
    error = said(capsys, "train", *words, code=4)
    assert "out of memory" in error and "a smaller training.batch_size" in error
    monkeypatch.undo()
    assert main(["train", "--resume", str(out), "--data", str(dataset.folder)]) == 0
    capsys.readouterr()
    monkeypatch.setattr(Recommender, "vectors", lambda *_: torch.empty(1 << 55))
    assert "close other programs" in said(capsys, "recommend", out, "--user", "u1", code=4)


def test_a_disk_that_is_full(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save, saved = Recommender.save, 0

    def full(self: Recommender, folder: Path) -> None:
        nonlocal saved
        saved += 1
        save(self, folder)
        if saved == 3:  # of the second epoch, after its files were written in part
            raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(Recommender, "save", full)
    out = tmp_path / "run"
    words = ["sasrec-id", "--data", dataset.folder, "--out", out, *TINY, "--training.epochs", "2"]
    error = said(capsys, "train", *words)
    assert "cannot be written: I/O error: No space left" in error and f"train --resume {out}" in error
    assert not list(out.glob(".*.draft")), "nothing half-written stays"
    assert Recommender.from_pretrained(out / "best").spec.items == dataset.items
    monkeypatch.undo()
    assert main(["train", "--resume", str(out), "--data", str(dataset.folder)]) == 0


def test_what_the_system_refuses_is_a_line(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "items.csv", tmp_path / "run"
    file.write_text("no folder", encoding="utf-8")
    train = ["train", "sasrec-id", "--data", dataset.folder, *TINY, "--training.epochs", "1", "--out"]
    assert "Not a directory" in said(capsys, *train, file / "x")
    assert "items.csv" in said(capsys, "evaluate", file)
    assert main([str(word) for word in [*train, run]]) == 0
    capsys.readouterr()
    assert f"{run} is a folder; give a file as --out" in said(
        capsys, "recommend", run, "--user", "u1", "--form", "csv", "--out", run
    )
    assert str(file) in said(capsys, "recommend", run, "--user", "u1", "--out", file / "q.csv")
    assert file.read_text(encoding="utf-8") == "no folder"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_characters(tmp_path: Path, encoding: str) -> None:
    with (tmp_path / "said").open("w", encoding=encoding) as out, contextlib.redirect_stdout(out):
        assert main([]) == 0
        assert main(["train", "sasrec-id", "--help"]) == 0
    assert "pixelrec COMMAND \\u2026" in (tmp_path / "said").read_text(encoding="ascii", errors="replace")


def test_an_unknown_recipe_and_an_unknown_verb(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'sasrec-id'" in said(capsys, "train", "sasrec-ids", "--data", dataset.folder)
    assert "did you mean 'evaluate'" in said(capsys, "evalute")
    assert "--data" in said(capsys, "train", "sasrec-id")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("recommend r --history a -k two", "pixelrec: recommend: -k is 'two'; expected a whole number;"),
        ("evaluate r --split tst", "--split is 'tst'; expected one of validation, test;"),
        ("evaluate", "RUN is missing; see pixelrec evaluate --help"),
        ("evaluate r s", "'s' is one word too many"),
        ("evaluate r --splt test", "unknown option --splt; did you mean '--split'?"),
        ("evaluate r --split", "--split has no value; expected --split VALUE, or --split=VALUE;"),
        ("evaluate r --report=yes", "--report takes no value, not 'yes'"),
        ("bench d --recipes a --training.epochs", "--training.epochs has no value"),
        ("bench d --recipes a --sedes 3", "unknown option --sedes; did you mean '--seeds'?"),
        ("bench d --recipes --seeds 3", "--recipes has no value"),
        ("bench --recipes a d", "DATA is missing; give it first, as --recipes takes all words behind it"),
        ("train --resume r --users.layers 3", "only, not with another users.layers; train a new run"),
        ("train sasrec-id --resume r", "'r' is one word too many"),
        ("images chek", "did you mean 'images check'"),
    ],
)
def test_wrong_words_of_a_verb(words: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert says in said(capsys, *words.split())


@pytest.mark.parametrize("words", [["images"], ["images", "--help"], ["images", "-h"]])
def test_a_group_of_verbs_lists_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()[2:]] == [
        ["images", "pack"],
        ["images", "check"],
    ]


def test_a_folder_that_is_no_run_or_no_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "run.json" in said(capsys, "evaluate", tmp_path)
    assert "manifest.json" in said(capsys, "train", "sasrec-id", "--data", tmp_path)


def test_a_run_folder_is_never_written_over(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert "not empty" in said(
        capsys, "train", "sasrec-id", "--data", dataset.folder, "--out", tmp_path, *TINY
    )
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_loss_that_is_no_number_keeps_the_best(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, steps = tmp_path / "run", 0
    softmax = LOSSES["softmax"]

    def failing(scores: Scores) -> Tensor:
        nonlocal steps
        steps += 1
        return softmax(scores) * (float("nan") if steps == failing_at else 1.0)

    words = [
        "train",
        "sasrec-id",
        "--data",
        dataset.folder,
        "--out",
        out,
        *TINY,
        "--training.batch_size",
        "64",
    ]
    windowing = Windowing(**read_recipe("sasrec-id")["windowing"])
    per_epoch = -(-len(cut_windows(training_events(dataset), 7, windowing)) // 64)
    failing_at = 1 + per_epoch + 3  # the first batch is compared with chance
    monkeypatch.setitem(LOSSES, "softmax", failing)  # type: ignore[arg-type]
    message = said(capsys, *words, "--training.epochs", "3", code=3)
    assert "nan at epoch 2, batch 3" in message and "learning_rate" in message
    assert "the best checkpoint so far, of epoch 1, is kept" in message
    assert Recommender.from_pretrained(out / "best").spec.items == dataset.items
    assert len((out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    steps, failing_at, words[words.index(out)] = 0, 3, tmp_path / "at-once"
    assert "no epoch has ended, so there is no checkpoint" in said(capsys, *words, code=3)


def test_a_damaged_checkpoint_is_named(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert (
        main(["train", "mf-id", "--data", str(dataset.folder), "--out", str(out), "--training.epochs", "1"])
        == 0
    )
    capsys.readouterr()
    assert "mf has a vector for each user" in said(capsys, "recommend", out, "--history", "i1")
    weights = out / "best" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "damaged" in said(capsys, "evaluate", out)
