"""Figures of a model: the rows about it in the tables of benchmarks/README.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown.extensions.toc import slugify

BENCHMARKS = Path(__file__).parents[2] / "benchmarks" / "README.md"
_TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)


def measured(names: Sequence[str]) -> str:
    """A section with those rows, each table under a link to where it comes from; "" without any."""
    found = list(_tables(set(names)))
    return "\n\n".join(["## Measured", *found]) if found else ""


def _tables(names: set[str]) -> Iterator[str]:
    for section in re.split(r"^## ", BENCHMARKS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        for table in _TABLE.findall(section):
            head, rule, *rows = table.splitlines()
            about = [row for row in rows if _name(row) in names]
            if about:
                link = f"[{title}](../project/benchmarks.md#{slugify(title, '-')}):"
                yield "\n".join([link, "", head, rule, *about])


def _name(row: str) -> str:
    """The first cell, "sasrec-mobilenet, frozen" as sasrec-mobilenet."""
    return row.split("|")[1].strip(" *").partition(",")[0]
