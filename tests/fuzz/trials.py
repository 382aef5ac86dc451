"""A trial: a copy of the little world with one file damaged, a verb run on it, and a verdict.

A damage must be refused in one line, or change nothing: neither the results of the verb nor, where they are
its results, the figures that it prints. What a verb leaves out it must tell in a line.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, final

from fuzz.children import SECONDS, Outcome, in_child, run
from fuzz.little_world import copied
from fuzz.mutations import Damage

ESCAPES = re.compile("[\x00-\x08\x0b-\x0d\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")
FAILURES = frozenset({"escapes", "wrong", "traceback", "status 70", "signal", "hang", "no line"})
CLOCKS = frozenset({"seconds", "cpu_seconds", "windows_per_second", "validation_seconds", "encoding_seconds"})
Results = Callable[[Path], object]


def no_results(_: Path) -> None:
    """Of a verb that only prints."""


@final
@dataclass(frozen=True)
class Verb:
    """A command in the little world, and further ones that use what it made.

    needs: its folders. results: what it makes, of the folder. speaks: what it prints is a result, too.
    prepared: changes the folder, before the damage. judge: raises `AssertionError` if what was made of a
    damaged file is wrong; without one, it must be what is made of the undamaged file.
    """

    words: tuple[object, ...]
    needs: tuple[str, ...]
    results: Results = no_results
    speaks: bool = True
    prepared: Callable[[Path], object] = no_results
    judge: Callable[[Path], object] | None = None
    then: tuple[tuple[object, ...], ...] = ()

    def run(self, folder: Path, damage: Callable[[], object] | None, seconds: float) -> Outcome:
        """How the first command ends that does not succeed, or the last one."""
        ended, out = run(self.words, folder, seconds, before=damage), ""
        for words in self.then:
            if ended.status != 0:
                break
            out += ended.out
            ended = run(words, folder, seconds)
        return replace(ended, out=out + ended.out)

    def shown(self) -> str:
        return "; ".join(" ".join(map(str, words)) for words in (self.words, *self.then))


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
        self.world, self.folder, self._seconds = world.resolve(), folder.resolve(), seconds
        self._right: dict[Verb, tuple[str, object]] = {}

    def right(self, verb: Verb) -> tuple[str, object]:
        """What the verb prints and makes of the undamaged world."""
        if verb not in self._right:
            self._copy(verb)
            ended = verb.run(self.folder, None, 120)
            if ended.status != 0:
                raise RuntimeError(f"{verb.shown()} fails undamaged: {ended}")
            self._right[verb] = (ended.out, verb.results(self.folder))
        return self._right[verb]

    def trial(self, file: str, name: str, damage: Damage, verb: Verb) -> Verdict:
        self._copy(verb)
        ended = verb.run(self.folder, lambda: damage(self.folder / file), self._seconds)
        kind, line = ended.kind, ended.line
        if kind == "accepted" and (why := self._mistake(verb, ended)):
            kind, line = ("told", line) if "pixelrec: " in ended.err else ("wrong", why)
        elif ESCAPES.search(ended.out + ended.err):
            kind = "escapes"
        return Verdict(kind, file, name, verb.shown(), line[:300])

    def _mistake(self, verb: Verb, ended: Outcome) -> str:
        """What is wrong with the results, if anything is."""
        if verb.judge is not None:
            try:
                in_child(lambda: verb.judge(self.folder))  # type: ignore[misc]
            except RuntimeError as error:
                return str(error).strip().splitlines()[-1]
            return ""
        out, results = self._right.get(verb) or self._right_meanwhile(verb)
        if verb.speaks and ended.out != out:
            return "another output"
        return "" if verb.results(self.folder) == results else "other results"

    def _right_meanwhile(self, verb: Verb) -> tuple[str, object]:
        """`right`, although the folder is in use."""
        kept = self.folder.rename(self.folder.with_name("kept"))
        try:
            return self.right(verb)
        finally:
            shutil.rmtree(self.folder)
            kept.rename(self.folder)

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


def weights(name: str) -> Results:
    """The weights of a run."""
    return lambda folder: digests(folder / name, "best/model*", "last/model*")


def trained(name: str) -> Results:
    """The weights and the journal of a run."""
    return lambda folder: (weights(name)(folder), journal(folder / name))


def page(name: str) -> Results:
    """A report without its date."""
    return lambda folder: re.sub(r"20\d\d-\d\d-\d\d[T 0-9:+]*", "", (folder / name).read_text("utf-8"))
