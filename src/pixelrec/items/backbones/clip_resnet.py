"""CLIP's own ResNets (Radford et al., arXiv 2103.00020, section 2.4), under OpenAI's tensor names.

They differ from the usual ResNet in three ways: the stem has three convolutions and an average pool;
bottlenecks shrink the picture with an average pool instead of strided convolutions (Zhang, arXiv 1904.11486);
and the last feature map is pooled by attention with its mean as the query.

Shapes: B pictures, C channels, H × W places of a feature map, G × G places of the attention pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isqrt
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.backbone import AbstractBackbone, Anatomy, Provenance
from pixelrec.items.backbones.picture_input import (
    CLIP_MEAN,
    CLIP_STD,
    Colour,
    PictureInput,
    PictureSizes,
)
from pixelrec.items.backbones.pooling import MapToTokens, Pooling, checked, pooled
from pixelrec.numerics.precision import at_least_fp32

STRIDE = 32  # pixels per place of the last feature map, along each side
PICTURES = PictureSizes(step=STRIDE, least=STRIDE)
EXPANSION = 4  # width of a bottleneck's output as a multiple of its inner width
HEAD_WIDTH = 64  # of the attention pool
LAYERS = ("layer1", "layer2", "layer3", "layer4")
RANDOM = Provenance(source="", revision=None)
POOLINGS: tuple[Pooling, ...] = ("tokens", "mean", "pooler")


@dataclass(frozen=True)
class Architecture:
    """The sizes of a CLIP ResNet."""

    blocks: tuple[int, ...]  # bottlenecks of layer1 … layer4
    width: int  # channels of the stem; even
    output: int  # width of the attention pool's output
    native: int  # side of the pictures in pretraining, in pixels

    @property
    def channels(self) -> int:
        """C of the last feature map."""
        return 8 * EXPANSION * self.width


ARCHITECTURES: Mapping[str, Architecture] = {
    "RN50": Architecture((3, 4, 6, 3), width=64, output=1024, native=224),
    "RN50x4": Architecture((4, 6, 10, 6), width=80, output=640, native=288),
    "RN50x16": Architecture((6, 8, 18, 8), width=96, output=768, native=384),
    "RN50x64": Architecture((3, 15, 36, 10), width=128, output=1024, native=448),
}


@final
class Bottleneck(nn.Module):
    """1×1 → 3×3 → average pool if `stride` > 1 → 1×1, plus a shortcut with the same average pool."""

    def __init__(self, channels: int, inner: int, stride: int = 1) -> None:
        super().__init__()
        outer = EXPANSION * inner
        self.stride = stride
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or channels != outer:
            self.downsample = nn.Sequential(nn.Conv2d(channels, outer, 1, bias=False), nn.BatchNorm2d(outer))
        nn.init.zeros_(self.bn3.weight)

    def forward(self, x: Tensor) -> Tensor:
        """B, C, H, W → B, 4 · inner, H / stride, W / stride."""
        inside = F.relu(self.bn1(self.conv1(x)), inplace=True)
        inside = F.relu(self.bn2(self.conv2(inside)), inplace=True)
        shortcut = self.downsample(self._shrunk(x))
        return F.relu(self.bn3(self.conv3(self._shrunk(inside))) + shortcut, inplace=True)

    def _shrunk(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, self.stride) if self.stride > 1 else x


@final
class AttentionPool(nn.Module):
    """Multi-head attention with the mean of G × G places as the query; keys are the mean and every place."""

    def __init__(self, grid: int, channels: int, output: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(1 + grid**2, channels) * channels**-0.5)
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, output)
        for projection in (self.q_proj, self.k_proj, self.v_proj, self.c_proj):
            nn.init.normal_(projection.weight, std=channels**-0.5)

    def forward(self, places: Tensor) -> Tensor:
        """B, G², C → B, output."""
        places = torch.cat([places.mean(1, keepdim=True), places], dim=1) + self.positional_embedding
        q, k, v = self.q_proj(places[:, :1]), self.k_proj(places), self.v_proj(places)
        q, k, v = (t.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2) for t in (q, k, v))
        return self.c_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(1))


@final
class ModifiedResNet(nn.Module):
    """The layers of a CLIP ResNet under OpenAI's names, without the prefix `visual.`.

    Random weights are initialised as CLIP's: bottlenecks add nothing, the attention pool is N(0, 1/C). The
    size of pictures is a multiple of `STRIDE`, otherwise `RecipeError`.
    """

    def __init__(self, architecture: Architecture, size: int) -> None:
        super().__init__()
        PICTURES.check(size, "a CLIP ResNet")
        self.architecture, self.size = architecture, size
        blocks, width = architecture.blocks, architecture.width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        self.layer1 = _layer(width, width, blocks[0], stride=1)
        self.layer2 = _layer(4 * width, 2 * width, blocks[1], stride=2)
        self.layer3 = _layer(8 * width, 4 * width, blocks[2], stride=2)
        self.layer4 = _layer(16 * width, 8 * width, blocks[3], stride=2)
        self.attnpool = AttentionPool(size // STRIDE, architecture.channels, architecture.output)

    def anatomy(self, pooling: Pooling) -> Anatomy:
        """Its parts; states are B, width, S / 4, S / 4 after the stem and B, C, S / 32, S / 32 at the end."""
        stem = nn.Sequential()
        for convolution, norm in ((self.conv1, self.bn1), (self.conv2, self.bn2), (self.conv3, self.bn3)):
            stem.extend((convolution, norm, nn.ReLU(inplace=True)))
        stem.append(nn.AvgPool2d(2))
        blocks = [*self.layer1, *self.layer2, *self.layer3, *self.layer4]
        head = pooled(MapToTokens(), pooling, self.attnpool)
        return Anatomy(stem, blocks, head, stages=self.architecture.blocks)


def _layer(channels: int, inner: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(channels, inner, stride)
    return nn.Sequential(first, *(Bottleneck(EXPANSION * inner, inner) for _ in range(blocks - 1)))


@dataclass(frozen=True)
class CLIPResNetConfig:
    """Options of a CLIP ResNet.

    `pooler` is the attention pool (features B, output), `mean` the mean over the last feature map (B, C),
    `tokens` its places (B, G², C). Positions are interpolated for another than the native size of pictures.
    """

    pooling: Pooling = "pooler"
    size: int | None = None  # of pictures in pixels, a multiple of 32; none: the native one
    mean: Colour = CLIP_MEAN
    std: Colour = CLIP_STD
    frozen_pool: bool = True  # whether the attention pool is never trained, as in the published benchmark


DEFAULT = CLIPResNetConfig()


@final
class CLIPResNet(AbstractBackbone):
    """Stem, bottlenecks and a pool; stages 1 to 4 are layer1 to layer4.

    The layers are made for pictures of the size in `config`; `RecipeError` for an unknown pooling.
    """

    def __init__(
        self, network: ModifiedResNet, config: CLIPResNetConfig, provenance: Provenance = RANDOM
    ) -> None:
        pooling = checked(config.pooling, POOLINGS, "pooler", "a CLIP ResNet")
        network.attnpool.requires_grad_(not config.frozen_pool)
        picture_input = PictureInput(network.size, config.mean, config.std)
        super().__init__(network.anatomy(pooling), picture_input, provenance)
        self.architecture, self.config = network.architecture, replace(config, size=network.size)

    def describe(self) -> dict[str, Any]:
        config = {"architecture": asdict(self.architecture), "config": asdict(self.config)}
        return {"family": "clip_resnet", **config}


def random_clip_resnet(name: str, config: CLIPResNetConfig = DEFAULT) -> CLIPResNet:
    """One of `ARCHITECTURES` with random weights; `RecipeError` for an unknown name or unsuitable options."""
    if name not in list(ARCHITECTURES):  # `name` may be of any type, even a list
        raise RecipeError(f"no CLIP ResNet is called {name!r}; {nearest(str(name), ARCHITECTURES)}")
    return CLIPResNet(unfilled(ARCHITECTURES[name], config), config)


def unfilled(architecture: Architecture, config: CLIPResNetConfig) -> ModifiedResNet:
    """The layers, for pictures of the size in `config`, or of the native size."""
    return ModifiedResNet(architecture, config.size or architecture.native)


def rebuild_clip_resnet(description: Mapping[str, Any]) -> CLIPResNet:
    """The network of a description, which may come from JSON, with random weights."""
    architecture, config = dict(description["architecture"]), dict(description["config"])
    architecture["blocks"] = tuple(architecture["blocks"])
    colours = {name: tuple(config[name]) for name in ("mean", "std")}
    chosen = CLIPResNetConfig(**(config | colours))
    return CLIPResNet(unfilled(Architecture(**architecture), chosen), chosen)


def fitted_positions(positions: Tensor, grid: int) -> Tensor:
    """Positions for another grid, 1 + G², C → 1 + grid², C: bicubic; the first, of the mean, stays."""
    old = isqrt(len(positions) - 1)
    if old == grid:
        return positions
    full = at_least_fp32(positions)
    square = full[1:].T.reshape(1, -1, old, old)
    square = F.interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([full[:1], square.flatten(2)[0].T])
