"""Opening nothing but files: reading a pipe waits for ever, and some devices have no end."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def demand_regular(path: Path) -> None:
    """Raises `OSError` unless there is a file, or a link to one, at `path`."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(path))
