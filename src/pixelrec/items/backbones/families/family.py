"""What a family of picture networks of 🤗 transformers has to say about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.picture_input import Colour, PictureSizes
from pixelrec.items.backbones.pooling import Pooling


class AbstractFamily(ABC):
    """Takes models of one family apart. A new one is a file here and a line in `families/__init__.py`.

    Models and configurations are those of transformers, which is imported in the methods: it takes seconds.
    """

    model_types: ClassVar[tuple[str, ...]]  # in the config.json of its checkpoints
    poolings: ClassVar[tuple[Pooling, ...]]  # that it has
    pooling: ClassVar[Pooling]  # the published one
    mean: ClassVar[Colour]  # where a checkpoint does not say
    std: ClassVar[Colour]
    attends: ClassVar[bool] = True  # whether there is attention to choose a kernel for

    @abstractmethod
    def model_class(self) -> Any:
        """The class of transformers whose models `anatomy` takes apart."""

    @abstractmethod
    def sizes(self, config: Any) -> PictureSizes:
        """Which pictures fit a model of this configuration."""

    @abstractmethod
    def anatomy(self, model: Any, pooling: Pooling, size: int) -> Anatomy:
        """The parts of `model` for pictures of `size` pixels; what is not part of them is not used.

        Raises:
            RecipeError: this model lacks what the pooling needs.
        """
