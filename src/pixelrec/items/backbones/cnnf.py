"""CNN-F, the fast network of Chatfield et al. (arXiv 1405.3531, table 1).

DVBPR trains it from random weights (Kang et al., arXiv 1711.02231).
"""

from __future__ import annotations

from functools import reduce
from typing import Any, final

from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.blocks.dropout import Dropout
from pixelrec.items.backbones.backbone import AbstractBackbone, Anatomy, Provenance
from pixelrec.items.backbones.picture_input import DEFAULT_SIZE, HALF, PictureInput, PictureSizes

SIZES = PictureSizes(step=1, least=39)  # smaller maps vanish after conv5


@final
class Convolution(nn.Module):
    """Convolution → ReLU → optional local response normalisation → optional max pool (3 × 3, stride 2)."""

    def __init__(
        self,
        channels: int,
        outer: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int = 0,
        normalise: bool = False,
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, outer, kernel, stride, padding)
        # Krizhevsky et al. (2012) multiply the sum of 5 squares by 1e-4, this module their mean by 5e-4.
        self.normalise = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0) if normalise else nn.Identity()
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        """B, channels, H, W → B, outer, H', W'."""
        x = self.normalise(F.relu(self.conv(x), inplace=True))
        return F.max_pool2d(x, 3, 2, ceil_mode=True) if self.pool else x

    def places(self, side: int) -> int:
        """H' of H: places along a side of the output; below 1 if H is too small."""
        kernel, stride, padding = self.conv.kernel_size[0], self.conv.stride[0], int(self.conv.padding[0])
        side = (side + 2 * padding - kernel) // stride + 1
        return -(-(side - 3) // 2) + 1 if self.pool else side


@final
class FullyConnected(nn.Module):
    """Linear → ReLU → dropout, over a flattened map."""

    def __init__(self, inner: int, outer: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """B, … → B, outer."""
        return self.dropout(F.relu(self.linear(x.flatten(1)), inplace=True))


def xavier_uniform(module: nn.Module) -> None:
    """Xavier uniform weights in convolutions and linear layers (Glorot and Bengio 2010); biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


@final
class CNNF(AbstractBackbone):
    """Five convolutions and two fully connected layers, from random weights; the features are fc7's.

    The stem is conv1, the blocks are conv2 … conv5, fc6 and fc7. The projection to the table replaces the
    paper's fc8. Initial weights are those of DVBPR: Xavier uniform, biases 0. `width` and `dropout` are those
    of fc6 and fc7, and so of the features; pictures have 224 pixels in the paper.
    """

    def __init__(self, *, size: int = DEFAULT_SIZE, width: int = 4096, dropout: float = 0.5) -> None:
        # deviation: the published benchmark's CNN-F has stride 4 along the width only, 2 × 2 pools, neither
        # padding nor normalisation, and 512 units in fc6 and fc7.
        SIZES.check(size, "CNN-F")
        convolutions = [
            Convolution(3, 64, 11, stride=4, normalise=True, pool=True),
            Convolution(64, 256, 5, padding=2, normalise=True, pool=True),
            Convolution(256, 256, 3, padding=1),
            Convolution(256, 256, 3, padding=1),
            Convolution(256, 256, 3, padding=1, pool=True),
        ]
        places = reduce(lambda side, convolution: convolution.places(side), convolutions, size)
        connected = [FullyConnected(256 * places**2, width, dropout), FullyConnected(width, width, dropout)]
        anatomy = Anatomy(convolutions[0], [*convolutions[1:], *connected], nn.Identity())
        super().__init__(anatomy, PictureInput(size, HALF, HALF), Provenance("", None))
        self.apply(xavier_uniform)
        self._sizes = {"size": size, "width": width, "dropout": dropout}

    def describe(self) -> dict[str, Any]:
        return {"family": "cnnf", **self._sizes}
