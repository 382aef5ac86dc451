"""Recipes learn less where the content of items is that of others."""

from __future__ import annotations

from pathlib import Path

from learning.small_networks import feature_files
from learning.test_learning import FAST, outcome

from pixelrec.data.dataset import Dataset


def test_a_model_over_codes_learns_less_from_those_of_others(dataset: Dataset, tmp_path: Path) -> None:
    words = {**FAST, **feature_files("sasrec-codes", dataset), "items.control": "shuffled"}
    found, popularity = outcome(dataset, tmp_path / "run", "sasrec-codes", words)
    assert found < 1.5 * popularity, "which is what the recipe itself must reach"
