"""The loss of a fit, and the items that it is fitted to and compared with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.batch import Items
from pixelrec.data.batcher import Batching
from pixelrec.data.item_batcher import ItemBatch, ItemBatcher
from pixelrec.errors import DataError
from pixelrec.items.stored_vectors import StoredVectors
from pixelrec.training.config import FitConfig
from pixelrec.training.fitting import ItemFit, Teacher, average_rows, event_weights, misalignment

RANDOM = np.random.default_rng(3)
COUNTS = np.array([0, 0, 1, 4, 90, 2, 7, 30, 5, 1, 12])
VECTORS = torch.from_numpy(RANDOM.normal(size=(11, 4))).float()


def test_the_loss_is_the_weighted_mean_of_one_less_cosine() -> None:
    teacher = Teacher.of(VECTORS, COUNTS, FitConfig(weight=10), 0)
    encoded = RANDOM.normal(size=(11, 4))
    chosen = np.array([2, 4, 7])
    batch = ItemBatch(Items(torch.tensor([0, *chosen]), {}), teacher.vectors[chosen], teacher.weights[chosen])
    found = misalignment(ItemFit(StoredVectors(torch.from_numpy(encoded).float()))(batch))
    expected = total = 0.0
    for item in chosen:
        row = VECTORS[item].double().numpy()
        weight = COUNTS[item] / (COUNTS[item] + 10)
        cosine = encoded[item] @ row / np.sqrt((encoded[item] @ encoded[item]) * (row @ row))
        expected, total = expected + weight * (1 - cosine), total + weight
    assert float(found) == pytest.approx(expected / total, rel=1e-5)


def test_items_with_events_and_a_row_are_fitted_or_held_out() -> None:
    vectors = VECTORS.clone()
    vectors[3] = 0  # of another data set, which lacks it
    teacher = Teacher.of(vectors, COUNTS, FitConfig(held_out=0.25), 0)
    assert sorted([*teacher.fitted, *teacher.held_out]) == [2, 4, 5, 6, 7, 8, 9, 10]
    assert len(teacher.held_out) == 2
    again, other = (Teacher.of(vectors, COUNTS, FitConfig(held_out=0.25), seed) for seed in (0, 1))
    assert list(again.held_out) == list(teacher.held_out) != list(other.held_out)
    with pytest.raises(DataError, match="2 items have training events"):
        Teacher.of(VECTORS, np.where(COUNTS > 12, COUNTS, 0), FitConfig(), 0)


def test_each_item_is_in_one_batch_of_a_pass_and_passes_differ() -> None:
    teacher = Teacher.of(VECTORS, COUNTS, FitConfig(), 0)
    made = ItemBatcher(
        teacher.fitted,
        teacher.vectors,
        teacher.weights,
        lambda ids: {"number": torch.from_numpy(ids)},
        Batching(3),
    )
    first, second = (list(made.epoch(number)) for number in (0, 1))
    assert len(first) == len(made)
    for batch in first:
        ids = batch.items.ids
        assert ids[0] == 0 and torch.equal(batch.items.payload["number"], ids)
        assert torch.equal(batch.vectors, VECTORS[ids[1:]]) and batch.size == len(ids) - 1
    orders = [torch.cat([batch.items.ids[1:] for batch in batches]).tolist() for batches in (first, second)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1]) == teacher.fitted.tolist()


def test_tables_that_differ_by_a_rotation_and_by_lengths_average_to_the_first() -> None:
    turn, _ = np.linalg.qr(RANDOM.normal(size=(4, 4)))
    lengths = torch.from_numpy(RANDOM.uniform(0.5, 2, size=(11, 1)))
    turned = (VECTORS.double() @ torch.from_numpy(turn) * lengths).float()
    found = average_rows([VECTORS, turned, VECTORS], event_weights(COUNTS, FitConfig()))
    torch.testing.assert_close(found, torch.nn.functional.normalize(VECTORS, dim=1))


def test_the_rotation_is_the_best_of_all_by_a_plain_reading() -> None:
    """For two dimensions: every angle is tried, with and without a reflection."""
    tables = RANDOM.normal(size=(2, 11, 2))
    tables[:, 0] = tables[0, 1] = 0  # padding, and an item without a row in the first
    one, other = tables / np.maximum(np.linalg.norm(tables, axis=2, keepdims=True), 1e-12)
    weights = COUNTS / (COUNTS + 10)
    expected, least = one, np.inf
    for angle in np.linspace(0, 2 * np.pi, 20001):
        cosine, sine = np.cos(angle), np.sin(angle)
        for turn in (
            np.array([[cosine, sine], [-sine, cosine]]),
            np.array([[cosine, sine], [sine, -cosine]]),
        ):
            apart = float(weights @ ((other @ turn - one) ** 2).sum(1))
            if apart < least:
                expected, least = (one + other @ turn) / 2, apart
    rows = [torch.from_numpy(table).float() for table in tables]
    found = average_rows(rows, event_weights(COUNTS, FitConfig(weight=10)))
    assert found.numpy() == pytest.approx(expected, abs=1e-3)
