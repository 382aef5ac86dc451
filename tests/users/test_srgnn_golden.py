"""SR-GNN against a reading of arXiv 1811.00855 and of the published benchmark, node by node in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from users.golden import Weights, randomised

from pixelrec.batch import DatasetSpec, Events
from pixelrec.users.srgnn import SRGNN, SessionGraphs

WIDTH, LENGTH, ITEMS = 6, 7, 9
HISTORIES = (
    [3],
    [1, 2],
    [4, 4],
    [4, 4, 4, 2],
    [5, 6, 5, 6, 5],  # an edge walked twice is one
    [1, 2, 3, 1, 4, 2],  # a new edge far from the end
    [9, 8, 7, 6, 5, 4, 3],
    [1, 2, 1, 3, 1, 4, 1],
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def adjacency(prefix: list[int], padding: bool) -> tuple[list[int], np.ndarray]:
    """The nodes, as published with padding for one, and the 0/1 matrix from → to."""
    nodes = sorted(set(prefix) | ({0} if padding else set()))
    edges = np.zeros((len(nodes), len(nodes)))
    for one, next_one in zip(prefix[:-1], prefix[1:], strict=True):
        edges[nodes.index(one), nodes.index(next_one)] = 1
    return nodes, edges


def step(h: np.ndarray, edges: np.ndarray, w: Weights) -> np.ndarray:
    came, went = edges.sum(0), edges.sum(1)
    mean_in = (edges / np.where(came == 0, 1, came)).T
    mean_out = edges / np.where(went == 0, 1, went)[:, None]
    into = mean_in @ (h @ w["cell.into.weight"].T + w["cell.into.bias"]) + w["cell.into_bias"]
    out = mean_out @ (h @ w["cell.out_of.weight"].T + w["cell.out_of.bias"]) + w["cell.out_of_bias"]
    heard = np.concatenate([into, out], 1) @ w["cell.received.weight"].T + w["cell.received.bias"]
    own = h @ w["cell.state.weight"].T + w["cell.state.bias"]
    (r, z, n), (own_r, own_z, own_n) = np.split(heard, 3, 1), np.split(own, 3, 1)
    new = np.tanh(n + sigmoid(r + own_r) * own_n)
    return new + sigmoid(z + own_z) * (h - new)


def srgnn(prefix: list[int], table: np.ndarray, w: Weights, steps: int) -> np.ndarray:
    nodes, edges = adjacency(prefix, padding=len(prefix) < LENGTH)
    h = table[nodes]
    for _ in range(steps):
        h = step(h, edges, w)
    sequence = h[[nodes.index(item) for item in prefix]]
    last = sequence[-1]
    by_latest = w["by_latest.weight"] @ last + w["by_latest.bias"]
    by_event = sequence @ w["by_event.weight"].T + w["by_event.bias"]
    alpha = sigmoid(by_latest + by_event) @ w["weigh.weight"][0]
    return w["join.weight"] @ np.concatenate([alpha @ sequence, last]) + w["join.bias"]


def random_model(steps: int) -> tuple[SRGNN, Weights, torch.Tensor]:
    torch.manual_seed(1)
    model = SRGNN(DatasetSpec(users=3, items=ITEMS, length=LENGTH), WIDTH, steps=steps).double().eval()
    return randomised(model, WIDTH, ITEMS)


def padded() -> torch.Tensor:
    return torch.tensor([[0] * (LENGTH - len(h)) + h for h in HISTORIES])


def events(history: torch.Tensor, target_mask: torch.Tensor | None) -> Events:
    return Events(
        torch.zeros(len(history), dtype=torch.int64), history, torch.zeros_like(history), target_mask
    )


def expected(target_mask: torch.Tensor, table: torch.Tensor, w: Weights, steps: int) -> np.ndarray:
    found = []
    for row, history in enumerate(HISTORIES):
        for place in target_mask[row].nonzero()[:, 0].tolist():
            count = place + 1 - (LENGTH - len(history))
            found.append(srgnn(history[:count], table.numpy(), w, steps) if count > 0 else np.zeros(WIDTH))
    return np.stack(found)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_every_prefix_by_hand(steps: int) -> None:
    model, weights, table = random_model(steps)
    history = padded()
    with torch.no_grad():
        found = model(table, events(history, history != 0)).numpy()
    np.testing.assert_allclose(found, expected(history != 0, table, weights, steps), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_some_prefixes_by_hand(seed: int) -> None:
    """Any places, also one in each row as published, and places where there is no event."""
    model, weights, table = random_model(3)
    history, random = padded(), torch.Generator().manual_seed(seed)
    target_mask = torch.rand(history.shape, generator=random) < 0.3
    one = torch.zeros_like(target_mask)
    one[torch.arange(len(one)), torch.randint(LENGTH, (len(one),), generator=random)] = True
    for some in (target_mask, one):
        with torch.no_grad():
            found = model(table, events(history, some)).numpy()
        np.testing.assert_allclose(found, expected(some, table, weights, 3), rtol=1e-9, atol=1e-9)


def test_without_targets_the_whole_history_counts_and_an_empty_one_is_zero() -> None:
    model, weights, table = random_model(2)
    history = torch.cat([padded(), torch.zeros(1, LENGTH, dtype=torch.int64)])
    found = model(table.requires_grad_(), events(history, None))
    whole = np.stack([srgnn(h, table.detach().numpy(), weights, 2) for h in HISTORIES])
    np.testing.assert_allclose(found[:-1].detach().numpy(), whole, rtol=1e-9, atol=1e-9)
    assert not found[-1].any()
    found.sum().backward()
    assert table.grad is not None and table.grad.isfinite().all()
    assert not model(table, events(history[-1:], None)).any()
    assert model(table, events(history[:1, -1:], None)).shape == (1, WIDTH)


def test_states_are_shared_among_prefixes() -> None:
    """Work grows linearly with the events of a history."""
    model, _, table = random_model(2)
    sizes: list[int] = []
    model.cell.register_forward_hook(lambda _module, _inputs, output: sizes.append(len(output)))
    history = torch.arange(1, 41)[None]
    table = torch.randn(41, WIDTH, dtype=torch.float64)
    model(table, events(history, history != 0))
    # Event t changes its node and the one before after a step, and one more node after the next step.
    assert sizes == [2 * 40 - 1, 3 * 40 - 3]
    sizes.clear()
    model(table, events(history, None))
    assert sizes == [40, 40]


def test_neighbours_of_a_state_are_summed_once() -> None:
    """Regardless of the number of prefixes that share it."""
    history = torch.arange(1, 41)[None]
    graphs = SessionGraphs.of(history, torch.arange(40))
    heard = [len(hop.into.rows) for hop, _ in graphs.hops(2, history.expand(40, -1) - 1)]
    # Every state except those of the first item has one predecessor.
    assert heard == [2 * 40 - 1 - 2, 3 * 40 - 3 - 3]


def test_weights_start_as_published() -> None:
    torch.manual_seed(0)
    model = SRGNN(DatasetSpec(3, 9, 50), 64)
    for name, parameter in model.named_parameters():
        assert float(parameter.detach().abs().max()) == pytest.approx(1 / 8, rel=0.15), name
        assert abs(float(parameter.detach().mean())) < 0.03, name


def test_dropout_is_off_by_default_and_works() -> None:
    model, _, table = random_model(2)
    plain = model(table, events(padded(), None))
    assert torch.equal(model.train()(table, events(padded(), None)), plain)
    model.dropout.p = 0.5
    assert not torch.allclose(model(table, events(padded(), None)), plain)
