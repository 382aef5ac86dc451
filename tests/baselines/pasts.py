"""Small histories with repeats, simultaneous events and users without events."""

from __future__ import annotations

import numpy as np

from pixelrec.batch import Histories

Past = list[list[tuple[int, int]]]  # by user, from user 0: item, time


def histories_of(past: Past) -> Histories:
    lengths = np.array([len(events) for events in past])
    stops = np.cumsum(lengths)
    flat = np.array([event for events in past for event in events]).reshape(-1, 2)
    return Histories(flat[:, 0].astype(np.int32), flat[:, 1], stops - lengths, stops)


def drawn_past(users: int = 40, items: int = 12, seed: int = 0) -> Past:
    """User 0 and user 3 have no events; some items are repeated, some events happen at the same time."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, items + 1)
    past: Past = []
    for user in range(users + 1):
        length = 0 if user in {0, 3} else int(rng.integers(1, 9))
        taken = 1 + rng.choice(items, length, p=weights / weights.sum())
        times = np.sort(1_000 + rng.integers(0, 20, length) * 50)
        past.append(list(zip(taken.tolist(), times.tolist(), strict=True)))
    return past
