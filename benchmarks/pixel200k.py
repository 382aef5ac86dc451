"""The shape of Pixel200K (arXiv 2309.06789): how long histories are and how popular items."""

from __future__ import annotations

import numpy as np

USERS, ITEMS = 200_000, 96_282
# users by length of history: (longer than, up to, how many)
LENGTHS = (
    (4, 10, 47_084), (10, 20, 97_047), (20, 30, 28_027), (30, 40, 12_145), (40, 50, 6_028), (50, 60, 3_341),
    (60, 80, 3_292), (80, 100, 1_389), (100, 200, 1_472), (200, 300, 154), (300, 500, 21),
)  # fmt: skip
POPULARITY = ((1, 560), (20_000, 65), (40_000, 25), (ITEMS, 4))  # rank, events: straight between logarithms


def lengths(users: int, rng: np.random.Generator) -> np.ndarray:
    """Events of each of `users`."""
    longer, up_to, shares = np.array(LENGTHS).T
    group = rng.choice(len(shares), users, p=shares / shares.sum())
    return rng.integers(longer[group], up_to[group], endpoint=True)


def items(events: int, rng: np.random.Generator, among: int = ITEMS) -> np.ndarray:
    """The item, 0 … among − 1, of each of `events`; popularity has nothing to do with the number.

    among: items; popularity falls over them as over all.
    """
    ranks, counts = np.array(POPULARITY).T
    of = 1 + (ITEMS - 1) * np.linspace(0, 1, among)
    weights = np.exp(np.interp(np.log(of), np.log(ranks), np.log(counts)))
    return rng.permutation(among)[np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(events))]
