"""RQ-VAE: residual codes of a learned projection of the vectors (Lee et al. 2022; Rajput et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Self, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.features.kmeans import assign
from pixelrec.features.quantisers import AbstractQuantiser, ResidualQuantiser

LATENT = 32
STEPS = 2000
BATCH = 512
COMMITMENT = 0.25
RATE = 1e-3
_REVIVE = 200  # steps after which entries that no vector has used are replaced


@final
class RqVae(AbstractQuantiser):
    """An autoencoder with residual codes in the middle, trained with straight-through gradients.

    As TIGER has it (arXiv 2305.05065): a commitment loss of 0.25, codebooks from k-means, and entries that
    fall out of use replaced by residuals of the batch.
    """

    name = "rq-vae"

    def __init__(self, net: _Autoencoder) -> None:
        self.net = net.eval()

    @classmethod
    def fit(cls, vectors: Tensor, levels: int, size: int, seed: int) -> Self:
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            net = _Autoencoder(vectors.shape[1], levels, size)
        net.mean.copy_(vectors.mean(0))
        net.scale.copy_(1 / vectors.std(0, correction=0).mean().clamp(min=1e-6))
        inputs = net.normalised(vectors)
        _warm_up(net, inputs, generator, seed)
        _train(net, inputs, generator)
        return cls(net)

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        latent = self.net.encoder(self.net.normalised(vectors))
        return ResidualQuantiser(self.net.books.detach()).encode(latent)

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        latent = ResidualQuantiser(self.net.books.detach()).decode(codes)
        decoded: Tensor = self.net.decoder(latent)
        return decoded / self.net.scale + self.net.mean

    def state(self) -> Mapping[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.net.state_dict().items()}

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Self:
        levels, size, _ = state["books"].shape
        net = _Autoencoder(len(state["mean"]), levels, size)
        net.load_state_dict(dict(state))
        return cls(net)


class _Autoencoder(nn.Module):
    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, levels: int, size: int) -> None:
        super().__init__()
        inner = max(LATENT, min(256, width))
        latent = min(LATENT, width)
        self.encoder = _mlp(width, inner, inner // 2 or 1, latent)
        self.decoder = _mlp(latent, inner // 2 or 1, inner, width)
        self.books = nn.Parameter(torch.zeros(levels, size, latent))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.tensor(1.0))

    def normalised(self, vectors: Tensor) -> Tensor:
        return (vectors - self.mean) * self.scale


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _batches(inputs: Tensor, steps: int, generator: torch.Generator) -> list[Tensor]:
    size = min(BATCH, len(inputs))
    return [torch.randint(len(inputs), (size,), generator=generator) for _ in range(steps)]


def _warm_up(net: _Autoencoder, inputs: Tensor, generator: torch.Generator, seed: int) -> None:
    """Trains without codes first, so that the codebooks start from latents that mean something."""
    optimiser = torch.optim.Adam([*net.encoder.parameters(), *net.decoder.parameters()], RATE)
    for rows in _batches(inputs, STEPS // 8, generator):
        some = inputs[rows]
        optimiser.zero_grad()
        F.mse_loss(net.decoder(net.encoder(some)), some).backward()
        optimiser.step()
    with torch.no_grad():
        levels, size, _ = net.books.shape
        latents = net.encoder(inputs[: 256 * size])
        net.books.copy_(ResidualQuantiser.fit(latents, levels, size, seed).books)


def _train(net: _Autoencoder, inputs: Tensor, generator: torch.Generator) -> None:
    optimiser = torch.optim.Adam(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    used = torch.zeros(net.books.shape[:2], dtype=torch.bool)
    for step, rows in enumerate(_batches(inputs, STEPS, generator)):
        some = inputs[rows]
        rest, loss = net.encoder(some), torch.zeros(())
        latent, total = rest, torch.zeros_like(rest)
        left_over = []
        for level in range(len(used)):
            code, _ = assign(rest.detach(), net.books[level].detach())
            used[level, code] = True
            entry = net.books[level, code]
            loss = loss + F.mse_loss(entry, rest.detach()) + COMMITMENT * F.mse_loss(rest, entry.detach())
            left_over.append(rest.detach())
            total, rest = total + entry, rest - entry.detach()
        straight = latent + (total - latent).detach()
        optimiser.zero_grad()
        (loss + F.mse_loss(net.decoder(straight), some)).backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % _REVIVE == 0:
            for level, vectors in enumerate(left_over):
                _revive(net, level, used[level], vectors, generator)


@torch.no_grad()
def _revive(net: _Autoencoder, level: int, used: Tensor, rest: Tensor, generator: torch.Generator) -> None:
    dead = (~used).nonzero()[:, 0]
    if len(dead):
        drawn = torch.randint(len(rest), (len(dead),), generator=generator)
        net.books[level, dead] = rest[drawn]
    used.fill_(False)
