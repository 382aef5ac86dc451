"""The command line: finds the verb, reads its words, and turns errors into one line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from io import TextIOWrapper

from pixelrec.cli.arguments import parse
from pixelrec.cli.verbs import VERBS, train
from pixelrec.errors import PixelrecError, RequestError, memory_explained, nearest

GROUPS = {verb.split()[0] for verb in VERBS if " " in verb}  # first words of verbs of two


def main(words: Sequence[str] | None = None) -> int:
    """Runs one verb; the exit status of the process."""
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    _print_what_can_be_printed()
    words = [word for word in words if word != "--debug"]
    try:
        with memory_explained("close other programs, or use a machine with more; --debug tells where"):
            return _run(words)
    except PixelrecError as error:
        if debug:
            raise
        print(f"pixelrec: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("pixelrec: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read the output has gone; Python must not complain about it while exiting.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if debug:
            raise
        place = f"{error.filename}: " if error.filename else ""
        print(f"pixelrec: {place}{error.strerror or error}; --debug tells where", file=sys.stderr)
        return 2


def _print_what_can_be_printed() -> None:
    """A character that the terminal or a pipe has no code for is told by its number, not by a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _run(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help"}:
        print(_overview())
        return 0
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"pixelrec {version('pixelrec')}")
        return 0
    if words[0] in GROUPS and (not words[1:] or words[1] in {"-h", "--help"}):
        print(_overview_of(words[0]))
        return 0
    verb, rest = _verb(words)
    if verb == "train":  # its words are the recipe's, not a signature's
        train(rest)
        return 0
    VERBS[verb](**parse(VERBS[verb], f"pixelrec {verb}", rest))
    return 0


def _verb(words: list[str]) -> tuple[str, list[str]]:
    for length in (2, 1):
        if " ".join(words[:length]) in VERBS:
            return " ".join(words[:length]), words[length:]
    asked = " ".join(words[:2]) if words[0] in GROUPS else words[0]
    raise RequestError(f"there is no verb {asked!r}; {nearest(asked, VERBS)}")


def _overview() -> str:
    return (
        "pixelrec trains, evaluates and serves recommenders from the pictures of the items.\n\n"
        "usage: pixelrec VERB …      pixelrec VERB --help      pixelrec --version\n\n"
        f"{_listed(VERBS)}\n\nA first look: pixelrec demo. Add --debug to see where an error comes from."
    )


def _overview_of(group: str) -> str:
    usage = f"usage: pixelrec {group} VERB …      pixelrec {group} VERB --help"
    return f"{usage}\n\n{_listed([verb for verb in VERBS if verb.startswith(f'{group} ')])}"


def _listed(verbs: Iterable[str]) -> str:
    return "\n".join(f"  {verb:<14} {_first_line(VERBS[verb])}" for verb in verbs)


def _first_line(function: Callable[..., None]) -> str:
    return (function.__doc__ or "").strip().splitlines()[0]
