"""Neighbours against a plain sort of cosines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pixelrec.choices import TreatmentName
from pixelrec.errors import FeatureError, RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.features.index import Index
from pixelrec.features.neighbours import nearest_items
from pixelrec.features.treatment import TREATMENTS, fit_treatment

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
def test_neighbours_of_items(features: FeatureFile, scale: TreatmentName) -> None:
    found = nearest_items(features, 5, items=["i7", "i30"], treatment=scale)
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


def test_neighbours_by_whitened_vectors(features: FeatureFile) -> None:
    found = nearest_items(features, 3, items=["i7"], treatment="whiten")
    treated = fit_treatment(ROWS, np.arange(40), TREATMENTS["whiten"]).apply(ROWS)
    alike = treated @ treated[7] / np.linalg.norm(treated, axis=1) / np.linalg.norm(treated[7])
    assert found["item_id"].to_list() == [f"i{row}" for row in np.argsort(-alike)[1:4]]


def test_an_index_is_stored_and_used_again(
    features: FeatureFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss", reason="FAISS is not installed")
    place, notes = tmp_path / "new" / "f.index", list[str]()
    words: dict[str, Any] = {"items": ["i1", "i2"], "treatment": "whiten-half", "on_note": notes.append}
    exact = nearest_items(features, 5, **words)
    first = nearest_items(features, 5, **words, index=place)
    built = place.read_bytes()
    monkeypatch.setattr(Index, "build", lambda *_: pytest.fail("built again"))
    again = nearest_items(features, 5, **words, index=place)
    assert first.equals(again) and place.read_bytes() == built
    assert first["item_id"].equals(exact["item_id"])
    assert notes[0].startswith(f"index {place}: 100.00 % of the 5 nearest of 40 items found, in ")
    assert "; built and stored in " in notes[0] and notes[1].endswith(", when it was built")
    assert notes[1].split(",")[0] == notes[0].split(",")[0]
    with pytest.raises(FeatureError, match="f.index is an index of other vectors or another treatment; del"):
        nearest_items(features, 5, **{**words, "treatment": "centre"}, index=place)
    with writing(features.folder, IDS, (6,), {}, overwrite=True) as writer:
        writer.append(ROWS[::-1])
    with pytest.raises(FeatureError, match="of other vectors"):
        nearest_items(FeatureFile.open(features.folder), 5, **words, index=place)
    for content in (built[:-1] + bytes([built[-1] ^ 1]), built[:100], b"mine"):
        place.write_bytes(content)
        with pytest.raises(FeatureError, match="f.index is no index, or a damaged one .*; delete it, or"):
            nearest_items(features, 5, **words, index=place)
        assert place.read_bytes() == content
