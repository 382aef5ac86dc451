"""The steps between scores of sampled negatives and the loss."""

from __future__ import annotations

import torch

from pixelrec.numerics.competition import correct_sampling, mask_accidental_hits

NONE = -torch.inf


def test_own_negatives_that_hit_or_pad_do_not_compete() -> None:
    scores = torch.arange(6.0).view(2, 3).requires_grad_()
    got = mask_accidental_hits(scores, torch.tensor([[4, 0, 5], [6, 6, 4]]), torch.tensor([4, 6]))
    assert got.tolist() == [[NONE, NONE, 2.0], [NONE, NONE, 5.0]]
    got.exp().sum().backward()
    assert scores.grad is not None and scores.grad.isfinite().all()
    assert (scores.grad != 0).tolist() == [[False, False, True], [False, False, True]]


def test_shared_negatives_that_hit_or_pad_do_not_compete() -> None:
    got = mask_accidental_hits(torch.zeros(2, 4), torch.tensor([4, 0, 5, 4]), torch.tensor([4, 5]))
    assert got.tolist() == [[NONE, NONE, 0.0, NONE], [0.0, NONE, NONE, 0.0]]


def test_correction_subtracts_the_expected_log_count_of_each_negative() -> None:
    got = correct_sampling(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5, -1.0]))
    assert got.tolist() == [[0.5, 3.0], [2.5, 5.0]]
