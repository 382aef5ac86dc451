"""One holder at a time, known by name, and none once it is dead."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pixelrec.errors import RunError
from pixelrec.files.lock import Lock, exclusive, holder


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = Lock.acquire(path)
    assert first is not None
    assert Lock.acquire(path) is None
    first.release()
    assert not path.exists()
    with exclusive(path, "it is written", RunError):
        assert Lock.acquire(path) is None


def test_the_holder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    words = rf"^RUN is being trained by process {os.getpid()} on \S+ since \d\d:\d\d: wait until"
    with (
        exclusive(path, "RUN is being trained", RunError),
        pytest.raises(RunError, match=words),
        exclusive(path, "RUN is being trained", RunError),
    ):
        pytest.fail("there are two holders")
    path.write_text('{"host": "x", "pid": 12, "since": "2020-02-03T12:03:04+00:00"}', encoding="utf-8")
    assert holder(path) == "process 12 on x since 2020-02-03 12:03"
    path.write_text("{", encoding="utf-8")
    assert holder(path) == "another process"


def test_a_waiting_process_gets_the_lock_although_its_file_was_removed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, acquired = Lock.acquire(path), []
    assert first is not None
    waiting = threading.Thread(target=lambda: acquired.append(Lock.acquire(path, wait=True)))
    waiting.start()
    waiting.join(0.2)
    assert not acquired
    first.release()
    waiting.join(10)
    assert acquired[0] is not None
    assert Lock.acquire(path) is None
    acquired[0].release()


def test_a_child_that_inherits_it_holds_it_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = Lock.acquire(path)
    assert lock is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.descriptor,)
    )
    os.close(lock.descriptor)
    assert Lock.acquire(path) is None
    child.communicate(b"\n")
    with exclusive(path, "it is held", RunError):
        pass


def test_without_locks_it_goes_on_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.warns(UserWarning, match="has no locks; make sure that only one process"):  # noqa: SIM117
        with exclusive(tmp_path / "lock", "it is held", RunError):
            pass


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match="lock: cannot be written: No such file or directory"),
        exclusive(tmp_path / "absent" / "lock", "it is held", RunError),
    ):
        pytest.fail("there is no such folder")
