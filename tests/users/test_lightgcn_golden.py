"""LightGCN against arXiv 2002.02126 written with dense float64 matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Events, Histories
from pixelrec.errors import RunError
from pixelrec.users.lightgcn import LightGCN

USERS, ITEMS, WIDTH = 4, 6, 5
# Events of a user stand between others that are held out; user 3 has none, item 6 has none, (1, 2) is twice.
TAKEN = {1: [2, 3, 2, 1], 2: [3], 3: [], 4: [5, 4, 3]}


def spec() -> DatasetSpec:
    items: list[int] = []
    starts, stops = [0], [0]
    for user in range(1, USERS + 1):
        starts.append(len(items))
        items += TAKEN[user]
        stops.append(len(items))
        items += [6, 6]  # held out
    flat = np.array(items, np.int32)
    history = Histories(flat, np.zeros(len(flat), np.int64), np.array(starts), np.array(stops))
    return DatasetSpec(USERS, ITEMS, 3, history=history)


def propagated(users: np.ndarray, items: np.ndarray, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Users and items after propagation, from matrices with the padding's rows."""
    counts = np.zeros((USERS + 1, ITEMS + 1))
    for user, taken in TAKEN.items():
        for item in taken:
            counts[user, item] += 1
    whole = np.block([[np.zeros((USERS + 1,) * 2), counts], [counts.T, np.zeros((ITEMS + 1,) * 2)]])
    degree = whole.sum(1)
    norm = np.where(degree > 0, degree, 1) ** -0.5
    present = np.concatenate([users, items])
    kept = [present]
    for _ in range(layers):
        present = norm[:, None] * (whole @ (norm[:, None] * present))
        kept.append(present)
    mean = np.mean(kept, axis=0)
    return mean[: USERS + 1], mean[USERS + 1 :]


def made(layers: int) -> tuple[LightGCN, torch.Tensor]:
    torch.manual_seed(0)
    model = LightGCN(spec(), WIDTH, layers=layers).double()
    with torch.no_grad():
        model.rows.weight[1:] = torch.randn(USERS, WIDTH)
    table = torch.randn(ITEMS + 1, WIDTH, dtype=torch.float64)
    table[0] = 0
    return model, table


def events(users: list[int]) -> Events:
    nothing = torch.zeros(len(users), 0, dtype=torch.int64)
    return Events(torch.tensor(users), nothing, nothing, torch.ones(len(users), 1, dtype=torch.bool))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_propagation_by_hand(layers: int) -> None:
    model, table = made(layers)
    refined = model.refine(table)
    users, items = propagated(model.rows.weight.detach().numpy(), table.numpy(), layers)
    np.testing.assert_allclose(refined[: ITEMS + 1].detach().numpy(), items, rtol=1e-12, atol=1e-12)
    found = model(refined, events([4, 1, 3, 0])).detach().numpy()
    np.testing.assert_allclose(found, users[[4, 1, 3, 0]], rtol=1e-12, atol=1e-12)
    assert not found[3].any()


@pytest.mark.parametrize("layers", [1, 3])
def test_the_gradient_is_the_one_of_the_formula(layers: int) -> None:
    model, table = made(layers)
    table.requires_grad_()
    assert torch.autograd.gradcheck(model.refine, (table,))
    rows = model.rows.weight.detach().clone().requires_grad_()
    assert model.graph is not None
    assert torch.autograd.gradcheck(lambda r: model.graph(r, table.detach(), layers), (rows,))


def test_without_training_events_it_can_only_be_loaded() -> None:
    model = LightGCN(DatasetSpec(USERS, ITEMS, 3), WIDTH)
    model.load_state_dict(made(2)[0].float().state_dict())
    with pytest.raises(RunError, match="give the data set"):
        model.refine(torch.zeros(ITEMS + 1, WIDTH))


def test_only_vectors_are_saved() -> None:
    assert list(made(2)[0].state_dict()) == ["rows.weight"]


def test_bf16_tables_are_propagated_in_full_precision() -> None:
    model, table = made(2)
    model, table = model.float(), table.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        refined = model.refine(table)
    assert refined.dtype == torch.float32
    torch.testing.assert_close(refined, model.refine(table.float()))


def test_user_vectors_start_as_published() -> None:
    torch.manual_seed(0)
    weight = LightGCN(DatasetSpec(300, ITEMS, 3), 64).rows.weight.detach()
    assert not weight[0].any()
    assert float(weight[1:].std()) == pytest.approx((2 / (301 + 64)) ** 0.5, rel=0.05)
