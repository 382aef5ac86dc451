"""Two runs side by side: what is compared, what is refused, and what the terminal shows."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from pixelrec.choices import Split
from pixelrec.cli.show_comparison import print_comparison
from pixelrec.errors import RequestError, RunError
from pixelrec.evaluation.metrics import metrics, per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import slice_metrics
from pixelrec.runs.compare import RunComparison
from pixelrec.runs.results import Measured, is_measured

USERS = 300
COUNTS = np.arange(USERS) % 15  # a third of them few


@dataclass(frozen=True)
class Evaluated:
    """A run folder as far as an evaluation goes."""

    folder: Path
    name: str

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, f"{self.name} ({self.folder.name})", f"{self.name} ({self.folder})")


def evaluated(
    folder: Path, name: str, ranks: np.ndarray, counts: np.ndarray = COUNTS, split: str = "test"
) -> Evaluated:
    (folder / "best").mkdir(parents=True, exist_ok=True)
    ids = {"user_id": np.arange(len(ranks)), "item_id": np.arange(len(ranks)) % 50}
    table = {**ids, "rank": ranks, "item_training_events": counts}
    pl.DataFrame(table).write_parquet(folder / f"ranks-{split}.parquet")
    slices = slice_metrics(name, {name: ranks}, counts)
    Measured(split, name, {name: metrics(ranks)}, None, {}, slices).write(folder)
    return Evaluated(folder, name)


@pytest.fixture
def ranks() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    return chance.integers(1, 12, USERS), chance.integers(1, 40, USERS)


@pytest.fixture
def pair(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> tuple[Evaluated, Evaluated]:
    return evaluated(tmp_path / "a", "sasrec-id", ranks[0]), evaluated(tmp_path / "b", "sasrec-id", ranks[1])


def printed(found: RunComparison, width: int) -> str:
    file = io.StringIO()
    print_comparison(found, Console(file=file, width=width, soft_wrap=True))
    return file.getvalue()


def test_every_metric_is_paired_over_all_events_and_on_few_event_items(
    pair: tuple[Evaluated, Evaluated], ranks: tuple[np.ndarray, np.ndarray]
) -> None:
    found = RunComparison.read(*pair, "test")
    assert len(found.parts) == 2
    for part, mask in zip(found.parts, (COUNTS >= 0, COUNTS < 5), strict=True):
        ours, theirs = (some[mask] for some in ranks)
        assert part.cases == mask.sum()
        assert part.first == pytest.approx(metrics(ours)) and part.second == pytest.approx(metrics(theirs))
        assert set(part.apart) == set(part.first)
        for name, interval in part.apart.items():
            assert interval == paired(per_user(ours)[name], per_user(theirs)[name])
    assert found.names == ("sasrec-id (a)", "sasrec-id (b)")
    assert found.sentence.startswith("sasrec-id (a) is ahead of sasrec-id (b): NDCG@10 +")


def test_recipes_of_other_names_go_by_those(
    pair: tuple[Evaluated, Evaluated], ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    other = evaluated(tmp_path / "c", "mf-id", ranks[1])
    assert RunComparison.read(pair[0], other, "test").names == ("sasrec-id", "mf-id")


def test_the_terminal_shows_both_their_difference_and_the_verdict(pair: tuple[Evaluated, Evaluated]) -> None:
    found = RunComparison.read(*pair, "test")
    text = printed(found, 80)
    assert f"A  sasrec-id  {pair[0].folder}\nB  sasrec-id  {pair[1].folder}\n" in text
    assert text.count("NDCG@10  ") == 2 and f"all {USERS} events" in text and "< 5 training events" in text
    for part in found.parts:
        gain = part.apart["NDCG@10"]
        values = [100 * part.first["NDCG@10"], 100 * part.second["NDCG@10"], 100 * gain.difference]
        line = " ".join(f"{value:+.2f}" if n == 2 else f"{value:.2f}" for n, value in enumerate(values))
        assert f"NDCG@10 {line} {100 * gain.low:+.2f} to {100 * gain.high:+.2f}" in " ".join(text.split())
    for each in found.verdicts:
        assert each.sentence(*found.names) in text


@pytest.mark.parametrize("width", [80, 60, 50, 40])
def test_a_narrow_terminal_loses_the_interval_before_any_digit(
    pair: tuple[Evaluated, Evaluated], width: int
) -> None:
    table = printed(RunComparison.read(*pair, "test"), width).partition("\n\n")[2].partition("\n\n")[0]
    assert "…" not in table and max(map(len, table.splitlines())) <= width
    assert ("interval" in table) == (width >= 60)
    assert len(re.findall(r"\d\.\d\d\b", table)) == 12 * (5 if width >= 60 else 3)


def test_too_few_events_of_few_event_items_are_shown_and_not_compared(
    ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    counts = np.where(np.arange(USERS) < 7, 1, 9)
    pair = [evaluated(tmp_path / n, n, some, counts) for n, some in zip("ab", ranks, strict=True)]
    found = RunComparison.read(pair[0], pair[1], "test")
    assert len(found.verdicts) == 1 and found.parts[1].apart == {}
    text = printed(found, 80)
    assert "(n = 7): models are compared on 30 test events or more" in text
    assert re.search(r"NDCG@10 +\d+\.\d\d +\d+\.\d\d +– +–\n", text)


def test_what_was_not_evaluated_is_said_with_the_command_that_does_it(
    pair: tuple[Evaluated, Evaluated], ranks: tuple[np.ndarray, np.ndarray]
) -> None:
    a, b = pair
    evaluated(a.folder, a.name, ranks[0], split="validation")
    with pytest.raises(
        RunError, match=f"not evaluated on validation.*: {b.folder}; run `pixelrec evaluate {b.folder} "
    ):
        RunComparison.read(a, b, "validation")
    for each in pair:
        os.utime(each.folder / "best", ns=(2**62, 2**62))
    assert not is_measured(a.folder, "test"), "trained on since"
    with pytest.raises(RunError) as caught:
        RunComparison.read(a, b, "test")
    for each in pair:
        assert f"`pixelrec evaluate {each.folder} --split test`" in str(caught.value)


def test_what_cannot_be_compared(pair: tuple[Evaluated, Evaluated], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no split 'tst'"):
        RunComparison.read(*pair, cast("Split", "tst"))
    (tmp_path / "link").symlink_to(pair[0].folder)
    with pytest.raises(RunError, match="with itself"):
        RunComparison.read(pair[0], Evaluated(tmp_path / "link", "x"), "test")
    others = evaluated(tmp_path / "c", "c", np.ones(50, np.int64), COUNTS[:50])
    with pytest.raises(RunError, match="300 and 50 users"):
        RunComparison.read(pair[0], others, "test")
