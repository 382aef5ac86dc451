"""A little world for damages and kills: covers, a data set, runs over ids and over pixels, a bench.

Everything lies in one folder and refers to it relatively, so a copy of the folder is as good.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from fuzz.children import Child, in_child, run

USERS, ITEMS, SIZE = 60, 50, 16
TINY = ["--items.width", "8", "--training.batch_size", "64", "--length", "6", "--negatives.drawn", "16"]
IDS = ["sasrec-id", *TINY, "--users.layers", "1", "--users.heads", "2"]
PIXELS = ["sasrec-mobilenet", *TINY, "--users.layers", "1", "--users.heads", "2", "--items.source", "net"]
PIXELS += f"--items.trainable 1 --items.cache always --items.chunk 16 --items.size {SIZE}".split()
PREPARE = ["prepare", "w/interactions.csv", "--items", "w/items.csv"]
PACK = ["images", "pack", "w/covers", "--data", "d", "--size", SIZE]


def epochs(count: int) -> list[str]:
    return ["--training.epochs", str(count), "--training.patience", "0"]


def make(folder: Path) -> Path:
    """`folder`/w: interactions, items, covers. net: a checkpoint. d: a data set of them. r, r2: evaluated
    runs over ids, p: over pixels. s, q: runs over ids and over pixels, killed in the midst."""
    draft = folder.with_name(f"{folder.name}-making")
    draft.mkdir(parents=True)
    in_child(lambda: _sources(draft))
    for words in (
        [*PREPARE, "--covers", "w/covers", "--size", SIZE, "--out", "d"],
        ["train", *IDS, *epochs(3), "--data", "d", "--out", "r"],
        ["train", *IDS, *epochs(3), "--seed", 1, "--data", "d", "--out", "r2"],
        ["train", *PIXELS, *epochs(2), "--data", "d", "--out", "p"],
        *(["evaluate", name] for name in ("r", "r2", "p")),
    ):
        _demand(words, draft)
    _killed(["train", *IDS, *epochs(4), "--data", "d", "--out", "s"], draft, draft / "s")
    _killed(["train", *PIXELS, *epochs(3), "--data", "d", "--out", "q"], draft, draft / "q")
    draft.rename(folder)
    return folder


def copied(world: Path, folder: Path, names: Sequence[str]) -> Path:
    """A copy of some of the world's folders, in `folder`, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in names:
        shutil.copytree(world / name, folder / name, symlinks=True)
    return folder


def _sources(folder: Path) -> None:
    import torch
    from transformers import ResNetConfig, ResNetModel

    from pixelrec import generate_world

    generate_world(folder / "w", users=USERS, items=ITEMS, picture_size=24)
    torch.manual_seed(0)
    shape = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1], "layer_type": "basic"}
    ResNetModel(ResNetConfig(**shape)).save_pretrained(folder / "net")


def _demand(words: Sequence[object], folder: Path) -> None:
    ended = run(words, folder, 120)
    if ended.status != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {ended}")


def _killed(words: Sequence[object], folder: Path, out: Path) -> None:
    """Kills training when its second epoch is in the journal."""
    import time

    child = Child(words, folder)
    journal = out / "metrics.jsonl"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 2:
        time.sleep(0.0005)
    child.kill()
    child.wait()
