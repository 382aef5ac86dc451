"""Options that several user models share: `norm` and `heads`."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.errors import RecipeError
from pixelrec.users.bert4rec import BERT4Rec
from pixelrec.users.gru4rec import GRU4Rec
from pixelrec.users.hstu import HSTU
from pixelrec.users.lightsans import LightSANs
from pixelrec.users.nextitnet import NextItNet
from pixelrec.users.sasrec import SASRec

WIDTH = 8


@pytest.mark.parametrize("model", [GRU4Rec, NextItNet])
def test_norm_wraps_the_published_network(model: type[GRU4Rec] | type[NextItNet]) -> None:
    """The published network stands between two layer norms, on packed events."""
    spec = DatasetSpec(3, 9, 5)
    plain, normed = model(spec, WIDTH).double(), model(spec, WIDTH, norm=True).double()
    missing = normed.load_state_dict(plain.state_dict(), strict=False).missing_keys
    assert {key.split(".")[0] for key in missing} == {"norm_in", "norm_out"}
    table = 5 + 3 * torch.randn(10, WIDTH, dtype=torch.float64)
    table[0] = 0
    history = torch.tensor([[0, 0, 3, 1, 1], [2, 9, 4, 5, 6], [0, 0, 0, 0, 7]])
    events = Events(torch.zeros(3, dtype=torch.int64), history, torch.zeros_like(history), history != 0)
    inside = plain(F.layer_norm(table, (WIDTH,)), events)
    torch.testing.assert_close(normed(table, events), F.layer_norm(inside, (WIDTH,)))


@pytest.mark.parametrize("model", [BERT4Rec, HSTU, LightSANs, SASRec])
def test_heads_divide_the_width(model: type[SASRec]) -> None:
    with pytest.raises(RecipeError, match=r"users\.heads 3"):
        model(DatasetSpec(3, 9, 5), WIDTH, heads=3)
