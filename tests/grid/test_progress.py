"""The first line of a grid."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from pixelrec.data.dataset import Dataset
from pixelrec.grid.plan import plan
from pixelrec.grid.progress import ProgressPrinter


@pytest.mark.parametrize(
    ("seeds", "says"), [(1, "1 recipe × 1 seed in out: 1 run to go"), (2, "× 2 seeds in out: 2 runs to go")]
)
def test_numbers_agree_with_their_nouns(
    seeds: int, says: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = plan(dataset, ["mf-id"], seeds=seeds, split="test", out=Path("out"), overrides={})
    ProgressPrinter(grid, Console(file=(screen := StringIO()), width=120)).begin(jobs=1)
    assert says in screen.getvalue()
