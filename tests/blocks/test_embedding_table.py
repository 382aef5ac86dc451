"""Tables of learned vectors: how they start, and their reading as a whole."""

from __future__ import annotations

import pytest
import torch

from pixelrec.blocks.embedding_table import EmbeddingTable


def test_the_uniform_start_reaches_its_bounds() -> None:
    weight = EmbeddingTable(400, 16, init="uniform").weight.detach()
    assert not weight[0].any()
    assert float(weight.max()) == pytest.approx(0.25, rel=0.01)
    assert float(weight.min()) == pytest.approx(-0.25, rel=0.01)


@pytest.mark.parametrize("order", ["all", "flipped", "some", "square"])
def test_a_whole_table_is_read_as_any_other(order: str) -> None:
    numbers = {
        "all": torch.arange(6),
        "flipped": torch.arange(6).flip(0),
        "some": torch.tensor([0, 4, 4]),
        "square": torch.arange(6).view(2, 3),
    }[order]
    torch.manual_seed(0)
    plain, quick = EmbeddingTable(5, 3), EmbeddingTable(5, 3)
    quick.load_state_dict(plain.state_dict())
    quick.sparse_gradient = True
    scale = torch.randn(*numbers.shape, 3)
    for table in (plain, quick):
        (table(numbers) * scale).sum().backward()
    assert torch.equal(plain(numbers), quick(numbers))
    assert plain.weight.grad is not None and quick.weight.grad is not None
    assert quick.weight.grad.is_sparse == (order != "all")
    torch.testing.assert_close(quick.weight.grad.to_dense(), plain.weight.grad)
    assert not quick.weight.grad.to_dense()[0].any()
