"""Every error a user can fix, as one tree below `PixelrecError`.

A message is one line: what is wrong, what was found, what was expected, how to fix it.
The command line prints it and exits with `exit_code`; `pixelrec --help` lists the statuses.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from shlex import join, quote
from signal import SIGINT
from typing import Self

# Libraries have a class for some of these errors only, but a message for each.
_NO_MEMORY = (
    "out of memory",
    "allocate memory",
    "not enough memory",
    "ALLOC_FAILED",
    "std::bad_alloc",
    "start new thread",  # whose stack has no room
    "failed to map segment",  # of a library
    "without exception set",  # of NumPy's, which lacked the memory for one
)


class PixelrecError(Exception):
    """Root of the tree; never raised itself."""

    exit_code = 2


class DataError(PixelrecError):
    """Interactions, item information or a prepared data set cannot be used."""


class ImageError(PixelrecError):
    """Covers or the picture store cannot be used."""


class FeatureError(PixelrecError):
    """A feature file cannot be used, or does not fit a data set."""


class RecipeError(PixelrecError):
    """A recipe or an option is unknown, of the wrong type, or contradicts another."""


class RunError(PixelrecError):
    """A run folder or a checkpoint is missing, incomplete or of another version."""


class RequestError(PixelrecError):
    """A request to a trained recommender names an unknown user, item or form."""


class DivergedError(PixelrecError):
    """A loss or a gradient is not a finite number."""

    exit_code = 3


class ExhaustedError(PixelrecError):
    """The machine, or its accelerator, is out of memory."""

    exit_code = 4


class GridError(PixelrecError):
    """Some runs of a grid failed; the others are done."""

    exit_code = 1


class StoppedError(PixelrecError):
    """A signal stopped the work; what is done is saved, and the message says how to continue."""

    def __init__(self, signal: int, how: str) -> None:
        super().__init__(f"stopped; {how}")
        self.signal = signal
        self.exit_code = 128 + signal

    @classmethod
    def by(cls, interrupt: KeyboardInterrupt, how: str) -> Self:
        """By Ctrl-C, or by another signal, whose number `interrupt` carries."""
        return cls(interrupt.args[0] if interrupt.args else SIGINT, how)


@contextmanager
def memory_explained(remedy: str) -> Iterator[None]:
    """Turns errors of any library that lacks memory into `ExhaustedError` with a remedy."""
    try:
        yield
    except (MemoryError, RuntimeError, ImportError, OSError, SystemError) as error:
        if not isinstance(error, MemoryError) and not any(text in str(error) for text in _NO_MEMORY):
            raise
        sentences = " ".join(str(error).split()).split(". ")[:2]
        cause = f" ({'. '.join(sentences)})" if sentences[0] else ""
        raise ExhaustedError(f"out of memory{cause}: {remedy}") from error


def demand_address_space(least: int) -> None:
    """Raises `ExhaustedError` where `ulimit -v` allows less than `least` bytes: libraries abort there."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit not in (resource.RLIM_INFINITY, -1) and limit < least:
        raise ExhaustedError(
            f"the address space is limited to {limit / 1e9:.1f} GB, and this needs {least / 1e9:.1f} GB; "
            "raise the limit with `ulimit -v`"
        )


def demand_library(name: str, *, need: str, extra: str, error: type[PixelrecError] = RequestError) -> None:
    """Raises `error` where a library is not installed: what needs it, and the extra that brings it."""
    if find_spec(name) is None:
        raise error(f"{need} needs {name}, which is not installed; pip install 'pixelrec[{extra}]'")


def option(name: str, value: object = True) -> str:
    """An option as it can be typed, and for Python: "--time-unit ms (time_unit='ms' in Python)"."""
    flag = f"--{name.replace('_', '-')}"
    return f"{flag}{'' if value is True else f' {quote(str(value))}'} ({name}={value!r} in Python)"


def command(*words: str | Path) -> str:
    """A command as it can be typed: paths are quoted where a shell needs that."""
    return join(["pixelrec", *map(str, words)])


def first_line(error: Exception) -> str:
    """What an error of a library says, without its details."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def some_of(names: Iterable[str], separator: str = ", ") -> str:
    """The first three names, and the number of the others."""
    names = list(names)
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return separator.join(names[:3]) + more


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown `word`: the nearest known one, or else all of them."""
    known = sorted(known)
    return similar(word, known) or f"known: {', '.join(known)}"


def similar(word: str, known: Iterable[str]) -> str:
    """A hint for an unknown `word`: the nearest known one; empty if none is near."""
    close = get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""
