"""The memory that this process may use, as the system's files say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def memory_limit(root: Path = Path("/")) -> int:
    """Bytes: of the machine, or of the smallest control group of this process, as containers set them."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    """Of the groups of this process and all above them, in both versions of control groups."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        mount = root / "sys/fs/cgroup" / controllers
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        own = mount / group.lstrip("/")
        for folder in (own, *own.parents):  # within a container, the path may be that of its host
            if folder.is_relative_to(mount) and (limit := _number(folder / name)) is not None:
                yield limit


def _number(path: Path) -> int | None:
    """None for a file that is missing, or says "max"."""
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
