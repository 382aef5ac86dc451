"""Two runs on the same cases: differences user by user, errors, and the tables in the terminal."""

from __future__ import annotations

import io
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import cast

import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console
from scipy import stats

import pixelrec
from pixelrec.choices import Split
from pixelrec.cli.show_comparison import print_comparison
from pixelrec.errors import RequestError, RunError
from pixelrec.evaluation.metrics import metrics, per_user
from pixelrec.evaluation.significance import paired
from pixelrec.evaluation.slices import ALL, measure, measure_slices
from pixelrec.files.checkpoint import weights_sha256, write_checkpoint
from pixelrec.runs.compare import RunComparison, RunDifference
from pixelrec.runs.results import EvaluationResult, is_evaluated
from pixelrec.runs.run import Run

USERS = 300
COUNTS = 1 + np.arange(USERS) % 12  # a third of them few, none of a new item
MOST = {"user_id": USERS, "item_id": 50}


def evaluated(
    folder: Path, name: str, ranks: np.ndarray, counts: np.ndarray = COUNTS, split: str = "test"
) -> Run:
    """A run folder with what a comparison reads."""
    if not (folder / "best").exists():
        write_checkpoint(folder / "best", {}, {"weight": torch.tensor(ranks)})
    ids = {name: [f"{name[0]}{n % most}" for n in range(len(ranks))] for name, most in MOST.items()}
    table = {**ids, "rank": ranks, "item_training_events": counts}
    path = folder / f"ranks-{split}.parquet"
    pl.DataFrame(table).write_parquet(path)
    overall, slices = measure(ALL, name, {name: ranks}, counts), measure_slices(name, {name: ranks}, counts)
    assert overall is not None
    weights, digest = weights_sha256(folder / "best"), sha256(path.read_bytes()).hexdigest()
    EvaluationResult(split, name, overall, {}, slices, weights=weights, ranks=digest).write(folder)
    return Run(folder, {"recipe": name})


@pytest.fixture
def ranks() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    return chance.integers(1, 12, USERS), chance.integers(1, 40, USERS)


@pytest.fixture
def pair(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> tuple[Run, Run]:
    return evaluated(tmp_path / "a", "sasrec-id", ranks[0]), evaluated(tmp_path / "b", "sasrec-id", ranks[1])


def printed(found: RunComparison, width: int) -> str:
    file = io.StringIO()
    print_comparison(found, Console(file=file, width=width, soft_wrap=True))
    return file.getvalue()


def test_every_metric_is_paired_over_all_events_and_on_long_tail_items(
    pair: tuple[Run, Run], ranks: tuple[np.ndarray, np.ndarray]
) -> None:
    found = RunComparison.read(*pair, "test")
    assert len(found.parts) == 2 and repr(found) == f"RunComparison(test: {found.sentence})"
    for part, mask in zip(found.parts, (COUNTS >= 0, COUNTS < 5), strict=True):
        ours, theirs = (some[mask] for some in ranks)
        assert part.cases == mask.sum()
        assert part.first == pytest.approx(metrics(ours)) and part.second == pytest.approx(metrics(theirs))
        assert set(part.differences) == set(part.first)
        for name, interval in part.differences.items():
            assert interval == paired(per_user(ours)[name], per_user(theirs)[name])
    assert found.names == ("sasrec-id (a)", "sasrec-id (b)")
    assert found.sentence.startswith("sasrec-id (a) is ahead of sasrec-id (b): NDCG@10 +")


def test_runs_of_different_recipes_have_their_names(
    pair: tuple[Run, Run], ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    other = evaluated(tmp_path / "c", "mf-id", ranks[1])
    assert RunComparison.read(pair[0], other, "test").names == ("sasrec-id", "mf-id")


def test_the_terminal_shows_both_runs_their_difference_and_the_verdict(pair: tuple[Run, Run]) -> None:
    found = RunComparison.read(*pair, "test")
    text = printed(found, 80)
    assert f"A  sasrec-id  {pair[0].folder}\nB  sasrec-id  {pair[1].folder}\n" in text
    assert text.count("NDCG@10  ") == 2 and f"all {USERS} events" in text and "< 5 training events" in text
    for part in found.parts:
        gain = part.differences["NDCG@10"]
        values = [100 * part.first["NDCG@10"], 100 * part.second["NDCG@10"], 100 * gain.difference]
        line = " ".join(f"{value:+.2f}" if n == 2 else f"{value:.2f}" for n, value in enumerate(values))
        assert f"NDCG@10 {line} {100 * gain.low:+.2f} to {100 * gain.high:+.2f}" in " ".join(text.split())
    for each in found.verdicts:
        assert each.sentence(*found.names) in text


@pytest.mark.parametrize("width", [80, 60, 50, 40])
def test_a_narrow_terminal_loses_the_interval_before_any_digit(pair: tuple[Run, Run], width: int) -> None:
    table = printed(RunComparison.read(*pair, "test"), width).partition("\n\n")[2].partition("\n\n")[0]
    assert "…" not in table and max(map(len, table.splitlines())) <= width
    assert ("interval" in table) == (width >= 60)
    assert len(re.findall(r"\d\.\d\d\b", table)) == 12 * (5 if width >= 60 else 3)


def test_too_few_events_of_long_tail_items_are_shown_and_not_compared(
    ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    counts = np.where(np.arange(USERS) < 7, 1, 9)
    pair = [evaluated(tmp_path / n, n, some, counts) for n, some in zip("ab", ranks, strict=True)]
    found = RunComparison.read(pair[0], pair[1], "test")
    assert len(found.verdicts) == 1 and found.parts[1].differences == {}
    text = printed(found, 80)
    assert "(n = 7): models are not compared, as fewer than 30 test events are of such items" in text
    assert re.search(r"NDCG@10 +\d+\.\d\d +\d+\.\d\d +– +–\n", text)


def test_the_error_for_a_run_without_evaluation_names_the_command(
    pair: tuple[Run, Run], ranks: tuple[np.ndarray, np.ndarray]
) -> None:
    a, b = pair
    evaluated(a.folder, a.name, ranks[0], split="validation")
    with pytest.raises(
        RunError, match=f"not evaluated on validation.*: {b.folder}; run `pixelrec evaluate {b.folder} "
    ):
        RunComparison.read(a, b, "validation")
    for each in pair:
        write_checkpoint(each.folder / "best", {}, {"weight": torch.ones(3)})
    assert not is_evaluated(a.folder, "test"), "there is a better checkpoint since"
    with pytest.raises(RunError) as caught:
        RunComparison.read(a, b, "test")
    for each in pair:
        assert f"`pixelrec evaluate {each.folder} --split test`" in str(caught.value)


def test_copies_can_be_compared_whatever_their_times(pair: tuple[Run, Run], tmp_path: Path) -> None:
    """Copied file by file without times, results first, with files of others in best/."""
    copies = []
    for number, run in enumerate(pair):
        copy = tmp_path / f"copy-{number}"
        for path in sorted(run.folder.rglob("*"), key=lambda path: "best" in path.parts):
            if path.is_file():
                target = copy / path.relative_to(run.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
        (copy / "best" / ".DS_Store").touch()
        os.utime(copy / "ranks-test.parquet", ns=(0, 0))
        copies.append(Run(copy, run.about))
    assert RunComparison.read(copies[0], copies[1], "test").parts == RunComparison.read(*pair, "test").parts


def test_a_run_is_not_compared_with_itself_or_with_other_cases(pair: tuple[Run, Run], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="split is 'tst'; did you mean 'test'"):
        pixelrec.compare(*pair, split=cast("Split", "tst"))
    (tmp_path / "link").symlink_to(pair[0].folder)
    with pytest.raises(RunError, match="with itself"):
        RunComparison.read(pair[0], Run(tmp_path / "link", {"recipe": "x"}), "test")
    others = evaluated(tmp_path / "c", "c", np.ones(50, np.int64), COUNTS[:50])
    with pytest.raises(RunError, match="300 and 50 users"):
        RunComparison.read(pair[0], others, "test")


def ranked(folder: Path, ranks: np.ndarray, counts: np.ndarray = COUNTS, split: str = "test") -> Path:
    """A run folder as far as its ranks go."""
    folder.mkdir()
    pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in range(len(ranks))],
            "item_id": [f"i{n % 50}" for n in range(len(ranks))],
            "rank": ranks,
            "item_training_events": counts,
        }
    ).write_parquet(folder / f"ranks-{split}.parquet")
    return folder


def interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    gain = [np.where(one <= 10, 1 / np.log2(one + 1.0), 0.0) for one in (first, second)]
    difference = gain[0] - gain[1]
    half = stats.t(len(difference) - 1).ppf(0.975) * np.sqrt(np.var(difference, ddof=1) / len(difference))
    return difference.mean(), difference.mean() - half, difference.mean() + half


def test_the_difference_is_taken_user_by_user(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    a, b = ranks
    found = RunDifference.read(ranked(tmp_path / "a", a), ranked(tmp_path / "b", b), "test")
    few = COUNTS < 5
    assert found.long_tail is not None and found.long_tail == found.slices["long-tail items"]
    for pair, mask in (
        (found.overall, few | ~few),
        (found.long_tail, few),
        (found.slices["other items"], ~few),
    ):
        assert pair.cases == mask.sum()
        expected = interval(a[mask], b[mask])
        got = (pair.interval.difference, pair.interval.low, pair.interval.high)
        assert got == pytest.approx(expected, rel=1e-9)
    assert found.overall.verdict == "ahead"
    difference, low, high = (f"{100 * x:+.2f}" for x in interval(a[few], b[few]))
    hits = [(some[few] <= 10).sum() for some in (a, b)]
    assert found.long_tail.sentence("A", "B") == (
        f"On items with < 5 training events (n = 100), A is ahead of B: NDCG@10 {difference} points "
        f"(95 % interval {low} to {high}; hits in the top 10: {hits[0]} of 100 against {hits[1]})"
    )
    assert found.overall.sentence("A", "B").startswith("A is ahead of B: NDCG@10 +")
    back = RunDifference.read(tmp_path / "b", tmp_path / "a", "test")
    assert back.overall.interval.difference == -found.overall.interval.difference
    assert back.overall.verdict == "behind"


def test_a_small_slice_is_left_out(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    counts = np.where(np.arange(USERS) < 29, 0, 5)
    folders = [ranked(tmp_path / str(n), one, counts) for n, one in enumerate(ranks)]
    found = RunDifference.read(*folders, "test")
    assert found.long_tail is None and list(found.slices) == ["other items"]
    assert found.overall.cases == USERS


def test_runs_of_different_cases_are_refused(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    first = ranked(tmp_path / "first", ranks[0])
    table = pl.read_parquet(first / "ranks-test.parquet")
    for name, changed, says in (
        ("fewer", table.head(200), "300 and 200 users"),
        ("users", table.with_columns(user_id=pl.col("user_id").reverse()), "of different users"),
        ("targets", table.with_columns(item_id=pl.col("item_id").reverse()), "of different targets"),
        ("events", table.with_columns(pl.col("item_training_events") + 1), "of different training events"),
    ):
        second = tmp_path / name
        second.mkdir()
        changed.write_parquet(second / "ranks-test.parquet")
        with pytest.raises(RunError, match=f"{says}; compare runs of one data set") as caught:
            RunDifference.read(first, second, "test")
        assert str(second) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_missing_and_damaged_ranks_are_errors_of_one_line(
    ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    first = ranked(tmp_path / "first", ranks[0])
    with pytest.raises(RunError, match=r"no such file; .*`pixelrec evaluate .*second --split test`"):
        RunDifference.read(first, tmp_path / "second", "test")
    with pytest.raises(RunError, match="--split validation"):
        RunDifference.read(first, first, "validation")
    for text in (b"PAR1", (first / "ranks-test.parquet").read_bytes()[:90]):
        (first / "ranks-test.parquet").write_bytes(text)
        with pytest.raises(RunError, match="damaged") as caught:
            RunDifference.read(first, first, "test")
        assert len(str(caught.value).splitlines()) == 1


def test_ranks_without_training_events_are_damaged(tmp_path: Path) -> None:
    folder = ranked(tmp_path / "old", np.array([1, 2]), np.array([1, 2]))
    path = folder / "ranks-test.parquet"
    pl.read_parquet(path).drop("item_training_events").write_parquet(path)
    with pytest.raises(RunError, match="damaged.*item_training_events"):
        RunDifference.read(folder, folder, "test")
