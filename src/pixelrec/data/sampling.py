"""Negatives: what a target competes with.

A sampler is built from what the data dictates and yields, per batch, item numbers: `B, T, K` (each target
has its own) or `S` (all targets share them). For shared ones it also says how often each item was *expected*
among them, so that a softmax over the sample estimates the softmax over the catalogue (log-Q correction,
Bengio and Senécal 2008). Samples are mixed before they are corrected: an item's expected count is the sum
over all ways by which it could have come in (the balance heuristic), which never blows up where one way is
unlikely.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, final

import numpy as np
from annotated_types import Interval

from pixelrec.batch import Histories
from pixelrec.data.views import Rows
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import Fraction, PopularityExponent

ROUNDS = 50  # of rejection; what still clashes then (a user who has seen nearly everything) is left out


@dataclass(frozen=True)
class Drawn:
    """`items` is `B, T, K` or `S`; 0 is no negative; none: all compete. `log_q` (S): of shared ones only.

    With `log_q` no item stands there twice: it is the log of how often it was expected, by how often it came.
    `prior` (B, T) is added to the scores of targets; that of negatives is in `log_q`.
    """

    items: np.ndarray | None
    log_q: np.ndarray | None = None
    prior: np.ndarray | None = None


class AbstractNegatives(ABC):
    """Draws the negatives of a batch. Pure: the same generator state draws the same."""

    whole_catalogue = False
    bank = False  # whether those that are not in the batch anyway come with stale vectors, without encoding
    reencoded = 0  # of those, so many are encoded after all

    @abstractmethod
    def draw(self, rows: Rows, rng: np.random.Generator) -> Drawn: ...


def item_counts(histories: Histories, items: int) -> np.ndarray:
    """Events per item number (0 … items) in `histories`: int64[items + 1]."""
    counts = np.zeros(items + 1, np.int64)
    edges = np.zeros(len(histories.items) + 1, np.int32)
    np.add.at(edges, histories.starts, 1)
    np.add.at(edges, histories.stops, -1)
    inside = np.cumsum(edges[:-1]) > 0
    counts += np.bincount(histories.items[inside], minlength=items + 1)
    return counts


@final
class Popularity:
    """Draws item numbers with probability ∝ (training events) ** `alpha`; `alpha` 0 is uniform.

    With `interacted_only`, items without training events are never drawn; only `alpha` 0 would draw them.
    """

    def __init__(self, histories: Histories, items: int, alpha: float, interacted_only: bool = False) -> None:
        self.items = items
        self.uniform = alpha == 0 and not interacted_only
        if self.uniform:
            self.chance = np.full(items + 1, 1 / items)
        else:
            weight = item_counts(histories, items).astype(np.float64)
            weight = np.where(weight > 0, np.power(np.maximum(weight, 1), alpha), 0.0)
            self.chance = weight / weight.sum()
        self.chance[0] = 0.0
        self.cumulative = np.cumsum(self.chance)

    def draw(self, shape: tuple[int, ...] | int, rng: np.random.Generator) -> np.ndarray:
        if self.uniform:
            return rng.integers(1, self.items + 1, size=shape)
        drawn = np.searchsorted(self.cumulative, rng.random(shape) * self.cumulative[-1], side="right")
        return np.minimum(drawn, self.items)


@final
class Seen:
    """Which (user, item) pairs are among the events, by binary search over sorted pairs."""

    def __init__(self, histories: Histories, items: int) -> None:
        lengths = histories.stops - histories.starts
        owners = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        offset = np.repeat(histories.starts - (np.cumsum(lengths) - lengths), lengths)
        events = histories.items[np.arange(len(owners)) + offset]
        self.items = items
        self.pairs = np.unique(owners * (items + 1) + events)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether `items` (B, …) are among the events of `users` (B)."""
        asked = users.reshape(-1, *[1] * (items.ndim - 1)) * (self.items + 1) + items
        place = np.minimum(np.searchsorted(self.pairs, asked), len(self.pairs) - 1)
        return self.pairs[place] == asked


def in_window(window: np.ndarray, items: np.ndarray) -> np.ndarray:
    """Whether `items` (B, …) are in their row of `window` (B, W)."""
    flat = items.reshape(len(items), -1)
    found = np.zeros(flat.shape, bool)
    for column in window.T:
        found |= flat == column[:, None]
    return found.reshape(items.shape)


@final
class PerTarget(AbstractNegatives):
    """`count` negatives for every target, drawn anew where they clash with the row's own items.

    Args:
        count: negatives of a target.
        alpha: 0 draws uniformly; 1 in proportion to popularity.
    """

    def __init__(
        self,
        histories: Histories,
        items: int,
        avoids: str,
        *,
        count: Annotated[int, Interval(ge=1, le=1_000_000)] = 1,
        alpha: PopularityExponent = 0.0,
    ) -> None:
        if count < 1:
            raise RecipeError(f"negatives.count is {count}; a target needs at least 1 negative")
        self.count = count
        self.source = Popularity(histories, items, alpha)
        self.seen = Seen(histories, items) if avoids == "history" else None

    def draw(self, rows: Rows, rng: np.random.Generator) -> Drawn:
        drawn = self.source.draw((*rows.target.shape, self.count), rng)
        drawn[rows.target == 0] = 0
        clash = self._clashes(rows, drawn)
        for _ in range(ROUNDS):
            where = np.nonzero(clash)
            if not len(where[0]):
                return Drawn(drawn)
            drawn[where] = self.source.draw(len(where[0]), rng)
            clash[where] = self._clashes(_only(rows, where[0]), drawn[where])
        drawn[clash] = 0
        return Drawn(drawn)

    def _clashes(self, rows: Rows, drawn: np.ndarray) -> np.ndarray:
        found = self.seen(rows.users, drawn) if self.seen else in_window(rows.window, drawn)
        return found & (drawn != 0)


def _only(rows: Rows, index: np.ndarray) -> Rows:
    """The rows of `index`, with what rejection looks at."""
    return Rows(rows.users[index], rows.history[:0], rows.times[:0], rows.target[:0], rows.window[index])


@final
class Shared(AbstractNegatives):
    """Negatives that all targets of a batch share: drawn from the catalogue, the batch's targets, or both.

    Args:
        drawn: how many are drawn from the catalogue.
        alpha: 0 draws them uniformly; 1 in proportion to popularity.
        interacted_only: never draw items without training events. A network that sees an item only as a
            negative learns to push everything that looks like it away.
        in_batch: whether the targets of the batch compete with each other too.
        correct: whether a softmax's scores are corrected for how often a negative was expected (log-Q).
        logit_adjustment: τ of logit adjustment (Menon et al., arXiv 2007.07314): training scores get τ times
            the log of an item's share of the events, ranking scores do not. 0 ranks items as they were
            chosen; 1 as if all had been chosen equally often.
        bank: what is drawn and not in the batch anyway has the vector it had when the catalogue was last
            encoded, after the epoch before: it costs no encoding, and sends no gradient to the encoder.
        reencoded: number of those, drawn at random, that are encoded after all; their gradients are weighted
            to stand for all. Without them the encoder learns what to pull closer, but not what to push away.
    """

    def __init__(
        self,
        histories: Histories,
        items: int,
        avoids: str,  # noqa: ARG002 - shared negatives avoid nothing; accidental hits are masked in the scores
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
        self.source = Popularity(histories, items, alpha, interacted_only)
        self.popularity = Popularity(histories, items, 1.0)
        self.prior = _prior(histories, items, logit_adjustment) if logit_adjustment else None

    def draw(self, rows: Rows, rng: np.random.Generator) -> Drawn:
        items = self.source.draw(self.count, rng)
        expected = self.count * self.source.chance
        if self.in_batch:
            targets = rows.target[rows.target != 0]
            items = np.concatenate([items, targets])
            expected = expected + len(targets) * self.popularity.chance
        if not self.correct:
            return Drawn(items)
        # Who came more than once competes once, with as much weight: a step spends its time on scores.
        items, times = np.unique(items, return_counts=True)
        log_q = np.log(expected[items] / times)
        if self.prior is None:
            return Drawn(items, log_q.astype(np.float32))
        log_q -= self.prior[items]
        return Drawn(items, log_q.astype(np.float32), self.prior[rows.target].astype(np.float32))


def _prior(histories: Histories, items: int, logit_adjustment: float) -> np.ndarray:
    """float64[items + 1]: τ times the log of an item's share of the events, each counted once more."""
    counts = item_counts(histories, items) + 1.0
    return logit_adjustment * np.log(counts / counts[1:].sum())


@final
class Catalogue(AbstractNegatives):
    """Every item competes: the softmax is exact. Scores are computed in chunks, never all at once."""

    whole_catalogue = True

    def __init__(self, histories: Histories, items: int, avoids: str) -> None:
        pass

    def draw(self, rows: Rows, rng: np.random.Generator) -> Drawn:  # noqa: ARG002
        return Drawn(None)


NEGATIVES: Mapping[str, type[AbstractNegatives]] = {
    "per_target": PerTarget,
    "shared": Shared,
    "catalogue": Catalogue,
}
