"""Neighbours against a plain sort of cosines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pixelrec.errors import RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.features.neighbours import nearest_items
from pixelrec.features.treatment import TreatmentConfig

ROWS = np.random.default_rng(0).normal(2, 1, size=(40, 6)).astype("f4")
IDS = [f"i{number}" for number in range(40)]


@pytest.fixture
def features(tmp_path: Path) -> FeatureFile:
    with writing(tmp_path / "f", IDS, (6,), {}) as writer:
        writer.append(ROWS)
    return FeatureFile.open(tmp_path / "f")


def cosines(query: np.ndarray, centre: np.ndarray) -> np.ndarray:
    a, b = query - centre, ROWS - centre
    found: np.ndarray = b @ a / np.linalg.norm(a) / np.linalg.norm(b, axis=1)
    return found


@pytest.mark.parametrize("scale", ["centre", "none"])
def test_neighbours_of_items(features: FeatureFile, scale: str) -> None:
    found = nearest_items(features, 5, items=["i7", "i30"], treatment=TreatmentConfig(scale))  # type: ignore[arg-type]
    centre = ROWS.mean(0) if scale == "centre" else np.zeros(6, "f4")
    for item in (7, 30):
        mine = found.filter(found["query"] == f"i{item}")
        expected = cosines(ROWS[item], centre)
        order = [row for row in np.argsort(-expected) if row != item][:5]
        assert mine["item_id"].to_list() == [f"i{row}" for row in order]
        assert mine["rank"].to_list() == [1, 2, 3, 4, 5]
        assert np.allclose(mine["cosine"].to_numpy(), expected[order], atol=1e-5)


def test_neighbours_of_new_vectors(features: FeatureFile) -> None:
    found = nearest_items(features, 1, others=ROWS[[3, 9]] + np.float32(1e-4), names=["a.jpg", "b.jpg"])
    assert found["query"].to_list() == ["a.jpg", "b.jpg"]
    assert found["item_id"].to_list() == ["i3", "i9"]


def test_more_neighbours_than_items(features: FeatureFile) -> None:
    assert len(nearest_items(features, 100, items=["i0"])) == 39


def test_unknown_items_are_named(features: FeatureFile) -> None:
    with pytest.raises(RequestError, match="has no vector of 'x', 'y'; ids look like 'i0'"):
        nearest_items(features, 5, items=["i1", "x", "y"])
