"""VisRank as a recipe: nothing is trained, and its ranks are those of the baseline."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from learning.small_networks import feature_file

from pixelrec import api
from pixelrec.baselines.visrank import VisRank
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import test_cases
from pixelrec.evaluation.baselines import BaselineRanker
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.treatment import TreatmentConfig, fit_treatment


@pytest.mark.parametrize("nearest", [1, 3, None])
def test_its_ranks_are_those_of_the_baseline(dataset: Dataset, tmp_path: Path, nearest: int | None) -> None:
    mine = tmp_path / "data"
    shutil.copytree(dataset.folder, mine, ignore=shutil.ignore_patterns("baselines"))
    shutil.copytree(feature_file(dataset, "features"), mine / "features" / "colours")
    run = api.train(
        "published/vis-rank", data=mine, out=tmp_path / "run", overrides={"users.nearest": nearest}
    )
    again = api.resume(run)
    assert again.folder == run.folder and (run.folder / "best").is_dir()
    api.evaluate(run, split="test")
    found = pl.read_parquet(run.folder / "ranks-test.parquet")["rank"].to_numpy()
    vectors = FeatureFile.open(mine / "features" / "colours").table(dataset.item_ids)
    fitted = fit_treatment(vectors, np.arange(1, len(vectors)), TreatmentConfig(unit=True))
    unit = fitted.apply(vectors) * np.any(vectors, axis=1, keepdims=True)
    cases = test_cases(dataset)
    expected = BaselineRanker(VisRank(unit, nearest or np.inf), dataset.items).rank(cases)
    assert (found == expected).mean() > 0.99, "but for what rounding decides"
