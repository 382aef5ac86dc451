"""A network of 🤗 transformers as a backbone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final

from pixelrec.items.backbones.backbone import AbstractBackbone, Anatomy, Provenance
from pixelrec.items.backbones.picture_input import Colour, PictureInput
from pixelrec.items.backbones.pooling import Pooling


@dataclass(frozen=True)
class Description:
    """What a network is made from, besides weights."""

    family: str
    config: dict[str, Any]  # as transformers writes it
    pooling: Pooling
    size: int  # pixels along a side
    mean: Colour
    std: Colour


@final
class TransformersBackbone(AbstractBackbone):
    """Parts of a transformers model; the rest of it is let go.

    Args:
        anatomy: its parts.
        description: what it is made from.
        provenance: where its weights come from.
    """

    def __init__(self, anatomy: Anatomy, description: Description, provenance: Provenance) -> None:
        picture_input = PictureInput(description.size, description.mean, description.std)
        super().__init__(anatomy, picture_input, provenance)
        self.description = description

    def describe(self) -> dict[str, Any]:
        """What `rebuild_backbone` takes."""
        return asdict(self.description)
