"""One lock between processes: the kernel releases it when its holder dies, in whichever way.

The lock file names its holder, for messages. Process ids decide nothing: two containers on one volume have
the same ones.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Self, final

from pixelrec.errors import PixelrecError

_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF})
_NO_LOCKS = "this file system has no locks; make sure that only one process writes there"


@final
class Lock:
    """An exclusive lock on the file at `path`. Make one with `acquire`.

    Child processes may inherit `descriptor`: without `release`, the last of them to end frees the lock. On a
    file system without locks it is granted to everybody, with a warning.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    @classmethod
    def acquire(cls, path: Path, *, wait: bool = False) -> Self | None:
        """None if another process holds it, unless `wait`; an `OSError` if the file cannot be made."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                locked = flock(descriptor, wait=wait)
                if locked is False:
                    os.close(descriptor)
                    return None
                if locked and not is_at(descriptor, path):  # its last holder has removed the file meanwhile
                    os.close(descriptor)
                    continue
                since = datetime.now().astimezone().isoformat(timespec="seconds")
                text = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
                with suppress(OSError):  # a full disk: what is written under the lock says so
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, text.encode())
            except BaseException:
                os.close(descriptor)
                raise
            if locked is None:
                warnings.warn(f"{path.parent}: {_NO_LOCKS}", stacklevel=2)
            return cls(path, descriptor)

    def release(self) -> None:
        """Unlock, for children that inherited the lock as well, and remove the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextmanager
def exclusive(path: Path, occupied: str, error: type[PixelrecError]) -> Iterator[None]:
    """Holds the lock at `path`, or raises `error`, as in "<occupied> by process 12 on host x since 12:03"."""
    try:
        lock = Lock.acquire(path)
    except OSError as reason:
        raise error(
            f"{path}: cannot be written: {reason.strerror}; make room or choose another place"
        ) from None
    if lock is None:
        raise error(f"{occupied} by {holder(path)}: wait until it has finished, or stop it")
    with lock:
        yield


def holder(path: Path) -> str:
    """Who holds the lock at `path`, as in "process 123 on host x since 12:03"."""
    try:
        by = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(by["since"])
        today = since.date() == datetime.now(since.tzinfo).date()
        return f"process {by['pid']} on {by['host']} since {since:{'%H:%M' if today else '%Y-%m-%d %H:%M'}}"
    except (OSError, ValueError, KeyError, TypeError):  # released or taken at this very moment
        return "another process"


def flock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Locks an open file: false if another process holds it, none if its file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
