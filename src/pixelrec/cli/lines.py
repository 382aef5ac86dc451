"""Lines below a result: where it is, and the command to go on with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.errors import command

if TYPE_CHECKING:
    from rich.console import Console


def say(console: Console, *lines: str) -> None:
    from pixelrec.console.terminal import say as say_line

    for line in lines:
        say_line(line, console)


def say_next(console: Console, *words: str | Path) -> None:
    say(console, f"next       {command(*words)}")
