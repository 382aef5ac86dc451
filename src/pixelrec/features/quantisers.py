"""Quantisers: a vector as a few small numbers, one per level, each the number of an entry of a codebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self, final

import torch
from torch import Tensor

from pixelrec.errors import FeatureError
from pixelrec.features.kmeans import assign, kmeans

ROTATIONS = 10  # alternations between codes and rotation
BEAM = 5  # partial residual codes of each vector
_CHUNK = 4096  # vectors whose partial codes are extended together


class AbstractQuantiser(ABC):
    """Codes of `levels` numbers from 0 to `size` − 1 for vectors of width W."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def fit(cls, vectors: Tensor, levels: int, size: int, seed: int) -> Self:
        """Fitted to vectors (n, W), fp32."""

    @abstractmethod
    def encode(self, vectors: Tensor) -> Tensor:
        """Codes int64[n, levels] of vectors (n, W)."""

    @abstractmethod
    def decode(self, codes: Tensor) -> Tensor:
        """The vectors (n, W) that codes stand for."""

    @abstractmethod
    def state(self) -> Mapping[str, Tensor]:
        """Everything that `restored` needs."""

    @classmethod
    @abstractmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        """The quantiser of a state."""


@final
class ResidualQuantiser(AbstractQuantiser):
    """Each level is k-means of what the levels before it leave over (Chen et al. 2010).

    The `BEAM` best partial codes of a vector are kept from level to level (Babenko and Lempitsky 2014).
    """

    name = "residual"

    def __init__(self, books: Tensor) -> None:
        self.books = books  # levels, size, W

    @classmethod
    def fit(cls, vectors: Tensor, levels: int, size: int, seed: int) -> Self:
        rest, books = vectors.clone(), []
        for level in range(levels):
            books.append(kmeans(rest, size, seed=seed + level))
            rest -= books[-1][assign(rest, books[-1])[0]]
        return cls(torch.stack(books))

    def encode(self, vectors: Tensor) -> Tensor:
        return torch.cat([self._searched(some) for some in vectors.split(_CHUNK)])

    def _searched(self, vectors: Tensor) -> Tensor:
        rest, codes = vectors[:, None], torch.empty(len(vectors), 1, 0, dtype=torch.int64)
        for book in self.books:
            rest, before, entry = _extended(rest, book)
            codes = torch.cat([codes.take_along_dim(before[:, :, None], 1), entry[:, :, None]], 2)
        return codes[:, 0]

    def decode(self, codes: Tensor) -> Tensor:
        return torch.stack([book[code] for book, code in zip(self.books, codes.T, strict=True)]).sum(0)

    def state(self) -> Mapping[str, Tensor]:
        return {"books": self.books}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(state["books"])


@final
class ProductQuantiser(AbstractQuantiser):
    """Each level is k-means of one part of the dimensions (Jégou, Douze and Schmid 2011)."""

    name = "product"

    def __init__(self, books: Tensor) -> None:
        self.books = books  # levels, size, W / levels

    @classmethod
    def fit(cls, vectors: Tensor, levels: int, size: int, seed: int) -> Self:
        demand_divisible(vectors.shape[1], levels)
        parts = vectors.tensor_split(levels, 1)
        return cls(torch.stack([kmeans(p.contiguous(), size, seed=seed + n) for n, p in enumerate(parts)]))

    def encode(self, vectors: Tensor) -> Tensor:
        parts = vectors.tensor_split(len(self.books), 1)
        return torch.stack(
            [assign(p.contiguous(), book)[0] for p, book in zip(parts, self.books, strict=True)], 1
        )

    def decode(self, codes: Tensor) -> Tensor:
        return torch.cat([book[code] for book, code in zip(self.books, codes.T, strict=True)], 1)

    def state(self) -> Mapping[str, Tensor]:
        return {"books": self.books}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(state["books"])


@final
class OptimisedProductQuantiser(AbstractQuantiser):
    """A product quantiser after the rotation that suits it best (Ge et al. 2013, the non-parametric way)."""

    name = "optimised-product"

    def __init__(self, rotation: Tensor, inner: ProductQuantiser) -> None:
        self.rotation, self.inner = rotation, inner  # W, W, orthogonal

    @classmethod
    def fit(cls, vectors: Tensor, levels: int, size: int, seed: int) -> Self:
        demand_divisible(vectors.shape[1], levels)
        rotation = _balanced_rotation(vectors, levels)
        inner = ProductQuantiser.fit(vectors @ rotation, levels, size, seed)
        for _ in range(ROTATIONS):
            decoded = inner.decode(inner.encode(vectors @ rotation))
            left, _, right = torch.linalg.svd(vectors.double().T @ decoded.double())
            rotation = (left @ right).to(vectors.dtype)
            inner = ProductQuantiser(_updated(vectors @ rotation, inner))
        return cls(rotation, inner)

    def encode(self, vectors: Tensor) -> Tensor:
        return self.inner.encode(vectors @ self.rotation)

    def decode(self, codes: Tensor) -> Tensor:
        return self.inner.decode(codes) @ self.rotation.T

    def state(self) -> Mapping[str, Tensor]:
        return {"rotation": self.rotation, "books": self.inner.books}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        return cls(state["rotation"], ProductQuantiser(state["books"]))


def _extended(rest: Tensor, book: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best partial codes (n, ≤ BEAM), best first, that go on from those which leave `rest` (n, b, W).

    Returns what they leave over, the partial code that each goes on from, and the entry of `book` it adds.
    """
    errors = rest.square().sum(2, keepdim=True) + book.square().sum(1) - 2 * rest @ book.T  # n, b, size
    found = errors.flatten(1).topk(min(BEAM, errors[0].numel()), largest=False).indices
    before, entry = found // len(book), found % len(book)
    return rest.take_along_dim(before[:, :, None], 1) - book[entry], before, entry


def _balanced_rotation(vectors: Tensor, levels: int) -> Tensor:
    """Principal components dealt out so that the parts have variances of similar products."""
    centred = vectors.double() - vectors.double().mean(0)
    variances, components = torch.linalg.eigh(centred.T @ centred / len(vectors))
    width = len(variances) // levels
    parts: list[list[int]] = [[] for _ in range(levels)]
    logs = (variances / variances[-1]).clamp(min=1e-12).log()
    logs -= logs.min()  # above 0: a part that has more has a larger product
    weights = [0.0] * levels
    for column in reversed(range(len(variances))):
        free = [part for part in range(levels) if len(parts[part]) < width]
        part = min(free, key=lambda each: weights[each])
        parts[part].append(column)
        weights[part] += float(logs[column])
    return components[:, [column for part in parts for column in part]].to(vectors.dtype)


def _updated(rotated: Tensor, inner: ProductQuantiser) -> Tensor:
    """The codebooks after one step of Lloyd's algorithm."""
    books = []
    for part, book in zip(rotated.tensor_split(len(inner.books), 1), inner.books, strict=True):
        nearest, _ = assign(part.contiguous(), book)
        sums = torch.zeros_like(book, dtype=torch.float64).index_add_(0, nearest, part.double())
        counts = torch.bincount(nearest, minlength=len(book))[:, None]
        books.append(torch.where(counts > 0, (sums / counts.clamp(min=1)).to(book.dtype), book))
    return torch.stack(books)


def demand_divisible(width: int, levels: int) -> None:
    """Raises `FeatureError` unless the dimensions can be dealt out evenly."""
    if width % levels:
        raise FeatureError(
            f"{width} dimensions cannot be split evenly into {levels} levels; choose a divisor, "
            "or residual codes"
        )


QUANTISERS: Mapping[str, type[AbstractQuantiser]] = {
    kind.name: kind for kind in (ResidualQuantiser, ProductQuantiser, OptimisedProductQuantiser)
}
