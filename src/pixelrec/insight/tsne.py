"""t-SNE (van der Maaten and Hinton 2008): points in the plane whose neighbours are those of the given ones.

Affinities are uniform over the 15 nearest neighbours, which gives the maps of a perplexity of about 30 (Böhm,
Berens and Kobak 2022). Repulsion is computed through a grid by FFT, in time linear in the points (Linderman
et al. 2019). Steps are those of openTSNE.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor

from pixelrec.console.progress import OnProgress, ignore

NEIGHBOURS = 15
EARLY, STEPS = 250, 750  # steps with exaggerated attraction, and all
EXAGGERATION = 12.0
_FARTHEST = 5.0  # that a point moves in a step
_TOLD = 50  # steps between lines of progress


def tsne(near: Tensor, start: Tensor, on_progress: OnProgress = ignore) -> Tensor:
    """Points float32[n, 2].

    Args:
        near: int64[n, k]: the nearest neighbours of each point.
        start: float32[n, 2]: where they begin, near the origin and apart.
        on_progress: called with a line of text as the work goes on.
    """
    points, change, gains = start.clone(), torch.zeros_like(start), torch.ones_like(start)
    repulsion, count = Repulsion(), len(start)
    for step in range(STEPS):
        exaggeration, momentum = (EXAGGERATION, 0.5) if step < EARLY else (1.0, 0.8)
        force, total = repulsion.of(points)
        slope = exaggeration * _attraction(points, near) - force / total
        gains = torch.where(slope * change < 0, gains + 0.2, gains * 0.8).clamp(min=0.01)
        change = momentum * change - count / exaggeration * gains * slope
        length = change.norm(dim=1, keepdim=True)
        change *= (_FARTHEST / length.clamp(min=_FARTHEST)).nan_to_num()
        points += change
        points -= points.mean(0)
        if not (step + 1) % _TOLD:
            on_progress(f"mapping items: {(step + 1) / STEPS:.0%} of the steps for {count:,}")
    return points


def _attraction(points: Tensor, near: Tensor) -> Tensor:
    """Σⱼ pᵢⱼ (yᵢ − yⱼ) / (1 + |yᵢ − yⱼ|²) for symmetric affinities p, whose sum is 1."""
    apart = points[:, None] - points[near]  # n, k, 2
    pull = apart / (1 + apart.square().sum(2, keepdim=True))
    found = pull.sum(1).index_add_(0, near.flatten(), pull.flatten(0, 1), alpha=-1)
    return found / (2 * near.numel())


@final
class Repulsion:
    """The forces between all pairs of points, through a grid of nodes that points reach by cubic stencils."""

    SPACING = 1 / 3  # of nodes: a third of the length at which the force changes
    _NODES = 32  # sizes of the grid are multiples of it, at which FFT is fast

    def __init__(self) -> None:
        self._size = 0  # nodes along a side, of `_kernels` and `_pair`

    def of(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Σⱼ (yᵢ − yⱼ) / (1 + |yᵢ − yⱼ|²)², n, 2; and the sum of 1 / (1 + |yᵢ − yⱼ|²) over pairs i ≠ j."""
        place = (points - points.amin(0)) / self.SPACING + 1
        self._fit(int(place.max()) + 3)
        size, node = self._size, place.floor()
        along = _cubic(place - node)  # n, 2, 4
        weights = (along[:, 0, :, None] * along[:, 1, None, :]).flatten(1)  # n, 16
        x, y = (node.long()[..., None] + torch.arange(-1, 3)).unbind(1)  # n, 4 each
        nodes = (x[:, :, None] * size + y[:, None, :]).flatten(1)
        mass = torch.zeros(size * size).index_add_(0, nodes.flatten(), weights.flatten())
        spectrum = torch.fft.rfft2(mass.view(size, size), (2 * size, 2 * size))
        fields = torch.fft.irfft2(spectrum * self._kernels, (2 * size, 2 * size))[:, :size, :size]
        force = (fields.flatten(1)[:, nodes] * weights).sum(2).T
        total = (spectrum.abs().square() * self._pair).sum() - len(points)
        return force, total.clamp(min=1e-12)

    def _fit(self, nodes: int) -> None:
        """Makes the grid as large as is needed, and the spectra of its kernels."""
        size = self._NODES * math.ceil(nodes / self._NODES)
        if size == self._size:
            return
        self._size = size
        apart = torch.fft.fftfreq(2 * size) * 2 * size * self.SPACING
        x, y = apart[:, None], apart[None, :]
        near = 1 / (1 + x.square() + y.square())
        self._kernels = torch.fft.rfft2(torch.stack([x * near.square(), y * near.square()]))
        # By Parseval's theorem; the other half of the spectrum is the conjugate of its inner columns.
        self._pair = torch.fft.rfft2(near).real / (2 * size) ** 2
        self._pair[:, 1:-1] *= 2


def _cubic(t: Tensor) -> Tensor:
    """Weights of Lagrange's cubic for nodes −1, 0, 1, 2 at t in [0, 1): …, 4."""
    a, b, c = t + 1, t - 1, t - 2
    return torch.stack([-t * b * c / 6, a * b * c / 2, -a * t * c / 2, a * t * b / 6], dim=-1)
