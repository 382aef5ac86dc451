"""VBPR as matrix factorisation over joined vectors against its own formula, in float64."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Events, Histories
from pixelrec.errors import RecipeError
from pixelrec.features.feature_writer import writing
from pixelrec.recommender import Recommender
from pixelrec.users.vbpr import VBPR

USERS, ITEMS, D, W = 5, 7, 3, 4


def test_scores_are_those_of_the_formula(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(ITEMS, W))
    ids = [f"i{number}" for number in range(1, ITEMS + 1)]
    with writing(tmp_path / "f", ids, (W,), {}) as writer:
        writer.append(features)
    items = np.arange(1, ITEMS + 1, dtype=np.int32)
    history = Histories(items, items.astype("i8"), np.zeros(2, int), np.array([0, ITEMS]))
    spec = DatasetSpec(USERS, ITEMS, 3, history=history, item_ids=ids)
    source = {"name": "features", "file": str(tmp_path / "f"), "scale": "none", "init": "xavier_normal"}
    parts = {
        "ids": {"name": "id_table", "width": D, "init": "xavier_normal"},
        "visual": {**source, "width": D},
        "bias": {**source, "width": 1},
    }
    torch.manual_seed(0)
    recommender = Recommender(
        {"name": "joined", "combine": "concat", "parts": parts},
        {"name": "vbpr", "visual": D},
        {"name": "dot"},
        spec,
    ).double()
    recommender.items.prepare(lambda _: None)
    weights = {name: tensor.numpy() for name, tensor in recommender.state_dict().items()}
    catalogue = recommender.catalogue()
    users = torch.tensor([0, 1, 4, 5])
    events = Events(users, torch.zeros(4, 0, dtype=torch.int64), torch.zeros(4, 0, dtype=torch.int64))
    found = recommender.scores(catalogue, recommender.vectors(catalogue, events)).numpy()

    f = features.astype("f4").astype("f8")
    embedding = weights["items.parts.visual.project.linear.weight"]
    beta = weights["items.parts.bias.project.linear.weight"][0]
    for row, user in enumerate(users.tolist()):
        for item in range(1, ITEMS + 1):
            gamma = weights["users.ids.weight"][user] @ weights["items.parts.ids.rows.weight"][item]
            theta = weights["users.visual.weight"][user] @ (embedding @ f[item - 1])
            bias = beta @ f[item - 1] if user else 0.0
            assert found[row, item] == pytest.approx(gamma + theta + bias, abs=1e-10)
    assert not found[0].any()  # an unknown user


def test_widths_must_leave_room_for_ids() -> None:
    with pytest.raises(RecipeError, match="both kinds of factors need some"):
        VBPR(DatasetSpec(3, 3, 3), 9, visual=8)
