"""A new cover over HTTP, beside one pass of its network: latency over loopback, one client.

    python benchmarks/serve_covers.py RUN COVER [--seconds 10] [--clients 1]

RUN reads pictures. The pass is that of one packed picture, and the cover is decoded for each request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from serve import load, request

from pixelrec.images.covers import read_loose
from pixelrec.runs.run import Run

ROUTES = ("/v1/covers/vectors", "/v1/covers/similar", "/v1/covers/recommend?item={}", "/v1/covers/audience")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("cover", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, default=1)
    given = parser.parse_args()
    run = Run.open(given.run)
    half, all_of_it = np.percentile(passes(run, given.cover), [50, 99])
    print(
        f"{len(run.vocabulary):,} items; one pass of the network: p50 {half:.1f} ms, p99 {all_of_it:.1f} ms"
    )
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), "--serve", str(given.run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(json.loads(server.stdout.readline())["address"].rsplit(":", 1)[1])
        try:
            for route in ROUTES:
                path = route.format(run.vocabulary["item_id"][0])
                asked = [request(path, given.cover.read_bytes(), "image/jpeg")]
                found = asyncio.run(load(port, asked, given.clients, given.seconds))
                times = f"p50 {found['p50']:6.1f} ms   p99 {found['p99']:6.1f} ms"
                print(f"{route.partition('?')[0]:24} {times}: {found['p99'] / half:.2f} passes", flush=True)
        finally:
            server.terminate()


def passes(run: Run, cover: Path) -> list[float]:
    """Milliseconds of encoding one picture."""
    recommender = run.recommender(run.dataset())
    form = recommender.items.picture_form()
    pictures = torch.from_numpy(read_loose([cover], size=form.size, fit=form.fit))
    took = []
    for _ in range(60):
        started = time.perf_counter()
        recommender.unseen(pictures)
        took.append(1e3 * (time.perf_counter() - started))
    return took[10:]


if __name__ == "__main__":
    main()
