"""Tables in text, gzip-compressed or not: opened, decoded, and cut into blocks of whole lines."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple, final

from pixelrec.console.numbers import plural
from pixelrec.data.dialect import (
    BY_LOOKING,
    MEND_ENCODING,
    Dialect,
    DialectOptions,
    dialect_of,
    encoding_of,
    substituted,
)
from pixelrec.data.file_kinds import HEAD, recognised
from pixelrec.errors import DataError, option

BLOCK = 64 * 2**20  # bytes parsed at a time
LINE = 2**20  # bytes of the longest line that is read
_RECORD = 64 * 2**20  # bytes of the longest record, which may hold line ends in quotes
_SAMPLE = 2**16  # bytes that are looked at for the dialect
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_COMMENTS = ("#", "%", "//")


class Block(NamedTuple):
    """Whole lines in UTF-8 with one sign between fields, and the number of the first one, from 1."""

    body: bytes
    line: int


@final
@dataclass(frozen=True)
class TextTable:
    """An opened table: its dialect, the names of its columns, and its rows."""

    path: Path
    dialect: Dialect
    header: list[str]  # the places "1", "2", … where no line has names
    first: list[str]  # fields of the first line, the names or those of the first row
    above: int  # lines above it that were passed over
    blocks: Iterator[Block]

    def __str__(self) -> str:
        """What is to be told of it; empty for plain CSV."""
        above = f"below {plural(self.above, 'line')} of comments" if self.above else ""
        return ", ".join(filter(None, (str(self.dialect), above)))


@contextmanager
def opened_table(
    path: Path, options: DialectOptions, is_name: Callable[[str], bool] = lambda _: False
) -> Iterator[TextTable]:
    """Opens a table in text; what `options` leave open is found by looking at its first lines.

    Args:
        path: the file.
        options: what is known of its dialect.
        is_name: whether a field of the first line is the name of a column for sure.

    Raises:
        DataError: it cannot be read, is something else, empty, or its first line is no row.
    """
    with opened(path) as raw:
        stream, head, encoding = _decoded(path, raw, options)
        start, line, separator = _preamble(head)
        if options.separator is None and separator:
            options = DialectOptions(
                separator, options.header, options.encoding, options.quote, options.decimal
            )
        above, named = line - 1, _first_line(path, head, start, line)
        dialect = dialect_of(_sample(head[start:], named), encoding, options, is_name)
        first = _fields(path, named, dialect, line)
        header = first if dialect.header else [str(place + 1) for place in range(len(first))]
        below = start + len(named.encode()) + 1
        rest, line = (head[below:], line + 1) if dialect.header else (head[start:], line)
        yield TextTable(path, dialect, header, first, above, _blocks(path, stream, rest, line, dialect))


@contextmanager
def opened_lines(path: Path) -> Iterator[Iterator[Block]]:
    """Opens a text of lines that are no table, such as JSON; it may be in UTF-16 or compressed, too."""
    with opened(path) as raw:
        stream, head, _ = _decoded(path, raw, BY_LOOKING, json=True)
        yield _blocks(path, stream, head, 1, Dialect(quote=""))


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, inflated if it is gzip-compressed; a `DataError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.peek(2)[:2] == _GZIP
        if path.suffix.lower() == ".gz" and not zipped:
            raise DataError(
                f"{path}: named .gz, but not gzip-compressed; compress it, or remove .gz from its name"
            )
        with gzip.open(path) if zipped else path.open("rb") as stream:
            yield stream  # type: ignore[misc]  # GzipFile reads bytes too
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip file is cut off or damaged ({error}); write or download it again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def _decoded(
    path: Path, raw: IO[bytes], options: DialectOptions, *, json: bool = False
) -> tuple[IO[bytes] | _Recoded, bytes, str]:
    """The stream in UTF-8, its first bytes, which are taken from it, and the encoding of the file."""
    head = raw.read(LINE + 1)
    is_json = json and head.removeprefix(_BOM).lstrip()[:1] in {b"{", b"["}
    if not is_json and (kind := recognised(head[:HEAD])):
        raise DataError(f"{path}: is {kind}")
    encoding = encoding_of(head, options)
    if encoding == "utf-8":
        stream: IO[bytes] | _Recoded = raw
        head = head.removeprefix(_BOM)
    else:
        stream = _Recoded(path, raw, head, encoding)
        head = stream.read(LINE + 1).removeprefix(_BOM)
    if b"\0" in head[:HEAD]:
        raise DataError(f"{path}: holds zero bytes, so it is no text; expected a table such as CSV")
    return stream, head, encoding


@final
class _Recoded:
    """A stream of bytes in another encoding as UTF-8."""

    def __init__(self, path: Path, stream: IO[bytes], head: bytes, encoding: str) -> None:
        self._path, self._stream, self._head, self._encoding = path, stream, head, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._lines = 1

    def read(self, size: int) -> bytes:
        text = ""
        while not text:
            data, self._head = self._head or self._stream.read(size), b""
            try:
                text = self._decoder.decode(data, final=not data)
            except UnicodeError as error:
                reason, line = str(error), self._lines
                if isinstance(error, UnicodeDecodeError):
                    reason = error.reason
                    line += error.object[: error.start].decode(self._encoding, "replace").count("\n")
                raise DataError(
                    f"{self._path}, line {line}: not readable as {self._encoding} ({reason}); mend it, or "
                    f"name the encoding with {option('encoding', 'NAME')}"
                ) from error
            if not data:
                break
        self._lines += text.count("\n")
        return text.encode()


def _preamble(head: bytes) -> tuple[int, int, str | None]:
    """Where the header begins, its line, and the separator that a line `sep=;` above it names.

    Comments and blank lines above it are passed over; `#,user` names a column, as no space or word follows.
    """
    start, number, separator = 0, 1, None
    while (end := head.find(b"\n", start)) >= 0:
        line = head[start:end].decode("utf-8", "replace").strip(" \r")
        if number == 1 and line.lower().startswith("sep="):
            separator = line[4:] or "\t"
        elif line and not (
            line.startswith(_COMMENTS) and line.lstrip("#%/")[:1] not in {",", ";", "|", "\t"}
        ):
            break
        start, number = end + 1, number + 1
    return start, number, separator


def _first_line(path: Path, head: bytes, start: int, number: int) -> str:
    """The line that begins at `start`, where the table does, without its end."""
    line = head[start:].partition(b"\n")[0]
    if len(line) > LINE or (len(line) == LINE and start + len(line) == len(head)):
        raise _too_long(path, number)
    if not head[start:].strip():
        raise DataError(
            f"{path}: the file is empty; expected a header line and one line for each interaction"
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8; {MEND_ENCODING}"
        ) from error


def _sample(head: bytes, first: str) -> list[str]:
    """Some whole lines, the first of which is given."""
    some = head[: max(_SAMPLE, len(first.encode()))]
    lines = some.decode("utf-8", "replace").split("\n")
    return lines[:-1] if len(lines) > 1 and len(some) < len(head) else lines


def _fields(path: Path, line: str, dialect: Dialect, number: int) -> list[str]:
    """The names in a header, or the fields of a first row."""
    text = substituted(line.encode(), dialect).decode().rstrip("\r\n")
    try:
        return next(dialect.reader([text], strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {number}: the header is not CSV ({error}); mend its quotes and line ends"
        ) from error


def _blocks(
    path: Path, stream: IO[bytes] | _Recoded, head: bytes, line: int, dialect: Dialect
) -> Iterator[Block]:
    """The lines of `head` and of the rest of the stream; the number of the first is `line`."""
    carry, quote = b"", dialect.quote.encode()
    for chunk in _chunks(head, stream):
        data = carry + chunk
        if b"\r\r\n" in data:  # Windows line ends that were written as text once more
            data = data.replace(b"\r\r\n", b"\n")
        _refuse_long_lines(path, data, line)
        end = _end_of_lines(data, quote)
        carry = data[end:]
        if len(carry) > _RECORD:
            number = line + data.count(b"\n", 0, end)
            raise DataError(
                f"{path}, line {number}: a quote is not closed within {_RECORD >> 20} MiB; mend it"
            )
        if end:
            yield _block(path, data[:end], line, dialect)
            line += data.count(b"\n", 0, end)
    if carry:
        yield _block(path, carry, line, dialect)


def _chunks(head: bytes, stream: IO[bytes] | _Recoded) -> Iterator[bytes]:
    for start in range(0, len(head), BLOCK):
        yield head[start : start + BLOCK]
    while data := stream.read(BLOCK):
        yield data


def _block(path: Path, body: bytes, line: int, dialect: Dialect) -> Block:
    try:
        return Block(substituted(body, dialect), line)
    except ValueError as error:
        number = line + body[: body.find(error.args[0])].count(b"\n")
        raise DataError(
            f"{path}, line {number}: holds a control character 0x{error.args[0][0]:02x}, which a table with "
            f"{dialect.separators} cannot have; remove it"
        ) from error


def _refuse_long_lines(path: Path, data: bytes, line: int) -> None:
    """Raises a `DataError` for a line of more than `LINE` bytes; `line` is the number of the first."""
    start = 0
    while len(data) - start > LINE:
        end = data.rfind(b"\n", start, start + LINE + 1)
        if end < 0:
            raise _too_long(path, line + data.count(b"\n", 0, start))
        start = end + 1


def _too_long(path: Path, line: int) -> DataError:
    return DataError(
        f"{path}, line {line}: is longer than {LINE >> 20} MiB; is it CSV? shorten or remove the line"
    )


def _end_of_lines(data: bytes, quote: bytes) -> int:
    """The end of the last whole line; line ends inside quotes do not count."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(quote, 0, end) if quote else 0
    while end and quotes % 2:
        opening = data.rfind(quote, 0, end)
        before = data.rfind(b"\n", 0, opening) + 1
        quotes -= data.count(quote, before, end)
        end = before
    return end
