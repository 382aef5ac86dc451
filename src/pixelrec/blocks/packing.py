"""Histories without padding: real events concatenated, so that no layer computes padding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """The P real positions of B histories of L events."""

    places: Tensor  # P: of B · L
    shape: tuple[int, int]  # B, L

    @classmethod
    def of(cls, real: Tensor) -> Packing:
        """From a mask B, L: is there an event?"""
        return cls(real.flatten().nonzero().squeeze(1), (real.shape[0], real.shape[1]))

    @property
    def columns(self) -> Tensor:
        """P: the position of each real event in its history."""
        return self.places % self.shape[1]

    @property
    def before(self) -> Tensor:
        """P: the number of earlier events in the history of each real event."""
        B, L = self.shape
        row = self.places // L
        lengths = row.bincount(minlength=B)
        return torch.arange(len(row), device=row.device) - (lengths.cumsum(0) - lengths)[row]

    def pack(self, x: Tensor) -> Tensor:
        """B, L, … → P, …"""
        return x.flatten(0, 1).index_select(0, self.places)

    def unpack(self, x: Tensor) -> Tensor:
        """P, … → B, L, …; zero at padding."""
        B, L = self.shape
        whole = torch.zeros(B * L, *x.shape[1:], dtype=x.dtype, device=x.device)
        return whole.index_copy(0, self.places, x).unflatten(0, self.shape)

    def pick(self, x: Tensor, target_mask: Tensor | None) -> Tensor:
        """P, … → the rows (M, …) of the events where `target_mask` (B, L) is true.

        Without a target mask, the last place of each history (B, …), zero if there is no event.
        """
        if target_mask is None:
            return self.unpack(x)[:, -1]
        places = target_mask.flatten().nonzero().squeeze(1)
        if len(places) == len(x):  # every event is a target
            return x
        number = torch.zeros(self.shape[0] * self.shape[1], dtype=torch.int64, device=x.device)
        number[self.places] = torch.arange(len(x), device=x.device)
        return x.index_select(0, number[places])
