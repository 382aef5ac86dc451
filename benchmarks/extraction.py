"""Pictures per second of `features extract` beside the forward pass of the network alone, on one core.

    OMP_NUM_THREADS=1 python benchmarks/extraction.py [--source FOLDER] [--pictures 200] [--rounds 3]

Without a source, a MobileNetV2 with random weights at 224 pixels. Rounds alternate, so that other work on the
machine touches both; the best round of each counts. System time shows memory that is got again and again.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pixelrec.batch import DatasetSpec
from pixelrec.images.pack import pack
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.chunks import pictures_at_once
from pixelrec.items.extraction import Layer, extract
from pixelrec.items.pictures import Pictures

SIZE = 224


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    family = None if arguments.source else "mobilenet_v2"
    options = BackboneOptions(None, SIZE)
    config = NetworkConfig(arguments.source, family, arguments.source is not None, None, {}, options)
    layer = Layer(make_network(config).eval())
    with tempfile.TemporaryDirectory() as folder:
        _compare(layer, _pictures(Path(folder), arguments.pictures), Path(folder), arguments.rounds)


def _compare(layer: Layer, pictures: Pictures, folder: Path, rounds: int) -> None:
    size = pictures_at_once(layer.network, 0, layer.boundary, torch.device("cpu"))
    pixels = pictures.read(np.arange(1, pictures.count + 1))

    def forward() -> None:
        with torch.inference_mode():
            for some in pixels.split(size):
                layer.network.lower(layer.network.input.normalise(some, torch.float32), layer.boundary)

    def extraction() -> None:
        shutil.rmtree(folder / "features", ignore_errors=True)
        extract(layer, pictures, folder / "features")

    best = {"forward pass": np.inf, "extraction": np.inf}
    forward()
    for _ in range(rounds):
        for name, work in (("forward pass", forward), ("extraction", extraction)):
            best[name] = min(best[name], _measured(name, work, pictures.count))
    print(
        f"extraction has {100 * best['forward pass'] / best['extraction']:.0f} % of the network's throughput"
    )


def _measured(name: str, work: Callable[[], None], count: int) -> float:
    """Seconds of processor time."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    print(f"{name:13} {count / seconds:6.1f} pictures/s, {user:5.2f} s user, {system:5.2f} s system")
    return user + system


def _pictures(folder: Path, count: int) -> Pictures:
    ids = [f"i{number}" for number in range(count)]
    (folder / "covers").mkdir()
    for number, item in enumerate(ids):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "covers" / f"{item}.bmp")
    pack(folder / "covers", folder / "covers.lmdb", ids, size=SIZE)
    return Pictures(DatasetSpec(1, count, 1, folder, item_ids=ids, covers=folder / "covers.lmdb"))


if __name__ == "__main__":
    main()
