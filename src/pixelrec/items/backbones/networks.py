"""Making a picture network of any kind from the options of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.checkpoint import as_path
from pixelrec.items.backbones.clip_checkpoint import load_clip_resnet
from pixelrec.items.backbones.clip_resnet import (
    ARCHITECTURES,
    CLIPResNetConfig,
    random_clip_resnet,
    rebuild_clip_resnet,
)
from pixelrec.items.backbones.cnnf import CNNF
from pixelrec.items.backbones.deep import ALL, LAST, Deep, Depths
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.load import (
    Attention,
    BackboneOptions,
    load_backbone,
    random_backbone,
    rebuild_backbone,
)
from pixelrec.items.backbones.picture_input import CLIP_MEAN, CLIP_STD, DEFAULT_SIZE, HALF
from pixelrec.numerics.memory import keep_freed_memory

CLIP_RESNET, CNN_F = "clip_resnet", "cnnf"
NETWORKS = (*FAMILIES, CLIP_RESNET, CNN_F)
_WEIGHT_FILES = {".safetensors", ".pt", ".pth", ".bin"}


@dataclass(frozen=True)
class NetworkConfig:
    """The choice of a network; see `PixelEncoder` for the fields."""

    source: str | None = None
    family: str | None = None
    pretrained: bool = True
    revision: str | None = None
    sizes: Mapping[str, Any] = field(default_factory=dict)
    options: BackboneOptions = field(default_factory=BackboneOptions)
    frozen_pool: bool = False
    depths: Depths | None = None
    spread: bool = True


def make_network(config: NetworkConfig) -> AbstractBackbone:
    """The network of a recipe, in fp32 and eval mode; `RecipeError` for unsuitable options."""
    keep_freed_memory()
    if config.depths is None:
        if not config.spread:
            raise RecipeError("items.spread is false, and would have no effect without items.depths")
        return _whole(config)
    options = config.options
    if config.depths != ALL and LAST not in config.depths and options.pooling not in (None, "mean"):
        why = f"items.depths has no {LAST}, the features that are pooled so"
        _demand_unset("items.pooling", options.pooling, why)
    if options.pooling is None and config.family != CNN_F:
        # All tokens of the last block are read; the class token's pooling would compute only that one.
        options = replace(options, pooling="mean")
    return Deep(_whole(replace(config, options=options)), config.depths, spread=config.spread)


def _whole(config: NetworkConfig) -> AbstractBackbone:
    if config.family is not None and config.family not in NETWORKS:
        raise RecipeError(f"items.family is {config.family!r}; {nearest(config.family, NETWORKS)}")
    file = config.source is not None and as_path(config.source).suffix in _WEIGHT_FILES
    if config.family == CLIP_RESNET or (config.family is None and file):
        return _clip_resnet(config)
    if config.family == CNN_F:
        return _cnnf(config)
    _demand_unset("items.frozen_pool", config.frozen_pool, "only a CLIP ResNet has an attention pool")
    if not config.pretrained:
        source, revision, sizes = config.source, config.revision, config.sizes
        return random_backbone(
            config.family, source=source, revision=revision, sizes=sizes, options=config.options
        )
    if config.source is None:
        raise RecipeError(
            "which pretrained network? Give items.source, a checkpoint's folder or a name on the hub, or "
            "start from random weights with items.pretrained false and items.family"
        )
    if config.sizes:
        raise RecipeError(
            f"items.sizes are {dict(config.sizes)}, and a pretrained network has those of its checkpoint; "
            "leave them out, or set items.pretrained false"
        )
    return load_backbone(
        config.source, family=config.family, revision=config.revision, options=config.options
    )


def rebuild_network(described: Mapping[str, Any], attention: Attention = "auto") -> AbstractBackbone:
    """The network of a `describe`, with random weights to be replaced by saved ones."""
    keep_freed_memory()
    if "depths" in described:
        inner = {word: value for word, value in described.items() if word not in ("depths", "spread")}
        return Deep(rebuild_network(inner, attention), described["depths"], spread=described["spread"])
    if described["family"] == CLIP_RESNET:
        return rebuild_clip_resnet(described)
    if described["family"] == CNN_F:
        return CNNF(size=described["size"], width=described["width"], dropout=described["dropout"]).eval()
    return rebuild_backbone(described, attention=attention)


def _clip_resnet(config: NetworkConfig) -> AbstractBackbone:
    mean, std = (CLIP_MEAN, CLIP_STD) if config.options.statistics == "own" else (HALF, HALF)
    pooling = config.options.pooling or "pooler"
    options = CLIPResNetConfig(pooling, config.options.size, mean, std, config.frozen_pool)
    if config.pretrained:
        if config.source is None:
            raise RecipeError(
                f"a pretrained {CLIP_RESNET} needs items.source: the file of its weights, .safetensors or a "
                "state dict of torch.save"
            )
        _demand_unset("items.revision", config.revision, "a file of weights has none")
        _demand_unset("items.sizes", dict(config.sizes), "the weights determine the sizes")
        return load_clip_resnet(as_path(config.source), options)
    _demand_unset("items.source", config.source, "random weights have none")
    _demand_known_sizes(config.sizes, {"architecture"}, CLIP_RESNET)
    if "architecture" not in config.sizes:
        raise RecipeError(f"items.sizes.architecture is missing; expected one of {', '.join(ARCHITECTURES)}")
    return random_clip_resnet(config.sizes["architecture"], options)


def _cnnf(config: NetworkConfig) -> AbstractBackbone:
    if config.source is not None:
        raise RecipeError(
            f"items.source is {config.source}, and {CNN_F} starts from random weights: leave it out and set "
            "items.pretrained false"
        )
    if config.pretrained:
        raise RecipeError(
            f"items.pretrained is true, and {CNN_F} starts from random weights: set items.pretrained false"
        )
    why = f"{CNN_F} has no such option"
    _demand_unset("items.pooling", config.options.pooling, why)
    _demand_unset("items.revision", config.revision, why)
    _demand_unset("items.frozen_pool", config.frozen_pool, why)
    _demand_known_sizes(config.sizes, {"width", "dropout"}, CNN_F)
    width, dropout = config.sizes.get("width", 4096), config.sizes.get("dropout", 0.5)
    if not isinstance(width, int) or width < 1:
        raise RecipeError(f"items.sizes.width is {width!r}; expected a number of features, at least 1")
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise RecipeError(f"items.sizes.dropout is {dropout!r}; expected a number from 0 to less than 1")
    return CNNF(size=config.options.size or DEFAULT_SIZE, width=width, dropout=float(dropout)).eval()


def _demand_unset(key: str, value: Any, why: str) -> None:
    """Raises `RecipeError` for an option that would have no effect."""
    if value:
        raise RecipeError(f"{key} is {value!r}, and would have no effect: {why}; leave it out")


def _demand_known_sizes(sizes: Mapping[str, Any], known: set[str], network: str) -> None:
    for word in sizes:
        if word not in known:
            raise RecipeError(f"items.sizes.{word} is no option of {network}; {nearest(word, known)}")
