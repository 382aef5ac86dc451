"""What a network will be made from, settled and checked before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import DEFAULT_SIZE, HALF, Preprocessing
from pixelrec.items.backbones.pooling import Pooling, checked
from pixelrec.items.backbones.transformers_backbone import Description

Attention: TypeAlias = Literal["auto", "eager", "sdpa"]
Statistics: TypeAlias = Literal["own", "half"]


@dataclass(frozen=True)
class BackboneOptions:
    """What a recipe chooses about a network, beside which.

    Args:
        pooling: from tokens to features; none is what the family's paper does.
        size: of pictures, in pixels; none is what the checkpoint was trained with.
        statistics: mean and std of colours: the checkpoint's `own`, or `half`: 0.5, as published.
        attention: `eager` is matrix products and a softmax, `sdpa` is torch's fused kernel; `auto` is fused
            where there is an accelerator, and eager on a CPU.
    """

    pooling: Pooling | None = None
    size: int | None = None
    statistics: Statistics = "own"
    attention: Attention = "auto"


@dataclass(frozen=True)
class Draft:
    """Everything about a network but its weights."""

    family: AbstractFamily
    config: Any  # of transformers
    description: Description


def draft(name: str, config: Any, preprocessing: Preprocessing, options: BackboneOptions) -> Draft:
    """The network of this family and configuration, as the recipe wants it.

    Raises:
        RecipeError: a size that does not fit, an unknown pooling, statistics or attention.
    """
    family, network = FAMILIES[name], f"this {name} network"
    pooling = checked(options.pooling, family.poolings, family.pooling, network)
    _demand_known("items.statistics", options.statistics, ("own", "half"))
    written = config.to_dict()
    if written.get("num_channels", 3) != 3:
        raise RecipeError(
            f"{network} takes pictures of {written['num_channels']} channels, and ours have 3 colours"
        )
    size = (preprocessing.size or _native(written)) if options.size is None else options.size
    family.sizes(config).check(size, network)
    own = options.statistics == "own"
    mean = (preprocessing.mean or family.mean) if own else HALF
    std = (preprocessing.std or family.std) if own else HALF
    if family.attends:
        config._attn_implementation = _kernel(options.attention)
    return Draft(family, config, Description(name, written, pooling, size, mean, std))


def _native(written: Mapping[str, Any]) -> int:
    size = written.get("image_size") or DEFAULT_SIZE
    return size if isinstance(size, int) else int(size[0])


def _kernel(attention: str) -> str:
    _demand_known("items.attention", attention, ("auto", "eager", "sdpa"))
    if attention != "auto":
        return attention
    return "sdpa" if torch.accelerator.is_available() else "eager"


def _demand_known(key: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise RecipeError(f"{key} is {word!r}; {nearest(word, known)}")


def family_of(model_type: object, wanted: str | None, source: str) -> str:
    """The family whose checkpoints say `model_type`.

    Raises:
        RecipeError: none does, or it is not the one wanted.
    """
    if wanted is not None:
        demand_family(wanted)
    of_type = {known: name for name, family in FAMILIES.items() for known in family.model_types}
    name = of_type.get(str(model_type))
    if name is None:
        said = f"a model of type {model_type!r}" if model_type else "no model_type in its config.json"
        raise RecipeError(
            f"{source} is {said}; expected a picture network of one of the families {', '.join(FAMILIES)}"
            f"{_hint(str(model_type), of_type)}"
        )
    if wanted not in (None, name):
        raise RecipeError(f"{source} is a {name} network, and items.family is {wanted!r}; make them agree")
    return name


def _hint(word: str, known: Mapping[str, str]) -> str:
    hint = nearest(word, known)
    return f"; {hint}" if hint.startswith("did") else ""


def demand_family(name: str) -> None:
    """Raises `RecipeError`, naming the nearest, unless there is such a family."""
    if name not in FAMILIES:
        raise RecipeError(f"items.family is {name!r}; {nearest(name, FAMILIES)}")
