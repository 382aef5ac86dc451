"""Kinds of files: those that are read, by name or content, and others that are recognised for messages."""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from pixelrec.errors import DataError

Kind: TypeAlias = Literal["csv", "json", "parquet", "histories"]
HEAD = 1024  # bytes that tell what a file is
_TEXT = re.compile(r"\.(csv|tsv|tab|psv|dat|data|inter)(\.gz)?$")
_JSON = re.compile(r"\.(jsonl|ndjson|json)(\.gz)?$")
_PARQUET = re.compile(r"\.(parquet|parq|pq)(\.(gz|gzip|snappy|zstd|lz4|brotli))?$")
_BEGINNINGS: dict[bytes, str] = {
    b"version https://git-lfs.github.com": "a Git LFS pointer; fetch the file itself with `git lfs pull`",
    b"PAR1": "a Parquet file; rename it to .parquet",
    b"\x1f\x8b": "compressed with gzip; decompress it, or rename it to .csv.gz if CSV is inside",
    b"PK\x03\x04": "a zip archive or a spreadsheet; unpack it, or export it as CSV",
    b"BZh": "compressed with bzip2; decompress it",
    b"\xfd7zXZ": "compressed with xz; decompress it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\xd0\xcf\x11\xe0": "an Excel file; export it as CSV",
    b"%PDF": "a PDF file; export the data as CSV",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"ARROW1": "an Arrow or Feather file; convert it to Parquet",
    b"ORC": "an ORC file; convert it to Parquet",
    b"Obj\x01": "an Avro file; convert it to Parquet",
    b"\x89HDF": "an HDF5 file; convert it to Parquet",
    b"\x93NUMPY": "a NumPy array; convert it to CSV or Parquet",
    b"<?xml": "an XML file; export the data as CSV",
    b"{": "JSON; rename it to .jsonl",
    b"[": "JSON; rename it to .jsonl",
}
_HTML = re.compile(rb"<(!doctype html|html|head|body)", re.IGNORECASE)


def kind_of(path: Path) -> Kind | None:
    """The kind of a file by its name or, where that tells nothing, by its first bytes; None for others.

    Raises:
        DataError: it cannot be read.
    """
    if (kind := kind_of_name(path)) is not None:
        return kind
    return "parquet" if head_of(path).startswith(b"PAR1") else None


def kind_of_text(path: Path) -> Kind | None:
    """The kind of a file whose name tells nothing, such as `ratings.txt`: a table, JSON lines, or neither."""
    head = head_of(path)
    if head.startswith(b"\x1f\x8b"):
        with suppress(zlib.error):  # whoever reads it says that it is damaged
            head = zlib.decompressobj(31).decompress(head, HEAD)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "json"
    binary = b"\0\0" in head  # UTF-16 has single zeros
    return None if binary or not head.strip() or recognised(head) else "csv"


def kind_of_name(path: Path) -> Kind | None:
    """The kind of a file by its name alone."""
    name = path.name.lower()
    if _TEXT.search(name):
        return "csv"
    if _JSON.search(name):
        return "json"
    return "parquet" if _PARQUET.search(name) else None


def unknown_kind(path: Path, expected: str) -> DataError:
    """The error about a file that `kind_of` does not know."""
    if kind := recognised(head_of(path)):
        return DataError(f"{path}: is {kind}")
    return DataError(f"{path}: unknown kind of file {path.suffix!r}; {expected}")


def head_of(path: Path) -> bytes:
    """The first bytes of a file; a `DataError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def recognised(head: bytes) -> str | None:
    """What a file that begins with `head` is, and how to mend it; None if it may be CSV."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if _HTML.match(text):
        return "an HTML page, as a failed download leaves it; download the file again"
    for beginning, kind in _BEGINNINGS.items():
        if (head if beginning[0] > 126 or beginning[0] < 32 else text).startswith(beginning):
            return kind
    if head[257:262] == b"ustar":
        return "a tar archive; unpack it"
    return None
