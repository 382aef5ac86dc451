"""Listing and deleting activations: sizes, times, and nothing that a process uses."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pixelrec.errors import StoppedError
from pixelrec.files.lock import Lock
from pixelrec.items.cache.entries import delete_activations, list_activations
from pixelrec.items.cache.manifest import LOCK, MANIFEST, STATES, folder_of
from pixelrec.items.cache.store import open_activations

from .test_activations import KEY, build, interrupted_after

OTHER = replace(KEY, weights="v", dtype="fp16")


def test_a_missing_folder_has_no_entries(tmp_path: Path) -> None:
    assert list_activations(tmp_path / "activations") == []
    assert delete_activations(tmp_path / "activations") == []


def test_an_entry_says_what_it_is(tmp_path: Path) -> None:
    build(tmp_path)
    (tmp_path / "notes").mkdir()
    (entry,) = list_activations(tmp_path)
    assert entry.folder == folder_of(tmp_path, KEY)
    assert entry.summary == "20 pictures of 32 pixels after 2 frozen parts, 4 × 5 in fp32"
    assert entry.size >= KEY.file_bytes
    assert datetime.now().astimezone() - entry.last_used < timedelta(minutes=1)
    assert not entry.in_use


def test_incomplete_and_damaged_entries_are_listed_too(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        build(tmp_path, compute=interrupted_after(2))
    build(tmp_path, OTHER)
    (folder_of(tmp_path, OTHER) / MANIFEST).write_text("{")
    summaries = {entry.folder: entry.summary for entry in list_activations(tmp_path)}
    assert summaries[folder_of(tmp_path, KEY)].endswith("in fp32, incomplete")
    assert summaries[folder_of(tmp_path, OTHER)] == f"unreadable {MANIFEST}"
    assert len(delete_activations(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


def test_opening_counts_as_use(tmp_path: Path) -> None:
    for key in (KEY, OTHER):
        build(tmp_path, key)
        for path in folder_of(tmp_path, key).iterdir():
            os.utime(path, (1e9, 1e9))
    open_activations(tmp_path, KEY)
    unused, used = list_activations(tmp_path)
    assert (unused.folder, used.folder) == (folder_of(tmp_path, OTHER), folder_of(tmp_path, KEY))
    assert unused.last_used.timestamp() == 1e9
    month_ago = datetime.now().astimezone() - timedelta(days=30)
    assert delete_activations(tmp_path, unused_since=month_ago) == [unused]
    assert [entry.folder for entry in list_activations(tmp_path)] == [used.folder]


def test_what_is_read_is_not_deleted(tmp_path: Path) -> None:
    activations = build(tmp_path)
    build(tmp_path, OTHER)
    assert [entry.in_use for entry in list_activations(tmp_path) if entry.folder == activations.folder] == [
        True
    ]
    assert [entry.folder for entry in delete_activations(tmp_path)] == [folder_of(tmp_path, OTHER)]
    del activations
    (entry,) = delete_activations(tmp_path)
    assert not entry.in_use and not entry.folder.exists()


def test_what_is_written_is_not_deleted(tmp_path: Path) -> None:
    build(tmp_path)
    lock = Lock.acquire(folder_of(tmp_path, KEY) / LOCK)
    assert lock is not None
    with lock:
        assert list_activations(tmp_path)[0].in_use
        assert delete_activations(tmp_path) == []
    assert (folder_of(tmp_path, KEY) / STATES).exists()
    assert len(delete_activations(tmp_path)) == 1


def test_a_build_goes_on_if_its_folder_is_deleted_while_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquire, deleted = Lock.acquire, iter([FileNotFoundError(2, "No such file or directory")])

    def acquired(path: Path, *, wait: bool = False) -> Lock | None:
        if error := next(deleted, None):
            raise error
        return acquire(path, wait=wait)

    monkeypatch.setattr(Lock, "acquire", acquired)
    assert build(tmp_path).folder == folder_of(tmp_path, KEY)


@pytest.mark.parametrize("name", [MANIFEST, STATES])
def test_devices_and_pipes_in_an_entry_are_not_read(tmp_path: Path, name: str) -> None:
    build(tmp_path)
    path = folder_of(tmp_path, KEY) / name
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/full")):
        path.unlink()
        make(path)
        assert len(list_activations(tmp_path)) == 1
    assert len(delete_activations(tmp_path)) == 1
