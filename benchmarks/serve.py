"""The server under load, over loopback: latency and requests per second, start and memory.

python benchmarks/serve.py [--items 100000] [--width 128] [--seconds 10] [--clients 1 8 32]

The run is sasrec-id with random weights, which do not change the times. Clients are plain sockets in one
process of their own, on the same cores as the server: each sends its next request when it has an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

EVENTS = 20  # of a history


def serve(run: Path) -> None:
    """Serves a run, and prints the seconds since everything was imported, the address and the memory."""
    import pixelrec
    from pixelrec.serving import server  # noqa: F401

    started = time.perf_counter()

    def told(address: str) -> None:
        seconds = time.perf_counter() - started
        print(json.dumps({"address": address, "seconds": seconds, **memory()}), flush=True)

    pixelrec.serve(run, port=0, on_note=told)


def memory() -> dict[str, float]:
    """MB now and at most."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return {"now": int(found["VmRSS"]) / 1024, "most": int(found["VmHWM"]) / 1024}


def request(path: str, body: bytes, kind: str = "application/json") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


async def client(port: int, requests: list[bytes], until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    place = len(took)
    while (started := time.perf_counter()) < until:
        place += 1
        writer.write(requests[place * 7919 % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - started)
    writer.close()


async def load(port: int, requests: list[bytes], clients: int, seconds: float) -> dict[str, float]:
    """Milliseconds of the requests, and how many there were each second."""
    took: list[float] = []
    warm: list[float] = []
    await asyncio.gather(*(client(port, requests, time.perf_counter() + 1, warm) for _ in range(clients)))
    started = time.perf_counter()
    await asyncio.gather(*(client(port, requests, started + seconds, took) for _ in range(clients)))
    whole = time.perf_counter() - started
    p50, p99 = 1e3 * np.percentile(took, [50, 99])
    return {
        "clients": clients,
        "p50": p50,
        "p99": p99,
        "each_second": len(took) / whole,
        "all": len(took) + len(warm),
    }


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def attack(address: str, pid: int, lines: Path, clients: list[int], seconds: float) -> None:
    """The clients, in a process of their own: requests are lines of JSON in a file."""
    port = int(address.rsplit(":", 1)[1])
    requests = [request("/v1/recommend", line) for line in lines.read_bytes().splitlines()]
    for number in clients:
        before = processor_seconds(pid), processor_seconds(os.getpid())
        found = asyncio.run(load(port, requests, number, seconds))
        after = processor_seconds(pid), processor_seconds(os.getpid())
        server, mine = (1e3 * (b - a) / found["all"] for a, b in zip(before, after, strict=True))
        print(
            f"{found['clients']:>3.0f} clients   p50 {found['p50']:7.1f} ms   p99 {found['p99']:7.1f} ms   "
            f"{found['each_second']:6.0f} requests/s   "
            f"each {server:.2f} ms of a core in the server, {mine:.2f} ms in the client",
            flush=True,
        )


def bodies(items: int, count: int = 2000) -> list[bytes]:
    chance = np.random.default_rng(1)
    return [
        json.dumps({"history": [str(item) for item in chance.integers(items, size=EVENTS)], "k": 10}).encode()
        for _ in range(count)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--attack", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
    elif given.attack:
        attack(given.attack[0], int(given.attack[1]), Path(given.attack[2]), given.clients, given.seconds)
    else:
        measure(given)


def measure(given: argparse.Namespace) -> None:
    from recommend import make_run

    import pixelrec

    with tempfile.TemporaryDirectory() as place:
        run = make_run(Path(place), given.items, given.width)
        lines = Path(place, "requests.jsonl")
        lines.write_bytes(b"\n".join(bodies(given.items)))
        pixelrec.load(run)  # its item vectors are kept
        command = [sys.executable, __file__, "--serve", str(run.folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            about = json.loads(server.stdout.readline())
            print(f"{given.items:,} items × {given.width}, {os.cpu_count()} cores")
            print(f"start after import {about['seconds']:.2f} s, {about['now']:.0f} MB")
            words = [
                "--attack",
                about["address"],
                str(server.pid),
                str(lines),
                "--seconds",
                str(given.seconds),
                "--clients",
            ]
            try:
                subprocess.run([sys.executable, __file__, *words, *map(str, given.clients)], check=True)
                most = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
                print("at most", next(line for line in most.splitlines() if line.startswith("VmHWM")))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
