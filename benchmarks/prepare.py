"""Speed and memory of `prepare` on generated rows shaped like Pixel200K (arXiv 2309.06789), shuffled.

    python benchmarks/prepare.py                # 4 M rows: 200 thousand users, 96 thousand items
    python benchmarks/prepare.py --rows 20M     # 20 M rows too, and how time and memory grow
    python benchmarks/prepare.py --kind dat     # the same rows with '::' between columns, for example

Each run is a process of its own; time is from its start to its end with all imports, memory its peak. CPU
seconds are those of all its threads.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from pixel200k import items, lengths

BASE = 4_000_000
OTHERS = {"tsv": ("\t", "utf-8"), "dat": ("::", "utf-8"), "data": (";", "utf-16"), "jsonl": ("", "")}
RUN = """
import resource, sys
from pathlib import Path
from pixelrec.data.prepare import prepare
dataset = prepare(Path(sys.argv[1]), out=Path(sys.argv[2]))
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = round(1000 * (used.ru_utime + used.ru_stime))
print(dataset.users, dataset.items, dataset.interactions, cpu, used.ru_maxrss)
"""


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        base = _measure(BASE, Path(folder), arguments.kind, arguments.repeats)
        if arguments.rows != BASE:
            large = _measure(arguments.rows, Path(folder), arguments.kind, arguments.repeats)
            rows, seconds, memory = (b / a for a, b in zip(base, large, strict=True))
            print(f"{rows:.2f} x the rows take {seconds:.2f} x the time and {memory:.2f} x the memory")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=_count, default=BASE, help="for example 20M")
    parser.add_argument("--kind", choices=["csv", "csv.gz", "parquet", *OTHERS], default="csv")
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    return parser.parse_args()


def _count(text: str) -> int:
    return int(text.removesuffix("M")) * (1_000_000 if text.endswith("M") else 1)


def _measure(rows: int, folder: Path, kind: str, repeats: int) -> tuple[float, float, float]:
    """Rows, seconds and peak MB of the median run."""
    source = _generate(rows, folder / f"{rows}.{kind}")
    runs = [_run(source, folder / f"{rows}-{each}") for each in range(repeats)]
    counts, seconds, memory = runs[0][0], median(run[1] for run in runs), median(run[2] for run in runs)
    users, items, interactions = counts
    cpu = median(run[3] for run in runs)
    size = source.stat().st_size / 1e6
    print(f"{interactions:,} rows, {users:,} users, {items:,} items, {kind} of {size:,.0f} MB:", end=" ")
    print(f"{seconds:.1f} s, {cpu:.1f} CPU s, peak {memory:,.0f} MB,", end=" ")
    print(f"{interactions / seconds / 1e6:.2f} M rows/s", flush=True)
    return interactions, seconds, memory


def _run(source: Path, out: Path) -> tuple[list[int], float, float, float]:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(source), str(out)], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    *counts, cpu, memory = map(int, done.stdout.split())
    return counts, seconds, memory * 1024 / 1e6, cpu / 1000


def _generate(rows: int, path: Path) -> Path:
    """Users with lengths of Pixel200K take items by popularity, at random times over three years."""
    import polars as pl

    chance = np.random.default_rng(0)
    users = np.repeat(np.arange(rows // 10), lengths(rows // 10, chance))[:rows]
    chance.shuffle(users)
    taken = items(len(users), chance)
    times = chance.integers(1_577_836_800, 1_672_531_200, len(users))
    table = pl.DataFrame({"item_id": taken, "user_id": users, "timestamp": times}).with_columns(
        item_id="i" + pl.col("item_id").cast(pl.String), user_id="u" + pl.col("user_id").cast(pl.String)
    )
    if path.suffix == ".parquet":
        table.write_parquet(path)
    elif path.suffix == ".jsonl":
        table.write_ndjson(path)
    elif path.suffix[1:] in OTHERS:
        separator, encoding = OTHERS[path.suffix[1:]]
        text = table.write_csv(separator="\x1f").replace("\x1f", separator)
        path.write_bytes(text.encode(encoding))
    else:
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        table.write_csv(plain)
        if path.suffix == ".gz":
            subprocess.run(["gzip", "-1", str(plain)], check=True)
    return path


if __name__ == "__main__":
    main()
