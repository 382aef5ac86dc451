"""The law of the generated world: the probability of the next choice by looks, tastes and the last choice.

Every item has three looks: a hue on a colour wheel, a shape and a texture. A user has constant favourite
shapes and a constant favourite texture; the hue moves along the wheel from one choice to the next, and the
texture tends to stay. The probability of item j among those released and not yet chosen is

    (1 − JUMP) · softmax(quality_j + hue step + same texture + taste)_j + JUMP · uniform_j

so the best possible recommender is known exactly. Models of sequences can learn it, counts of single items
cannot, and it holds for an item released yesterday too, of which only the picture is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

HUES, SHAPES, TEXTURES = 10, 8, 6
JUMP = 0.05  # probability of a uniform choice
HUE_STEP = {0: 2.0, 1: 4.4, 2: 2.4}  # log weight of moving n hues along the wheel; else 0
SAME_TEXTURE = 2.4  # log weight of the texture of the last choice
FAVOURITE_SHAPES = (3.4, 2.5)  # log weights of a user's favourite and second favourite shape
FAVOURITE_TEXTURE = 1.0
TAIL = 0.85  # exponent of Zipf's law of quality
NEW_SHARE = 0.25  # of the items, released in the last days

DAY = 86_400
END = 1_735_689_600  # the log ends at 2025-01-01 00:00 UTC
LAST_DAYS = 3.0  # every user's last event lies in them
RELEASE_DAYS = 5.0  # new items are released in them
LONGEST = 1000  # events of a user
SAME_SITTING = 0.35  # share of events that follow the one before within minutes

_BLOCK = 1024  # users that walk together: bounds memory at a few times _BLOCK · items numbers


@final
@dataclass(frozen=True)
class ItemTraits:
    """The properties of N items that the law depends on."""

    looks: NDArray[np.int64]  # N, 3: hue, shape, texture
    quality: NDArray[np.float64]  # N: log weight of being chosen
    released: NDArray[np.int64]  # N: unix seconds


@final
@dataclass(frozen=True)
class Walks:
    """The events of all users, user after user, each in the order of time."""

    lengths: NDArray[np.int64]  # users
    items: NDArray[np.int64]  # events: 0 … N − 1
    times: NDArray[np.int64]  # events: unix seconds
    chances: NDArray[np.float32]  # users, N: of every item at a user's last event; 0 if seen

    @property
    def users(self) -> NDArray[np.int64]:
        """The user of every event."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def answers(self) -> NDArray[np.int64]:
        """The item of every user's last event."""
        return self.items[np.cumsum(self.lengths) - 1]


def draw_catalogue(rng: np.random.Generator, items: int, *, random: bool) -> ItemTraits:
    """Looks spread evenly over all combinations; in a `random` world all items have one quality and age."""
    combinations = np.stack(
        np.unravel_index(np.arange(HUES * SHAPES * TEXTURES), (HUES, SHAPES, TEXTURES)), axis=1
    )
    decks = [rng.permutation(combinations) for _ in range(-(-items // len(combinations)))]
    looks = np.concatenate(decks)[:items]
    quality = -TAIL * np.log(rng.permutation(items) + 1 + items / 50)  # the shift flattens the very top
    new = rng.permutation(items) < NEW_SHARE * items
    released = np.where(new, END - DAY * RELEASE_DAYS * rng.random(items), 0).astype(np.int64)
    if random:
        quality, released = np.zeros(items), np.zeros(items, dtype=np.int64)
    return ItemTraits(looks, quality, released)


def draw_walks(
    rng: np.random.Generator, catalogue: ItemTraits, users: int, mean_length: float, *, random: bool
) -> Walks:
    """Draws the choices of every user; in a `random` world uniformly among items not yet chosen."""
    items = len(catalogue.quality)
    lengths = _draw_lengths(rng, users, mean_length, most=min(items // 2, LONGEST))
    blocks = []
    for start in range(0, users, _BLOCK):
        block = lengths[start : start + _BLOCK]
        times = _draw_times(rng, block)
        chosen, chances = _walk(rng, catalogue, block, times, jump=1.0 if random else JUMP)
        blocks.append((chosen[times > 0], times[times > 0], chances))
    chosen, times, chances = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Walks(lengths, chosen, times, chances)


def _draw_lengths(rng: np.random.Generator, users: int, mean: float, *, most: int) -> NDArray[np.int64]:
    """Log-normal from 3 up, as in real data, and about one user in a hundred with fewer than 3 events."""
    sigma = 0.7
    above = rng.lognormal(np.log(max(mean - 3.0, 0.5)) - sigma**2 / 2, sigma, users)
    lengths = 3 + np.round(above).astype(np.int64)
    lengths[rng.random(users) < 0.01] = 2
    lengths[rng.random(users) < 0.005] = 1
    return np.minimum(lengths, most)


def _draw_times(rng: np.random.Generator, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """users, longest: unix seconds, aligned at the last event, 0 before the first; sittings with pauses."""
    shape = (len(lengths), int(lengths.max()))
    sitting = rng.random(shape) < SAME_SITTING
    pauses = np.where(sitting, rng.exponential(240.0, shape), DAY * rng.lognormal(1.2, 0.9, shape))
    gaps = pauses.astype(np.int64)
    gaps[rng.random(shape) < 0.01] = 0  # a double click: two events in one second
    gaps[:, -1] = DAY * LAST_DAYS * rng.random(len(lengths))
    times: NDArray[np.int64] = END - 1 - gaps[:, ::-1].cumsum(axis=1)[:, ::-1]
    times[np.arange(shape[1]) < shape[1] - lengths[:, None]] = 0
    return times


def _walk(
    rng: np.random.Generator,
    catalogue: ItemTraits,
    lengths: NDArray[np.int64],
    times: NDArray[np.int64],
    *,
    jump: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draws the choices of a block of users, event by event, aligned at the last.

    Returns the choices (users, longest) and the chances of the last one (users, N).
    """
    tastes = (_draw_tastes(rng, catalogue.looks, len(lengths)) + catalogue.quality).astype(np.float32)
    after = _weights_after(catalogue.looks)
    chosen_before = np.zeros((len(lengths), len(catalogue.quality)), dtype=bool)
    chosen = np.full(times.shape, -1)
    chances = np.empty((0, 0))
    for step in range(times.shape[1]):
        active = np.flatnonzero(times[:, step])
        last = chosen[active, step - 1] if step else np.full(len(active), -1)
        blocked = chosen_before[active] | (catalogue.released > times[active, step, None])
        chances = _chances(tastes[active] + after[last], blocked, jump)
        chosen[active, step] = _draw(rng, chances)
        chosen_before[active, chosen[active, step]] = True
    return chosen, chances.astype(np.float32)


def _draw_tastes(rng: np.random.Generator, looks: NDArray[np.int64], users: int) -> NDArray[np.float32]:
    """users, N: the stable part of the log weights."""
    everyone = np.arange(users)
    shapes = np.argsort(rng.random((users, SHAPES)), axis=1)
    by_shape, by_texture = np.zeros((users, SHAPES)), np.zeros((users, TEXTURES))
    for place, weight in enumerate(FAVOURITE_SHAPES):
        by_shape[everyone, shapes[:, place]] = weight
    by_texture[everyone, rng.integers(TEXTURES, size=users)] = FAVOURITE_TEXTURE
    return (by_shape[:, looks[:, 1]] + by_texture[:, looks[:, 2]]).astype(np.float32)


def _weights_after(looks: NDArray[np.int64]) -> NDArray[np.float32]:
    """N + 1, N: log weights of all items after each item; the last row, index −1, is for the first choice."""
    hue, _, texture = looks.T
    step = np.zeros(HUES)
    step[list(HUE_STEP)] = list(HUE_STEP.values())
    after = step[(hue - hue[:, None]) % HUES] + SAME_TEXTURE * (texture == texture[:, None])
    return np.vstack([after, np.zeros(len(hue))]).astype(np.float32)


def _chances(pull: NDArray[np.float32], blocked: NDArray[np.bool_], jump: float) -> NDArray[np.float64]:
    """users, N: rows sum to 1, zero where blocked."""
    weight = np.where(blocked, 0.0, np.exp(pull - pull.max(axis=1, keepdims=True)))
    follow = weight / weight.sum(axis=1, keepdims=True)
    anywhere = ~blocked / (~blocked).sum(axis=1, keepdims=True)
    return (1 - jump) * follow + jump * anywhere


def _draw(rng: np.random.Generator, chances: NDArray[np.float64]) -> NDArray[np.int64]:
    """One item a row. The draw stays below the total, so that rounding never picks an item of no chance."""
    total = chances.cumsum(axis=1)
    draw = rng.random(len(chances)) * total[:, -1] * (1 - 1e-12)
    return (total <= draw[:, None]).sum(axis=1)
