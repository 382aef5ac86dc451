"""The code of a page: its fenced blocks in order, and the commands of a block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMANDS = {"", "bash", "sh"}
SHOWN = {"text", "formula", "csv", "json"}  # what is read, not run
RUN = {*COMMANDS, "python", "yaml", "toml", "output"}


@final
@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str

    @property
    def name(self) -> str | None:
        """Of the file that the block holds: `# serve.py` in its first line."""
        found = re.match(r"# ([\w/-]+\.\w+)\n", self.code)
        return found[1] if found else None

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in _FENCE.finditer(text)]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    indent, language, code = found.groups()
    line = text.count("\n", 0, found.start()) + 2
    code = "".join(each.removeprefix(indent) for each in code.splitlines(keepends=True))
    return Block(page, line, language.strip(), code)


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Each command on one line, without its comment, and the reason not to run it, such as "needs a GPU"."""
    whole = ""
    for line in block.code.replace("\\\n", " ").splitlines():
        command, _, comment = re.sub(r"(^|\s)#", "\0", line).partition("\0")
        reason = re.search(r"needs .*", comment)
        if not command.strip():
            whole = reason[0] if reason else whole
        else:
            yield " ".join(command.split()), reason[0] if reason else whole
