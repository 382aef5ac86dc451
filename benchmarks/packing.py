"""How fast covers are packed, against how fast they can be decoded at all.

    python benchmarks/packing.py [--pictures 3000] [--threads N] [--folder SCRATCH] [--repeats 3]

For JPEGs of 500 × 375 and 256 × 256 it prints pictures a second for
  decode   reading, decoding and resizing by the same threads, the pixels thrown away
  pack     the same into a new store, flushed to the disk
and their ratio, which must be at least 0.80; then pictures a second read from the store in random batches.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from pixelrec.images.covers import read_cover
from pixelrec.images.decode import decode, decoder_versions, ready
from pixelrec.images.pack import pack
from pixelrec.images.pool import in_threads, thread_count
from pixelrec.images.store import PictureStore

SHAPES = ((500, 375), (256, 256))
BATCH = 256
LEAST_RATIO = 0.80


def drawn(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A smooth random picture with some grain: uint8[height, width, 3]; as JPEG about as large as a photo."""
    from PIL import Image

    coarse = rng.integers(0, 256, (height // 24, width // 24, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return (smooth + rng.normal(0, 7, (height, width, 1))).clip(0, 255).astype(np.uint8)


def draw_covers(folder: Path, pictures: int, width: int, height: int) -> list[str]:
    """Fill `folder` with JPEGs; returns the item ids."""
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = [f"i{n}" for n in range(pictures)]
    distinct = [Image.fromarray(drawn(width, height, rng)) for _ in range(50)]
    for n, name in enumerate(names):
        distinct[n % len(distinct)].save(folder / f"{name}.jpg", quality=88)
    return names


def decode_one(path: Path) -> int:
    return decode(read_cover(path)[0], size=224, fit="stretch").pixels.size


def decode_rate(folder: Path, names: list[str], threads: int) -> float:
    """Pictures a second."""
    paths = [folder / f"{name}.jpg" for name in names]
    with ready():
        start = time.perf_counter()
        for _ in in_threads(decode_one, paths, threads=threads):
            pass
    return len(paths) / (time.perf_counter() - start)


def pack_rate(folder: Path, store: Path, names: list[str], threads: int) -> float:
    """Pictures a second, into a store that does not exist yet."""
    shutil.rmtree(store, ignore_errors=True)
    start = time.perf_counter()
    pack(folder, store, names, threads=threads)
    return len(names) / (time.perf_counter() - start)


def read_rate(path: Path, names: list[str]) -> float:
    """Pictures a second by one thread, in random batches."""
    rng = np.random.default_rng(1)
    batches = [[names[i] for i in rng.integers(0, len(names), BATCH)] for _ in range(40)]
    with PictureStore.open(path) as store:
        out = store.read(batches[0])
        start = time.perf_counter()
        for batch in batches:
            store.read(batch, out=out)
        return BATCH * len(batches) / (time.perf_counter() - start)


def measure(scratch: Path, shape: tuple[int, int], pictures: int, threads: int, repeats: int) -> float:
    """Measure one shape of covers, print the medians; returns pack / decode."""
    width, height = shape
    folder, store = scratch / f"{width}x{height}", scratch / f"{width}x{height}.store"
    names = draw_covers(folder, pictures, width, height)
    mean = sum(p.stat().st_size for p in folder.iterdir()) / pictures
    decode_rate(folder, names[:200], threads)
    rounds = []
    for _ in range(repeats):  # side by side, so that what else the machine does hits both
        rounds.append((decode_rate(folder, names, threads), pack_rate(folder, store, names, threads)))
    decoded, packed = (float(np.median(column)) for column in zip(*rounds, strict=True))
    ratio = float(np.median([p / d for d, p in rounds]))
    print(
        f"{width} × {height}, {mean / 1e3:.0f} KB: decode {decoded:,.0f}/s   pack {packed:,.0f}/s   "
        f"ratio {ratio:.2f}   read {max(map(partial(read_rate, store), [names] * repeats)):,.0f}/s",
        flush=True,
    )
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; default: temporary")
    args = parser.parse_args()
    threads = thread_count(args.threads)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {threads} threads")
    print(", ".join(f"{name} {version}" for name, version in sorted(decoder_versions().items())))
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        ratios = [measure(Path(scratch), s, args.pictures, threads, args.repeats) for s in SHAPES]
    if min(ratios) < LEAST_RATIO:
        raise SystemExit(f"packing reaches {min(ratios):.2f} of decoding, expected at least {LEAST_RATIO}")


if __name__ == "__main__":
    main()
