"""A trial: a copy of the little world with one file damaged, a verb run on it, and a verdict.

A damage must be refused in one line, or change nothing: neither the results of the verb nor, where they are
its results, the figures that it prints.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from fuzz.children import SECONDS, Outcome, run
from fuzz.little_world import copied
from fuzz.mutations import Damage

FAILURES = frozenset({"wrong", "traceback", "status 70", "signal", "hang", "no line"})
CLOCKS = frozenset({"seconds", "windows_per_second"})
Results = Callable[[Path], object]


@final
@dataclass(frozen=True)
class Verb:
    """A command in the little world. needs: its folders; speaks: what it prints is its result."""

    words: tuple[object, ...]
    needs: tuple[str, ...]
    results: Results = lambda folder: None
    speaks: bool = True
    prepared: Callable[[Path], object] = lambda folder: None  # before the damage

    def run(self, folder: Path, seconds: float = SECONDS) -> Outcome:
        return run(self.words, folder, seconds)

    def shown(self) -> str:
        return " ".join(map(str, self.words))


@final
@dataclass(frozen=True)
class Verdict:
    kind: str
    file: str
    damage: str
    verb: str
    line: str

    @property
    def failed(self) -> bool:
        return self.kind in FAILURES


@final
class Trials:
    """Runs trials in one folder, one after the other. Each verb is first run on the undamaged world."""

    def __init__(self, world: Path, folder: Path, *, seconds: float = SECONDS) -> None:
        self.world, self.folder, self._seconds = world, folder, seconds
        self._right: dict[str, tuple[str, object]] = {}

    def right(self, verb: Verb) -> tuple[str, object]:
        """What the verb prints and makes of the undamaged world."""
        if verb.shown() not in self._right:
            self._copy(verb)
            ended = verb.run(self.folder, 120)
            if ended.status != 0:
                raise RuntimeError(f"{verb.shown()} fails undamaged: {ended}")
            self._right[verb.shown()] = (ended.out, verb.results(self.folder))
        return self._right[verb.shown()]

    def trial(self, file: str, name: str, damage: Damage, verb: Verb) -> Verdict:
        out, results = self.right(verb)
        self._copy(verb)
        ended = run(verb.words, self.folder, self._seconds, before=lambda: damage(self.folder / file))
        kind = ended.kind
        if kind == "accepted" and ((verb.speaks and ended.out != out) or verb.results(self.folder) != results):
            kind = "wrong"
        return Verdict(kind, file, name, verb.shown(), ended.line[:300])

    def _copy(self, verb: Verb) -> None:
        copied(self.world, self.folder, verb.needs)
        verb.prepared(self.folder)


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"


def digests(folder: Path, *patterns: str) -> Mapping[str, str]:
    return {
        str(path.relative_to(folder)): digest(path)
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def journal(run: Path) -> list[dict[str, Any]]:
    """The journal without what clocks say."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in CLOCKS} for line in lines]


def trained(name: str) -> Results:
    """The weights and the journal of a run."""
    return lambda folder: (digests(folder / name, "best/model*", "last/model*"), journal(folder / name))


def page(name: str) -> Results:
    """A report without its date."""
    return lambda folder: re.sub(r"20\d\d-\d\d-\d\d[T 0-9:+]*", "", (folder / name).read_text("utf-8"))


__all__ = ["Trials", "Verb", "Verdict", "digests", "journal", "page", "trained"]
