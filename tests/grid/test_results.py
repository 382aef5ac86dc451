"""Every number of every table against independent formulas."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from rich.console import Console
from scipy import stats

from pixelrec.cli.show_grid import print_results
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import EvaluationCases, training_events
from pixelrec.errors import RunError
from pixelrec.files.checkpoint import write_checkpoint
from pixelrec.grid.cell import Cell
from pixelrec.grid.plan import Grid
from pixelrec.grid.results import Collector, Results
from pixelrec.grid.tables import csv_table, markdown_table, table_notes
from pixelrec.runs.results import EvaluationResult
from pixelrec.runs.saved_ranks import SavedRanks, ranks_file

from .conftest import Finish, collect_results, write

FIELDS = ("model", "role", "seed", "quantity")


def baselines(grid: Grid) -> dict[str, np.ndarray]:
    chance = np.random.default_rng(7)
    users = len(grid.cases())
    weak, strong = chance.integers(1, 100, users), chance.integers(1, 40, users)
    return {"weak": weak, "strong": strong}


def ndcg(ranks: np.ndarray, k: int) -> np.ndarray:
    return np.array([1 / math.log2(rank + 1) if rank <= k else 0.0 for rank in ranks])


def recall(ranks: np.ndarray, k: int) -> np.ndarray:
    return np.array([float(rank <= k) for rank in ranks])


def half_width(values: np.ndarray) -> float:
    variance = sum((value - sum(values) / len(values)) ** 2 for value in values) / (len(values) - 1)
    return float(stats.t(len(values) - 1).ppf(0.975)) * math.sqrt(variance / len(values))


def lines(results: Results) -> dict[tuple[str, str, str, str], dict[str, str]]:
    """Lines of the CSV by model, role, seed and quantity; each comes once."""
    rows = list(csv.DictReader(csv_table(results).splitlines()))
    found = {tuple(row[field] for field in FIELDS): row for row in rows}
    assert len(found) == len(rows)
    return found  # type: ignore[return-value]


def cells(results: Results, model: str) -> dict[str, str]:
    """The row of a model in the Markdown table, by title."""
    table = [
        line.strip("| ").split(" | ") for line in markdown_table(results).splitlines() if line.startswith("|")
    ]
    row = next(row for row in table if row[0].strip("*").partition(" (")[0] == model)
    return dict(zip(table[0], row, strict=True))


def test_tables_agree_with_the_ranks(grid: Grid, finish: Finish) -> None:
    ranks = [finish(cell, skill=0.6) for cell in grid.cells[0]]
    baseline_ranks = baselines(grid)
    results = collect_results(grid, baseline_ranks)
    by_user = np.mean([ndcg(one, 10) for one in ranks], axis=0)
    mean, half = by_user.mean(), half_width(by_user)
    found = lines(results)["mf-id", "recipe", "", "NDCG@10"]
    assert float(found["value"]) == pytest.approx(mean, rel=1e-12)
    assert float(found["high"]) - float(found["low"]) == pytest.approx(2 * half, rel=1e-9)
    row = cells(results, "mf-id")
    assert row["NDCG@10"] == f"**{100 * mean:.2f} ± {100 * half:.2f}**"
    by_user = np.mean([recall(one, 5) for one in ranks], axis=0)
    assert row["Recall@5"] == f"**{100 * by_user.mean():.2f} ± {100 * half_width(by_user):.2f}**"
    means = [ndcg(one, 10).mean() for one in ranks]
    spread = math.sqrt(sum((m - sum(means) / 3) ** 2 for m in means) / 2)
    assert row["sd of seeds"] == f"{100 * spread:.2f}"
    weak = ndcg(baseline_ranks["weak"], 10)
    assert cells(results, "weak")["NDCG@10"] == f"{100 * weak.mean():.2f} ± {100 * half_width(weak):.2f}"


def test_each_recipe_is_compared_with_the_best_baseline_user_by_user(grid: Grid, finish: Finish) -> None:
    ranks = [finish(cell, skill=0.6) for cell in grid.cells[0]]
    baseline_ranks = baselines(grid)
    results = collect_results(grid, baseline_ranks)
    difference = np.mean([ndcg(one, 10) for one in ranks], axis=0) - ndcg(baseline_ranks["strong"], 10)
    found = lines(results)["mf-id", "recipe", "", "NDCG@10 vs strong"]
    assert float(found["value"]) == pytest.approx(difference.mean(), rel=1e-12)
    assert float(found["low"]) == pytest.approx(difference.mean() - half_width(difference), rel=1e-9)
    text = cells(results, "mf-id")["NDCG@10 vs strong"]
    assert text.startswith(f"▲ {100 * difference.mean():+.2f} [")
    assert cells(results, "strong")["NDCG@10 vs strong"] == "best baseline"
    assert cells(results, "weak")["NDCG@10 vs strong"] == "–"


def is_long_tail(grid: Grid) -> np.ndarray:
    """Which cases are about items with fewer than five training events, counted one by one."""
    histories = training_events(grid.dataset)
    counts = Counter(
        int(item)
        for start, stop in zip(histories.starts, histories.stops, strict=True)
        for item in histories.items[start:stop]
    )
    return np.array([counts[int(item)] < 5 for item in grid.cases().targets])


def test_long_tail_items_have_columns_of_their_own(grid: Grid, finish: Finish) -> None:
    ranks = [finish(cell, skill=0.6) for cell in grid.cells[0]]
    few = is_long_tail(grid)
    assert 30 <= few.sum() < len(few)
    baseline_ranks = baselines(grid)
    baseline_ranks["only few"] = np.where(few, 6, 99)  # worse than the strong one but for there
    results = collect_results(grid, baseline_ranks)
    by_user = np.mean([ndcg(one[few], 10) for one in ranks], axis=0)
    row, found = cells(results, "mf-id"), lines(results)
    assert row["long-tail NDCG@10"] == f"{100 * by_user.mean():.2f} ± {100 * half_width(by_user):.2f}"
    assert cells(results, "only few")["long-tail NDCG@10"] == f"**{100 / math.log2(7):.2f} ± 0.00**"
    difference = by_user - ndcg(baseline_ranks["only few"][few], 10)
    half = 100 * half_width(difference)
    low, high = 100 * difference.mean() - half, 100 * difference.mean() + half
    said = f"▼ {100 * difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]".replace("-", "−")
    assert row["long-tail vs only few"] == said and "NDCG@10 vs strong" in row
    assert cells(results, "only few")["long-tail vs only few"] == "best baseline"
    line = found["mf-id", "recipe", "", "long-tail NDCG@10"]
    assert float(line["value"]) == pytest.approx(by_user.mean(), rel=1e-12)
    line = found["mf-id", "recipe", "", "long-tail vs only few"]
    assert float(line["low"]) == pytest.approx(low / 100, rel=1e-9) and line["note"].startswith(
        "behind, p = "
    )
    for seed, one in enumerate(ranks):
        value = found["mf-id", "recipe", str(seed), "long-tail Recall@5"]["value"]
        assert float(value) == pytest.approx(recall(one[few], 5).mean(), rel=1e-12)
    assert f"{few.sum()} of {len(few)} test events are of items with < 5" in " ".join(table_notes(results))


@pytest.mark.parametrize(
    ("count", "titles", "said"),
    [
        (0, [], "too few for columns"),
        (1, [], "too few for columns"),
        (29, ["long-tail NDCG@10"], "compared on 30 or more"),
        (30, ["long-tail NDCG@10", "long-tail vs strong"], "best baseline there is strong"),
    ],
)
def test_too_few_long_tail_cases_are_not_compared(
    grid: Grid, finish: Finish, monkeypatch: pytest.MonkeyPatch, count: int, titles: list[str], said: str
) -> None:
    def counts(_: Dataset, cases: EvaluationCases) -> np.ndarray:
        return np.where(np.arange(len(cases)) < count, 4, 5)

    monkeypatch.setattr("pixelrec.grid.results.target_counts", counts)
    finish(grid.cells[0][0])
    results = collect_results(
        grid, {"weak": np.full(len(grid.cases()), 50), "strong": baselines(grid)["strong"]}
    )
    assert [title for title in cells(results, "mf-id") if title.startswith("long-tail")] == titles
    assert said in " ".join(table_notes(results))
    quantities = {key[3] for key in lines(results) if key[0] == "mf-id" and key[2] == ""}
    assert ("long-tail NDCG@10" in quantities) == bool(titles)
    assert ("long-tail vs strong" in quantities) == (count == 30)
    empty = cells(results, "published/sasrec-id")
    assert all(empty[title] == "–" for title in titles)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_long_tail_items(grid: Grid, finish: Finish, width: int) -> None:
    ranks = [finish(cell, skill=0.6) for cell in grid.cells[0]]
    few = is_long_tail(grid)
    results = collect_results(grid, {**baselines(grid), "only few": np.where(few, 6, 99)})
    console = Console(width=width, record=True, file=StringIO())
    print_results(results, console)
    text = console.export_text()
    value = np.mean([ndcg(one[few], 10).mean() for one in ranks])
    row = next(line for line in text.splitlines() if line.startswith("mf-id"))
    assert f" {100 * value:.2f} ▼" in row and "▲" in row
    assert "long-tail: NDCG@10 on the" in text and f" {few.sum()} " in text
    assert "only few, the best" in " ".join(text.split())


@pytest.mark.parametrize(("skill", "mark"), [(0.02, "▼"), (0.27, "≈"), (0.8, "▲")])
def test_verdicts_are_marked(grid: Grid, finish: Finish, skill: float, mark: str) -> None:
    for cell in grid.cells[0]:
        finish(cell, skill=skill)
    results = collect_results(grid, baselines(grid))
    against = results.recipes[0].against
    assert against is not None
    assert cells(results, "mf-id")["NDCG@10 vs strong"].startswith(mark)
    console = Console(width=120, record=True, file=StringIO())
    print_results(results, console)
    assert mark in next(line for line in console.export_text().splitlines() if line.startswith("mf-id"))


def test_costs_are_of_the_seeds(grid: Grid, finish: Finish) -> None:
    for cell in grid.cells[0]:
        finish(cell, memory=None if cell.seed == 0 else 10**8 * cell.seed)
    results = collect_results(grid, baselines(grid))
    row = cells(results, "mf-id")
    # Seconds are 20, 30, 40 in 10 epochs, the best of which are 4, 5, 6; one seed's memory is not known.
    assert [row[name] for name in ("s/epoch", "best epoch", "min/run")] == ["3", "5", "0.5"]
    assert [row[name] for name in ("memory", "parameters")] == ["200 MB", "12.3 k"]
    found = lines(results)
    assert float(found["mf-id", "recipe", "1", "s/epoch"]["value"]) == 3.0
    assert ("mf-id", "recipe", "0", "memory") not in found
    assert float(found["mf-id", "recipe", "", "memory"]["value"]) == 2e8
    assert "device memory" not in row


def test_every_seed_stands_in_the_csv(grid: Grid, finish: Finish) -> None:
    ranks = [finish(cell) for cell in grid.cells[0]]
    found = lines(collect_results(grid, baselines(grid)))
    for seed, one in enumerate(ranks):
        value = found["mf-id", "recipe", str(seed), "MRR@10"]["value"]
        assert float(value) == pytest.approx(np.mean([1 / r if r <= 10 else 0 for r in one]), rel=1e-12)


def test_unfinished_and_failed_seeds_are_named(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    finish(grid.cells[0][1])
    grid.cells[0][2].fail("the loss is nan")
    results = collect_results(grid, baselines(grid))
    text = markdown_table(results)
    assert "mf-id (2 of 3 seeds, 1 failed)" in text and "published/sasrec-id (0 of 3 seeds)" in text
    assert "mf-id seed 2 failed: the loss is nan." in text
    assert lines(results)["mf-id", "recipe", "2", "failed"]["note"] == "the loss is nan"
    empty = cells(results, "published/sasrec-id")
    assert empty["NDCG@10"] == empty["NDCG@10 vs strong"] == empty["s/epoch"] == "–"


def test_one_seed_has_no_spread(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    results = collect_results(grid, baselines(grid))
    assert cells(results, "mf-id")["sd of seeds"] == "–"
    assert ("mf-id", "recipe", "", "sd of seeds") not in lines(results)


def test_published_figures_stand_beside_ours(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[1][0])
    results = collect_results(grid, baselines(grid))
    figures = "Recall@10 2.50, NDCG@10 1.35 (Pixel200K)"
    assert cells(results, "published/sasrec-id")["published"] == figures
    assert cells(results, "mf-id")["published"] == "–"
    assert lines(results)["published/sasrec-id", "recipe", "", "published Recall@10"]["value"] == "0.025"
    without = replace(results, rows=[row for row in results.rows if not row.published])
    assert "published" not in cells(without, "mf-id")


def test_results_of_other_weights_are_refused(grid: Grid, finish: Finish) -> None:
    cell = grid.cells[0][0]
    finish(cell)
    write_checkpoint(cell.folder / "best", {}, {"bias": torch.ones(1)})
    with pytest.raises(
        RunError,
        match=r"seed-0: its evaluation is damaged or of other weights; run `pixelrec evaluate .*test`$",
    ):
        collect_results(grid, baselines(grid))


def test_ranks_of_other_users_targets_or_training_events_are_refused(grid: Grid, finish: Finish) -> None:
    cell = grid.cells[0][0]
    finish(cell)
    path = ranks_file(cell.folder, "test")
    table = pl.read_parquet(path)
    rewrite(cell, table.reverse())
    with pytest.raises(RunError, match=r"ranks-test.parquet and .* different users; .* delete .*seed-0$"):
        collect_results(grid, baselines(grid))
    for what, changed in {
        "targets": table.with_columns(pl.col("item_id").reverse()),
        "training events": table.with_columns(pl.col("item_training_events") + 1),
    }.items():
        rewrite(cell, changed)
        with pytest.raises(RunError, match=f"different {what}"):
            collect_results(grid, baselines(grid))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RunError, match=r"seed-0: its evaluation is damaged or of other weights; run `pix"):
        collect_results(grid, baselines(grid))


def rewrite(cell: Cell, table: pl.DataFrame) -> None:
    """Ranks as another evaluation of the same weights would have left them."""
    path = ranks_file(cell.folder, "test")
    table.write_parquet(path)
    found = EvaluationResult.read(cell.folder, "test")
    replace(found, ranks=sha256(path.read_bytes()).hexdigest()).write(cell.folder)


def test_conditions_of_the_times_are_noted(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    assert "slow each other" not in " ".join(table_notes(collect_results(grid, baselines(grid))))
    finish(grid.cells[0][0], jobs=4)
    said = " ".join(table_notes(collect_results(grid, baselines(grid))))
    assert "a processor, 2 threads, 4 runs at a time" in said and "slow each other" in said
    finish(grid.cells[0][1], jobs=1)
    assert "times do not compare" in " ".join(table_notes(collect_results(grid, baselines(grid))))


def test_notes_of_baselines(grid: Grid) -> None:
    about = {"strong": "half-life 3", "EASE": "left out: too many items"}
    said = " ".join(table_notes(collect_results(grid, baselines(grid), about)))
    assert "strong: half-life 3" in said and "Baseline EASE is left out: too many items." in said


def test_a_name_cannot_break_the_table(grid: Grid) -> None:
    users = len(grid.cases())
    write(grid, grid.cells[0][0], np.ones(users, np.int64))
    results = collect_results(grid, {"a|b\nc": np.full(users, 3)})
    rows = [line for line in markdown_table(results).splitlines() if line.startswith("|")]
    bars = {row.replace("\\|", "").count("|") for row in rows}
    assert len(bars) == 1 and len(rows) == 5


def test_overrides_are_noted(grid: Grid) -> None:
    chosen = replace(grid, overrides={"training.epochs": 6, "items.width": 16})
    assert "Set for the recipes: training.epochs 6, items.width 16." in markdown_table(
        collect_results(chosen, baselines(grid))
    )
    assert "Set for the recipes" not in markdown_table(
        collect_results(replace(grid, overrides={}), baselines(grid))
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_the_terminal_cuts_no_word_and_no_digit(grid: Grid, finish: Finish, width: int) -> None:
    finish(grid.cells[0][0])
    results = collect_results(grid, baselines(grid))
    console = Console(width=width, record=True, file=StringIO())
    print_results(results, console)
    text = console.export_text()
    assert "…" not in text
    row = next(line for line in text.splitlines() if line.startswith("strong"))
    (found,) = (row for row in results.rows if row.model == "strong")
    assert f"{100 * found.overall.value('NDCG@10'):.2f} ± " in row
    assert ("s/epoch" in text) == (width >= 100), "there is room for it, or there is none"


def test_each_finished_cell_is_read_once(grid: Grid, finish: Finish, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    known = SavedRanks.read

    def counted(folder: Path, split: str) -> SavedRanks:
        read.append(folder.name)
        return known(folder, split)

    monkeypatch.setattr(SavedRanks, "read", counted)
    collector = Collector(grid, baselines(grid))
    for cell in grid.cells[0][:2]:
        finish(cell)
        found = collector.results()
    assert read == ["seed-0", "seed-1"]
    assert markdown_table(found) == markdown_table(collect_results(grid, baselines(grid)))


def test_a_name_is_no_mark_and_no_markup_in_markdown(grid: Grid) -> None:
    hostile = "a|b<script>*x*[y](z)\x1b"
    cells = [[replace(cell, recipe=replace(cell.recipe, name=hostile)) for cell in grid.cells[0]]]
    ranks = {"popularity": np.arange(1, len(grid.cases()) + 1)}
    table = markdown_table(collect_results(replace(grid, cells=cells), ranks))
    assert r"| a\|b&lt;script&gt;\*x\*\[y\](z)\x1b (0 of 3 seeds) |" in table


def test_recipes_are_compared_with_a_reference_and_on_new_items(
    grid: Grid, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = np.resize([0, 1, 9], len(grid.cases()))
    monkeypatch.setattr("pixelrec.grid.results.target_counts", lambda *_: counts)
    for cells, skill in zip(grid.cells, (0.2, 0.8), strict=True):
        for cell in cells[:2]:
            finish(cell, skill=skill)
    found = collect_results(replace(grid, reference="mf-id"), {"weak": np.full(len(counts), 50)})
    first, second = found.recipes
    assert not first.versus and found.new == int((counts == 0).sum())
    for word, subset in (("NDCG@10", "overall"), ("long-tail", "long_tail"), ("new", "new")):
        ours, theirs = getattr(second, subset).value("NDCG@10"), getattr(first, subset).value("NDCG@10")
        assert second.versus[word].interval.difference == pytest.approx(ours - theirs)
    head = markdown_table(found).splitlines()[0]
    for title in ("new NDCG@10", "NDCG@10 vs mf-id", "long-tail vs mf-id", "new vs mf-id"):
        assert f"| {title} |" in head
    assert "vs mf-id" not in markdown_table(collect_results(grid, {"weak": np.full(len(counts), 50)}))
