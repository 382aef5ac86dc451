"""BEiT (Bao et al., arXiv 2106.08254)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, final

from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import HALF
from pixelrec.items.backbones.pooling import Pooling, pooled


@final
class BiasedBlock(nn.Module):
    """A block whose attention is biased by relative positions: B, T, W → B, T, W.

    Args:
        layer: of transformers.
        size: pixels along a side, which determine the grid of patches.
    """

    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.layer, self.size = layer, size

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None, resolution=(self.size, self.size))


@final
class BEiT(AbstractFamily):
    """The pooler is the normalised mean over patches, or the class token, depending on the checkpoint."""

    model = "BeitModel"
    model_types = ("beit",)
    poolings = ("tokens", "mean", "cls", "pooler")
    pooling = "pooler"
    mean, std = HALF, HALF

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:
        model.embeddings.mask_token = None  # of pre-training; it would have no gradient
        if model.shared_position_bias is not None:
            _share_out(model)
        return Anatomy(
            stem=model.embeddings,
            blocks=[BiasedBlock(layer, size) for layer in model.layers],
            head=pooled(model.layernorm, pooling, model.pooler),
        )


def _share_out(model: Any) -> None:
    """Give every block its own copy of the bias shared in pre-training, as BEiT's authors do.

    A shared bias would lie on both sides of a boundary, and could be neither frozen nor trained.
    """
    shared = model.shared_position_bias
    for i, layer in enumerate(model.layers):
        layer.relative_position_bias = deepcopy(shared) if i else shared
