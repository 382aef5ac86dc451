"""The cache of item vectors beside a checkpoint, after interruptions and changes of any kind."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from items.backbones.conftest import TINY, shake

from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.errors import RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.images.pack import pack
from pixelrec.items.pixels import PixelEncoder
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.item_vectors import FOLDER, kept_vectors

DRAFT = f".{FOLDER}.draft"
CHUNK = 10  # items that are encoded together
PIXELS = {
    "name": "pixels",
    "family": "clip",
    "pretrained": False,
    "sizes": TINY["clip"],
    "width": 6,
    "cache": "never",
    "chunk": CHUNK,
}
USERS = {"name": "sasrec", "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(6, training_events(dataset))


def saved(folder: Path, spec: DatasetSpec, items: dict[str, Any], seed: int = 0) -> Path:
    torch.manual_seed(seed)
    recommender = Recommender(items, USERS, {"name": "dot"}, spec)
    shake(recommender)
    recommender.save(folder)
    return folder


@pytest.fixture
def best(tmp_path: Path, spec: DatasetSpec) -> Path:
    """A checkpoint over pixels."""
    return saved(tmp_path / "best", spec, PIXELS)


@pytest.fixture(autouse=True)
def _in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.items.pixels.CATALOGUE_BYTES", 0)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the items that were loaded to be encoded."""
    found: list[int] = []
    load = PixelEncoder.load

    def counted(self: PixelEncoder, ids: np.ndarray) -> Any:
        found.extend(ids.tolist())
        return load(self, ids)

    monkeypatch.setattr(PixelEncoder, "load", counted)
    return found


def kept(recommender: Recommender, best: Path) -> torch.Tensor:
    ids = pl.Series([f"i{n}" for n in range(recommender.spec.items)])
    return kept_vectors(recommender, best, ids, {"kind": "run", "run": str(best.parent), "recipe": "tiny"})


def ask(best: Path, spec: DatasetSpec | None) -> Catalogue:
    recommender = Recommender.from_pretrained(best, data=spec)
    return recommender.catalogue(encoded=kept(recommender, best))


def fresh(best: Path, spec: DatasetSpec) -> torch.Tensor:
    return Recommender.from_pretrained(best, data=spec).catalogue().encoded


def files(best: Path) -> set[str]:
    return {path.name for path in best.iterdir()} - {"model.safetensors", "recommender.json"}


def test_they_are_encoded_once(best: Path, spec: DatasetSpec, encoded: list[int]) -> None:
    first = ask(best, spec)
    assert encoded == list(range(spec.items + 1))
    assert files(best) == {FOLDER}
    encoded.clear()
    second = ask(best, spec)
    assert encoded == [] and torch.equal(second.encoded, first.encoded)
    assert torch.equal(second.candidates, first.candidates) and torch.equal(second.table, first.table)
    assert torch.equal(first.encoded, fresh(best, spec)) and first.encoded.abs().sum() > 1


def test_once_cached_they_need_no_data_set(best: Path, spec: DatasetSpec, encoded: list[int]) -> None:
    with pytest.raises(RequestError, match="there is no data set; give it with --data"):
        ask(best, None)
    assert files(best) == set()
    first = ask(best, spec)
    encoded.clear()
    assert torch.equal(ask(best, None).encoded, first.encoded) and encoded == []


def test_one_expensive_encoder_of_several_is_enough(
    tmp_path: Path, spec: DatasetSpec, encoded: list[int]
) -> None:
    pixels = {key: value for key, value in PIXELS.items() if key != "width"}
    parts = {"ids": {"name": "id_table"}, "pixels": pixels}
    best = saved(tmp_path / "best", spec, {"name": "joined", "width": 6, "parts": parts})
    first = ask(best, spec)
    encoded.clear()
    assert torch.equal(ask(best, None).encoded[1:], first.encoded[1:])
    assert files(best) == {FOLDER} and encoded == []


def interrupted(best: Path, spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    """Asks, and dies after so many chunks."""
    encode = Recommender.encode

    def dying(self: Recommender, ids: torch.Tensor) -> Iterator[torch.Tensor]:
        for number, some in enumerate(encode(self, ids)):
            if number == after:
                raise KeyboardInterrupt
            yield some

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Recommender, "encode", dying)
        ask(best, spec)


def test_it_continues_after_an_interruption(
    best: Path, spec: DatasetSpec, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fresh(best, spec)
    for done in (3, 2):  # and dies again
        interrupted(best, spec, monkeypatch, after=done)
        assert files(best) == {DRAFT}
    encoded.clear()
    assert torch.equal(ask(best, spec).encoded, expected)
    assert encoded == list(range(5 * CHUNK, spec.items + 1))
    assert files(best) == {FOLDER}


def test_a_row_that_was_cut_short_is_encoded_again(
    best: Path, spec: DatasetSpec, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = fresh(best, spec)
    interrupted(best, spec, monkeypatch, after=2)
    rows = best / DRAFT / "new" / "vectors.safetensors"
    os.truncate(rows, rows.stat().st_size - 5)
    encoded.clear()
    torch.testing.assert_close(ask(best, spec).encoded, expected)
    assert encoded[0] == 2 * CHUNK - 1


def test_they_are_a_feature_file(best: Path, spec: DatasetSpec) -> None:
    expected = ask(best, spec).encoded
    found = FeatureFile.open(best / FOLDER)
    assert found.ids[2] == "i2" and np.array_equal(found.vectors[2], expected[3]) and not expected[0].any()


SCRIPT = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
import polars as pl
from pixelrec.runs.item_vectors import kept_vectors
from pixelrec.recommender import Recommender
import pixelrec.items.pixels as pixels

pixels.CATALOGUE_BYTES = 0
data, best = Dataset.open(sys.argv[1]), sys.argv[2]
load, calls = pixels.PixelEncoder.load, 0

def dying(self, ids):
    global calls
    calls += 1
    if calls == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    return load(self, ids)

pixels.PixelEncoder.load = dying
from pathlib import Path
recommender = Recommender.from_pretrained(best, data=data.spec(6, training_events(data)))
ids = pl.Series([f"i{n}" for n in range(recommender.spec.items)])
kept_vectors(recommender, Path(best), ids, {"kind": "run", "run": str(Path(best).parent), "recipe": "tiny"})
"""


def test_killed_it_continues(best: Path, spec: DatasetSpec, dataset: Dataset, encoded: list[int]) -> None:
    words = [sys.executable, "-c", SCRIPT, str(dataset.folder), str(best)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert torch.equal(ask(best, spec).encoded, fresh(best, spec))
    assert 3 * CHUNK <= encoded[0] <= 5 * CHUNK, "chunks are loaded ahead of those that are encoded"


def test_other_pictures_are_encoded_again(
    tmp_path: Path, best: Path, spec: DatasetSpec, encoded: list[int], dataset: Dataset, world: Any
) -> None:
    ask(best, spec)
    store = tmp_path / "crop.lmdb"
    covers = tmp_path / "covers"
    shutil.copytree(world.covers, covers)
    first, second = (next(covers.glob(f"{i}.*")) for i in dataset.item_ids[:2])
    swapped = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(swapped)
    pack(covers, store, list(dataset.item_ids), size=32)
    other = replace(spec, covers=store)
    encoded.clear()
    found = ask(best, other).encoded
    assert encoded == list(range(spec.items + 1))
    torch.testing.assert_close(found[[2, 1]], fresh(best, spec)[[1, 2]])
    encoded.clear()
    assert torch.equal(ask(best, other).encoded, found) and encoded == []


def test_a_partial_file_of_other_pictures_is_replaced(
    best: Path, spec: DatasetSpec, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PixelEncoder, "reads", "other pictures")
        interrupted(best, spec, patch, after=3)
    encoded.clear()
    ask(best, spec)
    assert encoded == list(range(spec.items + 1))


def test_a_new_best_checkpoint_is_encoded_again(
    tmp_path: Path, best: Path, spec: DatasetSpec, encoded: list[int]
) -> None:
    before = ask(best, spec).encoded
    other = saved(tmp_path / "other", spec, PIXELS, seed=1)
    for name in ("model.safetensors", "recommender.json"):
        shutil.copy(other / name, best)
    encoded.clear()
    after = ask(best, spec).encoded
    assert encoded == list(range(spec.items + 1)) and not torch.allclose(before, after)
    assert torch.equal(after, fresh(best, spec))


def test_a_checkpoint_that_is_replaced_meanwhile_gets_no_vectors_of_the_old_one(
    best: Path, spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Recommender.from_pretrained(best, data=spec)
    expected = old.catalogue().encoded
    shutil.rmtree(best)
    saved(best, spec, PIXELS, seed=1)
    assert torch.equal(kept(old, best), expected)
    assert torch.equal(ask(best, spec).encoded, fresh(best, spec))
    shutil.rmtree(best / FOLDER)
    interrupted(best, spec, monkeypatch, after=4)
    assert torch.equal(kept(old, best), expected)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("vectors.safetensors", "bit"),
        ("vectors.safetensors", "cut"),
        ("features.json", "bit"),
        ("features.json", "gone"),
        ("ids.parquet", "empty"),
    ],
)
def test_a_damaged_file_is_replaced(
    best: Path, spec: DatasetSpec, encoded: list[int], name: str, damage: str
) -> None:
    expected = ask(best, spec).encoded
    path, whole = best / FOLDER / name, (best / FOLDER / name).read_bytes()
    damaged = {"empty": b"", "cut": whole[:-7], "bit": whole[:-9] + bytes([whole[-9] ^ 64]) + whole[-8:]}
    path.unlink()
    if damage in damaged:
        path.write_bytes(damaged[damage])
    encoded.clear()
    assert torch.equal(ask(best, spec).encoded, expected)
    assert encoded == list(range(spec.items + 1))
    encoded.clear()
    ask(best, spec)
    assert encoded == []


def test_a_read_only_folder_changes_no_result(
    best: Path, spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", refused)
    assert torch.equal(ask(best, spec).encoded, fresh(best, spec))
    assert files(best) == set()


def test_a_full_disk_changes_no_result(best: Path, spec: DatasetSpec, encoded: list[int]) -> None:
    recommender = Recommender.from_pretrained(best, data=spec)
    expected = recommender.catalogue().encoded
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900, limits[1]))
    try:
        found = kept(recommender, best)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert torch.equal(found, expected)
    assert files(best) == {DRAFT}
    encoded.clear()
    torch.testing.assert_close(ask(best, spec).encoded, expected)
    assert encoded[0] > 0, "it went on after what the disk had taken"


def test_two_at_once_get_the_same_result(best: Path, spec: DatasetSpec, encoded: list[int]) -> None:
    expected = fresh(best, spec)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: ask(best, spec).encoded, range(4)):
            assert torch.equal(found, expected)
    encoded.clear()
    assert torch.equal(ask(best, spec).encoded, expected) and encoded == []
    assert files(best) == {FOLDER}


def test_while_another_process_writes_it_encodes_for_itself(best: Path, spec: DatasetSpec) -> None:
    (best / DRAFT).mkdir()
    with (best / DRAFT / "lock").open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert torch.equal(ask(best, spec).encoded, fresh(best, spec))
        assert files(best) == {DRAFT}
