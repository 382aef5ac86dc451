"""Kinds of files: the two that are read, by name or content, and others that are recognised for messages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pixelrec.data.columns import separator_of
from pixelrec.errors import DataError

HEAD = 1024  # bytes that tell what a file is
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
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
    b"<?xml": "an XML file; export the data as CSV",
    b"{": "JSON; convert it to CSV or Parquet",
    b"[": "JSON; convert it to CSV or Parquet",
    b"sep=": "CSV for Excel, whose first line names the separator; remove that line",
    b"#": "text that begins with a comment; remove the lines above the header",
    b"%": "text that begins with a comment; remove the lines above the header",
    b"//": "text that begins with a comment; remove the lines above the header",
}
_HTML = re.compile(rb"<(!doctype html|html|head|body)", re.IGNORECASE)


def kind_of(path: Path) -> Literal["csv", "parquet"] | None:
    """The kind of a file by its name or, where that tells nothing, by its first bytes; None for others.

    Raises:
        DataError: it cannot be read.
    """
    if (kind := kind_of_name(path)) is not None:
        return kind
    return "parquet" if head_of(path).startswith(b"PAR1") else None


def kind_of_name(path: Path) -> Literal["csv", "parquet"] | None:
    """The kind of a file by its name alone."""
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return "csv"
    return "parquet" if _PARQUET.search(name) else None


def unknown_kind(path: Path, expected: str) -> DataError:
    """The error about a file that `kind_of` does not know."""
    head = head_of(path)
    if kind := recognised(head):
        return DataError(f"{path}: is {kind}")
    line = head.partition(b"\n")[0].decode("utf-8", "replace")
    separator = None if "," in line or "\0" in line else separator_of(line)
    hint = separator and f"its columns seem to be separated by {separator}: save it with commas, as .csv; "
    return DataError(f"{path}: unknown kind of file {path.suffix!r}; {hint or ''}{expected}")


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
