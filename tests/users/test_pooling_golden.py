"""FM and DSSM, which pool a history, against loops over its events in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.pooling import pool_others
from pixelrec.errors import RecipeError
from pixelrec.users.dssm import DSSM
from pixelrec.users.fm import FM

WIDTH, LENGTH = 6, 5
SPEC = DatasetSpec(users=4, items=9, length=LENGTH)
HISTORIES = [[3], [1, 2], [4, 4, 4, 2], [9, 8, 7, 6, 5], [1, 2, 3, 4, 5, 1]]  # the last: a window of L + 1
TARGETS = {
    "all": lambda history: [True] * len(history),
    "one": lambda history: [place == len(history) // 2 for place in range(len(history))],
    "some": lambda history: [place % 2 == 0 for place in range(len(history))],
}


def table_of(width: int = WIDTH) -> Tensor:
    table = torch.randn(10, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    table[0] = 0
    return table


def events_of(target_mask: str | None) -> Events:
    def padded(lists: list[list[int]]) -> Tensor:
        return torch.tensor([[0] * (LENGTH + 1 - len(some)) + some for some in lists])

    history = padded(HISTORIES)
    places = None if target_mask is None else padded([TARGETS[target_mask](h) for h in HISTORIES]).bool()
    return Events(torch.zeros(len(history), dtype=torch.int64), history, torch.zeros_like(history), places)


def others(target_mask: str | None) -> list[list[int]]:
    """The other events for each target, or all events."""
    if target_mask is None:
        return HISTORIES
    return [
        [item for other, item in enumerate(history) if other != place]
        for history in HISTORIES
        for place, wanted in enumerate(TARGETS[target_mask](history))
        if wanted
    ]


def summed(items: list[int], table: np.ndarray) -> np.ndarray:
    total = np.zeros(table.shape[1])
    for item in items:
        total = total + table[item]
    return total


@pytest.mark.parametrize("target_mask", [*TARGETS, None])
def test_fm_is_the_sum_and_dssm_the_mean_of_all_other_events(target_mask: str | None) -> None:
    table = table_of()
    expected = np.stack([summed(items, table.numpy()) for items in others(target_mask)])
    counts = np.array([max(1, len(items)) for items in others(target_mask)])[:, None]
    events = events_of(target_mask)
    np.testing.assert_allclose(FM(SPEC, WIDTH)(table, events).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(DSSM(SPEC, WIDTH)(table, events).numpy(), expected / counts, atol=1e-12)


def test_fm_scores_as_a_machine_of_second_order_up_to_what_all_candidates_share() -> None:
    table = table_of()
    vectors = FM(SPEC, WIDTH)(table, events_of(None))
    scores = FM(SPEC, WIDTH).score(vectors, table[1:]).numpy()
    for row, history in enumerate(HISTORIES):
        machine = []
        for candidate in range(1, 10):
            fields = [table[item].numpy() for item in [*history, candidate]]
            machine.append(sum(a @ b for i, a in enumerate(fields) for b in fields[:i]))
        np.testing.assert_allclose(np.diff(scores[row]), np.diff(machine), atol=1e-10)


@pytest.mark.parametrize("target_mask", ["all", None])
def test_towers_stand_over_items_and_over_the_mean(target_mask: str | None) -> None:
    torch.manual_seed(0)
    model = DSSM(SPEC, WIDTH, towers=(4, 3)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter))
        for _ in range(3):  # statistics of batch norm that are not 0 and 1
            model(model.refine(table_of()), events_of("all"))
    model.eval()
    items = perceptron(model.item_tower, table_of().numpy())
    refined = model.refine(table_of())
    np.testing.assert_allclose(refined.detach().numpy(), items, atol=1e-12)
    means = np.stack([summed(some, items) / max(1, len(some)) for some in others(target_mask)])
    vectors = model(refined, events_of(target_mask)).detach().numpy()
    np.testing.assert_allclose(vectors, perceptron(model.user_tower, means), atol=1e-12)


def perceptron(layers: torch.nn.Sequential, x: np.ndarray) -> np.ndarray:
    state = {name: value.detach().numpy() for name, value in layers.state_dict().items()}
    for number in range(0, len(layers), 4):
        linear, norm = f"{number + 1}", f"{number + 2}"
        x = x @ state[f"{linear}.weight"].T + state[f"{linear}.bias"]
        x = (x - state[f"{norm}.running_mean"]) / np.sqrt(state[f"{norm}.running_var"] + 1e-5)
        x = np.tanh(x * state[f"{norm}.weight"] + state[f"{norm}.bias"])
    return x


@pytest.mark.parametrize("mean", [False, True])
def test_gradients_equal_finite_differences(mean: bool) -> None:
    events = events_of("some")
    table = table_of()[:, :2].requires_grad_()

    def pooled(table: Tensor) -> Tensor:
        return pool_others(table, events.history, events.target_mask, mean=mean)

    assert torch.autograd.gradcheck(pooled, (table,))
    pooled(table).sum().backward()
    assert table.grad is not None and not table.grad[0].any(), "padding is trained"


def test_sums_keep_single_precision() -> None:
    """1,000 events of which 999 stay: in bfloat16 nothing of the difference would be left."""
    table = torch.cat([torch.zeros(1, 3), torch.randn(1000, 3)])
    history = torch.arange(1, 1001)[None]
    half = table.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = pool_others(half, history, history > 0, mean=False)
    expected = half.double().sum(0) - half.double()[1:]
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-4)


def test_an_empty_history_is_zero() -> None:
    nothing = torch.zeros(2, LENGTH, dtype=torch.int64)
    events = Events(nothing[:, 0], nothing, nothing)
    for model in (FM(SPEC, WIDTH), DSSM(SPEC, WIDTH)):
        assert not model(table_of(), events).any()


def test_a_layer_has_units() -> None:
    with pytest.raises(RecipeError, match=r"users.towers is \[4, 0\]; expected"):
        DSSM(SPEC, WIDTH, towers=(4, 0))


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    made = DSSM(SPEC, 200, towers=(100,))
    for name, parameter in made.item_tower.named_parameters():
        if name == "1.weight":
            assert float(parameter.detach().std()) == pytest.approx((2 / 300) ** 0.5, rel=0.05)
        elif name.endswith("bias"):
            assert not parameter.any()
