"""Families of picture networks of 🤗 transformers. A new one is an anatomy function and a line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pixelrec.items.backbones import staged_networks, vision_transformers
from pixelrec.items.backbones.backbone import Anatomy
from pixelrec.items.backbones.picture_input import (
    CLIP_MEAN,
    CLIP_STD,
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Colour,
    PictureSizes,
)
from pixelrec.items.backbones.pooling import POOLINGS, Pooling

Colours: TypeAlias = tuple[Colour, Colour]  # mean and standard deviation
IMAGENET, CLIP, HALVES = (IMAGENET_MEAN, IMAGENET_STD), (CLIP_MEAN, CLIP_STD), (HALF, HALF)
WITHOUT_CLS: tuple[Pooling, ...] = ("tokens", "mean", "pooler")


def whole_patches(config: Any) -> PictureSizes:
    return PictureSizes(step=config.patch_size, least=config.patch_size)


@dataclass(frozen=True)
class Family:
    """How to take models of one family apart."""

    model: str  # the class of transformers
    model_types: tuple[str, ...]  # in the config.json of its checkpoints
    anatomy: Callable[[Any, Pooling, int], Anatomy]
    """The parts of a model, for a pooling and a size of pictures; `RecipeError` if it lacks the pooler."""
    pooling: Pooling  # the published one
    colours: Colours  # if a checkpoint has none
    sizes: Callable[[Any], PictureSizes] = whole_patches  # that fit a model of a configuration
    poolings: tuple[Pooling, ...] = WITHOUT_CLS
    attends: bool = True  # whether there is an attention kernel to choose

    def model_class(self) -> Any:
        """The class `model`; importing transformers takes seconds."""
        import transformers

        return getattr(transformers, self.model)


_vits, _staged = vision_transformers, staged_networks
FAMILIES: Mapping[str, Family] = {
    "beit": Family("BeitModel", ("beit",), _vits.beit, "pooler", HALVES, poolings=POOLINGS),
    "clip": Family(
        "CLIPVisionModel", ("clip", "clip_vision_model"), _vits.clip, "tokens", CLIP, poolings=POOLINGS
    ),
    "convnext": Family(
        "ConvNextModel",
        ("convnext",),
        _staged.convnext,
        "pooler",
        IMAGENET,
        _staged.convnext_sizes,
        attends=False,
    ),
    "dinov2": Family("Dinov2Model", ("dinov2",), _vits.dinov2, "pooler", IMAGENET, poolings=POOLINGS),
    "mobilenet_v2": Family(
        "MobileNetV2Model",
        ("mobilenet_v2",),
        _staged.mobilenet_v2,
        "pooler",
        HALVES,
        lambda config: PictureSizes(step=1, least=config.output_stride),
        attends=False,
    ),
    "resnet": Family(
        "ResNetModel", ("resnet",), _staged.resnet, "pooler", IMAGENET, _staged.resnet_sizes, attends=False
    ),
    "siglip": Family("SiglipVisionModel", ("siglip", "siglip_vision_model"), _vits.siglip, "pooler", HALVES),
    "swin": Family("SwinModel", ("swin",), _staged.swin, "pooler", IMAGENET, _staged.swin_sizes),
    "vit": Family("ViTModel", ("vit",), _vits.vit, "cls", HALVES, poolings=POOLINGS),
    "vit_mae": Family(
        "ViTMAEModel", ("vit_mae",), _vits.vit_mae, "mean", IMAGENET, poolings=("tokens", "mean", "cls")
    ),
}
