"""Reading `.npy` files that may be damaged."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np


def map_array(path: Path) -> np.ndarray:
    """A memory-mapped, read-only array.

    Raises:
        OSError: it cannot be read, or is no file: opening a pipe would wait for ever.
        ValueError: damaged; NumPy evaluates the header as Python and fails as that does.
    """
    if path.exists() and not path.is_file():
        raise OSError("is no file")
    try:
        found: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (
        SyntaxError,
        TokenError,
        TypeError,
        EOFError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return found
