"""The memory allocator of the process."""

from __future__ import annotations

import ctypes
from functools import cache

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, in malloc.h
_KEPT = 1 << 30  # bytes


@cache
def keep_freed_memory() -> None:
    """Lets the C library keep freed blocks of up to 1 GiB for the next ones, where it can.

    glibc gives blocks of 32 MiB and more back to the system, and gets them again page by page, filled with
    zeros: half of the time of a picture network on a CPU, whose layers allocate such blocks.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc
        return
    mallopt(_MMAP_THRESHOLD, _KEPT)
    mallopt(_TRIM_THRESHOLD, _KEPT)
