"""The doctor's figures against plain formulas, on clouds with known faults."""

from __future__ import annotations

import numpy as np
import pytest

from pixelrec.features.inspection import inspect_vectors

GENERATOR = np.random.default_rng(0)
ITEMS, GROUPS = 200, 20
IDS = [f"i{number}" for number in range(ITEMS)]
GROUP = np.arange(ITEMS) % GROUPS
CENTRES = GENERATOR.normal(size=(GROUPS, 16))
CLOUD = (CENTRES[GROUP] + 0.1 * GENERATOR.normal(size=(ITEMS, 16))).astype("f4")
# Items of one group follow each other.
PAIRS = np.array([(a, b) for a in range(ITEMS) for b in range(ITEMS) if a != b and GROUP[a] == GROUP[b]])


def test_agreement_is_recall_and_shuffling_destroys_it() -> None:
    found = inspect_vectors(CLOUD, IDS, PAIRS, k=9)
    plain = found.agreement[0]
    assert (found.pairs, found.k) == (len(PAIRS), 9)
    assert plain.recall == 1.0  # nine others in each group of ten
    assert plain.shuffled == pytest.approx(9 / (ITEMS - 1), abs=0.03)


def test_a_common_direction_shows_in_the_cosine_and_centring_removes_it() -> None:
    shifted = inspect_vectors(CLOUD + np.float32(20), IDS, PAIRS)
    assert shifted.cosine > 0.95
    assert abs(shifted.centred_cosine) < 0.05


def test_norms_are_those_of_the_rows() -> None:
    norms = np.linalg.norm(CLOUD, axis=1)
    expected = (norms.min(), np.median(norms), norms.max())
    assert inspect_vectors(CLOUD, IDS, PAIRS).norms == pytest.approx(expected, rel=1e-5)


def test_effective_rank_counts_dimensions() -> None:
    flat = GENERATOR.normal(size=(5_000, 8)).astype("f4")
    ids = [str(number) for number in range(len(flat))]
    none = np.zeros((0, 2), np.int64)
    assert inspect_vectors(flat, ids, none).effective_rank == pytest.approx(8, abs=0.1)
    one = flat[:, :1] * np.arange(1, 9, dtype="f4")
    found = inspect_vectors(one, ids, none)
    assert found.effective_rank == pytest.approx(1, abs=1e-3)
    assert found.variance_of_first == pytest.approx(1, abs=1e-6)
    assert found.agreement == []


def test_zero_constant_and_equal_vectors_are_named() -> None:
    bad = CLOUD.copy()
    bad[[3, 7]] = 0
    bad[11] = bad[12] = bad[150]
    bad[:, 5] = 0.25
    bad[[3, 7], 5] = 0
    found = inspect_vectors(bad, IDS, PAIRS)
    assert found.zero == ["i3", "i7"]
    assert found.alike == [["i3", "i7"], ["i11", "i12", "i150"]]
    assert found.constant == 0
    bad[:, 5] = 0.25
    assert inspect_vectors(bad, IDS, PAIRS).constant == 1
