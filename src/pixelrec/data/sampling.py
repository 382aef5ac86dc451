"""Negative sampling.

A sampler yields item numbers for a batch: `B, T, K` (each target has its own) or `S` (all targets share
them). Shared ones come with the log of their expected number in the sample, so that a softmax over the sample
estimates the softmax over the catalogue (log-Q correction, Bengio and Senécal 2008). The expected number of
an item is summed over all sources of the sample (the balance heuristic): it stays moderate where one source
rarely yields the item.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
from annotated_types import Interval

from pixelrec.batch import Histories
from pixelrec.data.views import Reader, Rows, places_of, times_inside
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import Fraction, PopularityExponent

ROUNDS = 50  # of rejection; a negative that still clashes (of a user who has nearly every item) is left out


@dataclass(frozen=True)
class Negatives:
    """The negatives of a batch; `log_q` is of shared ones only, which are then distinct."""

    items: np.ndarray | None  # `B, T, K` or `S`; 0 is no negative. None: the whole catalogue competes
    log_q: np.ndarray | None = None  # `S`: log of an item's expected number in the sample / its actual number
    adjustment: np.ndarray | None = None  # `B, T`: of the scores of targets; that of negatives is in `log_q`


class AbstractNegatives(ABC):
    """Draws the negatives of a batch; the same generator state draws the same."""

    whole_catalogue = False
    bank = False  # whether negatives that are not in the batch get their stale vectors, without encoding
    reencoded = 0  # number of those that are encoded after all

    @abstractmethod
    def draw(self, rows: Rows, rng: np.random.Generator) -> Negatives: ...


def item_counts(histories: Histories, items: int) -> np.ndarray:
    """Events per item number (0 … items) in `histories`: int64[items + 1]."""
    inside = times_inside(histories, histories.starts, histories.stops) > 0
    return np.bincount(histories.items[inside], minlength=items + 1)


@final
class PopularitySampler:
    """Draws item numbers with probability ∝ (training events) ** `alpha`; `alpha` 0 is uniform.

    With `interacted_only`, items without training events are not drawn; otherwise `alpha` 0 draws them too.
    """

    def __init__(self, histories: Histories, items: int, alpha: float, interacted_only: bool = False) -> None:
        self.items = items
        self.uniform = alpha == 0 and not interacted_only
        if self.uniform:
            self.probabilities = np.full(items + 1, 1 / items)
        else:
            weight = item_counts(histories, items).astype(np.float64)
            weight = np.where(weight > 0, np.power(np.maximum(weight, 1), alpha), 0.0)
            self.probabilities = weight / weight.sum()
        self.probabilities[0] = 0.0
        self.cumulative = np.cumsum(self.probabilities)

    def draw(self, shape: tuple[int, ...] | int, rng: np.random.Generator) -> np.ndarray:
        if self.uniform:
            return rng.integers(1, self.items + 1, size=shape)
        drawn = np.searchsorted(self.cumulative, rng.random(shape) * self.cumulative[-1], side="right")
        return np.minimum(drawn, self.items)


@final
class SeenPairs:
    """The (user, item) pairs of the events, sorted for binary search."""

    def __init__(self, histories: Histories, items: int) -> None:
        owners, places = places_of(histories, np.arange(len(histories.starts)))
        self.items = items
        self.pairs = np.unique(owners * (items + 1) + histories.items[places])

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether `items` (B, …) are among the events of `users` (B)."""
        pairs = users.reshape(-1, *[1] * (items.ndim - 1)) * (self.items + 1) + items
        place = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        return self.pairs[place] == pairs


def in_window(window: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Whether `items` (B, …) are in their row of `window` (B, W)."""
    flat = items.reshape(len(items), -1)
    found = np.zeros(flat.shape, bool)
    for column in window.T:
        found |= flat == column[:, None]
    return found.reshape(items.shape)


@final
class PerTarget(AbstractNegatives):
    """`count` negatives for every target, redrawn where they clash with the row's own items.

    Args:
        count: negatives of a target.
        alpha: 0 draws uniformly; 1 in proportion to popularity.
    """

    def __init__(
        self,
        reader: Reader,
        items: int,
        *,
        count: Annotated[int, Interval(ge=1, le=1_000_000)] = 1,
        alpha: PopularityExponent = 0.0,
    ) -> None:
        self.count = count
        self.source = PopularitySampler(reader.histories, items, alpha)
        self.seen = SeenPairs(reader.histories, items) if reader.view.avoids == "history" else None

    def draw(self, rows: Rows, rng: np.random.Generator) -> Negatives:
        drawn = self.source.draw((*rows.target.shape, self.count), rng)
        drawn[rows.target == 0] = 0
        clash = self._clashes(rows.users, rows.window, drawn)
        for _ in range(ROUNDS):
            where = np.nonzero(clash)
            if not len(where[0]):
                return Negatives(drawn)
            drawn[where] = self.source.draw(len(where[0]), rng)
            clash[where] = self._clashes(rows.users[where[0]], rows.window[where[0]], drawn[where])
        drawn[clash] = 0
        return Negatives(drawn)

    def _clashes(self, users: np.ndarray, window: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        return (self.seen(users, drawn) if self.seen else in_window(window, drawn)) & (drawn != 0)


@final
class Shared(AbstractNegatives):
    """Negatives shared by all targets of a batch: drawn from the catalogue, the batch's targets, or both.

    Args:
        drawn: number drawn from the catalogue.
        alpha: 0 draws them uniformly; 1 in proportion to popularity.
        interacted_only: never draw items without training events. A network that sees an item only as a
            negative learns to push everything that looks like it away.
        in_batch: whether the targets of the batch compete with each other too.
        correct: whether a softmax is corrected for the expected number of each negative (log-Q).
        logit_adjustment: τ of logit adjustment (Menon et al., arXiv 2007.07314): training scores get τ times
            the log of an item's frequency among the events, ranking scores do not. 0 ranks items by how often
            they were chosen too; 1 as if all had been chosen equally often.
        bank: negatives that are not in the batch have the vectors of the last encoding of the catalogue,
            after the epoch before: they cost no encoding, and send no gradient to the encoder.
        reencoded: number of those, drawn at random, that are encoded after all; their gradients are weighted
            to stand for all. Without them the encoder learns what to pull closer, but not what to push away.
    """

    def __init__(
        self,
        reader: Reader,
        items: int,
        *,
        drawn: Annotated[int, Interval(ge=0, le=10_000_000)] = 512,
        alpha: PopularityExponent = 0.0,
        interacted_only: bool = False,
        in_batch: bool = False,
        correct: bool = True,
        logit_adjustment: Fraction = 0.0,
        bank: bool = False,
        reencoded: Annotated[int, Interval(ge=0, le=10_000_000)] = 256,
    ) -> None:
        if drawn < 1 and not in_batch:
            raise RecipeError(
                f"negatives.drawn is {drawn} and negatives.in_batch is false: a target would compete with "
                "nothing; draw some, or set negatives.in_batch"
            )
        self.count, self.in_batch, self.correct = drawn, in_batch, correct
        self.bank, self.reencoded = bank, reencoded
        histories = reader.histories
        self.source = PopularitySampler(histories, items, alpha, interacted_only)
        self.target_probabilities = self.adjustment = None  # of each item, float64[items + 1]
        if in_batch and correct:
            targets = reader.target_counts(items)
            self.target_probabilities = targets / max(targets.sum(), 1.0)
        if logit_adjustment:
            counts = item_counts(histories, items) + 1.0  # one event is added to every item
            self.adjustment = logit_adjustment * np.log(counts / counts[1:].sum())

    def draw(self, rows: Rows, rng: np.random.Generator) -> Negatives:
        # Accidental hits are masked in the scores.
        items = self.source.draw(self.count, rng)
        expected = self.count * self.source.probabilities
        if self.in_batch:
            targets = rows.target[rows.target != 0]
            items = np.concatenate([items, targets])
            if self.target_probabilities is not None:
                expected = expected + len(targets) * self.target_probabilities
        if not self.correct:
            return Negatives(items)
        # Merge duplicates into one with the summed weight: scoring dominates the cost of a step.
        items, times = np.unique(items, return_counts=True)
        log_q = np.log(expected[items] / times)
        if self.adjustment is None:
            return Negatives(items, log_q.astype(np.float32))
        log_q -= self.adjustment[items]
        return Negatives(items, log_q.astype(np.float32), self.adjustment[rows.target].astype(np.float32))


@final
class FullCatalogue(AbstractNegatives):
    """Every item competes: the softmax is exact. Scores are computed in chunks."""

    whole_catalogue = True

    def __init__(self, reader: Reader, items: int) -> None:
        pass

    def draw(self, rows: Rows, rng: np.random.Generator) -> Negatives:  # noqa: ARG002
        return Negatives(None)


NEGATIVES: Mapping[str, type[AbstractNegatives]] = {
    "per_target": PerTarget,
    "shared": Shared,
    "catalogue": FullCatalogue,
}
