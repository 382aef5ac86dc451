"""Reading `.npy` files that may be damaged."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

_REASONS = {  # texts of NumPy's errors → in words
    "mmap length": "it is cut off",
    "EOF": "it is cut off",
    "No data left": "it is empty",
    "Python objects in dtype": "it holds Python objects",
    "pickled": "it is no .npy file",
}


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
        ValueError,
        SyntaxError,
        TokenError,
        TypeError,
        EOFError,
        OverflowError,
        MemoryError,
        RecursionError,
    ) as error:
        text = " ".join(str(error).split())
        raise ValueError(next((why for sign, why in _REASONS.items() if sign in text), text)) from error
    return found
