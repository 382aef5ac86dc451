"""BEiT (Bao et al., arXiv 2106.08254)."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, final

from torch import Tensor, nn

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import HALF, PictureSizes
from pixelrec.items.backbones.pooling import Pooling, pooled


@final
class BiasedBlock(nn.Module):
    """A block whose attention is biased by relative positions: B, T, W → B, T, W.

    Args:
        layer: of transformers.
        size: pixels along a side, which say how patches lie.
    """

    def __init__(self, layer: nn.Module, size: int) -> None:
        super().__init__()
        self.layer, self.size = layer, size

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None, resolution=(self.size, self.size))


@final
class BEiT(AbstractFamily):
    """Its pooler is the mean over patches, normalised, or the class token, as the checkpoint says."""

    model_types = ("beit",)
    poolings = ("tokens", "mean", "cls", "pooler")
    pooling = "pooler"
    mean, std = HALF, HALF

    def model_class(self) -> Any:
        from transformers import BeitModel

        return BeitModel

    def sizes(self, config: Any) -> PictureSizes:
        return PictureSizes(step=config.patch_size, least=config.patch_size)

    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:
        model.embeddings.mask_token = None  # of pre-training; it would never see a gradient
        if model.shared_position_bias is not None:
            _share_out(model)
        return Anatomy(
            stem=model.embeddings,
            blocks=[BiasedBlock(layer, size) for layer in model.layers],
            head=pooled(model.layernorm, pooling, model.pooler),
        )


def _share_out(model: Any) -> None:
    """Every block gets its own copy of the bias that all shared while pre-training, as BEiT's authors do.

    A bias below and above a boundary at once could be neither frozen nor trained.
    """
    shared = model.shared_position_bias
    for i, layer in enumerate(model.layers):
        layer.relative_position_bias = deepcopy(shared) if i else shared
