"""The interface of a family of picture networks of 🤗 transformers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.picture_input import Colour, PictureSizes
from pixelrec.items.backbones.pooling import Pooling


class AbstractFamily(ABC):
    """Takes models of one family apart. A new family is a file here and a line in `families/__init__.py`."""

    model: ClassVar[str]  # the class of transformers whose models `anatomy` takes apart
    model_types: ClassVar[tuple[str, ...]]  # in the config.json of its checkpoints
    poolings: ClassVar[tuple[Pooling, ...]]
    pooling: ClassVar[Pooling]  # the published one
    mean: ClassVar[Colour]  # if a checkpoint has none
    std: ClassVar[Colour]
    attends: ClassVar[bool] = True  # whether there is an attention kernel to choose

    def model_class(self) -> Any:
        """The class `model`; importing transformers takes seconds."""
        import transformers

        return getattr(transformers, self.model)

    def sizes(self, config: Any) -> PictureSizes:
        """The picture sizes that fit a model of this configuration; by default whole patches."""
        return PictureSizes(step=config.patch_size, least=config.patch_size)

    @abstractmethod
    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:
        """The parts of `model` for pictures of `size` pixels; other modules are not used.

        Raises:
            RecipeError: the model lacks the pooler.
        """
