"""Prints the lowest versions that pyproject.toml allows, a requirement per line.

python scripts/lowest.py [EXTRA …] [--but NAME …]

With names of extras, their packages too; those after --but are left out.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def main() -> None:
    extras, but = sys.argv[1:], list[str]()
    if "--but" in extras:
        but = extras[extras.index("--but") + 1 :]
        extras = extras[: extras.index("--but")]
    print("\n".join(line for line in lowest(extras) if line.split("==")[0] not in but))


def lowest(extras: list[str]) -> list[str]:
    """`name==version` of each package that has a lower bound."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(one for extra in extras for one in project["optional-dependencies"][extra]),
    ]
    bounds = (re.fullmatch(r"([\w.-]+(?:\[\w+\])?)>=([\d.]+)", one) for one in wanted)
    return [f"{found[1]}=={found[2]}" for found in bounds if found]


if __name__ == "__main__":
    main()
