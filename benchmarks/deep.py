"""What the rows of every depth cost: bytes a picture, and the time of the pass that makes them.

    python benchmarks/deep.py path/to/mobilenet --size 64
    python benchmarks/deep.py --family clip --size 224 --pictures 32     # ViT-B/32's sizes, random weights

The network's own forward pass, and the building of the activation cache of its rows (`items.depths: blocks`:
pooling, checks, checksums and writing included) take turns over the same random pictures, which are in memory
for both. Processor seconds of the fastest of several turns count. The rung `deep` of `pixelrec ladder` shows
the quality.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.cache.feeds import lower_states
from pixelrec.items.cache.key import key_of
from pixelrec.items.cache.store import build
from pixelrec.items.chunks import pictures_at_once

B32 = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}


def main() -> None:
    arguments = _arguments()
    own, deep = (_network(arguments, depths).eval() for depths in (None, "blocks"))
    size, parts = arguments.size, len(deep.parts)
    pictures = torch.randint(0, 256, (arguments.pictures, size, size, 3), dtype=torch.uint8)
    chunk = pictures_at_once(own, 0, len(own.parts), torch.device("cpu"))

    def forward(network: AbstractBackbone, boundary: int) -> Callable[[np.ndarray], torch.Tensor]:
        return lambda numbers: lower_states(network, boundary, pictures[numbers - 1])

    def passed(boundary: int) -> None:
        for some in np.split(np.arange(1, len(pictures) + 1), range(chunk, len(pictures), chunk)):
            forward(own, boundary)(some)

    def built() -> None:
        with tempfile.TemporaryDirectory() as folder:
            build(Path(folder), key, forward(deep, parts), chunk=chunk, log=lambda _: None)

    key = key_of(deep, parts, "fp32", bf16=False, pictures="random", items=len(pictures))
    turns = [
        [_seconds(each) for each in (lambda: passed(parts), lambda: passed(parts - 1), built)]
        for _ in range(arguments.turns)
    ]
    whole, blocks, rows = np.min(turns, 0)
    each = 1e3 / len(pictures)
    print(f"{deep.width:,} numbers of {len(deep.widths)} depths: {key.state_bytes:,} bytes a picture in fp32")
    print(f"a picture: forward pass {whole * each:.2f} ms, {blocks * each:.2f} ms to the last block")
    print(
        f"row, built and stored {rows * each:.2f} ms: {whole / rows:.0%} and {blocks / rows:.0%} of the rate"
    )


def _network(arguments: argparse.Namespace, depths: str | None) -> AbstractBackbone:
    sizes = {"image_size": arguments.size, "patch_size": 32, **B32} if arguments.family == "clip" else {}
    options = BackboneOptions("mean", arguments.size)
    source = arguments.network and str(arguments.network)
    return make_network(
        NetworkConfig(source, arguments.family, source is not None, None, sizes, options, depths=depths)
    )


def _seconds(run: Callable[[], None]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", type=Path, nargs="?", help="a checkpoint; by default random weights")
    parser.add_argument("--family", help="with random weights")
    parser.add_argument("--size", type=int, default=224, help="of pictures, in pixels")
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--turns", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
