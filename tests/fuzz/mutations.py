"""Damages of files, by their format. A damage changes the file at a path; all of them are seeded."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load, save_file

Damage = Callable[[Path], object]
Named = tuple[str, Damage]
DEEP = "[" * 100_000


def damages(path: Path, random: Random, *, flips: int = 4) -> Iterator[Named]:
    """All damages of one file, the general ones and those of its format.

    flips: how many bits, at random places.
    """
    yield from places()
    yield from bytewise(path.stat().st_size, random, flips)
    yield from of_format(path, random)


def of_format(path: Path, random: Random) -> Iterator[Named]:
    """The damages that know what is in the file; none where its format is not known here."""
    for suffix, known in _FORMATS.items():
        if path.name.endswith(suffix):
            yield from known(path, random)


def places() -> Iterator[Named]:
    """Something else where the file should be."""
    yield "missing", lambda path: path.unlink()
    yield "a folder", lambda path: (path.unlink(), path.mkdir())
    yield "a pipe", lambda path: (path.unlink(), os.mkfifo(path))
    yield "a socket", _socket
    yield "a link to /dev/zero", lambda path: _link(path, "/dev/zero")
    yield "a link to /dev/full", lambda path: _link(path, "/dev/full")
    yield "a link to nowhere", lambda path: _link(path, "nowhere")
    yield "a link to itself", lambda path: _link(path, path.name)
    yield "a link to /etc/passwd", lambda path: _link(path, "/etc/passwd")


def bytewise(size: int, random: Random, flips: int) -> Iterator[Named]:
    """Damages of bytes, whatever they mean."""
    yield "empty", _of_bytes(lambda _: b"")
    yield "zeros", _of_bytes(lambda found: bytes(len(found)))
    yield "noise", _of_bytes(lambda found: Random(1).randbytes(len(found)))
    yield "twice", _of_bytes(lambda found: found * 2)
    yield "more", _of_bytes(lambda found: found + b"\0\xff{more")
    yield "halves swapped", _of_bytes(lambda found: found[len(found) // 2 :] + found[: len(found) // 2])
    for cut in {1, 8, size // 2, size - size // 8, random.randrange(1, size + 1)} & set(range(1, size)):
        yield f"{cut} bytes cut off", _of_bytes(lambda found, cut=cut: found[:-cut])
    for _ in range(flips):
        at, bit = random.randrange(size), 1 << random.randrange(8)
        yield f"bit {bit} of byte {at} flipped", _at(at, lambda old, bit=bit: bytes([old[0] ^ bit]), 1)
    for _ in range(max(flips // 4, 1)):
        at = random.randrange(size)
        yield f"16 zeros at {at}", _at(at, lambda old: bytes(len(old)), 16)


def json_object(path: Path, random: Random) -> Iterator[Named]:
    """Every value of a JSON object, removed or of another kind."""
    whole = json.loads(path.read_bytes())
    for text in (b"[]", b"null", b"3", b'"x"', b"{}", b'{"a": "\xe9"}', DEEP.encode(), b'{"a":' * 50_000):
        yield f"JSON {text[:12]!r}", _of_bytes(lambda _, text=text: text)
    yield "UTF-16", _of_bytes(lambda found: found.decode().encode("utf-16"))
    yield "another key", _of_json(lambda found: found.update(unheard_of=1))
    for keys in _places(whole):
        name = ".".join(map(str, keys))
        yield f"{name} removed", _of_json(lambda found, keys=keys: _inner(found, keys).pop(keys[-1]))
        for value in _values(_inner(whole, keys)[keys[-1]], random):
            shown = repr(value)[:30]
            yield (
                f"{name} = {shown}",
                _of_json(lambda found, keys=keys, value=value: _put(found, keys, value)),
            )


def json_lines(path: Path, _: Random) -> Iterator[Named]:
    """Lines of JSON objects: another line, another order, every value of the last line changed."""
    for line in (b"[1]", b"{}", b"null", b"NaN", b"\xff", DEEP.encode(), b'{"epoch": 1'):
        yield f"line {line[:12]!r} at the end", _of_bytes(lambda found, line=line: found + line + b"\n")
        yield f"line {line[:12]!r} first", _of_bytes(lambda found, line=line: line + b"\n" + found)
    yield "lines reversed", _of_lines(lambda lines: lines[::-1])
    yield "last line gone", _of_lines(lambda lines: lines[:-1])
    yield "first line gone", _of_lines(lambda lines: lines[1:])
    yield "last line twice", _of_lines(lambda lines: [*lines, lines[-1]])
    for key in json.loads(path.read_bytes().splitlines()[-1]):
        yield f"{key} removed", _of_last(lambda row, key=key: row.pop(key))
        for value in ("x", None, -1, 1e308, 10**30, float("nan"), [1], {}):
            yield f"{key} = {value!r}", _of_last(lambda row, key=key, value=value: row.update({key: value}))


def arrays(path: Path, random: Random) -> Iterator[Named]:
    """NumPy arrays: other numbers, orders, types and shapes."""
    size = np.load(path).size
    place = random.randrange(size)
    for value in (-1, 0, 1, 10**6, 2**31 - 1, -(2**31)):
        yield f"[{place}] = {value}", _of_array(lambda found, v=value: _set(found, place, v))
    yield "[0] = 7", _of_array(lambda found: _set(found, 0, 7))
    yield "[-1] = 0", _of_array(lambda found: _set(found, -1, 0))
    yield "reversed", _of_array(lambda found: found[::-1].copy())
    yield "one less", _of_array(lambda found: found[:-1])
    yield "one more", _of_array(lambda found: np.append(found, found[-1:]))
    yield "none", _of_array(lambda found: found[:0])
    yield "a column", _of_array(lambda found: found[:, None])
    yield "no dimension", _of_array(lambda found: found[0])
    for kind in (
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint64",
        ">i4",
        "S8",
        "U4",
        "bool",
    ):
        yield f"as {kind}", _of_array(lambda found, kind=kind: found.astype(kind))
    yield "as complex", _of_array(lambda found: found.astype("complex64"))
    yield "as objects", lambda path: np.save(path, np.load(path).astype(object), allow_pickle=True)
    yield "shape of 10^12", _of_bytes(lambda found: _longer_shape(found))
    yield "a pickle", _of_bytes(lambda _: b"\x80\x04cos\nsystem\n(S'touch it-ran'\ntR.")


def tensors(path: Path, random: Random) -> Iterator[Named]:
    """Safetensors: every tensor removed, of another shape or kind, not finite; and headers that lie."""
    for length in (0, 7, 2**40, 2**63):
        yield f"header of {length}", _at(0, lambda _, length=length: struct.pack("<Q", length), 8)
    yield "another tensor", _of_tensors(lambda found: found.update(more=torch.zeros(3)))
    yield "no tensor", _of_tensors(lambda found: found.clear())
    yield "renamed", _of_tensors(lambda found: found.update(odd=found.pop(next(iter(found)))))
    names = list(json.loads(_header(path.read_bytes())))
    for name in random.sample(names, min(4, len(names))):
        if name == "__metadata__":
            yield "no metadata", lambda path: _resaved(path, len, metadata=False)
            continue
        yield f"{name} removed", _of_tensors(lambda found, name=name: found.pop(name))
        for what, change in _TENSOR_CHANGES.items():
            yield f"{name} {what}", _of_tensors(_changed(name, change))


def tables(_: Path, __: Random) -> Iterator[Named]:
    """Parquet: other rows, columns and types."""
    for name, change in _TABLE_CHANGES.items():
        yield name, _of_table(change)


def yaml_texts(path: Path, _: Random) -> Iterator[Named]:
    """YAML: texts that are none, tags, recursion, and every line removed or of another value."""
    for text in YAML_TEXTS:
        yield f"YAML {text[:20]!r}", _of_bytes(lambda _, text=text: text)
    lines = path.read_bytes().splitlines()
    for number, line in enumerate(lines):
        yield f"line {number} gone", _of_lines(lambda all_, n=number: all_[:n] + all_[n + 1 :])
        if b": " in line:
            key = line.split(b": ")[0]
            for value in (b"", b"x", b"-1", b"1e999", b"[1]", b"{a: 1}", b"true", b"0x" + b"f" * 5000):
                name = f"{key.decode()}: {value[:10].decode()}"
                new = key + b": " + value
                yield name, _of_lines(lambda all_, n=number, new=new: [*all_[:n], new, *all_[n + 1 :]])


YAML_TEXTS = (
    b"about: a\0b\n",
    b"about: \x1b]0;x\x07\n",
    b"about: caf\xe9\n",
    "about: x\n".encode("utf-16"),
    b"items: &a {b: *a}\n",
    b"items: " + b"[" * 5000,
    b"items: " + b"{a: " * 5000,
    b"seed: 0x" + b"f" * 5000 + b"\n",
    b"seed: " + b"9" * 5000 + b"\n",
    b"a: !!python/object/apply:os.system ['touch it-ran']\n",
    b"a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\ne: [*d,*d]\n",
    b"? [1, 2]\n: x\n",
    b"? {a: b}\n: x\n",
    b"null: 1\n",
    b"1: 2\n",
    b"length: 3\nlength: 4\n",
    b"--- 1\n--- 2\n",
    b"- a\n",
    b"x",
    b"...\n",
    b"%YAML 9.9\n---\n",
    b"a: !!binary ///\n",
    b"a: !!timestamp 2000-99-99\n",
    b"seed: 2020-13-45\n",
    b"seed: 12:30:99\n",
    b"\t- x",
    b"a: *nowhere\n",
    b"<<: [1]\n",
    b"<<: {a: 1}\n",
    b"items: !!set {a, b}\n",
    b"items: !!omap [a: 1]\n",
    b"length: .nan\n",
    b"length: .inf\n",
    b"\xef\xbb\xbflength: 5\n",
    b"items: {name: [id_table]}\n",
    b"items: {name: {a: 1}}\n",
    b"items: {name: null}\n",
    b"users: {name: 3}\n",
    b"users: 3\n",
    b"loss: [softmax]\n",
    b"about: [1]\n",
    b"published: 3\n",
    b"published: {data: 1}\n",
    b"length: '10'\n",
    b"length: 1_0\n",
    b"length: 010\n",
    b"length: 1e1\n",
    b"seed: -1\n",
    b"seed: 18446744073709551616\n",
    b"seed: true\n",
)


def csv_tables(path: Path, random: Random) -> Iterator[Named]:
    """CSV of interactions: lines, fields, quotes, ends, encodings."""
    count = path.read_bytes().count(b"\n")
    for name, change in CSV_CHANGES.items():
        yield name, _of_lines(change)
    for field in CSV_FIELDS:
        for column in range(3):
            row = random.randrange(1, count)
            yield f"row {row}, column {column} = {field[:12]!r}", _of_lines(_field(row, column, field))
    for name, change in CSV_TEXTS.items():
        yield name, _of_bytes(change)


CSV_FIELDS = (
    b"", b" ", b" i3", b"i3 ", b'"i3"', b'"a,b"', b'"a""b"', b'"a\nb"', b'a"b', b'"', b"\xe9", b"\xff\xfe",
    b"\0",
    "é".encode(), "\u202e".encode(), "\ufeffi3".encode(), b"\x1b[2J", b"=cmd|' /C calc'!A0", b"-1", b"0",
    b"1e9",
    b"1.5", b"nan", b"inf", b"-inf", b"null", b"NULL", b"NA", b"true", b"99999999999", b"9" * 30, b"0x10",
    b"1_000", b"1,000", b"2020-01-01", b"2020-01-01T00:00:00", b"2020-01-01T00:00:00+02:00", b"2020-13-45",
    b"../../etc/passwd", b"a/b", b"." , b"..", b"con", b"x" * 300, b"i" * 100_000,
)  # fmt: skip
CSV_CHANGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "every row twice": lambda lines: [lines[0], *(row for row in lines[1:] for _ in "ab")],
    "rows reversed": lambda lines: [lines[0], *lines[:0:-1]],
    "no header": lambda lines: lines[1:],
    "header alone": lambda lines: lines[:1],
    "header twice": lambda lines: [lines[0], *lines],
    "header in the midst": lambda lines: [*lines[:9], lines[0], *lines[9:]],
    "header in capitals": lambda lines: [lines[0].upper(), *lines[1:]],
    "header with spaces": lambda lines: [lines[0].replace(b",", b" , "), *lines[1:]],
    "column named twice": lambda lines: [b"item_id,item_id,timestamp", *lines[1:]],
    "a column missing": lambda lines: [b",".join(line.split(b",")[:2]) for line in lines],
    "columns in another order": lambda lines: [b",".join(line.split(b",")[::-1]) for line in lines],
    "a column more": lambda lines: [line + b",x" for line in lines],
    "one field more in a row": lambda lines: [*lines[:5], lines[5] + b",x", *lines[6:]],
    "one field fewer in a row": lambda lines: [*lines[:5], lines[5].rsplit(b",", 1)[0], *lines[6:]],
    "a trailing comma": lambda lines: [line + b"," for line in lines],
    "semicolons": lambda lines: [line.replace(b",", b";") for line in lines],
    "tabs": lambda lines: [line.replace(b",", b"\t") for line in lines],
    "all fields quoted": lambda lines: [b",".join(b'"%s"' % f for f in line.split(b",")) for line in lines],
    "single quotes": lambda lines: [b",".join(b"'%s'" % f for f in line.split(b",")) for line in lines],
    "blank lines": lambda lines: [part for line in lines for part in (line, b"")],
    "blank line first": lambda lines: [b"", *lines],
    "comment first": lambda lines: [b"# a log", *lines],
    "one row": lambda lines: lines[:2],
    "ids with leading zeros": lambda lines: [lines[0], *(b"00" + row for row in lines[1:])],
    "one user": lambda lines: [lines[0], *(_replaced(row, 1, b"u") for row in lines[1:])],
    "one item": lambda lines: [lines[0], *(_replaced(row, 0, b"i") for row in lines[1:])],
    "one time": lambda lines: [lines[0], *(_replaced(row, 2, b"5") for row in lines[1:])],
    "times in ms": lambda lines: [lines[0], *(row + b"000" for row in lines[1:])],
    "times with .0": lambda lines: [lines[0], *(row + b".0" for row in lines[1:])],
    "times with .5": lambda lines: [lines[0], *(row + b".5" for row in lines[1:])],
    "negative times": lambda lines: [lines[0], *(_replaced(row, 2, b"-7") for row in lines[1:])],
}
CSV_TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "CRLF": lambda found: found.replace(b"\n", b"\r\n"),
    "CR": lambda found: found.replace(b"\n", b"\r"),
    "CR CR LF": lambda found: found.replace(b"\n", b"\r\r\n"),
    "no last end of line": lambda found: found.rstrip(b"\n"),
    "BOM": lambda found: b"\xef\xbb\xbf" + found,
    "UTF-16": lambda found: found.decode().encode("utf-16"),
    "UTF-32": lambda found: found.decode().encode("utf-32"),
    "gzip without the name": lambda found: gzip.compress(found),
    "NUL at the end": lambda found: found + b"\0",
    "^Z at the end": lambda found: found + b"\x1a",
    "an open quote": lambda found: found + b'"i3,u10,5\n',
    "one line of 20 MB": lambda found: found + b"i" * 20_000_000,
    "NULs of 20 MB": lambda found: found + bytes(20_000_000),
    "vertical tabs": lambda found: found.replace(b"\n", b"\x0b\n"),
    "NEL as ends": lambda found: found.decode().replace("\n", "\x85").encode(),
    "a zip": lambda found: b"PK\x03\x04" + found,
    "HTML": lambda _: b"<!doctype html><html>404</html>",
    "JSON": lambda _: b'[{"item_id": 1}]',
}


def _field(row: int, column: int, field: bytes) -> Callable[[list[bytes]], list[bytes]]:
    return lambda lines: [*lines[:row], _replaced(lines[row], column, field), *lines[row + 1 :]]


def _replaced(row: bytes, column: int, field: bytes) -> bytes:
    fields = row.split(b",")
    return b",".join([*fields[:column], field, *fields[column + 1 :]])


def _socket(path: Path) -> None:
    path.unlink()
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def _link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def _of_bytes(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def _at(place: int, change: Callable[[bytes], bytes], length: int) -> Damage:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(place)
            old = file.read(length)
            file.seek(place)
            file.write(change(old))

    return damage


def _of_json(change: Callable[[Any], object]) -> Damage:
    def damage(path: Path) -> None:
        found = json.loads(path.read_bytes())
        change(found)
        path.write_text(json.dumps(found), encoding="utf-8")

    return damage


def _of_lines(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return _of_bytes(lambda found: b"".join(line + b"\n" for line in change(found.splitlines())))


def _of_last(change: Callable[[dict[str, Any]], object]) -> Damage:
    def changed(lines: list[bytes]) -> list[bytes]:
        row = json.loads(lines[-1])
        change(row)
        return [*lines[:-1], json.dumps(row).encode()]

    return _of_lines(changed)


def _places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for key, each in inner:
        yield (*above, key)
        if len(above) < 3:
            yield from _places(each, (*above, key))


def _inner(value: Any, keys: tuple[Any, ...]) -> Any:
    for key in keys[:-1]:
        value = value[key]
    return value


def _put(value: Any, keys: tuple[Any, ...], new: Any) -> None:
    _inner(value, keys)[keys[-1]] = new


def _values(old: Any, random: Random) -> list[Any]:
    """Values of another kind, and wrong ones of the same."""
    odd = [
        None,
        "x",
        True,
        [],
        {},
        [[1]],
        {"a": {}},
        -1,
        0.5,
        10**30,
        float("nan"),
        float("-inf"),
        "\ud800",
        "~nobody/x",
    ]
    if isinstance(old, int):
        odd += [old + 1, old * 2 + 1, str(old)]
    if isinstance(old, str):
        odd += [old + "x", old[::-1], old.upper(), ""]
    return random.sample([value for value in odd if repr(value) != repr(old)], 5)


def _set(found: Any, place: int, value: int) -> Any:
    found = found.copy()
    with np.errstate(all="ignore"):
        found[place] = np.array(value).astype(found.dtype)
    return found


def _of_array(change: Callable[[Any], Any]) -> Damage:
    return lambda path: np.save(path, change(np.load(path)))


def _longer_shape(found: bytes) -> bytes:
    head = BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<i4", "fortran_order": False, "shape": (10**12,)})
    return head.getvalue() + found[128:]


def _header(found: bytes) -> bytes:
    return found[8 : 8 + struct.unpack("<Q", found[:8])[0]]


def _resaved(path: Path, change: Callable[[dict[str, Any]], object], *, metadata: bool = True) -> None:
    old = path.read_bytes()
    found = load(old)
    change(found)
    save_file(found, path, json.loads(_header(old)).get("__metadata__") if metadata else None)


def _of_tensors(change: Callable[[dict[str, Any]], object]) -> Damage:
    return lambda path: _resaved(path, change)


def _changed(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], object]:
    return lambda found: found.update({name: change(found[name]).contiguous()})


def _filled(value: float) -> Callable[[Any], Any]:
    def fill(tensor: Any) -> Any:
        tensor = tensor.clone()
        tensor.reshape(-1)[:1] = value if tensor.is_floating_point() else 2**31 - 1
        return tensor

    return fill


_TENSOR_CHANGES: dict[str, Callable[[Any], Any]] = {
    "flat": lambda tensor: tensor.reshape(-1),
    "a dimension more": lambda tensor: tensor[None],
    "a row less": lambda tensor: tensor[:-1] if tensor.dim() else tensor,
    "a row more": lambda tensor: torch.cat([tensor, tensor[:1]]) if tensor.dim() else tensor[None],
    "turned over": lambda tensor: tensor.flip(0) if tensor.dim() else tensor + 1,
    "NaN": _filled(float("nan")),
    "infinite": _filled(float("inf")),
    "in float64": lambda tensor: tensor.double(),
    "in float16": lambda tensor: tensor.half(),
    "whole numbers": lambda tensor: tensor.long(),
    "true and false": lambda tensor: tensor.bool(),
    "one less": lambda tensor: tensor - 1,
}


def _of_table(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Damage:
    return lambda path: change(pl.read_parquet(path)).write_parquet(path)


def _first(table: pl.DataFrame, column: pl.Expr | pl.Series) -> pl.DataFrame:
    """Another first column."""
    return table.with_columns(column.alias(table.columns[0]))


def _cast(table: pl.DataFrame, kind: Any, **options: bool) -> pl.DataFrame:
    return table.with_columns(pl.selectors.integer().cast(kind, **options))


_TABLE_CHANGES: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "rows reversed": lambda table: table.reverse(),
    "two rows swapped": lambda table: pl.concat([table[1:2], table[:1], table[2:]]),
    "a row less": lambda table: table.head(len(table) - 1),
    "a row twice": lambda table: pl.concat([table, table.tail(1)]),
    "first row twice, last gone": lambda table: pl.concat([table.head(1), table.head(len(table) - 1)]),
    "no rows": lambda table: table.clear(),
    "no first column": lambda table: table[:, 1:],
    "first column alone": lambda table: table[:, :1],
    "no columns": lambda table: table[:, :0],
    "a column more": lambda table: table.with_columns(pl.lit(1).alias("more")),
    "columns renamed": lambda table: table.rename(lambda name: f"{name}_"),
    "columns in another order": lambda table: table[:, ::-1],
    "nulls in the first column": lambda table: _first(table, pl.lit(None)),
    "one null": lambda table: pl.concat([table.clear(1), table[1:]]),
    "hash as first column": lambda table: table.with_columns(
        table.to_series().hash().alias(table.columns[0])
    ),
    "lists": lambda table: _first(table, pl.concat_list(pl.first())),
    "structs": lambda table: _first(table, pl.struct(pl.first())),
    "bytes": lambda table: table.with_columns(pl.col(pl.String).cast(pl.Binary)),
    "categories": lambda table: table.with_columns(pl.col(pl.String).cast(pl.Categorical)),
    "floats": lambda table: _cast(table, pl.Float64),
    "Int8": lambda table: _cast(table, pl.Int8, wrap_numerical=True),
    "UInt64": lambda table: table.with_columns(pl.selectors.numeric().cast(pl.UInt64, wrap_numerical=True)),
    "decimals": lambda table: _cast(table, pl.Decimal(38, 2)),
    "texts": lambda table: table.cast(pl.String),
    "NaN": lambda table: table.with_columns(pl.selectors.numeric() * float("nan")),
    "one number more": lambda table: table.with_columns(pl.selectors.numeric() + 1),
    "true": lambda table: table.with_columns(pl.selectors.numeric().is_null()),
    "dates": lambda table: _cast(table, pl.Date, strict=False),
    "datetimes": lambda table: _cast(table, pl.Datetime("ms")),
    "durations": lambda table: _cast(table, pl.Duration("us")),
    "objects of another table": lambda _: pl.DataFrame({"a": [1, 2]}),
}

_FORMATS: dict[str, Callable[[Path, Random], Iterator[Named]]] = {
    ".json": json_object,
    ".jsonl": json_lines,
    ".npy": arrays,
    ".safetensors": tensors,
    ".parquet": tables,
    ".yaml": yaml_texts,
    "interactions.csv": csv_tables,
}


def replace_by(path: Path, other: Path) -> None:
    """The file of another run or data set."""
    shutil.copyfile(other, path)
