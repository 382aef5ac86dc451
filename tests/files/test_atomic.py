"""Files and folders are written whole or not at all, however a process ends."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from safetensors import SafetensorError

from pixelrec.errors import DataError, RunError
from pixelrec.files.atomic import new_file, new_folder, recover, whole, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, text: str, ours: frozenset[str] | None = None) -> None:
    with new_folder(folder, RunError, ours=ours) as new:
        (new / "a.txt").write_text(text, encoding="utf-8")


def read(folder: Path) -> str:
    return (whole(folder) / "a.txt").read_text(encoding="utf-8")


def killed_while(code: str) -> None:
    """Runs a program that says "now" and waits, and kills it there."""
    imports = ("pathlib import Path", "pixelrec.errors import RunError", "pixelrec.files.atomic import *")
    program = "".join(f"from {what}\n" for what in imports) + code
    command, pipe = [sys.executable, "-c", program], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)


def test_a_file_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write_text(tmp_path / "x.json", text, RunError)
        assert (tmp_path / "x.json").read_text(encoding="utf-8") == text
    write_text(tmp_path / "x.json", "lone \ud800", RunError)
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == "lone ?"
    assert names(tmp_path) == ["x.json"]


def test_a_file_has_the_permissions_that_other_files_get(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_text(tmp_path / "x.json", "", RunError)
    assert (tmp_path / "x.json").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_file_behind_a_link_is_replaced_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "x.json")
    write_text(tmp_path / "link", "text", RunError)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "x.json").read_text(encoding="utf-8") == "text"


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(RunError, match="pipe or device, which a file cannot replace"):
        write_text(pipe, "text", RunError)
    assert pipe.is_fifo() and names(tmp_path) == ["pipe"]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "x.json", "old", RunError)
    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "x.json", RunError) as draft:
        draft.write_text("new", encoding="utf-8")
        raise ZeroDivisionError
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["x.json"]


@pytest.mark.parametrize(
    "cause",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), SafetensorError("I/O error: No space left on device")],
)
def test_a_full_disk_is_one_line(tmp_path: Path, cause: Exception) -> None:
    with pytest.raises(RunError, match=r"x: cannot be written: .*No space left on device; make room or"):  # noqa: SIM117
        with new_file(tmp_path / "x", RunError):
            raise cause
    with pytest.raises(DataError, match="x: cannot be written: .*No space left on device; clear the attic"):  # noqa: SIM117
        with new_folder(tmp_path / "x", DataError, remedy="clear the attic"):
            raise cause
    assert names(tmp_path) == []


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def work(text: str) -> None:
        try:
            for _ in range(50):
                write_text(tmp_path / "x", text * 1000, RunError)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set((tmp_path / "x").read_text(encoding="utf-8"))) == 1
    assert names(tmp_path) == ["x"]


def test_drafts_of_killed_writers_are_removed_and_those_of_living_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "x"
    killed_while(f"with new_file(Path({str(path)!r}), RunError): print('now', flush=True); input()")
    assert len(names(tmp_path)) == 1
    with new_file(path, RunError) as living:
        assert names(tmp_path) == [living.name]
        write_text(path, "other", RunError)
        assert names(tmp_path) == sorted([living.name, "x"])
    assert names(tmp_path) == ["x"]


def test_a_folder_is_replaced_and_leaves_nothing(tmp_path: Path) -> None:
    for text in ("one", "two", "three"):
        write(tmp_path / "last", text)
        assert read(tmp_path / "last") == text
    assert names(tmp_path) == ["last"]


def test_entries_of_others_move_along(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "theirs").mkdir()
    (tmp_path / "out" / "ours").mkdir()
    write(tmp_path / "out", "new", frozenset({"a.txt", "ours"}))
    assert names(tmp_path / "out") == ["a.txt", "theirs"]
    assert read(tmp_path / "out") == "new"


def test_a_folder_behind_a_link_is_replaced_where_it_lies(tmp_path: Path) -> None:
    write(tmp_path / "disk" / "big", "old")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "big")
    write(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "disk" / "big") == "new"
    assert names(tmp_path / "disk") == ["big"]
    assert names(tmp_path) == ["disk", "link"]


def test_an_error_keeps_the_old_folder_and_removes_new_parents(tmp_path: Path) -> None:
    write(tmp_path / "last", "old")
    for place in (tmp_path / "last", tmp_path / "new" / "er"):
        with pytest.raises(ZeroDivisionError), new_folder(place, RunError) as new:
            (new / "a.txt").write_text("new", encoding="utf-8")
            raise ZeroDivisionError
    assert read(tmp_path / "last") == "old"
    assert names(tmp_path) == ["last"]


@pytest.mark.parametrize("dies_at", [1, 2])
def test_death_at_either_rename_leaves_a_whole_folder(
    tmp_path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "last", "old")
    renames, rename = 0, Path.rename

    def dying(self: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == dies_at:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "last", "new")
    assert read(tmp_path / "last") == "old"
    recover(tmp_path / "last", None)
    assert (tmp_path / "last" / "a.txt").read_text(encoding="utf-8") == "old"
    write(tmp_path / "last", "newest")
    assert read(tmp_path / "last") == "newest"
    assert names(tmp_path) == ["last"]


def test_a_replacement_killed_after_its_renames_is_finished(tmp_path: Path) -> None:
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "theirs").mkdir()
    (tmp_path / ".out.draft").mkdir()
    (tmp_path / "out").rename(tmp_path / ".out.draft" / "old")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("new", encoding="utf-8")
    recover(tmp_path / "out", frozenset({"a.txt"}))
    assert read(tmp_path / "out") == "new"
    assert names(tmp_path / "out") == ["a.txt", "theirs"]
    assert names(tmp_path) == ["out"]


def test_drafts_of_killed_writers_are_cleared_drafts_within_drafts_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed_while(
        f"with new_folder(Path({str(out)!r}), RunError) as outer:\n"
        "    (outer / 'x').touch()\n"
        "    with new_folder(outer, RunError) as inner:\n"
        "        (inner / 'y').touch(); print('now', flush=True); input()"
    )
    assert names(tmp_path) == [".out.draft"]
    assert names(tmp_path / ".out.draft") == [".new.draft", "lock", "new"]
    write(out, "text")
    assert names(tmp_path) == ["out"]


def test_a_second_writer_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out", RunError) as new:
        (new / "a.txt").write_text("first", encoding="utf-8")
        with pytest.raises(RunError, match=rf"out is being written by process {os.getpid()} on .* since "):
            write(tmp_path / "out", "second")
        recover(tmp_path / "out", None)
    assert read(tmp_path / "out") == "first"
    assert names(tmp_path) == ["out"]


def test_without_locks_files_and_folders_are_still_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafts of other writers stay: nothing tells whether their writers are alive."""

    def refused(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refused)
    (tmp_path / ".x.01234567.draft").touch()
    write_text(tmp_path / "x", "text", RunError)
    with pytest.warns(UserWarning, match="has no locks"):
        write(tmp_path / "out", "text")
    assert names(tmp_path) == [".x.01234567.draft", "out", "x"]
    assert read(tmp_path / "out") == "text"


def test_the_root_is_named_as_a_mount_point() -> None:
    assert whole(Path("/")) == Path("/")
    with (
        pytest.raises(DataError, match="/: a mount point cannot be replaced"),
        new_folder(Path("/"), DataError),
    ):
        pass
