"""The audit: gains over the same recipe with shuffled and with random content, and their verdict."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pixelrec.choices import Control
from pixelrec.cli.show_grid import print_results
from pixelrec.console.numbers import signed
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError
from pixelrec.evaluation.significance import paired
from pixelrec.features.feature_writer import writing
from pixelrec.grid.audit import Audit
from pixelrec.grid.cell import Costs
from pixelrec.grid.outcome import Outcome
from pixelrec.grid.page import page
from pixelrec.grid.plan import plan
from pixelrec.grid.tables import audit_sentences, markdown_table
from pixelrec.recipe.recipe import read_recipe

from .conftest import collect_results, write
from .test_results import lines, ndcg


def test_an_audit_is_about_the_better_control(dataset: Dataset, tmp_path: Path) -> None:
    with writing(tmp_path / "f", dataset.item_ids, (4,), {}) as writer:
        writer.append(np.zeros((dataset.items, 4)))
    recipe = read_recipe("sasrec-features", {"items.file": str(tmp_path / "f")})
    grid = plan(
        dataset, ["mf-id", recipe], seeds=2, split="test", out=tmp_path / "out", overrides={}, audit=True
    )
    names = ["sasrec-features", "sasrec-features (control: shuffled)", "sasrec-features (control: random)"]
    assert [one.name for one in grid.recipes] == ["mf-id", *names]
    assert grid.cells[2][0].folder.parent.name == "sasrec-features-control-shuffled"
    assert list(grid.unaudited) == ["mf-id"]
    users = np.arange(len(grid.cases()))

    def ended(every: int) -> np.ndarray:
        """A hit at rank 1 for one user of so many."""
        return np.where(users % every == 0, 1, 50)

    for cells, every in zip(grid.cells[1:], (2, 10, 4), strict=True):
        for cell in cells:
            write(grid, cell, ended(every))
            Costs(1, 1, 1.0, 1.0, 0, 0, 1, None, None, "m", 1, 1).write(cell.folder)
    among = {"blind": ended(8), "VisRank (f)": ended(1)}
    results = collect_results(grid, among)
    audit = next(row.audit for row in results.rows if row.audit)
    gap = paired(ndcg(ended(2), 10), ndcg(ended(4), 10))
    assert audit.differences["random"].interval == gap and audit.baseline == "blind"
    share = gap.difference / (ndcg(ended(2), 10).mean() - ndcg(ended(8), 10).mean())
    (said, about) = audit_sentences(results)
    assert f"Audit of sasrec-features: {100 * share:.0f} % of its gain of +37.44 points over blind is" in said
    assert f"{signed(gap.difference)} [{signed(gap.low)}, {signed(gap.high)}] against noise" in said
    assert "on long-tail items +" in said and said in page(results) and about in page(results)
    table = markdown_table(results)
    assert said in table and "| NDCG@10 vs shuffled | NDCG@10 vs random |" in table
    values = lines(results)
    assert float(values["sasrec-features", "recipe", "", "NDCG@10 vs random"]["value"]) == gap.difference
    assert ("mf-id", "recipe", "", "NDCG@10 vs random") not in values
    console = Console(width=150, record=True, file=StringIO())
    print_results(results, console)
    assert "vs shuffled" in (text := " ".join(console.export_text().split())) and said[:60] in text
    assert Outcome(grid, results).best == grid.cells[1][0].folder
    with pytest.raises(RequestError, match="nothing to audit: the items of mf-id have no pictures"):
        plan(dataset, ["mf-id"], seeds=1, split="test", out=tmp_path, overrides={}, audit=True)


@pytest.mark.parametrize(
    ("random", "baseline", "says"),
    [
        (2, 8, "no gain from item content is measurable, as noise does as well"),
        (1, 8, "item content does harm, as noise does better"),
        (4, 1, "item content helps, but the recipe has no gain over blind"),
        (10, 3, "all of its gain of"),
    ],
)
def test_verdicts_of_audits(random: int, baseline: int, says: str) -> None:
    def hits(every: int) -> np.ndarray:
        return np.where(np.arange(200) % every == 0, 1, 50)

    controls: dict[Control, np.ndarray] = {"shuffled": hits(20)[None], "random": hits(random)[None]}
    found = Audit.of(hits(2)[None], controls, {"blind": hits(baseline)}, None)
    assert says in found.sentence("x")
