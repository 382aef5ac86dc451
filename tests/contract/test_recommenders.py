"""The contract of every user model over every item encoder; a new one is tested by being registered."""

from __future__ import annotations

from typing import Any, final

import pytest
import torch
from learning.small_networks import feature_file
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Events, Items
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.testing import check_item_encoder, check_user_model
from pixelrec.testing.contract import CONTRACT, Case
from pixelrec.users import USER_MODELS
from pixelrec.users.user_model import AbstractUserModel

LENGTH = 8
CONFIG: dict[str, dict[str, Any]] = {
    "joined": {"parts": {"normal": {"name": "id_table"}, "uniform": {"name": "id_table", "init": "uniform"}}},
    "features": {"activation": "relu", "init": "xavier_normal"},
    "pixels": {
        "family": "resnet",
        "pretrained": False,
        "sizes": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
        "trainable": "all",
        "norm": "none",
        "activation": "relu",  # without it, dot products with a vector of the user's own cancel the bias
        "init": "xavier_normal",
    },
}
BY_SCORING = {"table_of_a_batch_is_the_table_of_the_catalogue", "a_saved_model_loads_as_it_was"}
PAIRS = [
    (items, users)
    for items, encoder in ITEM_ENCODERS.items()
    for users, model in USER_MODELS.items()
    if encoder.has_regions == model.needs_regions
]
CASES = [
    (check, items, users, scoring)
    for check in CONTRACT
    for items, users in PAIRS
    for scoring in SCORINGS
    if scoring == "dot" or (check in BY_SCORING and not USER_MODELS[users].looks_at_candidates)
]


def case_of(dataset: Dataset, items: str, users: str, scoring: str = "dot") -> Case:
    spec = dataset.spec(LENGTH, training_events(dataset))
    config = {"name": items, "width": 16, **CONFIG.get(items, {})}
    if items in {"features", "codes", "regions"}:
        config["file"] = str(feature_file(dataset, items))
    return Case(config, {"name": users}, {"name": scoring}, spec)


@pytest.mark.parametrize(("check", "items", "users", "scoring"), CASES)
def test_contract(dataset: Dataset, check: str, items: str, users: str, scoring: str) -> None:
    CONTRACT[check](case_of(dataset, items, users, scoring))


@pytest.mark.parametrize(("items", "users"), [p for p in PAIRS if not USER_MODELS[p[1]].needs_known_user])
def test_the_vector_of_an_empty_history_is_zero(dataset: Dataset, items: str, users: str) -> None:
    made = case_of(dataset, items, users).build()
    nothing = torch.zeros(2, LENGTH, dtype=torch.int64)
    vectors = made.vectors(made.catalogue(), Events(torch.tensor([0, 1]), nothing, nothing))
    assert users == "bert4rec" or not vectors.any(), "only BERT4Rec has a vector of its own"


@final
class Sees(AbstractUserModel):
    """The sum of the history, with faults to choose from."""

    view = "next_item"

    def __init__(self, spec: DatasetSpec, width: int, *, fault: str = "") -> None:  # noqa: ARG002
        super().__init__()
        self.fault = fault
        self.map = nn.Linear(width, width, bias=False)
        self.unused = nn.Parameter(torch.ones(1)) if fault == "unused" else None

    def forward(self, table: Tensor, events: Events) -> Tensor:
        x = table[events.history]
        if self.fault == "padding":
            x = x + 1
        summed = x.sum(1, keepdim=True).expand_as(x) if self.fault == "future" else x.cumsum(1)
        if self.fault == "latest":
            summed = x
        if self.fault == "batch":
            summed = summed + summed.mean(0, keepdim=True)
        if self.fault == "length" and x.shape[1] > 4:
            summed = summed * 2
        y = self.map(summed)
        if events.target_mask is None:
            return y[:, -1]
        return y[events.target_mask] if self.fault != "rows" else y.transpose(0, 1)[events.target_mask.T]


def test_a_model_without_fault_passes() -> None:
    check_user_model(Sees)
    assert "class-under-test" not in USER_MODELS


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("padding", "padding on the left"),
        ("future", "depends on an event hidden from it"),
        ("batch", "vectors follow the target mask"),
        ("rows", "table of a batch|vectors follow the target mask"),
        ("length", "padding on the left"),
        ("unused", "unused has no gradient"),
        ("latest", "ignores an event that its view shows; if that is meant, give reads_all_events=False"),
    ],
)
def test_a_fault_of_a_model_is_named(fault: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_user_model(Sees, config={"fault": fault})


@final
class Numbers(AbstractItemEncoder):
    """A table with faults to choose from."""

    def __init__(self, spec: DatasetSpec, *, width: int = 16, fault: str = "") -> None:
        super().__init__()
        self.width, self.fault = width, fault
        self.weight = nn.Parameter(torch.randn(spec.items + 1, width) / 20)
        self.drawn = torch.randn(1) if fault == "unsaved" else torch.ones(1)

    def forward(self, items: Items) -> Tensor:
        rows = self.weight[items.ids] * self.drawn
        if self.fault == "batch":
            rows = rows - rows.mean(0)
        return rows if self.fault == "padding" else rows * (items.ids != 0)[:, None]


def test_an_encoder_without_fault_passes() -> None:
    check_item_encoder(Numbers)


@pytest.mark.parametrize(("fault", "says"), [("batch", "table of a batch"), ("unsaved", "computes other")])
def test_a_fault_of_an_encoder_is_named(fault: str, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        check_item_encoder(Numbers, config={"fault": fault})
