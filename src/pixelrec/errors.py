"""Every error a user can mend, as one tree.

```
PixelrecError
├── DataError        interactions, item information, a prepared data set
├── ImageError       covers and the picture store
├── RecipeError      a recipe or an option on the command line
├── RunError         a run folder or a checkpoint
├── RequestError     what is asked of a trained recommender: unknown user, unknown item
├── DivergedError    training met a loss that is not a number
├── ExhaustedError   the memory of the machine or of its accelerator does not suffice
├── StoppedError     a signal stopped the work; it is saved and can be continued
└── GridError        some runs of a grid failed
```

A message is one line: what is wrong, what was found, what was expected, how to mend it.
The command line prints it and exits with `exit_code`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class PixelrecError(Exception):
    """Root of the tree; never raised itself."""

    exit_code = 2


class DataError(PixelrecError):
    """Interactions, item information or a prepared data set cannot be used."""


class ImageError(PixelrecError):
    """Covers or the picture store cannot be used."""


class RecipeError(PixelrecError):
    """A recipe or an option is unknown, of the wrong type, or contradicts another."""


class RunError(PixelrecError):
    """A run folder or a checkpoint is missing, incomplete or of another version."""


class RequestError(PixelrecError):
    """A trained recommender is asked about something it does not know."""


class DivergedError(PixelrecError):
    """Training met a loss or a gradient that is not a finite number."""

    exit_code = 3


class ExhaustedError(PixelrecError):
    """The memory of the machine, or of its accelerator, does not suffice."""

    exit_code = 4


class GridError(PixelrecError):
    """Some runs of a grid failed; the others are done."""

    exit_code = 1


class StoppedError(PixelrecError):
    """A signal stopped the work; what is done is saved, and the message says how to continue.

    Args:
        signal: its number.
        how: how to continue.
    """

    def __init__(self, signal: int, how: str) -> None:
        super().__init__(f"stopped; {how}")
        self.signal = signal
        self.exit_code = 128 + signal


@contextmanager
def memory_explained(remedy: str) -> Iterator[None]:
    """What NumPy and PyTorch raise where memory does not suffice becomes `ExhaustedError`, with a remedy."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        sentences = " ".join(str(error).split()).split(". ")[:2]
        told = f" ({'. '.join(sentences)})" if sentences[0] else ""
        raise ExhaustedError(f"memory does not suffice{told}: {remedy}") from error


def _is_of_memory(error: Exception) -> bool:
    # PyTorch has a class for one of the ways in which this comes about, and words for each.
    words = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED", "std::bad_alloc")
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def option(name: str, value: object = True) -> str:
    """How to say an option at either door: "--time-unit ms (time_unit='ms' in Python)"."""
    flag = f"--{name.replace('_', '-')}"
    return f"{flag}{'' if value is True else f' {value}'} ({name}={value!r} in Python)"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown `word`: the nearest known one, or else all of them."""
    known = sorted(known)
    close = get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
