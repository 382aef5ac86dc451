"""The page is whole and harmless, and draws what the table says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from pixelrec.grid.page import forests, page
from pixelrec.grid.plan import Grid
from pixelrec.grid.results import compare
from pixelrec.runs.evaluate import target_counts

from .conftest import Finish

NASTY = '</style><script>alert("x")</script>{{ 1 }}'
VOID = {"meta", "br", "rect", "path"}


class Outline(HTMLParser):
    """Tags that do not match, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.faults: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.faults += [f"<{tag}> has {name} twice" for name in names if names.count(name) > 1]
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text += data


def baseline_ranks(grid: Grid, name: str = "strong") -> dict[str, np.ndarray]:
    return {"weak": np.full(len(grid.cases()), 50), name: np.full(len(grid.cases()), 9)}


def test_it_is_whole_and_harmless(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    grid.cells[0][1].fail(NASTY)
    text = page(compare(grid, baseline_ranks(grid, NASTY), {NASTY: NASTY}))
    outline = Outline(text)
    assert not outline.faults and not outline.open
    assert outline.tags.count("script") == 1 and outline.tags.count("style") == 1
    assert NASTY in outline.text and "1 of 3 seeds, 1 failed" in outline.text
    assert not re.search(r"(src|href)=|url\(|@import", text), "it loads nothing"


def test_it_is_whole_before_anything_is_done(grid: Grid) -> None:
    outline = Outline(page(compare(grid, baseline_ranks(grid))))
    assert not outline.faults and not outline.open
    assert "0 of 6" in outline.text and "the best recipe" not in outline.text


@pytest.mark.parametrize(("skill", "said"), [(0.9, "clearly ahead"), (0.01, "clearly behind")])
def test_a_verdict_is_in_words(grid: Grid, finish: Finish, skill: float, said: str) -> None:
    for cell in grid.cells[0]:
        finish(cell, skill=skill)
    assert said in Outline(page(compare(grid, baseline_ranks(grid)))).text


def test_intervals_are_drawn_to_scale(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    results = compare(grid, baseline_ranks(grid))
    axis = forests(results)[0].axis
    row = results.recipes[0]
    drawn, found = axis.stretch(row.whole), row.metrics["NDCG@10"]
    assert drawn is not None
    assert drawn.mean / axis.rival == pytest.approx(found.mean * np.log2(10))  # the rival's ranks are all 9
    assert (drawn.high - drawn.low) / drawn.mean == pytest.approx((found.high - found.low) / found.mean)
    assert max(drawn.high, axis.rival) == 1.0
    assert axis.stretch(results.recipes[1].whole) is None
    assert f"--mean:{round(drawn.mean, 4)}" in page(results)


def test_columns_sort_by_the_number_not_by_the_text(grid: Grid, finish: Finish) -> None:
    finish(grid.cells[0][0])
    results = compare(grid, baseline_ranks(grid))
    assert f'data-value="{results.recipes[0].value("Recall@10")!r}"' in page(results)
    assert 'data-value=""' in page(results), "what is not there sorts last"


def test_few_event_items_have_a_picture_and_a_column(grid: Grid, finish: Finish) -> None:
    for cell in grid.cells[0]:
        finish(cell, skill=0.9)
    results = compare(grid, {**baseline_ranks(grid), "lucky": only_few(grid)})
    overall, few = forests(results)
    assert (overall.rival, few.rival) == ("strong", "lucky")
    row = results.recipes[0]
    drawn = few.axis.stretch(row.few)
    assert drawn is not None and f"--mean:{round(drawn.mean, 4)}" in page(results)
    assert drawn.mean / few.axis.rival == pytest.approx(
        row.few.value("NDCG@10")
    )  # the rival's ranks are all 1
    text = Outline(page(results)).text
    assert f"over the {results.few} users whose item has < 5 training events" in text
    assert "long-tail NDCG@10" in text and "clearly behind" in text and "clearly ahead" in text
    assert f'data-value="{row.few.value("NDCG@10")!r}"' in page(results)


def test_without_few_event_items_nothing_is_drawn_of_them(
    grid: Grid, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(grid.cells[0][0])
    monkeypatch.setattr("pixelrec.grid.results.target_counts", lambda _, asked: np.full(len(asked), 5))
    outline = Outline(page(compare(grid, baseline_ranks(grid))))
    assert not outline.faults and "On long-tail items" not in outline.text
    assert outline.text.count("At a glance") == 1


def only_few(grid: Grid) -> np.ndarray:
    """Ranks of a baseline that knows nothing but items with few training events."""
    return np.where(target_counts(grid.dataset, grid.cases()) < 5, 1, 99)
