"""The command line: finds the verb, runs it, and turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import TextIOWrapper

from pixelrec.cli.verbs import VERBS
from pixelrec.console.loading import LoadingLine
from pixelrec.errors import PixelrecError, RequestError, StoppedError, memory_explained, nearest
from pixelrec.training.interruption import interruptible

GROUPS = {name.split()[0] for name in VERBS} - set(VERBS)  # such as images, of `images pack`
MODES = {
    "train": ("--resume", "--final"),
    "recommend": ("--all-users",),
}  # options that make another command of it
INTERNAL = 70  # the exit status of what should not have happened, EX_SOFTWARE of sysexits.h
STATUSES = """\
Exit status: 0 done, 1 some runs of a bench failed, 2 a mistake or a place that
cannot be written, 3 a loss is not a number, 4 out of memory, 70 an error of
pixelrec itself, 128 + n stopped by signal n (130: Ctrl-C)."""


def main(words: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit status of the process."""
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    _open_streams()
    try:
        with interruptible(), memory_explained("close other programs; --debug shows where"):
            _run([word for word in words if word != "--debug"])
            print(end="", flush=True)  # a full disk or a closed pipe is noticed here, not at exit
            return 0
    except BrokenPipeError:
        # The reader of the output has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as interrupt:
        return _failed(*_explained(StoppedError.by(interrupt, "the same command continues where it can")))
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic of Polars is no `Exception`
        if debug:
            raise
        return _failed(*_explained(error))


def _open_streams() -> None:
    """Gives a closed standard descriptor to nothing: a file opened later would get its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a character without a code there is printed as its number
            stream.reconfigure(errors="backslashreplace")


def _explained(error: BaseException) -> tuple[str, int]:
    """The line about an error, and the exit status."""
    if isinstance(error, PixelrecError):
        return str(error), error.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; --debug shows where", 2
    about = f"{type(error).__name__}: {error}"
    if "Symlink loop" in about:  # of Python before 3.13, which has no other class for it
        return f"{error}: the link points to itself; choose another place", 2
    if "Too many open files" in about or "TooManyOpenFiles" in about:  # a library's own error
        return "too many open files: raise the limit, as with `ulimit -n 1024`; --debug shows where", 2
    return f"internal error ({about}); --debug shows where: please report it", INTERNAL


def _failed(message: str, status: int) -> int:
    from pixelrec.console.terminal import printable

    if sys.stderr is None:  # as None, it would stand for standard output
        return status
    with suppress(OSError):  # nobody reads it: the exit status remains
        print(f"pixelrec: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)
    return status


def _run(words: list[str]) -> None:
    if not words or words[0] in {"-h", "--help"}:
        print("pixelrec trains and evaluates recommenders that see the pictures of items.\n")
        print(f"{_usage('')}      pixelrec --version\n\n{_listed(VERBS)}\n")
        print(f"A first look: pixelrec demo. Add --debug to see where an error comes from.\n\n{STATUSES}")
    elif words[0] == "--version":
        from importlib.metadata import version

        print(f"pixelrec {version('pixelrec')}")
    elif words[0] in GROUPS and (not words[1:] or words[1] in {"-h", "--help"}):
        group = f"{words[0]} "
        print(f"{_usage(group)}\n\n{_listed([name for name in VERBS if name.startswith(group)])}")
    else:
        name, rest = _verb(words)
        if {"-h", "--help"} & set(rest):
            print(VERBS[name].help(name, [word for word in rest if word not in {"-h", "--help"}]))
        else:
            _run_verb(name, rest)


def _run_verb(name: str, words: list[str]) -> None:
    from pixelrec.console.terminal import Output, Screen
    from pixelrec.training.launch import launched

    with LoadingLine() as loading:
        output = Output(sys.stdout, loading.over)
        VERBS[name].run(name, words, Screen.on(output, quiet=not launched().leads))
    if output.failure is not None and not isinstance(output.failure, BrokenPipeError):
        line = f"standard output: {output.failure.strerror}"
        if VERBS[name].prints:
            raise RequestError(line)
        _failed(f"{line}; the work is done, and its files are written", 0)


def _verb(words: list[str]) -> tuple[str, list[str]]:
    """The name of the verb, and the words after it."""
    modes = MODES.get(words[0], ())
    single = [part for word in words for part in _parted(word, modes)]
    for mode in modes:
        if mode in single:
            single.remove(mode)
            return f"{words[0]} {mode}", single[1:]
    for length in (2, 1):
        if " ".join(words[:length]) in VERBS:
            return " ".join(words[:length]), words[length:]
    given = " ".join(words[:2]) if words[0] in GROUPS else words[0]
    raise RequestError(f"there is no command {given!r}; {nearest(given, VERBS)}")


def _parted(word: str, modes: Sequence[str]) -> list[str]:
    """A mode and the value behind its `=`; another word as it is."""
    return word.split("=", 1) if word.partition("=")[0] in modes else [word]


def _usage(group: str) -> str:
    return f"usage: pixelrec {group}COMMAND …      pixelrec {group}COMMAND --help"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    width = max(map(len, names))
    return "\n".join(f"  {name:<{width}}  {VERBS[name].title.rstrip('.')}" for name in names)
