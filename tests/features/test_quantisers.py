"""Quantisers: their error against plain formulas, and what each is better at than the others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pixelrec.errors import FeatureError
from pixelrec.features import rqvae
from pixelrec.features.kmeans import assign, kmeans
from pixelrec.features.quantisers import (
    QUANTISERS,
    AbstractQuantiser,
    OptimisedProductQuantiser,
    ProductQuantiser,
    ResidualQuantiser,
)
from pixelrec.features.rqvae import RqVae

KINDS = {**QUANTISERS, RqVae.name: RqVae}

torch.manual_seed(0)
CENTRES = 10 * torch.randn(8, 6)
CLOUD = CENTRES[torch.arange(400) % 8] + 0.1 * torch.randn(400, 6)
# Every dimension is correlated with others, which a product of parts cannot use.
MIXED = torch.randn(1500, 8) * torch.logspace(0, -1.5, 8) @ torch.linalg.qr(torch.randn(8, 8))[0]


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "STEPS", 80)
    monkeypatch.setattr(rqvae, "BATCH", 64)


def error(quantiser: AbstractQuantiser, vectors: Tensor) -> float:
    return float((quantiser.decode(quantiser.encode(vectors)) - vectors).square().sum(1).mean())


def test_kmeans_finds_clusters() -> None:
    found = kmeans(CLOUD, 8)
    nearest, distances = assign(CLOUD, found)
    assert torch.unique(nearest).numel() == 8
    assert float(distances.mean()) < 0.1
    assert all(torch.unique(nearest[group::8]).numel() == 1 for group in range(8))


def test_kmeans_centres_are_means_of_their_vectors() -> None:
    found = kmeans(MIXED, 16, iterations=200)
    nearest, _ = assign(MIXED, found)
    for centre in range(16):
        assert torch.allclose(MIXED[nearest == centre].mean(0), found[centre], atol=0.02)


def test_assignment_is_exact() -> None:
    nearest, distances = assign(MIXED, CLOUD[:5, :1].expand(5, 8).contiguous())
    plain = torch.cdist(MIXED.double(), CLOUD[:5, :1].expand(5, 8).double()).square()
    assert torch.equal(nearest, plain.argmin(1))
    assert torch.allclose(distances.double(), plain.min(1).values, rtol=1e-4, atol=1e-4)


def test_no_centre_is_left_without_vectors() -> None:
    few = torch.cat([torch.zeros(100, 3), torch.randn(4, 3)])
    nearest, _ = assign(few, kmeans(few, 5))
    assert torch.unique(nearest).numel() == 5


def test_more_centres_than_vectors() -> None:
    assert kmeans(torch.randn(3, 2), 8).shape == (8, 2)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_codes_are_numbers_of_entries_and_come_back(kind: type[AbstractQuantiser]) -> None:
    found = kind.fit(MIXED, 4, 16, seed=0)
    codes = found.encode(MIXED)
    assert codes.shape == (1500, 4) and int(codes.min()) >= 0 and int(codes.max()) < 16
    again = kind.restored(found.state())
    assert torch.equal(again.encode(MIXED), codes)
    assert torch.equal(again.decode(codes), found.decode(codes))
    # A vector that a code stands for has that code.
    if kind in {ProductQuantiser, OptimisedProductQuantiser}:
        assert torch.equal(found.encode(found.decode(codes)), codes)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_seed_decides(kind: type[AbstractQuantiser]) -> None:
    one, same, other = (kind.fit(MIXED, 2, 8, seed=seed).encode(MIXED) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_each_level_of_a_residual_code_halves_the_error() -> None:
    errors = [error(ResidualQuantiser.fit(MIXED, levels, 16, 0), MIXED) for levels in (1, 2, 3, 4)]
    assert all(after < 0.75 * before for before, after in zip(errors, errors[1:], strict=False))


def test_a_rotation_helps_where_parts_are_correlated() -> None:
    plain = error(ProductQuantiser.fit(MIXED, 4, 16, 0), MIXED)
    rotated = error(OptimisedProductQuantiser.fit(MIXED, 4, 16, 0), MIXED)
    assert rotated < 0.9 * plain


def test_the_rotation_is_orthogonal() -> None:
    rotation = OptimisedProductQuantiser.fit(MIXED, 2, 8, 0).rotation
    assert torch.allclose(rotation.T @ rotation, torch.eye(8), atol=1e-5)


@pytest.mark.parametrize("kind", [ProductQuantiser, OptimisedProductQuantiser])
def test_parts_are_equal(kind: type[AbstractQuantiser]) -> None:
    with pytest.raises(FeatureError, match="8 dimensions cannot be split evenly into 3 levels"):
        kind.fit(MIXED, 3, 8, 0)


def test_an_rqvae_learns_to_reconstruct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "STEPS", 500)
    found = RqVae.fit(MIXED, 3, 32, 0)
    assert error(found, MIXED) < 0.25 * float((MIXED - MIXED.mean(0)).square().sum(1).mean())
    codes = found.encode(MIXED)
    assert all(torch.unique(level).numel() > 16 for level in codes.T)


def test_a_beam_finds_better_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one level the nearest entry; of several at most the error of the nearest of each, and often less."""
    found = ResidualQuantiser.fit(MIXED, 4, 16, 0)
    new = MIXED.flip(0) + 0.3 * MIXED  # not those that it was fitted to
    wide = error(found, new)
    assert torch.equal(ResidualQuantiser(found.books[:1]).encode(new)[:, 0], assign(new, found.books[0])[0])
    monkeypatch.setattr("pixelrec.features.quantisers.BEAM", 1)
    assert wide < 0.93 * error(found, new)
    monkeypatch.setattr("pixelrec.features.quantisers.BEAM", 16**4)
    few = ResidualQuantiser(found.books[:2])
    every = (found.books[0][:, None] + found.books[1]).flatten(0, 1)
    assert error(few, new) == pytest.approx(float(assign(new, every)[1].mean()), rel=1e-4)


@pytest.mark.parametrize("kind", ["residual", "product", "optimised-product"])
def test_errors_are_those_of_faiss(kind: str) -> None:
    """At most 5 % above those of FAISS for as many numbers."""
    faiss = pytest.importorskip("faiss", reason="FAISS is not installed")
    vectors = MIXED.numpy()
    if kind == "optimised-product":
        rotation = faiss.OPQMatrix(8, 4)
        rotation.pq = faiss.ProductQuantizer(8, 4, 4)
        rotation.train(vectors)
        vectors = rotation.apply_py(vectors)
    theirs = (faiss.ResidualQuantizer if kind == "residual" else faiss.ProductQuantizer)(8, 4, 4)
    theirs.train(vectors)  # residual codes by a beam of 5, as ours
    decoded = torch.from_numpy(theirs.decode(theirs.compute_codes(vectors)))
    expected = float((decoded - torch.from_numpy(vectors)).square().sum(1).mean())
    assert error(QUANTISERS[kind].fit(MIXED, 4, 16, 0), MIXED) < 1.05 * expected


def test_many_vectors_are_not_all_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.features.kmeans._SAMPLE", 20)
    seen: list[int] = []

    def counted(vectors: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        seen.append(len(vectors))
        return assign(vectors, centres)

    monkeypatch.setattr("pixelrec.features.kmeans.assign", counted)
    found = kmeans(CLOUD, 8)
    assert set(seen) == {160}
    assert float(assign(CLOUD, found)[1].mean()) < 0.1
