"""Recipes over pictures, made small enough to learn the tests' world of 32 pixels in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pixelrec.recipe.recipe import Recipe, read_recipe

NETWORK = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"}
# Checkpoints are not at hand here. In place of one stands a network of random weights, frozen: what it sees
# tells looks apart, and the recipe has to make do with it as with any other features.
UNTRAINED = {
    "source": None,
    "pretrained": False,
    "trainable": "none",
    "cache": "never",
    "cache_dtype": "fp16",
    "precision": "auto",
}
FROZEN = {"optimiser.backbone_learning_rate": None, "optimiser.backbone_weight_decay": None}


def small_network(recipe: str) -> dict[str, Any]:
    """Overrides, by dotted key; none for a recipe that looks at no picture."""
    found: dict[str, Any] = {}
    for place, config in _pixels(read_recipe(recipe)):
        own = {"family": "resnet", "sizes": NETWORK, **({} if config["source"] is None else UNTRAINED)}
        found |= {f"{place}.{word}": value for word, value in own.items()}
        found |= {} if config["source"] is None else FROZEN
    return found


def one_of_each(recipes: Iterable[str], overrides: Mapping[str, Any]) -> list[str]:
    """The first of recipes that are the same once they are small: they differ in checkpoints."""
    found: dict[str, str] = {}
    for name in recipes:
        config = read_recipe(name, {**overrides, **small_network(name), "about": ""}).config
        found.setdefault(repr(config), name)
    return list(found.values())


def _pixels(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Where the recipe looks at pictures, and what it says there."""
    parts = recipe["items"].get("parts", {})
    encoders = {"items": recipe["items"], **{f"items.parts.{name}": part for name, part in parts.items()}}
    yield from ((place, config) for place, config in encoders.items() if config["name"] == "pixels")
