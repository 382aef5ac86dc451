"""What several families do between pixels and the first block."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn


@final
class PatchStem(nn.Module):
    """Patches → embeddings with positions → a layer norm, where the family has one: B, 3, S, S → B, T, W.

    Args:
        embeddings: of transformers; positions are interpolated where the picture is not of the native size.
        norm: what follows them.
    """

    def __init__(self, embeddings: nn.Module, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.norm = norm or nn.Identity()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self.embeddings(pixels, interpolate_pos_encoding=True))
