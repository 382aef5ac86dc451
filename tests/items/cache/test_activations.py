"""Activations: the same bytes in whatever way they are built; damage and other keys are detected."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.errors import ImageError, RecipeError, StoppedError
from pixelrec.items.backbones.clip_resnet import Architecture, CLIPResNet, CLIPResNetConfig, ModifiedResNet
from pixelrec.items.cache import store as made
from pixelrec.items.cache import writer as activation_writer
from pixelrec.items.cache.key import DTYPES, ActivationKey, key_of
from pixelrec.items.cache.manifest import CHUNKS, MANIFEST, STATES, folder_of
from pixelrec.items.cache.store import Activations, open_activations, verify

HALF, ITEMS, CHUNK = (0.5, 0.5, 0.5), 20, 3
KEY = ActivationKey("w", "a", 2, 32, HALF, HALF, "p", ITEMS, (4, 5), "fp32", False)
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES)


def states_of(ids: np.ndarray) -> Tensor:
    """States that depend on the item and use every bit of a number."""
    numbers = torch.arange(20, dtype=torch.float64).reshape(4, 5)
    return torch.sin(torch.from_numpy(ids).double()[:, None, None] * 20 + numbers) * 3


class Computing:
    """`states_of`, which records its calls."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, ids: np.ndarray) -> Tensor:
        self.asked.append(ids.tolist())
        return states_of(ids)


def build(
    parent: Path,
    key: ActivationKey = KEY,
    compute: Callable[[np.ndarray], Tensor] = states_of,
    *,
    chunk: int = CHUNK,
    said: list[str] | None = None,
) -> Activations:
    said = [] if said is None else said
    return made.build(parent, key, compute, chunk=chunk, log=said.append)


def interrupted_after(calls: int) -> Callable[[np.ndarray], Tensor]:
    done = iter(range(calls))

    def compute(ids: np.ndarray) -> Tensor:
        if next(done, None) is None:
            raise KeyboardInterrupt
        return states_of(ids)

    return compute


def contents(parent: Path, key: ActivationKey = KEY) -> dict[str, bytes]:
    """The files, without the time that they took."""
    files = {path.name: path.read_bytes() for path in folder_of(parent, key).iterdir()}
    return {name: re.sub(rb'"cpu_seconds": .*', b"", content) for name, content in files.items()}


@EVERY_DTYPE
def test_stored_states_are_the_computed_ones_rounded(tmp_path: Path, dtype: str) -> None:
    activations = build(tmp_path, replace(KEY, dtype=dtype))
    ids = np.array([7, 20, 1, 7], np.int32)
    found = activations.read(ids)
    assert found.dtype == DTYPES[dtype]
    assert found.is_contiguous()
    assert torch.equal(found, states_of(ids).to(DTYPES[dtype]))


def test_no_items_give_no_states_and_unknown_numbers_are_an_error(tmp_path: Path) -> None:
    activations = build(tmp_path)
    assert activations.read(np.zeros(0, np.int64)).shape == (0, 4, 5)
    for number in (-1, ITEMS + 1):
        with pytest.raises(IndexError, match="expected 0 … 20"):
            activations.read(np.array([1, number]))


@EVERY_DTYPE
def test_resident_is_the_whole_file(tmp_path: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    activations = build(tmp_path, replace(KEY, dtype=dtype))
    monkeypatch.setattr("pixelrec.items.cache.store._BLOCK_BYTES", 5 * activations.key.state_bytes)
    found = activations.resident("cpu")
    assert torch.equal(found, activations.read(np.arange(ITEMS + 1))) and not found[0].any()
    assert torch.equal(found[1:], states_of(np.arange(1, ITEMS + 1)).to(DTYPES[dtype]))


def test_features_of_one_number_and_states_out_of_order_in_memory(tmp_path: Path) -> None:
    flat = replace(KEY, shape=(1,))
    assert build(tmp_path, flat, lambda ids: states_of(ids)[:, 0, :1]).read(np.array([5])).shape == (1, 1)
    turned = replace(KEY, shape=(5, 4))
    found = build(tmp_path, turned, lambda ids: states_of(ids).mT).read(np.array([5]))
    assert torch.equal(found, states_of(np.array([5])).mT.float())


def test_complete_activations_are_not_recomputed(tmp_path: Path) -> None:
    build(tmp_path)
    computing, said = Computing(), []
    build(tmp_path, compute=computing, said=said)
    assert computing.asked == []
    assert said == []


def test_it_can_be_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    build(tmp_path)
    before = sorted(folder_of(tmp_path, KEY).iterdir())
    assert open_activations(tmp_path, KEY) is not None
    assert sorted(folder_of(tmp_path, KEY).iterdir()) == before


def test_an_interrupted_build_continues_to_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path / "whole")
    with pytest.raises(StoppedError, match="continues after 9 of 20 activations") as stopped:
        build(tmp_path / "cut", compute=interrupted_after(3))
    assert stopped.value.exit_code == 130
    assert open_activations(tmp_path / "cut", KEY) is None
    computing, said = Computing(), []
    build(tmp_path / "cut", compute=computing, said=said)
    assert computing.asked == [[10, 11, 12], [13, 14, 15], [16, 17, 18], [19, 20]]
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert "9 of 20 pictures are there already, 11 to go" in said[-1]


def test_it_may_continue_in_other_chunks(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build(tmp_path, compute=interrupted_after(3))
    activations = build(tmp_path, chunk=7)
    assert torch.equal(activations.read(np.arange(1, 21)), states_of(np.arange(1, 21)).float())


def test_after_a_power_cut_it_resumes_before_the_damage(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build(tmp_path, compute=interrupted_after(4))
    damage(tmp_path, row=5)  # in the second chunk of four
    with (folder_of(tmp_path, KEY) / CHUNKS).open("ab") as file:
        file.write(b"half")  # of a record
    computing = Computing()
    activations = build(tmp_path, compute=computing)
    assert computing.asked[0] == [4, 5, 6]
    assert torch.equal(activations.read(np.arange(1, 21)), states_of(np.arange(1, 21)).float())
    assert open_activations(tmp_path, KEY) is not None


@pytest.mark.parametrize("at", ["manifest", "states"])
def test_killed_before_the_first_chunk(tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    name = {"manifest": "write_manifest", "states": "ActivationWriter._allocate"}[at]
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"pixelrec.items.cache.writer.{name}", lambda *_, **__: killed())
        build(tmp_path)
    assert open_activations(tmp_path, KEY) is None
    build(tmp_path)


BUILDER = """
import os, signal, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
sys.path.insert(0, {tests!r})
from items.cache.test_activations import KEY, states_of
from pixelrec.items.cache.store import build

folder, calls = Path(sys.argv[1]), 0

def compute(ids):
    global calls
    calls += 1
    if calls == 4:
        {on_fourth}
    return states_of(ids)

build(folder, KEY, compute, chunk=3, log=print)
"""


def builder(folder: Path, on_fourth: str) -> subprocess.Popen[bytes]:
    """Another process that builds, and does something on the fourth call."""
    script = BUILDER.format(tests=str(Path(__file__).parents[2]), on_fourth=on_fourth)
    return subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.DEVNULL)


def test_killed_without_warning_it_continues_to_the_same_bytes(tmp_path: Path) -> None:
    process = builder(tmp_path / "killed", "os.kill(os.getpid(), signal.SIGKILL)")
    build(tmp_path / "whole")
    assert process.wait(30) == -signal.SIGKILL
    assert open_activations(tmp_path / "killed", KEY) is None
    computing = Computing()
    build(tmp_path / "killed", compute=computing)
    assert computing.asked == [[10, 11, 12], [13, 14, 15], [16, 17, 18], [19, 20]]
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_of_two_processes_one_computes_and_the_other_waits(tmp_path: Path) -> None:
    def waited_for(there: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not there():
            assert process.poll() in (None, 0) and time.monotonic() < deadline
            time.sleep(0.01)

    started, go = tmp_path / "started", tmp_path / "go"
    wait = f"Path({str(started)!r}).touch()\n        while not Path({str(go)!r}).exists(): time.sleep(0.01)"
    process = builder(tmp_path / "cache", wait)
    computing, said = Computing(), []
    try:
        waited_for(started.exists)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(build, tmp_path / "cache", compute=computing, said=said)
            try:
                waited_for(lambda: any("waiting for it" in line for line in said) or waiting.done())
            finally:
                go.touch()
            activations = waiting.result(30)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    assert f"process {process.pid} on" in said[-1] and "is computing them" in said[-1]
    assert computing.asked == []
    assert torch.equal(activations.read(np.arange(1, 21)), states_of(np.arange(1, 21)).float())


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    activations = build(tmp_path)

    def right(seed: int) -> bool:
        ids = np.random.default_rng(seed).integers(1, ITEMS + 1, 50)
        return torch.equal(activations.read(ids), states_of(ids).float())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, range(100)))


def damage(parent: Path, *, row: int) -> None:
    with (folder_of(parent, KEY) / STATES).open("r+b") as file:
        file.seek(row * KEY.state_bytes + 7)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("row", [0, 2, ITEMS])
def test_damage_in_row_0_or_the_first_or_last_chunk_is_always_detected(
    tmp_path: Path, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.items.cache.store._SAMPLED", 0)
    build(tmp_path)
    damage(tmp_path, row=row)
    with pytest.raises(ImageError, match="damaged.*delete the folder") as caught:
        open_activations(tmp_path, KEY)
    assert str(folder_of(tmp_path, KEY)) in str(caught.value)
    with pytest.raises(ImageError, match="damaged"):
        build(tmp_path)


def test_damage_elsewhere_is_detected_eventually(tmp_path: Path) -> None:
    build(tmp_path)
    damage(tmp_path, row=11)
    with pytest.raises(ImageError, match="rows 10 … 12 have another checksum"):
        for _ in range(100):
            open_activations(tmp_path, KEY)


def test_a_full_check_detects_damage_anywhere(tmp_path: Path) -> None:
    build(tmp_path)
    for row in range(ITEMS + 1):
        damage(tmp_path, row=row)
        with pytest.raises(ImageError, match="another checksum"):
            open_activations(tmp_path, KEY, whole=True)
        damage(tmp_path, row=row)  # the same bit once more
    assert open_activations(tmp_path, KEY, whole=True) is not None


def test_damaged_files_are_an_error(tmp_path: Path) -> None:
    build(tmp_path)
    folder = folder_of(tmp_path, KEY)
    whole = {name: (folder / name).read_bytes() for name in (STATES, CHUNKS, MANIFEST)}
    damaged = {
        "1,676 bytes, expected 1,680": (STATES, whole[STATES][:-4]),
        "No such file.*states.bin": (STATES, None),
        "checksums do not cover": (CHUNKS, whole[CHUNKS][:-12]),
        "manifest.json cannot be read": (MANIFEST, b"[" * 100_000),
        "manifest.json is missing": (MANIFEST, None),
    }
    for message, (name, content) in damaged.items():
        (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
        with pytest.raises(ImageError, match=f"{message}.*delete the folder"):
            open_activations(tmp_path, KEY)
        (folder / name).write_bytes(whole[name])
    assert open_activations(tmp_path, KEY) is not None


def test_another_version_is_an_error(tmp_path: Path) -> None:
    build(tmp_path)
    path = folder_of(tmp_path, KEY) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(ImageError, match="of version 99, this pixelrec reads .* 1: delete the folder"):
        open_activations(tmp_path, KEY)


@pytest.mark.parametrize("finished", [True, False])
def test_a_folder_of_another_key_is_an_error(tmp_path: Path, finished: bool) -> None:
    other = replace(KEY, pictures="q", weights="v")
    if finished:
        build(tmp_path, other)
    else:
        with pytest.raises(StoppedError):
            build(tmp_path, other, interrupted_after(2))
    folder_of(tmp_path, other).rename(folder_of(tmp_path, KEY))
    with pytest.raises(ImageError, match=r"pictures, weights differ\): delete the folder"):
        open_activations(tmp_path, KEY)
    with pytest.raises(ImageError, match="pictures, weights differ"):
        build(tmp_path)


@EVERY_DTYPE
def test_verify_distinguishes_rounding_from_other_weights(tmp_path: Path, dtype: str) -> None:
    activations, ids = build(tmp_path, replace(KEY, dtype=dtype)), np.array([0, 3, 17])

    def compute(ids: np.ndarray) -> Tensor:
        return torch.where(torch.from_numpy(ids)[:, None, None] == 0, 0, states_of(ids).float())

    def slightly_other(ids: np.ndarray) -> Tensor:
        return torch.where(torch.from_numpy(ids)[:, None, None] == 17, 1.1, 1) * compute(ids)

    verify(activations, compute, ids)
    for wrong in (slightly_other, lambda ids: slightly_other(ids) * torch.nan):
        with pytest.raises(ImageError, match="not what the network computes.*delete the folder"):
            verify(activations, wrong, ids)
    with pytest.raises(ImageError, match=r"item number 17 differs by 0\.09"):
        verify(activations, slightly_other, ids)


def test_too_little_disk_space_is_an_error_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1500))
    with pytest.raises(ImageError, match=r"has 1\.5 kB free, activations of 20 pictures need 1\.68 kB: make"):
        build(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_written_states_count_as_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoppedError):
        build(tmp_path, compute=interrupted_after(2))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    said: list[str] = []
    build(tmp_path, said=said)
    assert "activations of 20 pictures need 1.68 kB in" in said[0]
    assert "its disk has 0 B free beside" in said[0]


def test_a_disk_without_room_is_noticed_before_computing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, _: int, size: int) -> None:
        os.ftruncate(handle, size // 2)  # a file system may have given some of it
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    computing = Computing()
    with pytest.raises(ImageError, match=r"free, activations of 20 pictures need 1\.68 kB: make room"):
        build(tmp_path, compute=computing)
    assert computing.asked == []
    assert (folder_of(tmp_path, KEY) / STATES).stat().st_size == 0
    monkeypatch.undo()
    build(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is allocated")
def test_disk_space_is_allocated_before_computing(tmp_path: Path) -> None:
    taken = []

    def compute(ids: np.ndarray) -> Tensor:
        taken.append(activation_writer._allocated(folder_of(tmp_path, wide) / STATES))
        return torch.ones(len(ids), *wide.shape)

    wide = replace(KEY, shape=(100, 100))
    build(tmp_path, wide, compute)
    assert taken[0] >= wide.file_bytes


def test_file_systems_without_allocation_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refused)
    assert torch.equal(build(tmp_path).read(np.array([20])), states_of(np.array([20])).float())


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="cannot write activations in .*Not a directory.*items.cache never"):
        build(tmp_path / "file")


def test_a_disk_that_fails_while_writing_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(ImageError, match="cannot write activations in .*Input/output error"):
        build(tmp_path)
    assert (folder_of(tmp_path, KEY) / CHUNKS).stat().st_size == 0
    monkeypatch.undo()
    build(tmp_path)


def test_partial_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, rows, at: pwrite(file, rows[:70], at))
    assert torch.equal(build(tmp_path).read(np.arange(1, 21)), states_of(np.arange(1, 21)).float())


def test_states_too_large_for_fp16_ask_for_bf16(tmp_path: Path) -> None:
    def compute(ids: np.ndarray) -> Tensor:
        return torch.where(torch.from_numpy(ids)[:, None, None] == 8, 7e4, states_of(ids))

    with pytest.raises(
        RecipeError, match=r"7 … 9 reach 7e\+04, too large for fp16 \(up to .*items.cache_dtype bf16"
    ):
        build(tmp_path, replace(KEY, dtype="fp16"), compute)
    build(tmp_path, replace(KEY, dtype="bf16"), compute)


def test_states_too_small_for_fp16_ask_for_bf16(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"as small as .*, too small for fp16 \(from 6.1e-05\): set items"):
        build(tmp_path, replace(KEY, dtype="fp16"), lambda ids: states_of(ids) * 1e-9)
    build(tmp_path, replace(KEY, dtype="bf16"), lambda ids: states_of(ids) * 1e-9)


def test_states_that_are_not_finite_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="1 … 3 are not all finite"):
        build(tmp_path, replace(KEY, dtype="bf16"), lambda ids: states_of(ids) * torch.nan)


def test_states_of_the_wrong_shape_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"are \[3, 5, 4\], expected n, \[4, 5\]"):
        build(tmp_path, compute=lambda ids: states_of(ids).mT)


def backbone(**config: object) -> CLIPResNet:
    torch.manual_seed(1)
    chosen = replace(CLIPResNetConfig(size=64), **config)
    return CLIPResNet(ModifiedResNet(Architecture((1, 1, 1, 1), 8, 16, 64), 64), chosen)


def digest(network: CLIPResNet, boundary: int = 3, pictures: str = "p", items: int = 9) -> str:
    return key_of(network, boundary, "fp16", bf16=False, pictures=pictures, items=items).digest


def test_the_key_has_shape_and_size_of_the_states() -> None:
    key = key_of(backbone(), 3, "fp16", bf16=False, pictures="p", items=9)
    assert key.shape == (64, 8, 8)
    assert key.file_bytes == 10 * 64 * 8 * 8 * 2
    assert key == key_of(backbone(), 3, "fp16", bf16=False, pictures="p", items=9)


def test_the_digest_covers_every_field_of_the_key() -> None:
    others = [
        replace(KEY, weights="v"),
        replace(KEY, architecture="b"),
        replace(KEY, boundary=3),
        replace(KEY, size=33),
        replace(KEY, mean=(0.5, 0.5, 0.4)),
        replace(KEY, std=(0.5, 0.5, 0.4)),
        replace(KEY, pictures="q"),
        replace(KEY, items=21),
        replace(KEY, shape=(5, 4)),
        replace(KEY, dtype="fp16"),
    ]
    assert len({key.digest for key in (KEY, *others)}) == 11


def test_the_key_depends_on_everything_below_the_boundary() -> None:
    before, network = digest(backbone()), backbone()
    with torch.no_grad():
        network.blocks[1].conv1.weight[0, 0, 0, 0] += 1e-6
    weights = digest(network)
    network = backbone()
    network.blocks[0].bn1.running_mean[0] = 1e-6
    different = [
        weights,
        digest(network),
        digest(backbone(mean=HALF)),
        digest(backbone(), boundary=2),
        digest(backbone(), pictures="q"),
        digest(backbone(), items=8),
    ]
    assert len({before, *different}) == 7


def test_the_key_ignores_everything_above_the_boundary() -> None:
    before, network = digest(backbone()), backbone()
    with torch.no_grad():
        network.blocks[2].conv1.weight += 1
    assert digest(network) == before
    assert digest(backbone(pooling="mean", frozen_pool=False)) == before


def test_the_key_ignores_irrelevant_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(**words: object) -> str:
        monkeypatch.setattr(CLIPResNet, "describe", lambda _: {"config": {"hidden_size": 8, **words}})
        return digest(backbone())

    plain = told()
    assert told(transformers_version="9.9", id2label={"0": "cat"}, initializer_range=0.5) == plain
    assert told(hidden_size=9) != plain


def test_the_key_of_features_changes_with_the_pooling() -> None:
    whole = len(backbone().parts)
    keys = [
        key_of(backbone(pooling=p), whole, "fp16", bf16=False, pictures="p", items=9)
        for p in ("mean", "tokens")
    ]
    assert keys[0].architecture != keys[1].architecture  # beside the shape, which other poolings share
