"""The page is valid and safe, and its plots agree with the table."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from reports.html_page import Page

from pixelrec.data.dataset import Dataset
from pixelrec.grid.page import forest_plots, page
from pixelrec.grid.pareto import pareto_plots
from pixelrec.grid.plan import Grid, plan
from pixelrec.runs.evaluate import target_counts

from .conftest import Finish, collect_results

NASTY = '</style><script>alert("x")</script>{{ 1 }}'


def baseline_ranks(grid: Grid, name: str = "strong") -> dict[str, np.ndarray]:
    return {"weak": np.full(len(grid.cases()), 50), name: np.full(len(grid.cases()), 9)}


def test_it_is_whole_and_harmless(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    grid.cells[0][1].fail(NASTY)
    text = page(collect_results(grid, baseline_ranks(grid, NASTY), {NASTY: NASTY}))
    outline = Page(text)
    assert not outline.faults
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("script") == 1 and tags.count("style") == 1
    assert NASTY in outline.words() and "1 of 3 seeds, 1 failed" in outline.words()
    assert not re.search(r"(src|href)=|url\(|@import", text), "it loads nothing"


def test_it_is_whole_before_anything_is_done(grid: Grid) -> None:
    outline = Page(page(collect_results(grid, baseline_ranks(grid))))
    assert not outline.faults
    assert "0 of 6" in outline.words() and "the best recipe" not in outline.words()


def test_reports_that_are_there_are_linked(grid: Grid, finish: Finish) -> None:
    for cell in grid.cells[0][:2]:
        finish(cell)
    page_of_run = grid.cells[0][1].folder / "report.html"
    page_of_run.write_text("a page")
    results = collect_results(grid, baseline_ranks(grid))
    links = re.findall(r'href="([^"]*)"', page(results))
    assert [grid.out / unquote(link) for link in links] == [page_of_run]


@pytest.mark.parametrize(("skill", "said"), [(0.9, "clearly ahead"), (0.01, "clearly behind")])
def test_a_verdict_is_in_words(grid: Grid, finish: Finish, skill: float, said: str) -> None:
    for cell in grid.cells[0]:
        finish(cell, skill=skill)
    assert said in Page(page(collect_results(grid, baseline_ranks(grid)))).words()


def test_intervals_are_drawn_to_scale(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    results = collect_results(grid, baseline_ranks(grid))
    plot = forest_plots(results)[0]
    row = results.recipes[0]
    bar, found = plot.bar(row.overall), row.overall.metrics["NDCG@10"]
    assert bar is not None
    low, mean, high = bar
    assert mean / plot.line == pytest.approx(found.mean * np.log2(10))  # the ranks of the baseline are all 9
    assert (high - low) / mean == pytest.approx((found.high - found.low) / found.mean)
    assert max(high, plot.line) == 1.0
    assert plot.bar(results.recipes[1].overall) is None
    assert f"--mean:{round(mean, 4)}" in page(results)


def test_quality_is_drawn_against_cost(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0], skill=0.9)
    assert not pareto_plots(collect_results(grid, baseline_ranks(grid))), "one recipe has no rival"
    finish(grid.cells[1][0], skill=0.2, seconds=400.0)
    results = collect_results(grid, baseline_ranks(grid))
    plot = pareto_plots(results)[0]
    cheap, dear = plot.points
    assert [point.model for point in plot.front] == ["mf-id"], "the other one costs more and is worse"
    assert cheap.x < dear.x and cheap.y < dear.y and cheap.high < cheap.y < cheap.low
    assert (cheap.seconds, dear.seconds) == (40.0, 400.0)
    text = page(results)
    assert not Page(text).faults and "Quality against cost" in Page(text).words()
    finish(grid.cells[1][0], skill=1.0, seconds=400.0)
    assert len(pareto_plots(collect_results(grid, baseline_ranks(grid)))[0].front) == 2


def test_columns_sort_by_the_number_not_by_the_text(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    results = collect_results(grid, baseline_ranks(grid))
    assert f'data-value="{results.recipes[0].overall.value("Recall@10")!r}"' in page(results)
    assert 'data-value=""' in page(results), "what is not there sorts last"


def test_long_tail_items_have_a_plot_and_a_column(grid: Grid, finish: Finish) -> None:
    for cell in grid.cells[0]:
        finish(cell, skill=0.9)
    results = collect_results(grid, {**baseline_ranks(grid), "lucky": only_few(grid)})
    overall, long_tail = forest_plots(results)
    assert (overall.best, long_tail.best) == ("strong", "lucky")
    row = results.recipes[0]
    bar = long_tail.bar(row.long_tail)
    assert bar is not None and f"--mean:{round(bar[1], 4)}" in page(results)
    value = row.long_tail.value("NDCG@10")
    assert bar[1] / long_tail.line == pytest.approx(value)  # the ranks of the baseline are all 1
    text = Page(page(results)).words()
    assert f"over the {results.long_tail} users whose item has < 5 training events" in text
    assert "long-tail NDCG@10" in text and "clearly behind" in text and "clearly ahead" in text
    assert f'data-value="{value!r}"' in page(results)


def test_without_long_tail_items_there_is_no_plot_of_them(
    grid: Grid, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixelrec.grid.results.target_counts", lambda _, cases: np.full(len(cases), 5))
    finish(grid.cells[0][0])
    outline = Page(page(collect_results(grid, baseline_ranks(grid))))
    assert not outline.faults and "On long-tail items" not in outline.words()
    assert outline.words().count("At a glance") == 1


def only_few(grid: Grid) -> np.ndarray:
    """Ranks of a baseline that knows nothing but items with few training events."""
    return np.where(target_counts(grid.dataset, grid.cases()) < 5, 1, 99)


def test_the_axis_has_round_ticks_and_one_seed_a_warning(
    grid: Grid, finish: Finish, dataset: Dataset, tmp_path: Path
) -> None:
    finish(grid.cells[0][0])
    results = collect_results(grid, baseline_ranks(grid))
    plot = forest_plots(results)[0]
    assert 3 <= len(plot.ticks) <= 7 and all(0 <= tick.at <= 1 for tick in plot.ticks)
    for tick in plot.ticks:
        assert tick.at * 100 * plot.end == pytest.approx(float(tick.label))
    assert "MRR@10" in Page(page(results)).words() and "One seed" not in page(results)
    single = plan(dataset, ["mf-id"], seeds=1, split="test", out=tmp_path / "one", overrides={})
    words = Page(page(collect_results(single, baseline_ranks(single)))).words()
    assert words.count("One seed per recipe: the intervals are over users") == 2, (
        "at the top and in the notes"
    )
