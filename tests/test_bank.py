"""Vectors from the bank: their scores, their gradients, and the same bank in all processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from items.backbones.conftest import TINY
from torch import Tensor

from pixelrec.batch import Batch, DatasetSpec
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import Shared
from pixelrec.data.split import training_events
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.recommender import Recommender
from pixelrec.runs.validate import sharded_catalogue
from pixelrec.users import USER_MODELS

LENGTH = 6
PIXELS = {
    "name": "pixels",
    "family": "resnet",
    "pretrained": False,
    "sizes": TINY["resnet"],
    "trainable": 1,
    "width": 16,
    "cache": "never",
    "chunk": 7,
    "keep_activations": 7,
}
IDS = {"name": "id_table", "width": 16}
OPEN = [name for name, users in USER_MODELS.items() if not (users.needs_catalogue or users.needs_regions)]


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(LENGTH, training_events(dataset))


def made(
    spec: DatasetSpec, items: dict[str, object], users: str = "sasrec", scoring: str = "dot"
) -> Recommender:
    return Recommender(items, {"name": users}, {"name": scoring}, spec).double().eval()


def a_batch(recommender: Recommender, *, correct: bool = False, reencoded: int = 0) -> Batch:
    held, items = recommender.spec.history, recommender.spec.items
    assert held is not None
    view = VIEWS[recommender.users.view]
    reader = Reader.over(view, held, LENGTH, Windowing())
    sampler = Shared(reader, items, drawn=60, in_batch=True, correct=correct, bank=True, reencoded=reencoded)
    batch = next(Batcher(reader, sampler, recommender.items.load, items, Batching(3)).epoch(0))
    assert batch.items.banked is not None and len(batch.items.banked) > 10
    return batch


def without_bank(recommender: Recommender, batch: Batch) -> Batch:
    """The same batch, all of whose items are encoded."""
    assert batch.items.banked is not None
    return replace(batch, items=recommender.load(torch.cat([batch.items.ids, batch.items.banked])))


def is_stale(batch: Batch) -> Tensor:
    assert batch.negative is not None
    return batch.negative >= len(batch.items.ids)


@pytest.mark.parametrize("scoring", list(SCORINGS))
@pytest.mark.parametrize("users", OPEN)
def test_up_to_date_vectors_score_as_if_encoded(spec: DatasetSpec, users: str, scoring: str) -> None:
    if USER_MODELS[users].looks_at_candidates and scoring != "dot":
        pytest.skip("it scores candidates itself")
    recommender = made(spec, IDS, users, scoring)
    for correct in (False, True):
        batch = a_batch(recommender, correct=correct)
        recommender.bank = recommender.catalogue().encoded.double()
        found, expected = recommender(batch), recommender(without_bank(recommender, batch))
        torch.testing.assert_close(found.positive, expected.positive)
        torch.testing.assert_close(found.negative, expected.negative)


def test_scores_are_those_of_the_banked_vectors(spec: DatasetSpec) -> None:
    recommender = made(spec, PIXELS)
    batch = a_batch(recommender)
    recommender.bank = torch.randn(spec.items + 1, 16, dtype=torch.float64)
    found, reencoded = recommender(batch), recommender(without_bank(recommender, batch))
    stale = is_stale(batch)
    torch.testing.assert_close(found.positive, reencoded.positive)
    torch.testing.assert_close(found.negative[:, ~stale], reencoded.negative[:, ~stale])
    table = torch.cat([recommender.items(batch.items), recommender.bank[batch.items.banked]])
    vectors = recommender.users(table, batch.events)
    assert batch.negative is not None
    by_hand = vectors @ recommender.bank[batch.items.banked].T
    columns = batch.negative[stale] - len(batch.items.ids)
    torch.testing.assert_close(found.negative[:, stale], by_hand[:, columns])


def test_banked_items_send_no_gradient_to_the_encoder_and_reencoded_ones_do(
    spec: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = made(spec, PIXELS)
    batch = a_batch(recommender)
    recommender.bank = recommender.catalogue().encoded.double()
    # So that candidates are the only way to the encoder.
    users = recommender.users.forward
    monkeypatch.setattr(recommender.users, "forward", lambda table, events: users(table.detach(), events))

    def reaches(which: Tensor) -> bool:
        recommender.zero_grad()
        negative = recommender(batch).negative[:, which]
        negative[negative.isfinite()].sum().backward()
        return any(p.grad is not None and p.grad.any() for p in recommender.items.parameters())

    assert not recommender.bank.requires_grad
    assert reaches(~is_stale(batch)) and not reaches(is_stale(batch))
    assert recommender.bank.grad is None


def test_scores_of_banked_items_have_a_gradient_for_the_user_model(spec: DatasetSpec) -> None:
    recommender = made(spec, PIXELS)
    batch = a_batch(recommender)
    recommender.bank = recommender.catalogue().encoded.double()
    recommender(batch).negative[:, is_stale(batch)].sum().backward()
    assert all(p.grad is not None for p in recommender.users.parameters())
    assert any(p.grad is not None and p.grad.any() for p in recommender.items.parameters()), "by histories"


@pytest.mark.parametrize("items", [PIXELS, IDS], ids=["pixels", "ids"])
def test_a_few_reencoded_items_give_the_gradient_of_all_on_average(
    spec: DatasetSpec, items: dict[str, Any]
) -> None:
    """Over every choice of one, with a bank of the present: the exact gradient, to rounding."""
    recommender = made(spec, items, scoring="cosine")
    plain = a_batch(recommender, correct=True)
    assert plain.items.banked is not None
    recommender.bank = recommender.catalogue().encoded.double()
    weights = dict(recommender.items.named_parameters())

    def gradient(batch: Batch) -> dict[str, Tensor]:
        recommender.zero_grad()
        scores = recommender(batch)
        torch.logaddexp(scores.positive, scores.negative[:, 0]).sum().backward()
        return {name: p.grad.clone() for name, p in weights.items() if p.grad is not None}

    expected = gradient(without_bank(recommender, plain))
    count = len(plain.items.banked)
    mean = {name: torch.zeros_like(p) for name, p in expected.items()}
    for item in plain.items.banked.tolist():
        for name, found in gradient(with_fresh(recommender, plain, item)).items():
            mean[name] += found / count
    for name, found in mean.items():
        torch.testing.assert_close(found, expected[name], rtol=1e-9, atol=1e-11, msg=name)


def with_fresh(recommender: Recommender, batch: Batch, item: int) -> Batch:
    """One stale item is encoded after all, and counts for all of them."""
    ids, stale = batch.items.ids, batch.items.banked
    assert stale is not None and batch.negative is not None
    others = stale[stale != item]
    weights = torch.cat([torch.ones(len(ids)), torch.tensor([float(len(stale))])])
    encoded = recommender.load(torch.cat([ids, torch.tensor([item])]))
    row = torch.full((int(recommender.spec.items) + 1,), -1)
    numbers = torch.cat([ids, torch.tensor([item]), others])
    row[numbers] = torch.arange(len(numbers))
    negative = row[torch.cat([ids, stale])[batch.negative]]
    return replace(batch, items=replace(encoded, banked=others, weights=weights), negative=negative)


def test_weights_of_reencoded_items_stand_for_the_rest(spec: DatasetSpec) -> None:
    recommender = made(spec, IDS)
    batch = a_batch(recommender, reencoded=5)
    recommender.bank = recommender.catalogue().encoded.double()
    unweighted = replace(batch, items=replace(batch.items, weights=None))
    table = recommender._table(batch.items)
    torch.testing.assert_close(table, recommender._table(unweighted.items), rtol=0, atol=0)
    (found,) = torch.autograd.grad(table.sum(), list(recommender.items.parameters()))
    assert batch.items.weights is not None
    torch.testing.assert_close(found[batch.items.ids[1:], 0], batch.items.weights[1:].double())


def test_an_empty_bank_is_an_error(spec: DatasetSpec) -> None:
    recommender = made(spec, PIXELS)
    with pytest.raises(RuntimeError, match="the batch has banked negatives, but the bank is empty"):
        recommender(a_batch(recommender))


def test_without_banked_items_no_bank_is_needed(spec: DatasetSpec) -> None:
    recommender = made(spec, IDS)
    recommender(without_bank(recommender, a_batch(recommender)))


class Gathering(Exception):
    """A process waits for the others here."""


def of(process: int, processes: int, gather: Callable[[Tensor], Tensor]) -> Any:
    """Stands for one of several processes."""
    return SimpleNamespace(count=processes, index=process, gather=gather)


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_every_process_has_the_same_bank_and_encodes_its_shard(
    spec: DatasetSpec, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = made(spec, PIXELS).float()
    expected = recommender.catalogue(chunk=1000).encoded
    encoded: list[int] = []
    encode = Recommender.encode

    def counted(self: Recommender, ids: Tensor, *, chunk: int | None = None) -> Iterator[Tensor]:
        encoded.extend(ids.tolist())
        return encode(self, ids, chunk=chunk)

    monkeypatch.setattr(Recommender, "encode", counted)
    parts: list[Tensor] = []

    def leave(mine: Tensor) -> Tensor:
        parts.append(mine)
        raise Gathering

    for process in range(processes):
        with pytest.raises(Gathering):
            sharded_catalogue(recommender, of(process, processes, leave))
    assert len({len(part) for part in parts}) == 1, "gathering needs equally many of each"
    assert set(encoded) == set(range(spec.items + 1))
    assert len(encoded) - len(set(encoded)) < processes, "all but the padding at the end once"
    found = sharded_catalogue(recommender, of(0, processes, lambda _mine: torch.cat(parts)))
    torch.testing.assert_close(found.encoded, expected)
    assert len(found.candidates) == spec.items + 1
