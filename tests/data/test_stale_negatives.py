"""Negatives from the bank: in the table, behind what is encoded, and never encoded themselves."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from pixelrec.batch import Batch
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.sampling import AbstractNegatives, FullCatalogue, Negatives, Shared
from pixelrec.data.views import VIEWS, Reader, Rows, Windowing

from .test_views import histories

ITEMS = 200  # of which few are in a batch: most drawn negatives are not
RANDOM = np.random.default_rng(5)
LINES = [RANDOM.integers(1, ITEMS + 1, size=RANDOM.integers(2, 20)).tolist() for _ in range(50)]
HELD = histories(*LINES)
LOADED: list[np.ndarray] = []


def batches(bank: bool, view: str = "next_item", *, threads: int = 0, **config: object) -> list[Batch]:
    """Three batches of an epoch; what was loaded for them is in `LOADED`."""
    chosen = {"drawn": 30, "reencoded": 0, **config}
    sampler = Shared(reader_of(view), ITEMS, bank=bank, **chosen)  # type: ignore[arg-type]
    return batches_of(sampler, view, threads=threads)


def batches_of(sampler: AbstractNegatives, view: str = "next_item", *, threads: int = 0) -> list[Batch]:
    LOADED.clear()
    made = Batcher(reader_of(view), sampler, load, ITEMS, Batching(4, threads=threads))
    return list(islice(made.epoch(3), 3))


def reader_of(view: str = "next_item") -> Reader:
    return Reader.over(VIEWS[view], HELD, 6, Windowing())


def load(ids: np.ndarray) -> dict[str, torch.Tensor]:
    LOADED.append(ids)
    return {"doubled": torch.from_numpy(2 * ids)}


def numbers(batch: Batch) -> torch.Tensor:
    """The item number of every row of the table."""
    stale = batch.items.ids[:0] if batch.items.banked is None else batch.items.banked
    return torch.cat([batch.items.ids, stale])


over_views = pytest.mark.parametrize("view", list(VIEWS))


@over_views
@pytest.mark.parametrize("in_batch", [False, True])
def test_items_of_events_are_encoded_and_others_are_stale(view: str, in_batch: bool) -> None:
    for batch in batches(True, view, in_batch=in_batch):
        ids, stale = batch.items.ids, batch.items.banked
        occurring = numbers(batch)[torch.cat([batch.events.history.flatten(), batch.target.flatten()])]
        assert set(ids.tolist()) == {0, *occurring.tolist()}
        assert ids[0] == 0 and ids.dtype == torch.int64
        assert batch.negative is not None and stale is not None
        drawn = set(numbers(batch)[batch.negative].tolist())
        assert set(stale.tolist()) == drawn - set(ids.tolist()) and len(stale) > 5
        assert len(numbers(batch).unique()) == batch.items.rows == len(ids) + len(stale)


@over_views
def test_rows_are_the_same_items_as_without_a_bank(view: str) -> None:
    for stale, plain in zip(batches(True, view), batches(False, view), strict=True):
        assert plain.items.banked is None
        assert stale.negative is not None and plain.negative is not None
        for with_bank, without in [
            (stale.events.history, plain.events.history),
            (stale.target, plain.target),
            (stale.negative, plain.negative),
        ]:
            assert torch.equal(numbers(stale)[with_bank], plain.items.ids[without])


def test_log_q_is_the_same() -> None:
    for in_batch in (False, True):
        for stale, plain in zip(
            batches(True, in_batch=in_batch), batches(False, in_batch=in_batch), strict=True
        ):
            assert stale.log_q is not None and plain.log_q is not None
            assert torch.equal(stale.log_q, plain.log_q)
            assert len(stale.log_q) == len(stale.negative if stale.negative is not None else [])


def test_only_encoded_items_are_loaded() -> None:
    made = batches(True)
    for ids, batch in zip(LOADED, made, strict=True):
        assert np.array_equal(ids, batch.items.ids.numpy())
        assert torch.equal(batch.items.payload["doubled"], 2 * batch.items.ids)


def test_threads_build_the_same_batches() -> None:
    for ahead, plain in zip(batches(True, threads=3), batches(True), strict=True):
        assert torch.equal(numbers(ahead), numbers(plain))
        assert torch.equal(ahead.target, plain.target)


@over_views
@pytest.mark.parametrize("reencoded", [1, 7])
def test_reencoded_negatives_are_weighted_to_stand_for_all(view: str, reencoded: int) -> None:
    for some, none in zip(batches(True, view, reencoded=reencoded), batches(True, view), strict=True):
        assert some.items.banked is not None and none.items.banked is not None
        assert none.items.weights is None and some.items.weights is not None
        assert set(numbers(some).tolist()) == set(numbers(none).tolist())
        added = set(some.items.ids.tolist()) - set(none.items.ids.tolist())
        assert len(added) == reencoded and added <= set(none.items.banked.tolist())
        weighted = some.items.ids[some.items.weights != 1]
        assert set(weighted.tolist()) == added
        assert some.items.weights.max().item() == pytest.approx(len(none.items.banked) / reencoded)
        for rows, same in [
            (some.target, none.target),
            (some.events.history, none.events.history),
            (some.negative, none.negative),
        ]:
            assert rows is not None and same is not None
            assert torch.equal(numbers(some)[rows], numbers(none)[same])


def test_reencoded_negatives_are_drawn_uniformly() -> None:
    sampler = Shared(reader_of(), ITEMS, drawn=30, bank=True, reencoded=5)
    made = Batcher(reader_of(), sampler, load, ITEMS, Batching(4))
    one = np.array([1, 2])
    drawn = np.arange(1, 23)  # twenty others
    counts = np.zeros(ITEMS + 1)
    for seed in range(2000):
        ids, _, _ = made._table((one,), (drawn,), np.random.default_rng(seed))
        counts[ids] += 1
    assert np.all(counts[[0, 1, 2]] == 2000) and counts[23:].sum() == 0
    assert np.all(np.abs(counts[3:23] - 500) < 100), "a quarter of the time each: 5 sd are 97"


def test_few_negatives_are_all_reencoded() -> None:
    for batch in batches(True, reencoded=1000):
        assert batch.items.banked is not None and len(batch.items.banked) == 0
        assert batch.items.weights is not None and torch.all(batch.items.weights == 1)


def test_no_vector_is_stale_if_all_negatives_are_in_the_batch() -> None:
    for batch in batches(True, drawn=0, in_batch=True, reencoded=5):
        assert batch.items.weights is None
        assert batch.items.banked is not None and len(batch.items.banked) == 0
        assert batch.items.rows == len(batch.items.ids)


def test_padding_among_the_negatives_is_padding() -> None:
    class Padded(AbstractNegatives):
        bank = True

        def draw(self, rows: Rows, rng: np.random.Generator) -> Negatives:  # noqa: ARG002
            return Negatives(np.array([0, 7, 0, 8]))

    for batch in batches_of(Padded()):
        assert batch.negative is not None and batch.items.banked is not None
        assert batch.negative[[0, 2]].tolist() == [0, 0]
        assert 0 not in batch.items.banked.tolist()


def test_a_full_catalogue_has_no_stale_vectors() -> None:
    batch = batches_of(FullCatalogue(reader_of(), ITEMS))[0]
    assert batch.items.banked is None and batch.items.rows == ITEMS + 1


def test_a_batch_takes_its_stale_items_to_a_device() -> None:
    batch = batches(True, reencoded=2)[0]
    moved = replace(batch, items=batch.items.to("meta")).items
    assert moved.banked is not None and moved.banked.device.type == "meta"
    assert moved.weights is not None and moved.weights.device.type == "meta"
