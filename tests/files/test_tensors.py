"""Safetensors: byte for byte as its own library writes them, with the permissions of any new file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from pixelrec.errors import RunError
from pixelrec.files.atomic import new_file
from pixelrec.files.checkpoint import WEIGHTS, read_tensors, write_checkpoint
from pixelrec.files.tensors import write_tensors

TENSORS = {
    "users.b": torch.arange(6.0).reshape(2, 3),
    "a": torch.tensor(3, dtype=torch.int64),
    "half": torch.ones(3).bfloat16(),
    "empty": torch.zeros(0, 4),
    "flags": torch.tensor([True, False]),
    "bytes": torch.arange(5, dtype=torch.uint8),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "ä \"'": torch.ones(1, 1, requires_grad=True),
}


@pytest.fixture(params=[0o022, 0o077, 0o002])
def mode(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield 0o666 & ~request.param
    os.umask(before)


@pytest.mark.parametrize("about", [None, {"notes": 'ä "'}])
def test_the_bytes_are_those_of_safetensors(tmp_path: Path, about):
    write_tensors(tmp_path / "file", TENSORS, about)
    found = load_file(tmp_path / "file")
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    expected = save({name: t.detach().contiguous() for name, t in TENSORS.items()}, about)
    assert (tmp_path / "file").read_bytes() == expected


def test_permissions_follow_the_umask(tmp_path: Path, mode: int):
    write_checkpoint(tmp_path / "checkpoint", {}, TENSORS)
    with new_file(tmp_path / "vectors", RunError) as draft:
        before = draft.stat().st_ino
        write_tensors(draft, TENSORS)
        assert draft.stat().st_ino == before, "the draft keeps its lock"
    for path in (tmp_path / "checkpoint" / WEIGHTS, tmp_path / "vectors"):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="pipe: cannot be read: is a pipe or a device, not a file"):
        read_tensors(tmp_path / "pipe")
    with pytest.raises(RunError, match="is a pipe or a device"):
        read_tensors(Path("/dev/zero"))
