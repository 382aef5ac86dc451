"""Runs pixelrec where little works: full disks, read-only folders, limits, signals, odd environments.

    python benchmarks/surroundings.py [--only NAME …]

Every command must succeed or say one line; training that is stopped must go on to the same bytes. Cases that
need root (a tmpfs, another user, a PID namespace) are left out where that is not granted.
"""

from __future__ import annotations

import encodings.unicode_escape  # noqa: F401  # another user may not read the library
import html.entities  # noqa: F401
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fuzz.children import Outcome, run
from fuzz.little_world import IDS, PACK, PREPARE, SIZE, copied, epochs, make
from fuzz.trials import digests, trained

Words = Sequence[object]
Row = tuple[str, Outcome]
TRAIN = ["train", *IDS, *epochs(3), "--data", "d", "--out"]
LONG = ["train", *IDS, *epochs(60), "--data", "d", "--out", "t"]
COMMANDS: dict[str, Words] = {
    "prepare": [*PREPARE, "--covers", "w/covers", "--size", SIZE, "--out", "o/n"],
    "train": [*TRAIN, "o/t"],
    "recommend": ["recommend", "r", "--user", *(f"u{n}" for n in range(60)), "-k", 40, "--out", "o/x.csv"],
    "evaluate": ["evaluate", "r"],
    "report": ["report", "r"],
    "pack": [*PACK, "--overwrite"],
    "resume": ["train", "--resume", "s"],
}
NEEDS = ("w", "d", "r", "s")
ENVIRONMENTS: tuple[dict[str, str | None], ...] = (
    {"HOME": None}, {"PATH": None}, {"TERM": None}, {"TERM": "dumb"}, {"LANG": "C", "LC_ALL": "C"},
    {"LC_ALL": "xx"}, {"TZ": "Mars/X"},
    {"COLUMNS": "0"}, {"COLUMNS": "1"}, {"COLUMNS": "abc"}, {"LINES": "0"}, {"NO_COLOR": "1"},
    {"FORCE_COLOR": "1"},
    {"PYTHONOPTIMIZE": "2"}, {"PYTHONWARNINGS": "error"}, {"PYTHONUTF8": "0", "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"}, {"PYTHONHASHSEED": "7"}, {"PYTHONUNBUFFERED": "1"},
    {"PYTHONSAFEPATH": "1"}, {"MPLBACKEND": "x"},
    {"POLARS_MAX_THREADS": "0"}, {"POLARS_MAX_THREADS": "x"}, {"OMP_NUM_THREADS": "0"},
    {"OMP_NUM_THREADS": "x"}, {"RANK": "1"},
    {"RANK": "x"}, {"WORLD_SIZE": "2"}, {"LOCAL_RANK": "1"}, {"TMPDIR": "/nowhere"},
    {"HF_HUB_OFFLINE": "x"}, {"CUDA_VISIBLE_DEVICES": "9"},
    {"HF_HOME": "/proc/x"}, {"XDG_CACHE_HOME": "/proc/x"},
)  # fmt: skip


def full_disks(world: Path, folder: Path) -> Iterator[Row]:
    """A tmpfs of a few kB to some MB as the place of the results."""
    for size in ("8k", "40k", "200k", "600k", "2m"):
        for name in ("prepare", "train", "recommend"):
            copied(world, folder, NEEDS)
            with mounted(folder / "o", f"size={size}"):
                yield f"{name} onto {size}", run(COMMANDS[name], folder)
                half = [path for path in (folder / "o").rglob("*") if path.is_file() and _half(path)]
                if half:
                    yield f"{name} onto {size}: half-written", Outcome(-1, "", str(half))


def short_files(world: Path, folder: Path) -> Iterator[Row]:
    """A limit of the length of a file."""
    for size in (400, 1000, 4096, 20_000, 100_000):
        for name, words in COMMANDS.items():
            copied(world, folder, NEEDS)
            limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
            yield (
                f"{name}, files of {size} bytes",
                run(words, folder, before=lambda limit=limit: _ignoring(limit)),
            )


def read_only(world: Path, folder: Path) -> Iterator[Row]:
    copied(world, folder, NEEDS)
    with mounted(folder / "o", "ro"):
        for name in ("prepare", "train", "recommend"):
            yield f"{name} onto a read-only disk", run(COMMANDS[name], folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.parent.chmod(0o755)
    for name, words in COMMANDS.items():
        yield f"{name} by another user, all read-only", run(words, folder, before=partial(os.setuid, 65534))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    for name in ("r/run.json", "d/manifest.json", "d/events/items.npy", "r/best/model.safetensors", "r", "d"):
        (folder / name).chmod(0)
        for verb in ("evaluate", "report"):
            yield (
                f"{verb}, {name} not readable",
                run(COMMANDS[verb], folder, before=partial(os.setuid, 65534)),
            )
        (folder / name).chmod(0o755)


def limits(world: Path, folder: Path) -> Iterator[Row]:
    """Few open files, few processes, little memory."""
    for what, kind, values in (
        ("open files", resource.RLIMIT_NOFILE, (12, 16, 24, 64)),
        ("processes", resource.RLIMIT_NPROC, (1, 40)),
        ("processor seconds", resource.RLIMIT_CPU, (60,)),
    ):
        for value in values:
            for name, words in COMMANDS.items():
                copied(world, folder, NEEDS)
                limit = partial(resource.setrlimit, kind, (value, value))
                yield f"{name}, {value} {what}", run(words, folder, before=limit)


def memory(world: Path, folder: Path) -> Iterator[Row]:
    """Limits of address space, of real processes."""
    for megabytes in (300, 600, 1000, 1500, 2500):
        for name in ("prepare", "train", "evaluate", "recommend"):
            copied(world, folder, NEEDS)
            limit = partial(resource.setrlimit, resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
            yield f"{name} in {megabytes} MB", real(COMMANDS[name], folder, preexec_fn=limit)


def streams(world: Path, folder: Path) -> Iterator[Row]:
    """Standard streams that are closed, full, or have lost their reader."""
    for name, words in COMMANDS.items():
        right = ""
        for what, change in {"all open": lambda: None, **STREAMS}.items():
            copied(world, folder, NEEDS)
            yield f"{name}, {what}", run(words, folder, before=change)
            made = str(
                digests(
                    folder,
                    "o/t/*/model*",
                    "s/*/model*",
                    "o/*.csv",
                    "r/ranks*",
                    "d/*.parquet",
                    "o/n/*.parquet",
                )
            )
            right = right or made
            if made != right:
                yield f"{name}, {what}: other results", Outcome(-1, "", "other results")


def environments(world: Path, folder: Path) -> Iterator[Row]:
    copied(world, folder, NEEDS)
    right = real(["evaluate", "r", "--no-report"], folder)
    for changes in ENVIRONMENTS:
        environment = {**os.environ, **{key: value for key, value in changes.items() if value is not None}}
        for key in [key for key, value in changes.items() if value is None]:
            environment.pop(key, None)
        found = real(["evaluate", "r", "--no-report"], folder, env=environment)
        yield f"evaluate with {changes}", found
        if found.status == 0 and not found.out:
            yield f"evaluate with {changes} says nothing, but {right.out[:20]!r}", Outcome(-1, "", "silent")


def signals(world: Path, folder: Path) -> Iterator[Row]:
    """Training stopped by a signal, then resumed."""
    copied(world, folder, NEEDS)
    run(LONG, folder, 120)
    right = trained("t")(folder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        copied(world, folder, NEEDS)
        process = subprocess.Popen([sys.executable, "-m", "pixelrec", *map(str, LONG)], cwd=folder, **PIPES)
        journal = folder / "t/metrics.jsonl"
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 2):
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        ended = Outcome(process.returncode, out, err)
        yield f"training gets {number.name}", ended
        yield f"resumed after {number.name}", run(["train", "--resume", "t"], folder, 120)
        if trained("t")(folder) != right:
            yield f"resumed after {number.name}: other bytes", Outcome(-1, "", "other bytes")


def containers(world: Path, folder: Path) -> Iterator[Row]:
    """Two PID namespaces on one volume."""
    copied(world, folder, ("w",))
    words = [*PREPARE, "--covers", "w/covers", "--size", "256", "--out", "n"]
    inside = ["unshare", "-pf", "--mount-proc", sys.executable, "-m", "pixelrec", *map(str, words)]
    both = [subprocess.Popen(inside, cwd=folder, **PIPES) for _ in "ab"]
    for number, process in enumerate(both):
        out, err = process.communicate(timeout=120)
        yield f"prepare in container {number} of 2", Outcome(process.returncode, out, err)
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    if left:
        yield "left behind by two containers", Outcome(-1, "", str(left))


GROUPS: dict[str, Callable[[Path, Path], Iterator[Row]]] = {
    "full disks": full_disks,
    "short files": short_files,
    "read-only": read_only,
    "limits": limits,
    "memory": memory,
    "streams": streams,
    "environments": environments,
    "signals": signals,
    "containers": containers,
}
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "errors": "replace"}


def real(words: Words, folder: Path, **options: object) -> Outcome:
    """In a process of its own, for what matters while libraries are imported."""
    command = [sys.executable, "-m", "pixelrec", *map(str, words)]
    try:
        done = subprocess.run(command, cwd=folder, timeout=60, **PIPES, **options)  # type: ignore[call-overload]
    except subprocess.TimeoutExpired:
        return Outcome(None, "", "")
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def mounted(place: Path, options: str) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def _ignoring(limit: Callable[[], object]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit()


def _onto(target: str, *streams: int) -> None:
    for stream in streams:
        os.dup2(os.open(target, os.O_WRONLY), stream)


def _broken(*streams: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for stream in streams:
        os.dup2(writer, stream)


STREAMS: dict[str, Callable[[], object]] = {
    "stdout closed": partial(os.close, 1),
    "stderr closed": partial(os.close, 2),
    "all closed": lambda: [os.close(stream) for stream in (0, 1, 2)],
    "stdout full": partial(_onto, "/dev/full", 1),
    "stderr full": partial(_onto, "/dev/full", 2),
    "stdout without a reader": partial(_broken, 1),
    "both without a reader": partial(_broken, 1, 2),
}


def _half(path: Path) -> bool:
    return path.suffix == ".csv" and not path.read_bytes().endswith(b"\n")


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), metavar="NAME")
    parser.add_argument("--show", action="store_true", help="every outcome")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="surroundings-") as scratch:
        Path(scratch).chmod(0o755)
        world = make(Path(scratch, "world"))
        for group in chosen.only:
            counts: Counter[str] = Counter()
            try:
                for name, outcome in GROUPS[group](world, Path(scratch, "x")):
                    counts[outcome.kind] += 1
                    if chosen.show or outcome.kind not in {"accepted", "refused"}:
                        print(
                            f"  {name}: {outcome.kind} {outcome.status}: {ascii(outcome.line[:200])}",
                            flush=True,
                        )
            except (PermissionError, subprocess.CalledProcessError) as error:
                print(f"  {group}: not possible here: {error}")
            print(
                f"{group:<16}" + ", ".join(f"{number} {kind}" for kind, number in counts.items()), flush=True
            )


if __name__ == "__main__":
    main()
