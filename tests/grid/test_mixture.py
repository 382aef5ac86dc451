"""Results of one table are of the same events, whatever happened to the data set meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pixelrec
from pixelrec.data.dataset import Dataset
from pixelrec.data.prepare import prepare
from pixelrec.errors import RunError

TINY = {"training.epochs": 1, "items.width": 8, "length": 8}


@pytest.fixture
def two_orders(tmp_path: Path) -> Path:
    """Events with two columns of times: the same users and lengths, other targets."""
    draw = np.random.default_rng(0)
    lines = ["user_id,item_id,time,other"]
    for user in range(30):
        orders = zip(draw.permutation(20)[:8], draw.permutation(8), strict=True)
        lines += [f"u{user},i{item},{n},{other}" for n, (item, other) in enumerate(orders)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_grid_is_not_continued_over_events_in_another_order(two_orders: Path, tmp_path: Path) -> None:
    prepare(two_orders, out=tmp_path / "data", time_column="time")
    out = tmp_path / "out"
    pixelrec.bench(tmp_path / "data", ["mf-id"], seeds=1, out=out, overrides=TINY)
    before = (out / "results-test.csv").read_bytes()
    changed = prepare(two_orders, out=tmp_path / "data", time_column="other", overwrite=True)
    assert isinstance(changed, Dataset)
    with pytest.raises(RunError, match=r"mf-id/seed-0.* (other|of different) .*delete "):
        pixelrec.bench(changed.folder, ["mf-id", "fm-id"], seeds=1, out=out, overrides=TINY)
    assert (out / "results-test.csv").read_bytes() == before
    assert not (out / "fm-id" / "seed-0").exists()
