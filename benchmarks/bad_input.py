"""Gives pixelrec damaged files, odd recipes and hostile requests, and tabulates how its commands end.

    python benchmarks/bad_input.py [--inputs N] [--seed S] [--only CLASS …] [--log FILE]

Every input must be refused in one line, or be accepted with the results of the undamaged one. `told` is an
input that was accepted with other results and a line about it, `wrong` one without a line. Interactions in
CSV are held against Python's own reader. Every command runs in a child with 20 seconds and 6 GB.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import os
import shutil
import sys
import tempfile
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fuzz.children import in_child
from fuzz.little_world import IDS, PIXELS, PREPARE, SIZE, epochs, make
from fuzz.mutations import CSV_CHANGES, CSV_FIELDS, YAML_TEXTS, Damage, damages, places
from fuzz.subjects import CLASSES, class_of, damages_of, files
from fuzz.trials import Trials, Verb, Verdict, digests

KINDS = (
    "refused",
    "accepted",
    "told",
    "wrong",
    "traceback",
    "status 70",
    "no line",
    "escapes",
    "hang",
    "signal",
)
Trial = tuple[str, str, Damage, Verb]  # file, name of the damage, damage, verb


def _nothing(_: Path) -> None:
    pass


def _of(source: str, *more: object) -> tuple[object, ...]:
    return ("prepare", source, "--out", "n", *more)


def _rows_of_csv(path: Path) -> Iterator[tuple[str, str, int]]:
    """Item, user and second of every row, as Python reads it."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    rows = csv.reader(StringIO(text, newline=""), strict=True)
    header = [name.strip().lower() for name in next(rows)]
    places = [header.index(name) for name in ("item_id", "user_id", "timestamp")]
    for row in rows:
        if row:
            assert len(row) == len(header), row
            item, user, when = (row[place] for place in places)
            yield item, user, _second(when)


def _second(text: str) -> int:
    try:
        return math.floor(Decimal(text))
    except ArithmeticError:
        moment = datetime.fromisoformat(text)
        return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _rows_prepared(folder: Path) -> Iterator[tuple[str, str, int]]:
    """The same, of a prepared data set, without its reader."""
    import numpy as np
    import polars as pl

    items, users = (
        pl.read_parquet(folder / f"{name}s.parquet")[f"{name}_id"].to_list() for name in ("item", "user")
    )
    offsets, event_items, times = (
        np.load(folder / f"events/{name}.npy") for name in ("offsets", "items", "times")
    )
    for user in range(1, len(users) + 1):
        for event in range(offsets[user], offsets[user + 1]):
            yield items[event_items[event] - 1], users[user - 1], int(times[event])
    held, held_times = (np.load(folder / f"held_out/{name}.npy") for name in ("items", "times"))
    for user in held.nonzero()[0]:
        yield items[held[user] - 1], users[user - 1], int(held_times[user])


def _judge_csv(source: str, folder: Path) -> None:
    wanted, found = set(_rows_of_csv(folder / source)), sorted(_rows_prepared(folder / "n"))
    assert found == sorted(wanted), f"Python reads {len(wanted)} events, prepare {len(found)}"


def _judge_parquet(folder: Path) -> None:
    import polars as pl

    table = pl.read_parquet(folder / "w/i.parquet").rename(lambda name: name.rstrip("_"))
    times = table["timestamp"]
    if times.dtype.is_temporal():
        times = times.cast(pl.Datetime("us")).dt.epoch("s")
    rows = zip(table["item_id"], table["user_id"], times, strict=True)
    found = {(str(item), str(user), _second(str(time))) for item, user, time in rows}
    assert sorted(found) == sorted(_rows_prepared(folder / "n")), "other events than Polars reads"


def _judge_items(folder: Path) -> None:
    import polars as pl

    with (folder / "w/items.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [
            {(key or "").strip().lower(): cell for key, cell in row.items()}
            for row in csv.DictReader(file)  # Polars is not strict about quotes either
        ]
    wanted = {row["item_id"]: row.get("title") or None for row in rows}
    table = pl.read_parquet(folder / "n/items.parquet")
    found = dict(
        zip(
            table["item_id"], table["title"] if "title" in table.columns else [None] * len(table), strict=True
        )
    )
    other = [item for item in found if item in wanted and wanted[item] != found[item]]
    assert not other, f"titles differ from Python's: {other[:3]}"


def _gzipped(damage: Damage, path: Path) -> None:
    damage(path)
    with gzip.open(path.with_name("i.csv.gz"), "wb") as file:
        file.write(path.read_bytes())


def _write(text: bytes, path: Path) -> None:
    path.write_bytes(text)


def _lines(change: Callable[[list[bytes]], list[bytes]], path: Path) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))


def _cell(column: int, field: bytes, path: Path) -> None:
    lines = path.read_bytes().splitlines()
    row = next(csv.reader([lines[4].decode()]))
    text = StringIO()
    csv.writer(text).writerow(row)
    cells = [b'"' + cell.encode() + b'"' for cell in row]
    cells[column] = field
    path.write_bytes(b"\n".join([*lines[:4], b",".join(cells), *lines[5:], b""]))


def _titles(kind: str, path: Path) -> None:
    import polars as pl

    table = pl.read_csv(path.with_name("items.csv"))
    numbers = pl.Series("title", range(100, 100 + len(table)))
    changed = {
        "Binary": lambda: numbers.cast(pl.String).cast(pl.Binary),
        "Null": lambda: pl.Series("title", [None] * len(table)),
        "List": lambda: pl.Series("title", [[n] for n in numbers]),
        "Struct": lambda: numbers.to_frame().to_struct("title"),
        "Categorical": lambda: numbers.cast(pl.String).cast(pl.Categorical),
        "Decimal": lambda: numbers.cast(pl.Decimal(20, 2)),
    }.get(kind, lambda: numbers.cast(getattr(pl, kind)))()
    table.with_columns(changed.alias("title")).write_parquet(path)


def _hostile(column: int, text: str, path: Path) -> None:
    """Another name for one item or one user."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    old = rows[5][column]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [text if number == column and cell == old else cell for number, cell in enumerate(row)]
            for row in rows
        )


def _parquet(folder: Path) -> None:
    in_child(lambda: _to_parquet(folder, "w/i.parquet"))


def _parts(folder: Path) -> None:
    (folder / "w/parts").mkdir(exist_ok=True)
    in_child(lambda: _to_parquet(folder, "w/parts/a.parquet", "w/parts/b.parquet"))


def _to_parquet(folder: Path, *names: str) -> None:
    import polars as pl

    table = pl.read_csv(folder / "w/interactions.csv")
    size = -(-len(table) // len(names))
    for number, name in enumerate(names):
        table[number * size : (number + 1) * size].write_parquet(folder / name)


def _recipe(world: Path, folder: Path) -> None:
    shutil.copyfile(world / "r/recipe.yaml", folder / "y.yaml")


def _odd_places(folder: Path) -> None:
    (folder / "file").write_text("mine")
    (folder / "folder-link").symlink_to("r")
    (folder / "nowhere").symlink_to("gone")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")


CSV_VERB = Verb(
    _of("w/interactions.csv"), ("w",), speaks=False, judge=partial(_judge_csv, "w/interactions.csv")
)
GZIP_VERB = Verb(_of("w/i.csv.gz"), ("w",), speaks=False, judge=partial(_judge_csv, "w/i.csv.gz"))
PARQUET_VERB = Verb(_of("w/i.parquet"), ("w",), speaks=False, prepared=_parquet, judge=_judge_parquet)
ITEMS_VERB = Verb(
    _of("w/interactions.csv", "--items", "w/items.csv"), ("w",), speaks=False, judge=_judge_items
)
PREPARED = Verb(
    (*PREPARE, "--covers", "w/covers", "--size", SIZE, "--out", "n"),
    ("w",),
    lambda f: digests(f / "n", "events/*", "held_out/*", "*.parquet"),
    speaks=False,
)
PARTS_VERB = Verb(
    _of("w/parts"), ("w",), lambda f: digests(f / "n", "events/*"), speaks=False, prepared=_parts
)
AFTER = (
    ("train", *IDS, *epochs(1), "--data", "n", "--out", "t"),
    ("evaluate", "t"),
    ("recommend", "t", "--user", "u1", "u2", "-k", "50"),
    ("recommend", "t", "--user", "u1", "-k", "50", "--out", "o.csv"),
    ("recommend", "t", "--user", "u1", "-k", "50", "--out", "o.json"),
)
CHAIN = Verb(
    _of("w/interactions.csv", "--items", "w/items.csv"), ("w",), speaks=False, judge=_nothing, then=AFTER
)
PARQUET_CHAIN = replace(
    CHAIN,
    words=_of("w/interactions.csv", "--items", "w/items.parquet"),
    prepared=lambda f: shutil.copyfile(f / "w/items.csv", f / "w/items.parquet"),
)
COVERS_VERB = replace(PREPARED, judge=_nothing)
CHECK = Verb(("images", "check", "w/covers"), ("w",), speaks=False, judge=_nothing)
WITH_COVER = Verb(
    ("recommend", "p", "--user", "u1", "--with-cover", "w/covers/i3.jpg"),
    ("w", "p", "d", "net"),
    speaks=False,
    judge=_nothing,
)


def of_files(classes: Sequence[str], world: Path, random: Random) -> Iterator[Trial]:
    """Every damage of every file that pixelrec wrote, one verb each."""
    for file, verbs in files(world):
        if class_of(file) in classes:
            for number, (name, damage) in enumerate(damages_of(world, file, random, flips=8)):
                yield file, name, damage, verbs[number % len(verbs)]


def interactions_csv(world: Path, random: Random) -> Iterator[Trial]:
    file = "w/interactions.csv"
    for name, damage in damages(world / file, random, flips=24):
        yield file, name, damage, CSV_VERB
        if random.random() < 0.25:
            yield file, f"{name}, gzipped", partial(_gzipped, damage), GZIP_VERB


def special_files(_: Path, __: Random) -> Iterator[Trial]:
    for target in ("w/interactions.csv", "w/items.csv", "w/covers/i3.jpg"):
        for name, damage in places():
            yield target, name, damage, PREPARED
    for name, damage in list(places())[1:]:
        yield "w/parts/b.parquet", f"{name} among parts", damage, PARTS_VERB


def interactions_parquet(world: Path, random: Random) -> Iterator[Trial]:
    _parquet(world)
    for name, damage in damages(world / "w/i.parquet", random, flips=16):
        yield "w/i.parquet", name, damage, PARQUET_VERB


def items_file(world: Path, random: Random) -> Iterator[Trial]:
    """Titles, tags and ids of all kinds, through prepare, train, evaluate, report and recommend."""
    for name, damage in damages(world / "w/items.csv", random, flips=12):
        yield "w/items.csv", name, damage, ITEMS_VERB
    for name, change in CSV_CHANGES.items():
        yield "w/items.csv", name, partial(_lines, change), ITEMS_VERB
    for field in CSV_FIELDS:
        for column in (0, 1, 3, 4):
            yield "w/items.csv", f"column {column} = {field[:12]!r}", partial(_cell, column, field), CHAIN
    for kind in TITLES:
        yield "w/items.parquet", f"titles of kind {kind}", partial(_titles, kind), PARQUET_CHAIN


def covers(world: Path, random: Random) -> Iterator[Trial]:
    file = "w/covers/i3.jpg"
    for verb in (COVERS_VERB, CHECK, WITH_COVER):
        for name, damage in damages(world / file, random, flips=10):
            yield file, name, damage, verb
        for name, text in PICTURES.items():
            yield file, name, partial(_write, text), verb


def recipe_yaml(world: Path, random: Random) -> Iterator[Trial]:
    for command in (("recipes", "y.yaml"), ("train", "y.yaml", "--data", "d", "--out", "t", *epochs(1))):
        verb = Verb(command, ("d",), prepared=partial(_recipe, world), speaks=False)
        for text in YAML_TEXTS:
            yield "y.yaml", f"{text[:24]!r}", partial(_write, text), verb
        for name, damage in damages(world / "r/recipe.yaml", random, flips=6):
            yield "y.yaml", name, damage, verb


def recipe_values(_: Path, random: Random) -> Iterator[Trial]:
    """Words of recipes with odd values, trained for an epoch."""
    for recipe, keys in VALUED.items():
        base = IDS if recipe == "ids" else PIXELS
        needs = ("d",) if recipe == "ids" else ("d", "net")
        for key in keys:
            for value in random.sample(VALUES, 7):
                words = ["train", *base, *epochs(1), "--data", "d", "--out", "t", f"--{key}={value}"]
                yield "recipe", f"{key}={value[:20]}", _nothing, Verb(tuple(words), needs, speaks=False)


def out_places(_: Path, __: Random) -> Iterator[Trial]:
    commands = {
        "prepare": (*PREPARE, "--out"),
        "train": ("train", *IDS, *epochs(1), "--data", "d", "--out"),
        "recommend": ("recommend", "r", "--user", "u1", "--out"),
        "bench": ("bench", "d", "--recipes", "gone-id", "--out"),
    }
    for name, words in commands.items():
        for what, place in PLACES.items():
            verb = Verb((*words, place), ("w", "d", "r"), prepared=_odd_places, speaks=False)
            yield place, f"{name} --out to {what}", _nothing, verb
    for what, place in PLACES.items():
        for words in (
            ("evaluate", place),
            ("recommend", place, "--user", "u1"),
            ("train", "--resume", place),
            ("cache", place),
            ("train", "sasrec-id", "--data", place),
            ("images", "check", place),
            ("compare", "r", place),
            ("report", place),
        ):
            verb = Verb(words, ("w", "d", "r"), prepared=_odd_places, speaks=False)
            yield place, f"{words[0]} of {what}", _nothing, verb


def requests(_: Path, random: Random) -> Iterator[Trial]:
    for option in (
        "--user",
        "--history",
        "-k",
        "--form",
        "--out",
        "--data",
        "--with-cover",
        "--split",
        "--unheard",
    ):
        for value in ODD_WORDS:
            words = (
                "recommend",
                "r",
                *(() if option in {"--user", "--history"} else ("--user", "u1")),
                option,
                value,
            )
            yield "words", f"{option} {value[:20]!r}", _nothing, Verb(words, ("r", "d"), speaks=False)
    for verb in (
        "evaluate",
        "report",
        "compare",
        "cache",
        "bench",
        "train",
        "prepare",
        "images",
        "demo",
        "recipes",
    ):
        for value in random.sample(ODD_WORDS, 6):
            yield "words", f"{verb} {value[:20]!r}", _nothing, Verb((verb, value), ("r", "d"), speaks=False)


def hostile_ids(_: Path, __: Random) -> Iterator[Trial]:
    """Ids that are paths, formulas, escapes, markup: prepared, trained, evaluated, recommended."""
    for text in HOSTILE:
        yield (
            "w/interactions.csv",
            f"items {text[:20]!r}",
            partial(_hostile, 0, text),
            replace(CHAIN, speaks=False),
        )
        yield (
            "w/interactions.csv",
            f"users {text[:20]!r}",
            partial(_hostile, 1, text),
            replace(CHAIN, speaks=False),
        )


CLASS_OF_INPUTS: dict[str, Callable[[Path, Random], Iterator[Trial]]] = {
    "interactions CSV": interactions_csv,
    "special files": special_files,
    "interactions Parquet": interactions_parquet,
    "items file": items_file,
    "covers": covers,
    "recipe YAML": recipe_yaml,
    "recipe values": recipe_values,
    **{name: partial(of_files, [name]) for name in CLASSES},
    "places and links": out_places,
    "requests": requests,
    "hostile ids": hostile_ids,
}
TITLES = ("Int64", "Float64", "Boolean", "Date", "Datetime", "Binary", "Decimal", "Duration", "Time",
    "Null", "List", "Struct", "Categorical", "Int8", "UInt64")  # fmt: skip
HOSTILE = (
    "../../../etc/passwd", "/etc/passwd", "a/b", "..", ".", "-k", "--help", "=cmd|' /C calc'!A0", "+1",
    "@S", "\x1b[2J\x1b]0;owned\x07",
    "\u202eabc", "<script>alert(1)</script>", "{{7*7}}", "%s%n", "$(touch ran)", "`touch ran`",
    "'; drop table", "nan", "null", "None",
    "True", "1e5", "\u0000x", "\r", "\t", " ", "é" * 200, "x" * 600, "\U0001f600", "[bold]x[/bold]", "CON",
    "i\u200bj",
)  # fmt: skip
ODD_WORDS = [
    "", " ", "-1", "0", "10**9", "99999999999999999999", "1e3", "nan", "٤", "u1", "u1\x1b[2J", "~nobody/x",
    "\udcff", "a\nb", "/dev/full",
    "/dev/null", "d", "r", "w", "..", "/", "x" * 5000, "[1]", "{}", "null", "true", "--", "-", "*", "%s",
    "json", "csv", "test",
    "\u202e", "/proc/self/mem", "/dev/stdin", "é",
]  # fmt: skip
VALUES = ["", " ", "-1", "0", "1", "2", "1e9", "1e-300", "nan", "inf", "-inf", "99999999999999999999",
    "true", "null", "[]", "[1, 2]", "{}", "{a: 1}", "x", "'1'", "1.5", "~nobody/x", "1_0", "010", "0x10",
    "\x1b", "é", "\udcff", "[" * 500]  # fmt: skip
VALUED = {
    "ids": ("length", "seed", "about", "items.width", "items.init", "users.layers", "users.heads",
    "users.dropout", "users.expansion",
            "scoring.name", "scoring.temperature", "windowing.overlap", "negatives.name", "negatives.drawn",
            "negatives.in_batch",
            "negatives.logit_adjustment", "loss.name", "optimiser.learning_rate", "optimiser.weight_decay",
            "training.batch_size",
            "training.patience", "training.monitor", "training.device", "training.precision",
            "training.clip", "training.warmup",
            "training.warm_start", "training.accumulate", "items.source", "users.name"),
    "pixels": ("items.source", "items.family", "items.trainable", "items.cache", "items.cache_dtype",
    "items.chunk", "items.size",
               "items.keep_activations", "items.norm", "items.activation", "items.precision", "items.lora",
               "items.revision",
               "items.pooling", "items.pretrained", "negatives.bank", "negatives.reencoded",
               "optimiser.backbone_learning_rate"),
}  # fmt: skip
PLACES = {
    "a file": "file", "a link to a folder": "folder-link", "a link to nowhere": "nowhere", "a loop": "loop",
    "a pipe": "pipe",
    "a socket": "sock", "a device": "/dev/full", "/dev/null": "/dev/null", "below a file": "file/below",
    "~nobody": "~nobody/x",
    "no UTF-8": "\udcff", "a long name": "x" * 300, "a long path": "y/" * 2500 + "x", "an empty name": "",
    "a space": " ", "a dash": "./-x",
    "here": ".", "above": "..", "root": "/", "/proc": "/proc/x", "an escape": "\x1b[2J", "a line": "a\nb",
    "a data set": "d", "a run": "r",
    "a folder that is not empty": "w", "a bracket": "[x]", "a star": "*",
}  # fmt: skip
PICTURES: dict[str, bytes] = {
    "text": b"no picture",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch ran) system\n",
    "GIF of 65,535 pixels": b"GIF89a"
    + b"\xff" * 4
    + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0"
    + b"\xff" * 4
    + b"\0\2\2D\1\0;",
    "BMP of a negative height": b"BM"
    + bytes(8)
    + b"\x36\0\0\0\x28\0\0\0\x10\0\0\0\xf0\xff\xff\xff\1\0\x18\0"
    + bytes(24),
    "PNG header alone": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x80\0\0\0\x80\0\x08\2\0\0\0",
    "TIFF of itself": b"II*\0\x08\0\0\0\1\0\0\1\4\0\1\0\0\0\xff\xff\xff\x7f\x08\0\0\0",
    "WebP of nothing": b"RIFF\x04\0\0\0WEBP",
    "ICO of none": b"\0\0\1\0\0\0",
    "PPM of 10^9": b"P6 1000000000 1000000000 255\n",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch ran'\ntR.",
}


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=150, help="of each class, at most; chosen at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", choices=CLASS_OF_INPUTS, default=list(CLASS_OF_INPUTS), metavar="CLASS"
    )
    parser.add_argument("--log", type=Path, default=Path("bad_input.jsonl"), help="a line for every input")
    chosen = parser.parse_args()
    print(f"{'class':<24}{'inputs':>8}" + "".join(f"{kind:>11}" for kind in KINDS))
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="bad-input-") as scratch, chosen.log.open("w") as log:
        world = make(Path(scratch, "world"))
        trials = Trials(world, Path(scratch, "x"))
        for name in chosen.only:
            random = Random(chosen.seed)
            inputs = list(CLASS_OF_INPUTS[name](world, random))
            some = random.sample(inputs, min(chosen.inputs, len(inputs)))
            verdicts = [_judged(trials, trial, name, log) for trial in some]
            counts = Counter(verdict.kind for verdict in verdicts)
            _show(name, counts)
            total += counts
    _show("all", total)


def _judged(trials: Trials, trial: Trial, name: str, log: Any) -> Verdict:
    verdict = trials.trial(*trial)
    print(json.dumps({"class": name, **vars(verdict)}), file=log, flush=True)
    if verdict.failed:
        shown = f"{verdict.file}, {verdict.damage}: {verdict.verb[:80]}: {verdict.line[:160]}"
        print(f"  {verdict.kind}: {ascii(shown)}", file=sys.stderr, flush=True)
    return verdict


def _show(name: str, counts: Counter[str]) -> None:
    number = sum(counts[kind] for kind in KINDS)
    print(f"{name:<24}{number:>8}" + "".join(f"{counts[kind]:>11}" for kind in KINDS), flush=True)


if __name__ == "__main__":
    main()
