"""The checked plan of a network of transformers, before it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch

from pixelrec.errors import RecipeError, nearest
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.families.family import AbstractFamily
from pixelrec.items.backbones.picture_input import DEFAULT_SIZE, HALF, Colour, Preprocessing
from pixelrec.items.backbones.pooling import Pooling, checked

Attention: TypeAlias = Literal["auto", "eager", "sdpa"]
Statistics: TypeAlias = Literal["own", "half"]


@dataclass(frozen=True)
class BackboneOptions:
    """Options that every network has.

    Args:
        pooling: from tokens to features; none: as in the family's paper.
        size: of pictures, in pixels; none: that of pretraining.
        statistics: mean and std of colours: the checkpoint's `own`, or `half`: 0.5, as published.
        attention: `eager` (matrix products and softmax), `sdpa` (torch's fused kernel), or `auto`: fused on
            an accelerator, eager on a CPU, where bf16 steps are 1.1 to 1.4 times as fast.
    """

    pooling: Pooling | None = None
    size: int | None = None
    statistics: Statistics = "own"
    attention: Attention = "auto"


@dataclass(frozen=True)
class Description:
    """Everything needed to rebuild a network, as JSON can hold it."""

    family: str
    config: dict[str, Any]  # as transformers writes it
    pooling: Pooling
    size: int  # pixels along a side
    mean: Colour
    std: Colour


@dataclass(frozen=True)
class Draft:
    """Everything about a network except its weights."""

    family: AbstractFamily
    config: Any  # of transformers
    description: Description


def draft(name: str, config: Any, preprocessing: Preprocessing, options: BackboneOptions) -> Draft:
    """The plan of a network of this family and configuration, with the options of a recipe.

    Raises:
        RecipeError: an unsuitable size, an unknown pooling, statistics or attention.
    """
    family, network = FAMILIES[name], f"this {name} network"
    pooling = checked(options.pooling, family.poolings, family.pooling, network)
    _demand_known("items.statistics", options.statistics, ("own", "half"))
    written = config.to_dict()
    if written.get("num_channels", 3) != 3:
        raise RecipeError(f"{network} takes pictures with {written['num_channels']} channels; expected 3")
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
    """The family whose checkpoints have this `model_type`.

    Raises:
        RecipeError: there is none, or it is not the wanted one.
    """
    if wanted is not None:
        demand_family(wanted)
    of_type = {known: name for name, family in FAMILIES.items() for known in family.model_types}
    name = of_type.get(str(model_type))
    if name is None:
        what = f"is a model of type {model_type!r}" if model_type else "has no model_type in its config.json"
        raise RecipeError(
            f"{source} {what}; expected a picture network of one of the families {', '.join(FAMILIES)}"
            f"{_hint(str(model_type), of_type)}"
        )
    if wanted not in (None, name):
        raise RecipeError(f"{source} is a {name} network, and items.family is {wanted!r}; make them agree")
    return name


def _hint(word: str, known: Mapping[str, str]) -> str:
    hint = nearest(word, known)
    return f"; {hint}" if hint.startswith("did") else ""


def demand_family(name: str) -> None:
    """Raises `RecipeError`, with the nearest name, unless there is such a family."""
    if name not in FAMILIES:
        raise RecipeError(f"items.family is {name!r}; {nearest(name, FAMILIES)}")
