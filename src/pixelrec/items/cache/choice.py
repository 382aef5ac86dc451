"""Whether it pays to keep what the frozen part of a picture network computes.

A backward pass costs two forward passes. With a share f of the network frozen, a step costs f + 3 (1 − f)
forward passes, and 3 (1 − f) where the states of the frozen part are read instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pixelrec.console.numbers import with_prefix
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.cache.key import DTYPES, Dtype

LEAST_SPEED_UP = 1.25  # below this, the disk space is worth more
MOST_PICTURES = (
    4  # a state may take as many bytes as so many uint8 pictures: beyond, reading is the bottleneck
)


@dataclass(frozen=True)
class Verdict:
    """Whether a cache of activations pays, and why."""

    share: float  # of a forward pass that is frozen
    state_bytes: int  # of one picture
    picture_bytes: int  # of one picture as uint8, which would be read instead
    items: int  # N

    @property
    def speed_up(self) -> float:
        """How many times as many steps a second, if the network is all that takes time; ∞: all is frozen."""
        trained = 3 * (1 - self.share)
        return (trained + self.share) / trained if trained > 0 else math.inf

    @property
    def pays(self) -> bool:
        """Whether the steps become enough faster for what is read from disk."""
        return self.speed_up >= LEAST_SPEED_UP and self._small_enough

    @property
    def _small_enough(self) -> bool:
        return self.state_bytes <= MOST_PICTURES * self.picture_bytes

    @property
    def line(self) -> str:
        """The verdict and its reason, for the log."""
        return f"activation cache: {'yes' if self.pays else 'no'}, {self._reason}"

    @property
    def _reason(self) -> str:
        frozen, state = f"{100 * self.share:.0f} % of the network is frozen", with_prefix(self.state_bytes)
        if self.share == 0:
            return "nothing of the network is frozen"
        if self.speed_up < LEAST_SPEED_UP:
            return (
                f"{frozen}: steps would be {self.speed_up:.2f} x as fast, expected at least {LEAST_SPEED_UP}"
            )
        if not self._small_enough:
            return f"{frozen}, but {state} a picture is more than {MOST_PICTURES} x its pixels"
        faster = f", steps about {self.speed_up:.1f} x as fast" if math.isfinite(self.speed_up) else ""
        total = with_prefix(self.state_bytes * self.items)
        return f"{frozen}: {state} a picture instead of computing it, {total} in all{faster}"


def verdict_on(backbone: AbstractBackbone, boundary: int, dtype: Dtype, *, items: int) -> Verdict:
    """Whether to keep a network's states at a boundary for a catalogue of `items` pictures.

    A boundary of 0 never pays: there is nothing below it.
    """
    return Verdict(
        share=backbone.frozen_share(boundary),
        state_bytes=backbone.state_bytes(boundary, DTYPES[dtype]),
        picture_bytes=backbone.input.size**2 * 3,
        items=items,
    )
