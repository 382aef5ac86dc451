"""Batches: rows of a table instead of items, the same for the same seed, whoever builds them."""

from __future__ import annotations

from time import monotonic, sleep

import numpy as np
import pytest
import torch

from pixelrec.batch import Batch
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.sampling import FullCatalogue, PerTarget, Shared
from pixelrec.data.views import VIEWS, Reader, Windowing

from .test_views import histories

RANDOM = np.random.default_rng(5)
LINES = [RANDOM.integers(1, 41, size=RANDOM.integers(2, 20)).tolist() for _ in range(50)]
HELD = histories(*LINES)


def batcher(negatives: str = "per_target", view: str = "next_item", **config: int) -> Batcher:
    kinds = {"per_target": PerTarget, "shared": Shared, "catalogue": FullCatalogue}
    reader = Reader.over(VIEWS[view], HELD, 6, Windowing())
    sampler = kinds[negatives](reader, 40)
    return Batcher(
        reader,
        sampler,
        lambda ids: {"doubled": torch.from_numpy(2 * ids)},
        40,
        Batching(**{"batch_size": 16, **config}),
    )


def same(a: Batch, b: Batch) -> bool:
    pairs = [(a.items.ids, b.items.ids), (a.events.history, b.events.history), (a.target, b.target)]
    return all(torch.equal(x, y) for x, y in [*pairs, (a.negative, b.negative)])


@pytest.mark.parametrize("view", list(VIEWS))
@pytest.mark.parametrize("negatives", ["per_target", "shared"])
def test_rows_of_the_table_are_the_items(view: str, negatives: str) -> None:
    made = batcher(negatives, view)
    order = made._order(3)
    for number, batch in enumerate(made.epoch(3)):
        index = order[number * 16 :][: len(batch.target)]
        rows = made.reader.read(index, made._generator(3, number))
        ids = batch.items.ids
        assert ids[0] == 0 and len(ids.unique()) == len(ids)
        assert torch.equal(ids[batch.events.history], torch.from_numpy(rows.history))
        assert torch.equal(ids[batch.target], torch.from_numpy(rows.target))
        assert torch.equal(batch.items.payload["doubled"], 2 * ids)
        used = torch.cat([t.flatten() for t in (batch.events.history, batch.target, batch.negative)])
        assert len(ids) == len(set(used.tolist()) | {0}), "nothing is in the table that no one asks for"


def test_batches_and_shuffling_use_different_random_numbers() -> None:
    made = batcher("shared")
    shuffle = np.random.default_rng((made.batching.seed, 3)).integers(1 << 62, size=4)
    drawn = [made._generator(3, number).integers(1 << 62, size=4) for number in range(3)]
    assert len({tuple(some.tolist()) for some in (shuffle, *drawn)}) == 4


@pytest.mark.parametrize("pinned", [True, False])
def test_batches_for_a_gpu_are_in_page_locked_memory(monkeypatch: pytest.MonkeyPatch, pinned: bool) -> None:
    moved: list[int] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        copy = tensor.clone()
        moved.append(copy.data_ptr())
        return copy

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    batch, plain = (next(batcher("shared", threads=0, pinned=word).epoch(0)) for word in (pinned, False))
    assert same(batch, plain)
    parts = [batch.items.ids, batch.items.payload["doubled"], batch.events.users, batch.events.history]
    parts += [batch.events.times, batch.events.target_mask, batch.target, batch.negative, batch.log_q]
    assert {t.data_ptr() for t in parts if t is not None} & set(moved) == (set(moved) if pinned else set())
    assert bool(moved) == pinned


@pytest.mark.parametrize(("threads", "spare"), [(1, 0), (1, 1), (3, 0)])
def test_the_number_of_batches_built_ahead(threads: int, spare: int) -> None:
    made = batcher(threads=threads, spare=spare, batch_size=4)
    built = []
    build = made.build
    made.build = lambda *task: built.append(task) or build(*task)  # type: ignore[method-assign,func-returns-value]
    batches = made.epoch(0)
    for taken in (1, 2, 3):
        next(batches)
        deadline = monotonic() + 10
        while len(built) < taken + threads + spare and monotonic() < deadline:
            sleep(0.001)
        sleep(0.02)
        assert len(built) == taken + threads + spare
    batches.close()  # type: ignore[attr-defined]


def test_an_epoch_is_every_row_once() -> None:
    made = batcher("shared")
    targets = [int(b.items.ids[t]) for b in made.epoch(0) for t in b.target[b.target != 0]]
    assert sorted(targets) == sorted(item for line in LINES for item in line[1:])


@pytest.mark.parametrize(
    ("size", "sizes"), [(2, [2, 2, 3]), (3, [3, 4]), (4, [4, 3]), (7, [7]), (6, [7]), (9, [7])]
)
def test_no_batch_is_a_single_row(size: int, sizes: list[int]) -> None:
    seven = histories(*[[1, 2]] * 7)
    reader = Reader.over(VIEWS["next_item"], seven, 3, Windowing())
    made = Batcher(reader, Shared(reader, 2), lambda _ids: {}, 2, Batching(size))
    assert [len(batch.target) for batch in made.epoch(0)] == sizes
    assert len(made) == len(sizes)


def test_threads_change_nothing_and_epochs_differ() -> None:
    plain, ahead = list(batcher(threads=0).epoch(1)), list(batcher(threads=3).epoch(1))
    assert len(plain) == len(ahead) == len(batcher())
    assert all(map(same, plain, ahead))
    assert not same(plain[0], next(batcher().epoch(2)))
    assert not same(plain[0], next(batcher(seed=1).epoch(1)))


def test_an_epoch_goes_on_from_any_batch() -> None:
    whole = list(batcher().epoch(4))
    assert all(map(same, whole[2:], batcher().epoch(4, first=2)))


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_rows(processes: int) -> None:
    parts = [batcher("shared", processes=processes, process=p) for p in range(processes)]
    assert len({len(part) for part in parts}) == 1
    taken = np.concatenate([part._order(0) for part in parts])
    assert set(taken) == set(range(len(parts[0].reader)))
    assert len(taken) - len(parts[0].reader) < processes


def test_rows_of_a_full_catalogue_are_item_numbers() -> None:
    batch = next(batcher("catalogue").epoch(0))
    assert batch.negative is None
    assert torch.equal(batch.items.ids, torch.arange(41))


def test_a_failing_payload_is_raised_where_batches_are_used() -> None:
    made = batcher()
    made.load = lambda _ids: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        list(made.epoch(0))
