"""Two runs, user by user: over all and on slices; runs that do not belong together are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pixelrec.errors import RunError
from pixelrec.runs.pairing import compare_runs

USERS = 300
COUNTS = np.arange(USERS) % 15  # a third of them few


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


@pytest.fixture
def ranks() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    return chance.integers(1, 12, USERS), chance.integers(1, 40, USERS)


def interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    gain = [np.where(one <= 10, 1 / np.log2(one + 1.0), 0.0) for one in (first, second)]
    difference = gain[0] - gain[1]
    half = stats.t(len(difference) - 1).ppf(0.975) * np.sqrt(np.var(difference, ddof=1) / len(difference))
    return difference.mean(), difference.mean() - half, difference.mean() + half


def test_the_difference_is_taken_user_by_user(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    a, b = ranks
    found = compare_runs(ranked(tmp_path / "a", a), ranked(tmp_path / "b", b), "test")
    few = COUNTS < 5
    assert found.few is not None and found.few == found.slices["long-tail items"]
    for pair, mask in (
        (found.overall, few | ~few),
        (found.few, few),
        (found.slices["other items"], ~few),
    ):
        assert pair.cases == mask.sum()
        expected = interval(a[mask], b[mask])
        got = (pair.interval.difference, pair.interval.low, pair.interval.high)
        assert got == pytest.approx(expected, rel=1e-9)
    assert found.overall.verdict == "ahead"
    difference, low, high = (f"{100 * x:+.2f}" for x in interval(a[few], b[few]))
    assert found.few.sentence("A", "B") == (
        f"On items with < 5 training events (n = 100), A is ahead of B: NDCG@10 {difference} points "
        f"(95 % interval {low} to {high})"
    )
    assert found.overall.sentence("A", "B").startswith("A is ahead of B: NDCG@10 +")
    back = compare_runs(tmp_path / "b", tmp_path / "a", "test")
    assert back.overall.interval.difference == -found.overall.interval.difference
    assert back.overall.verdict == "behind"


def test_a_small_slice_is_left_out(ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    counts = np.where(np.arange(USERS) < 29, 0, 5)
    folders = [ranked(tmp_path / str(n), one, counts) for n, one in enumerate(ranks)]
    found = compare_runs(*folders, "test")
    assert found.few is None and list(found.slices) == ["other items"]
    assert found.overall.cases == USERS


def test_runs_that_do_not_belong_together_are_refused(
    ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    first = ranked(tmp_path / "first", ranks[0])
    table = pl.read_parquet(first / "ranks-test.parquet")
    for name, changed, says in (
        ("fewer", table.head(200), "300 and 200 users"),
        ("users", table.with_columns(user_id=pl.col("user_id").reverse()), "differ in their users"),
        ("targets", table.with_columns(item_id=pl.col("item_id").reverse()), "differ in their targets"),
        ("events", table.with_columns(pl.col("item_training_events") + 1), "differ in their training events"),
    ):
        second = tmp_path / name
        second.mkdir()
        changed.write_parquet(second / "ranks-test.parquet")
        with pytest.raises(RunError, match=f"{says}; compare runs of one data set") as caught:
            compare_runs(first, second, "test")
        assert str(second) in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_run_that_was_not_evaluated_is_said_so(
    ranks: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    first = ranked(tmp_path / "first", ranks[0])
    with pytest.raises(RunError, match=r"no such file; .*`pixelrec evaluate .*second --split test`"):
        compare_runs(first, tmp_path / "second", "test")
    with pytest.raises(RunError, match="--split validation"):
        compare_runs(first, first, "validation")
    for text in (b"PAR1", (first / "ranks-test.parquet").read_bytes()[:90]):
        (first / "ranks-test.parquet").write_bytes(text)
        with pytest.raises(RunError, match="damaged") as caught:
            compare_runs(first, first, "test")
        assert len(str(caught.value).splitlines()) == 1


def test_an_older_file_without_training_events_is_damaged(tmp_path: Path) -> None:
    folder = ranked(tmp_path / "old", np.array([1, 2]), np.array([1, 2]))
    path = folder / "ranks-test.parquet"
    pl.read_parquet(path).drop("item_training_events").write_parquet(path)
    with pytest.raises(RunError, match="damaged.*item_training_events"):
        compare_runs(folder, folder, "test")
