"""Kills commands, runs them again, and compares what they made with an undisturbed run.

    python benchmarks/kills.py [--kills N] [--seed S] [--only NAME …]

Each command works in a little world of its own: 60 users, 50 items with covers. It is killed (SIGKILL) at
random moments, and before single file operations: opening to write, mkdir, rename, remove, rmdir. Then the
same command runs again, or the `--resume` that it advises. It must succeed; its results must be those of an
undisturbed run, byte for byte but for clocks; nothing half-written may be seen, nothing stay behind.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, final

import lmdb

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from fuzz.children import Child, Outcome
from fuzz.little_world import IDS, PACK, PIXELS, PREPARE, SIZE, copied, epochs, make
from fuzz.trials import CLOCKS, no_results

Words = Sequence[object]
State = Mapping[str, str]
FOREVER = 120.0  # seconds, for a command on a busy machine
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
OPERATIONS = {"os.rename", "os.rmdir", "os.remove", "os.mkdir", "os.truncate", "os.link", "os.symlink"}


@final
@dataclass(frozen=True)
class Scenario:
    """A command to kill. needs: folders of the little world; prepared: changes them first."""

    words: Words
    needs: Sequence[str]
    prepared: Callable[[Path], object] = no_results
    times: int = 1  # how often it is killed before it may finish
    operations: bool = True  # also before single file operations
    share: float = 1.0  # of the kills that are asked for
    grid: bool = False  # it has processes of its own
    others: Sequence[Words] = ()  # commands that run at the same time


def _unusable_covers(folder: Path) -> None:
    for number in (3, 7):
        (folder / f"w/covers/i{number}.jpg").write_bytes(b"no picture")


def _packed_anew(folder: Path) -> None:
    _unusable_covers(folder)
    shutil.rmtree(folder / "d/covers.lmdb")
    (folder / "d/notes.txt").write_text("mine")


def _bare(*names: str) -> Callable[[Path], None]:
    def remove(folder: Path) -> None:
        for name in names:
            for path in folder.glob(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def _with_notes(folder: Path) -> None:
    (folder / "d/notes.txt").write_text("mine")


def _unusable_with_notes(folder: Path) -> None:
    _unusable_covers(folder)
    _with_notes(folder)


FULL = [*PREPARE, "--covers", "w/covers", "--size", SIZE, "--out", "d"]
BENCH = ["bench", "d", "--recipes", "sasrec-id", "mf-id", "--seeds", 1, "--out", "b", *epochs(2)]
BENCH += ["--items.width", 8, "--negatives.drawn", 16]
WORLD = ("w", "d")
_measured = _bare("r/report.html", "r/ranks-*", "r/evaluation-*", "d/baselines")
_pack_anew = _bare("d/covers.lmdb")

SCENARIOS: dict[str, Scenario] = {
    "prepare": Scenario(FULL, ("w",)),
    "prepare --overwrite": Scenario([*FULL, "--overwrite"], WORLD, _with_notes),
    "prepare drop-item": Scenario([*FULL, "--missing", "drop-item"], ("w",), _unusable_covers),
    "prepare drop-item --overwrite": Scenario(
        [*FULL, "--missing", "drop-item", "--overwrite"], WORLD, _unusable_with_notes
    ),
    "pack": Scenario(PACK, WORLD, _pack_anew),
    "pack --overwrite": Scenario([*PACK[:-1], 24, "--overwrite"], WORLD, _with_notes),
    "pack drop-item": Scenario([*PACK, "--missing", "drop-item"], WORLD, _packed_anew),
    "train": Scenario(["train", *IDS, *epochs(3), "--data", "d", "--out", "t"], ("d",)),
    "train pixels": Scenario(
        ["train", *PIXELS, *epochs(3), "--data", "d", "--out", "t"], ("d", "net"), _bare("d/activations")
    ),
    "train, killed twice": Scenario(
        ["train", *IDS, *epochs(4), "--data", "d", "--out", "t"], ("d",), times=2, operations=False
    ),
    "resume": Scenario(["train", "--resume", "s"], ("s", "d"), times=2),
    "resume pixels": Scenario(["train", "--resume", "q"], ("q", "d", "net"), _bare("d/activations"), times=2),
    "evaluate": Scenario(["evaluate", "r"], ("r", "d"), _measured),
    "evaluate pixels": Scenario(["evaluate", "p"], ("p", "d", "net"), _bare("p/report.html", "p/ranks-*",
        "p/evaluation-*", "p/best/item-vectors*", "d/baselines")),
    "report": Scenario(["report", "r"], ("r", "d")),
    "recommend --out": Scenario(
        ["recommend", "r", "--user", *(f"u{n}" for n in range(60)), "-k", 40, "--out", "o.csv"],
        ("r", "d"),
        lambda folder: (folder / "o.csv").write_text("precious\n" * 900),
    ),
    "cache --clear": Scenario(["cache", "d", "--clear"], ("d",)),
    "bench": Scenario(BENCH, ("d",), operations=False, grid=True, share=0.5),
    "two prepares": Scenario(FULL, ("w",), operations=False, share=0.3, others=[FULL]),
    "two prepares --overwrite": Scenario(
        [*FULL, "--overwrite"], WORLD, operations=False, share=0.3, others=[[*FULL, "--overwrite"]]
    ),
    "two packs": Scenario(PACK, WORLD, _pack_anew, operations=False, share=0.3, others=[PACK]),
    "two packs drop-item": Scenario(
        [*PACK, "--missing", "drop-item"], WORLD, _packed_anew, operations=False, share=0.3,
        others=[[*PACK, "--missing", "drop-item"]],
    ),
    "two resumes": Scenario(
        ["train", "--resume", "s"],
        ("s", "d"),
        operations=False,
        share=0.3,
        others=[["train", "--resume", "s"]],
    ),
    "two evaluates": Scenario(
        ["evaluate", "r"], ("r", "d"), _measured, operations=False, share=0.3, others=[["evaluate", "r"]]
    ),
    "two benches": Scenario(BENCH, ("d",), operations=False, share=0.1, grid=True, others=[BENCH]),
}  # fmt: skip


@final
@dataclass
class Tally:
    """What became of the kills of one scenario."""

    kills: int = 0
    went_on: int = 0
    equal: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@final
class Killer:
    """Kills one scenario, again and again, in one folder."""

    def __init__(self, name: str, world: Path, folder: Path, random: Random) -> None:
        self.name, self.scenario = name, SCENARIOS[name]
        self.world, self.folder, self.random = world, folder, random
        self.tally = Tally()
        self.right, self.seconds = self._undisturbed()
        again, seconds = self._undisturbed()
        self.clocked = {path for path in self.right if self.right[path] != again.get(path)}
        self.seconds = max(seconds, self.seconds)
        if set(again) != set(self.right):
            raise RuntimeError(
                f"{name}: two undisturbed runs leave other files: {set(again) ^ set(self.right)}"
            )

    def at_random(self, kills: int) -> None:
        tries = count()
        while kills and next(tries) < 200:
            self._fresh()
            done = self._killed_at(self.random.uniform(0, self.seconds))
            for _ in range(self.scenario.times - 1):
                done += self._killed_at(self.random.uniform(0, self.seconds), go_on=True)
            if done:
                kills -= 1
                self._judge(done, "at random")

    def before_operations(self, kills: int) -> None:
        """Before every k-th file operation, so that there are at most `kills` kills."""
        operations = self._operations()
        step = max(-(-len(operations) // max(kills, 1)), 1)
        for number in range(self.random.randrange(step), len(operations), step):
            self._fresh()
            child = self._start(self.scenario.words, lambda n=number: _kill_before(n, self.folder))
            if child.wait(FOREVER).status == -signal.SIGKILL:
                self._judge(1, f"before operation {number}, {operations[number]}")

    def _undisturbed(self) -> tuple[State, float]:
        self._fresh()
        begun = time.monotonic()
        ended = self._start(self.scenario.words).wait(FOREVER)
        if ended.status != 0:
            raise RuntimeError(f"{self.name} fails undisturbed: {ended}")
        return state(self.folder), time.monotonic() - begun

    def _fresh(self) -> None:
        copied(self.world, self.folder, self.scenario.needs)
        self.scenario.prepared(self.folder)
        self._before = state(self.folder)

    def _start(self, words: Words, before: Callable[[], object] | None = None) -> Child:
        return Child(words, self.folder, before=before)

    def _operations(self) -> list[str]:
        self._fresh()
        trace = self.folder.with_name("trace.txt")
        trace.unlink(missing_ok=True)
        self._start(self.scenario.words, lambda: _record(trace, self.folder)).wait(FOREVER)
        return trace.read_text("utf-8").splitlines()

    def _killed_at(self, moment: float, *, go_on: bool = False) -> int:
        """1 if the command was still running."""
        words = self._way_on() if go_on else self.scenario.words
        children = [self._start(each) for each in (words, *self.scenario.others)]
        time.sleep(moment)
        descendants = list(_descendants(children[0].pid))
        children[0].kill(group=False)
        if self.random.random() < 0.5:
            for pid in descendants:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        killed = children[0].wait(1).status == -signal.SIGKILL
        for other in children[1:]:
            self._demand(other.wait(FOREVER), f"of two at once: {other}", refusals=True)
        if not _gone(descendants, 30):
            self._failed("orphan", f"processes {descendants} go on")
        return int(killed)

    def _judge(self, kills: int, moment: str) -> None:
        """Half-written? Then runs the command again, and compares."""
        self.tally.kills += kills
        for path in _half_written(self.folder):
            self._failed("half-written", f"{moment}: {path}")
        self._compare_result(moment)
        ended = self._start(self._way_on()).wait(FOREVER)
        first = ended.line
        if ended.status != 0 and "--resume" in ended.line and "--resume" not in map(str, self.scenario.words):
            ended = self._start(["train", "--resume", "t"]).wait(FOREVER)
        if not self._demand(ended, moment if first == ended.line else f"{moment}: {first}; then"):
            return
        self.tally.went_on += kills
        found = state(self.folder)
        left = {path for path in found if path not in self.right}
        if left:
            self._failed("left behind", f"{moment}: {sorted(left)}")
        lost = {path for path in self.right if path not in found}
        other = {p for p in self.right if p in found and p not in self.clocked and found[p] != self.right[p]}
        if lost or other:
            self._failed("other bytes", f"{moment}: lost {sorted(lost)}, other {sorted(other)}")
        else:
            self.tally.equal += kills

    def _compare_result(self, moment: str) -> None:
        """The data set that is seen is the old one or the new one, as a whole."""
        if self.scenario.words[0] not in {"prepare", "images"}:
            return
        if self.random.random() < 0.5:  # somebody reads first
            self._start(["cache", "d"]).wait(FOREVER)
        old, new = ({k: v for k, v in s.items() if _of_data_set(k)} for s in (self._before, self.right))
        seen = {k: v for k, v in state(self.folder).items() if _of_data_set(k)}
        if seen not in ({}, old, new) and not self._moved_back(seen, old, new):
            changed = sorted(
                k for k in {*seen, *new} if seen.get(k) != new.get(k) and seen.get(k) != old.get(k)
            )
            self._failed("half-written", f"{moment}: {changed or 'a mixture of old and new'}")

    def _moved_back(self, seen: State, old: State, new: State) -> bool:
        """All of the new data set, while files of others are still on their way from the old."""
        kept = {k for k in new if k in old and old[k] == new[k]}
        return {k: v for k, v in new.items() if k not in kept or k in seen} == seen

    def _way_on(self) -> Words:
        if self.scenario.words[0] == "train" and "--resume" not in self.scenario.words:
            return (
                ["train", "--resume", "t"] if (self.folder / "t/run.json").exists() else self.scenario.words
            )
        return self.scenario.words

    def _demand(self, ended: Outcome, moment: str, *, refusals: bool = False) -> bool:
        if ended.kind == "accepted" or (refusals and ended.kind == "refused"):
            return True
        if ended.kind == "refused" and "--overwrite" in ended.line:  # it was in place already
            return True
        self._failed("dead end", f"{moment}: {ended.kind}, {ended.line}")
        return False

    def _failed(self, kind: str, what: str) -> None:
        self.tally.failures[kind] += 1
        print(f"  {self.name}: {kind}: {what}", file=sys.stderr, flush=True)


def state(folder: Path) -> State:
    """Digests of all files, without clocks and without the journals of TensorBoard; names of folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.name == "lock.mdb" or "tensorboard/" in name or not path.is_file():
            found[name if "tensorboard/" not in name else name.rsplit("/", 1)[0]] = "there"
        elif path.name == "data.mdb":
            found[name] = _pictures(path.parent)
        else:
            found[name] = sha256(_without_clocks(path)).hexdigest()
    return found


def _without_clocks(path: Path) -> bytes:
    text = path.read_bytes()
    if path.name in {"metrics.jsonl", "run.json"}:
        with suppress(ValueError):
            rows = [json.loads(row) for row in (text.splitlines() if path.suffix == ".jsonl" else [text])]
            hidden = CLOCKS | {"created"}
            return json.dumps([{k: v for k, v in row.items() if k not in hidden} for row in rows]).encode()
    return text


def _pictures(store: Path) -> str:
    """What a picture store holds, wherever in its file."""
    found = sha256()
    try:
        with lmdb.open(str(store), readonly=True, lock=False, max_dbs=8) as environment:
            inner = [environment.open_db(name, create=False) for name in (b"pictures", b"stamps")]
            with environment.begin() as transaction:
                found.update(transaction.get(b"manifest"))
                for database in inner:
                    for key, value in transaction.cursor(database):
                        found.update(key + b"\0" + value)
    except lmdb.Error as error:
        return f"{type(error).__name__}"
    return found.hexdigest()


def _of_data_set(path: str) -> bool:
    return path.startswith("d/") and not path.endswith("lock.mdb") and "covers.lmdb" not in path


def _half_written(folder: Path) -> Iterator[str]:
    """Files that are seen, and are not whole."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and ".draft" not in name and not name.startswith("w/") and not _is_whole(path):
            yield name


def _is_whole(path: Path) -> bool:
    found = path.read_bytes()
    try:
        match path.suffix:
            case ".json":
                json.loads(found)
            case ".jsonl":
                return (
                    not found
                    or found.endswith(b"\n")
                    and all(json.loads(line) is not None for line in found.splitlines())
                )
            case ".safetensors":
                length = struct.unpack("<Q", found[:8])[0]
                ends = [
                    v["data_offsets"][1] for k, v in json.loads(found[8 : 8 + length]).items() if k[0] != "_"
                ]
                return len(found) == 8 + length + max(ends, default=0)
            case ".parquet":
                return found[:4] == found[-4:] == b"PAR1"
            case ".html" | ".svg":
                return found.rstrip().endswith((b"</html>", b"</svg>"))
            case ".csv" | ".yaml":
                return found.endswith(b"\n")
    except (ValueError, struct.error):
        return False
    return True


def _descendants(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _descendants(int(child))


def _gone(pids: Sequence[int], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _changes(event: str, arguments: tuple[Any, ...], folder: Path) -> bool:
    """Whether an audit event is a file operation that changes something in the folder."""
    if event == "open":
        path, _, flags = arguments
        changes = isinstance(path, str | bytes | os.PathLike) and bool((flags or 0) & WRITING)
    else:
        path, changes = (arguments[0] if arguments else None), event in OPERATIONS
    return changes and str(folder) in str(Path.cwd() / os.fsdecode(path))


def _record(trace: Path, folder: Path) -> None:
    log = os.open(trace, os.O_WRONLY | os.O_CREAT)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if (event == "open" or event in OPERATIONS) and _changes(event, arguments, folder):
            os.write(
                log,
                f"{event} {' '.join(map(str, arguments))}"[:200].replace(str(folder), "").encode() + b"\n",
            )

    sys.addaudithook(hook)


def _kill_before(number: int, folder: Path) -> None:
    left = iter(range(number, -1, -1))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        operation = event == "open" or event in OPERATIONS
        if operation and _changes(event, arguments, folder) and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=20, help="of each command, at random; as many by operation"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), metavar="NAME")
    chosen = parser.parse_args()
    print(f"{'command':<32}{'kills':>7}{'went on':>9}{'equal':>7}   failures")
    total = Tally()
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        world = make(Path(scratch, "world"))
        for name in chosen.only:
            killer = Killer(name, world, Path(scratch, "x"), Random(chosen.seed))
            killer.at_random(max(round(chosen.kills * killer.scenario.share), 1))
            if killer.scenario.operations:
                killer.before_operations(chosen.kills)
            _show(name, killer.tally)
            total.kills += killer.tally.kills
            total.went_on += killer.tally.went_on
            total.equal += killer.tally.equal
            total.failures += killer.tally.failures
    _show("all", total)


def _show(name: str, tally: Tally) -> None:
    failures = ", ".join(f"{number} {kind}" for kind, number in tally.failures.items()) or "none"
    print(f"{name:<32}{tally.kills:>7}{tally.went_on:>9}{tally.equal:>7}   {failures}", flush=True)


if __name__ == "__main__":
    main()
