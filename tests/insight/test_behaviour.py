"""Neighbours by behaviour: those of the baseline item-kNN, an item at a time."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.baselines.item_knn import ItemKNN
from pixelrec.insight.behaviour import Behaviour
from pixelrec.insight.neighbours import UnitVectors, nearest_by_vector
from pixelrec.runs.recommend import RecommendationService


def test_neighbours_are_those_of_the_whole_matrix(ids: RecommendationService) -> None:
    assert ids.own is not None
    whole = ItemKNN.fit(ids.run.training_events(ids.own), ids.own.items).similarity.toarray()
    behaviour, names = Behaviour.of(ids), ids.items["item_id"]
    for item in ("i3", "i17"):
        row = whole[names.index_of(item) + 1]  # type: ignore[operator]
        found = behaviour.nearest(item, 8)
        order = np.argsort(-row, kind="stable")[:8]
        assert found["item_id"].to_list() == names.gather(order - 1).to_list()
        np.testing.assert_array_equal(found["similarity"], row[order])
        assert found["events"].to_list() == behaviour.counts[order].tolist()
        assert item not in found["item_id"]


def test_items_without_events_have_no_neighbours_by_behaviour(ids: RecommendationService) -> None:
    import polars as pl
    import torch

    more = pl.concat([ids.items, pl.DataFrame({"item_id": ["new.jpg"]})], how="diagonal")
    wider = ids.extended(torch.randn(1, 8), more)
    assert Behaviour.of(wider).nearest("new.jpg").is_empty()


@pytest.mark.parametrize("k", [1, 30])
def test_kept_vectors_change_nothing(ids: RecommendationService, k: int) -> None:
    kept = UnitVectors.of(ids)
    assert nearest_by_vector(ids, ["i3"], k, among=kept).equals(nearest_by_vector(ids, ["i3"], k))
