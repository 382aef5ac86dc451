"""CSV that a spreadsheet opens without running any of it.

A spreadsheet takes a cell that begins with =, +, -, @, a tab or a line break for a formula. Such a text gets
a leading apostrophe, as OWASP advises; numbers stay numbers. To get the exact text back, remove what the
pattern `^'(?='*[-=+@＝＋－＠\\t\\r\\n])` finds: the first of the apostrophes before such a character.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import final

_FORMULA = re.compile("'*[-=+@＝＋－＠\t\r\n]")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


def csv_text(rows: Iterable[Sequence[object]], *, raw: bool = False) -> str:
    """Rows as CSV; lone surrogates, which have no UTF-8, are escaped. `raw` leaves texts as they are."""
    line = csv.writer(_Line()).writerow  # returns what `write` returns; \r\n at the end makes it quote both
    cells = rows if raw else ([harmless(value) for value in row] for row in rows)
    text = "".join(line(row)[:-2] + "\n" for row in cells)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def harmless(value: object) -> object:
    """A text that a spreadsheet would run, behind an apostrophe; anything else unchanged."""
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


@final
class _Line:
    def write(self, line: str) -> str:
        return line
