"""Numbers of bytes, for people."""

from __future__ import annotations

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def bytes_in_words(count: int) -> str:
    """As in 76.8 kB or 7.4 GB; a kB is 1000 bytes, as disks are sold."""
    for unit, size in _UNITS:
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
