"""Lazy AdamW follows the trajectory of dense AdamW."""

import math

import pytest
import torch
from torch import nn

from pixelrec.blocks.embedding_table import EmbeddingTable
from pixelrec.blocks.scoring import Cosine
from pixelrec.errors import RecipeError
from pixelrec.training.config import OptimiserConfig
from pixelrec.training.optimiser import Optimiser


class Model(nn.Module):
    def __init__(self, rows: int) -> None:
        super().__init__()
        self.items = EmbeddingTable(rows, 4)
        self.head = nn.Linear(4, 1)


def run(
    lazy: bool,
    steps: int,
    rows: int = 40,
    resume_at: int | None = None,
    same: bool = False,
    **config: float,
) -> Model:
    torch.manual_seed(0)
    model = Model(rows).double()
    optimiser = Optimiser(model, OptimiserConfig(**config), lazy)
    random = torch.Generator().manual_seed(1)
    for step in range(steps):
        # Low rows are touched often, high ones almost never; a warm-up and a slow fall of the learning rate.
        ids = (torch.rand(5, generator=random).pow(4) * rows).long().unique() + 1
        share = min(1.0, (step + 1) / 20) * (1 - 0.5 * step / steps)
        want = torch.randn(len(ids), 1, generator=random, dtype=torch.float64)
        loss = (model.head(model.items(ids)) * 3 - want).pow(2).sum()
        loss.backward()
        optimiser.clip(5.0)
        optimiser.step(share)
        if step + 1 == resume_at:
            if not same:
                optimiser.catch_up()
            state, steps_done = {k: v.clone() for k, v in optimiser.state().items()}, optimiser.steps
            other = Model(rows).double()
            other.load_state_dict(model.state_dict())
            model, optimiser = other, Optimiser(other, OptimiserConfig(**config), lazy is same)
            optimiser.load(state, steps_done)
    optimiser.catch_up()
    return model


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("steps", [1, 7, 400])
def test_lazy_rows_follow_the_dense_trajectory(steps: int, decay: float) -> None:
    dense = run(False, steps, learning_rate=1e-2, weight_decay=decay)
    lazy = run(True, steps, learning_rate=1e-2, weight_decay=decay)
    moved = (dense.items.weight - Model(40).items.weight).abs().max()
    assert moved > 1e-3
    difference = (dense.items.weight - lazy.items.weight).abs().max()
    assert difference < 1e-9 * max(1, steps), difference


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.9), (0.99, 0.99), (0.0, 0.5), (0.99, 0.999)])
def test_other_decays_follow_the_dense_trajectory(beta1: float, beta2: float) -> None:
    dense = run(False, 400, learning_rate=1e-2, beta1=beta1, beta2=beta2)
    lazy = run(True, 400, learning_rate=1e-2, beta1=beta1, beta2=beta2)
    torch.testing.assert_close(dense.items.weight, lazy.items.weight, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.81), (0.9, 0.1), (0.9999, 0.999)])
def test_decays_without_a_closed_form_are_dense(beta1: float, beta2: float) -> None:
    assert not OptimiserConfig(beta1=beta1, beta2=beta2).is_lazy("cpu", 1)
    with pytest.raises(RecipeError, match="use optimiser.rows dense"):
        OptimiserConfig(beta1=beta1, beta2=beta2, rows="lazy").is_lazy("cpu", 1)
    assert OptimiserConfig(beta1=beta1, beta2=beta1).is_lazy("cpu", 1), "equal decays have one"


def test_a_temperature_is_not_decayed() -> None:
    model = nn.ModuleDict({"scoring": Cosine(temperature=0.1), "users": nn.Linear(1, 1, bias=False)})
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = Optimiser(model, OptimiserConfig(learning_rate=0.1, weight_decay=0.5), lazy=False)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(1.0)
    after = dict(model.named_parameters())
    assert torch.equal(after["scoring.log_scale"], before["scoring.log_scale"])
    torch.testing.assert_close(after["users.weight"], before["users.weight"] * (1 - 0.1 * 0.5))


def test_dense_continues_from_lazy() -> None:
    dense = run(False, 200, learning_rate=1e-2, weight_decay=0.1)
    handed_over = run(True, 200, learning_rate=1e-2, weight_decay=0.1, resume_at=90)
    torch.testing.assert_close(dense.items.weight, handed_over.items.weight, atol=1e-7, rtol=0)


def test_a_state_within_an_epoch_continues_bit_for_bit() -> None:
    whole = run(True, 120, learning_rate=1e-2, weight_decay=0.1)
    resumed = run(True, 120, learning_rate=1e-2, weight_decay=0.1, resume_at=70, same=True)
    assert torch.equal(whole.items.weight, resumed.items.weight)


def test_padding_stays_zero() -> None:
    model = run(True, 50, learning_rate=1e-2, weight_decay=0.1)
    assert not model.items.weight[0].any()


def test_each_part_has_its_own_rate() -> None:
    still = run(True, 5, learning_rate=1e-2, items_learning_rate=0.0)
    torch.manual_seed(0)
    torch.testing.assert_close(still.items.weight, Model(40).double().items.weight)


@pytest.mark.parametrize("lazy", [True, False])
def test_a_group_has_its_own_rate_and_decay(lazy: bool) -> None:
    groups = {
        "items": {"learning_rate": 0.0},
        "head": {"weight_decay": 0.0},
        "head.weight": {"learning_rate": 0.0},
    }
    config = OptimiserConfig(learning_rate=0.1, weight_decay=0.5, groups=groups)  # type: ignore[arg-type]
    torch.manual_seed(0)
    model = Model(6)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = Optimiser(model, config, lazy)
    model.head(model.items(torch.tensor([1, 2]))).sum().backward()
    optimiser.step(1.0)
    optimiser.catch_up()
    assert torch.equal(model.items.weight, before["items.weight"])
    assert torch.equal(model.head.weight, before["head.weight"])
    torch.testing.assert_close(model.head.bias, before["head.bias"] - 0.1)  # without decay


def test_a_group_without_parameters_is_refused() -> None:
    config = OptimiserConfig(groups={"heads": {"learning_rate": 0.1}})
    with pytest.raises(RecipeError, match=r"no trained parameter is below 'heads'; did you mean 'head'\?"):
        Optimiser(Model(3), config, False)


@pytest.mark.parametrize("lazy", [False, True])
def test_clipping_uses_the_joint_norm(lazy: bool) -> None:
    torch.manual_seed(0)
    model = Model(10).double()
    optimiser = Optimiser(model, OptimiserConfig(), lazy)
    model.head(model.items(torch.tensor([1, 2, 2]))).sum().backward()
    gradients = [p.grad.to_dense() if p.grad.is_sparse else p.grad for p in model.parameters()]
    expected = math.sqrt(sum(float(g.pow(2).sum()) for g in gradients))
    assert float(optimiser.clip(expected / 2)) == pytest.approx(expected)
    assert float(optimiser.clip(expected)) == pytest.approx(expected / 2)
    assert float(optimiser.clip(expected)) == pytest.approx(expected / 2), "short enough"


def whole(lazy: bool, steps: int) -> Model:
    """Every row is read at some steps, a few at others."""
    torch.manual_seed(0)
    model = Model(40).double()
    optimiser = Optimiser(model, OptimiserConfig(learning_rate=1e-2, weight_decay=0.1), lazy)
    random = torch.Generator().manual_seed(1)
    for step in range(steps):
        some = torch.randint(1, 41, (5,), generator=random)
        ids = [torch.arange(41), some, torch.arange(41).flip(0)][step % 3]
        loss = (model.head(model.items(ids)) * 3 - 1).pow(2).sum()
        if step % 5 == 0:  # a gradient of both kinds
            loss = loss + model.items(some).pow(2).sum()
        loss.backward()
        if lazy and step % 15 == 0:
            assert not model.items.weight.grad.is_sparse, "a whole table needs no list of its rows"
        optimiser.step(1.0)
    optimiser.catch_up()
    return model


@pytest.mark.parametrize("steps", [1, 2, 3, 61])
def test_a_table_read_as_a_whole_follows_the_dense_trajectory(steps: int) -> None:
    dense, lazy = whole(False, steps), whole(True, steps)
    assert (dense.items.weight - Model(40).items.weight).abs().max() > 1e-3
    torch.testing.assert_close(dense.items.weight, lazy.items.weight, rtol=0, atol=1e-9 * steps)
    assert not lazy.items.weight[0].any(), "padding is trained"
