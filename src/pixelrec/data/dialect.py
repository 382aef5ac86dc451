"""The dialect of a table in text: separator, header, encoding, quotes and decimal sign, found by looking."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pixelrec.choices import DecimalSign, HeaderLine, QuoteMark
from pixelrec.data.timestamps import is_date
from pixelrec.errors import DataError, option

if TYPE_CHECKING:
    from _csv import Reader

# In order of precedence where a table can be read with several. Spaces separate only where nothing else does.
SEPARATORS = {
    "\x01": "control characters \\x01",
    "\t": "tabs",
    "::": "'::'",
    ";": "semicolons",
    "|": "bars",
    "^": "carets",
    ",": "commas",
    " ": "spaces",
}
_WORDS = {"tab": "\t", r"\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "bar": "|", "caret": "^"}
_WORDS |= {r"\x01": "\x01", "^A": "\x01"}
_UNQUOTED = frozenset(
    {"::", " ", "\x01"}
)  # tables in which a quote is a letter unless a field begins with it
_MARKS: Mapping[str, str] = {"double": '"', "single": "'", "none": ""}
MEND_ENCODING = f"save the file as UTF-8, or name its encoding with {option('encoding', 'NAME')}"
_SAMPLE = 100  # records that are looked at
_MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]{1,3}")  # as UTF-8 has them, and Latin text hardly
_SUBSTITUTE = "\x1f"  # for a separator of several characters: ASCII's own "unit separator"
_BOMS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}  # the first begins as that of UTF-16
_BOMS |= {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@final
@dataclass(frozen=True)
class DialectOptions:
    """What the caller says of a dialect; the rest, None, is found by looking."""

    separator: str | None = None
    header: HeaderLine | None = None
    encoding: str | None = None
    quote: QuoteMark | None = None
    decimal: DecimalSign | None = None

    def __post_init__(self) -> None:
        """Raises `DataError` for a separator or an encoding that cannot be one."""
        sign = self.sign
        if sign is not None and (not sign or len(sign) > 8 or re.search(r'[\w"\'\r\n.+-]', sign)):
            known = "a sign such as ; or |, or tab, space, ::"
            raise DataError(f"separator is {self.separator!r}; expected {known}")
        if sign is not None and len(sign) > 1 and self.quote not in (None, "none"):
            raise DataError(
                f"quotes need a separator of one character, not {sign!r}; use {option('quote', 'none')}"
            )
        if self.encoding is not None:
            try:
                b"a".decode(self.encoding, "replace")
            except (LookupError, ValueError):
                known = "utf-8, utf-16, latin-1, cp1252 or another one that Python knows"
                raise DataError(f"encoding is {self.encoding!r}; expected {known}") from None

    @property
    def sign(self) -> str | None:
        """The separator itself, where a word for it was given."""
        return None if self.separator is None else _WORDS.get(self.separator, self.separator)


BY_LOOKING = DialectOptions()


@final
@dataclass(frozen=True)
class Dialect:
    """How a table is written; the default is plain CSV."""

    separator: str = ","
    header: bool = True
    encoding: str = "utf-8"
    quote: str = '"'  # empty: quotes are letters
    decimal: str = "."

    @property
    def sign(self) -> str:
        """The one character between fields, once a longer separator was substituted."""
        return self.separator if len(self.separator) == 1 else _SUBSTITUTE

    @property
    def separators(self) -> str:
        """The separator in words."""
        return SEPARATORS.get(self.separator, repr(self.separator))

    def reader(self, lines: Iterable[str], *, strict: bool = False) -> Reader:
        """Fields of lines that have its one sign, by Python's reader; those of blank lines are empty."""
        if not self.quote:
            return csv.reader(lines, delimiter=self.sign, quoting=csv.QUOTE_NONE, strict=strict)
        return csv.reader(lines, delimiter=self.sign, quotechar=self.quote, strict=strict)

    def __str__(self) -> str:
        """What differs from plain CSV: "separated by tabs, without a header"; empty for plain CSV."""
        quotes = {"'": "with single quotes"}.get(self.quote, "without quoting")
        signs = [
            (self.separator != ",", f"separated by {self.separators}"),
            (not self.header, "without a header"),
            (self.encoding != "utf-8", f"in {self.encoding}"),
            (self.quote != ('"' if self.separator not in _UNQUOTED else ""), quotes),
            (self.decimal != ".", "with decimal commas"),
        ]
        return ", ".join(text for differs, text in signs if differs)


def encoding_of(head: bytes, options: DialectOptions) -> str:
    """The encoding of a text that begins with `head`: by its mark, its zero bytes, or what is no UTF-8.

    A byte that is no UTF-8 makes it Latin, unless other bytes are: then it is damaged, and its line is named
    once it is read.
    """
    if options.encoding is not None:
        found = codecs.lookup(options.encoding).name
        return "utf-8" if found in {"ascii", "utf-8-sig"} else found
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            return encoding
    even, odd = head[:1024:2].count(0), head[1:1024:2].count(0)
    if max(even, odd) > len(head[:1024]) // 4 and not min(even, odd):
        return "utf-16-le" if odd else "utf-16-be"
    if _decodes(head, "utf-8") or b"\0" in head or _has_multibyte(head):
        return "utf-8"
    return "cp1252" if _decodes(head, "cp1252") else "latin-1"


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True


def _has_multibyte(head: bytes) -> bool:
    return any(_decodes(found, "utf-8") for found in _MULTIBYTE.findall(head))


def dialect_of(
    lines: Sequence[str], encoding: str, options: DialectOptions, is_name: Callable[[str], bool]
) -> Dialect:
    """The dialect of a table whose first lines are given, the header among them.

    Args:
        lines: the first is not blank.
        encoding: of the file; it is only noted.
        options: what is known of it.
        is_name: whether a field of the first line is the name of a column for sure.
    """
    lines = lines[:_SAMPLE]
    separator = options.sign or _separator(lines)
    quote = _MARKS[options.quote] if options.quote else _quote(lines, separator)
    found = Dialect(separator, True, encoding, quote, ".")
    records = _records(lines, found)
    header = options.header != "no"
    if options.header is None:
        first = records[0]
        header = any(map(is_name, first)) or not any(is_number(each) or is_date(each) for each in first)
    decimal = "," if options.decimal == "comma" else "."
    if options.decimal is None and separator != ",":
        decimal = _decimal(records[1:] if header else records)
    return Dialect(separator, header, encoding, quote, decimal)


def is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[+-]?\d+([.,]\d+)?\s*", text, re.ASCII) is not None


def substituted(text: bytes, dialect: Dialect) -> bytes:
    """Whole lines with one sign between fields, which those of `dialect` may have several of.

    Raises:
        ValueError: they hold the sign already.
    """
    separator, sign = dialect.separator.encode(), dialect.sign.encode()
    if separator == b" " and not dialect.quote:
        return re.sub(rb"(?m)^ +| +(?=\r?$)", b"", re.sub(rb" {2,}", b" ", text))
    if len(separator) == 1:
        return text
    if sign in text:
        raise ValueError(sign)
    return text.replace(separator, sign)


def _records(lines: Sequence[str], dialect: Dialect) -> list[list[str]]:
    text = "\n".join(lines).encode("utf-8", "replace").replace(_SUBSTITUTE.encode(), b"")
    plain = substituted(text, dialect).decode("utf-8").splitlines(keepends=True)
    try:
        found = list(dialect.reader(plain))
    except csv.Error:  # whoever reads the lines says what is wrong
        found = [line.split(dialect.sign) for line in plain]
    return [record for record in found if record] or [[]]


def _separator(lines: Sequence[str]) -> str:
    """The one that divides all lines into as many fields as the first, and into the most."""

    def score(sign: str) -> tuple[float, int, int]:
        widths = list(map(len, _records(lines, Dialect(sign, quote="" if len(sign) > 1 else '"'))))
        alike = sum(width == widths[0] for width in widths) / len(widths)
        return (alike, widths[0], -order.index(sign)) if widths[0] > 1 else (0.0, 0, -order.index(sign))

    order = list(SEPARATORS)
    best = max(order[:-1], key=score)
    if score(best)[0]:
        return best
    return " " if score(" ")[0] else ","


def _quote(lines: Sequence[str], separator: str) -> str:
    text, sign = "\n".join(lines), re.escape(separator)
    if len(separator) > 1:
        return ""
    if re.search(f'(?m)(?:^|{sign})"', text):
        return '"'
    single = f"(?:^|{sign})'[^'\n]*'(?:{sign}|$)"
    if '"' not in text and all(re.search(single, line.rstrip("\r")) for line in lines if line.strip()):
        return "'"
    return "" if separator in _UNQUOTED or ('"' in text and separator != ",") else '"'


def _decimal(records: Sequence[Sequence[str]]) -> str:
    """A comma where a column has numbers with commas, and no points."""
    columns: dict[int, list[str]] = {}
    for record in records:
        for place, field in enumerate(record):
            columns.setdefault(place, []).append(field.strip())
    numbers = [fields for fields in columns.values() if all(map(is_number, fields))]
    return "," if any("," in field for fields in numbers for field in fields) else "."
