"""Picture recipes with networks small enough to learn a world of 32-pixel pictures in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pixelrec.data.dataset import Dataset
from pixelrec.features.codes import fit_codes
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.images.store import PictureStore
from pixelrec.recipe.recipe import Recipe, read_recipe

NETWORK = {"embedding_size": 16, "hidden_sizes": [16, 32, 64], "depths": [1, 1, 1], "layer_type": "basic"}
# In place of a checkpoint: a frozen network with random weights, whose features distinguish looks.
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
    """Overrides, by dotted key; none for a recipe without pictures."""
    found: dict[str, Any] = {}
    for place, config in _pixels(read_recipe(recipe)):
        own = {"family": "resnet", "sizes": NETWORK, **({} if config["source"] is None else UNTRAINED)}
        own |= {"depths": "all"} if isinstance(config["depths"], list) else {}  # those of a larger network
        found |= {f"{place}.{word}": value for word, value in own.items()}
        found |= {} if config["source"] is None else FROZEN
    return found


def feature_files(recipe: str, dataset: Dataset) -> dict[str, Any]:
    """Overrides that give encoders of features and codes their files: colours of small squares."""
    found: dict[str, Any] = {}
    for place, config in _encoders(read_recipe(recipe)):
        if config["name"] in {"features", "codes", "regions"}:
            found[f"{place}.file"] = str(feature_file(dataset, config["name"]))
    return found


def feature_file(dataset: Dataset, kind: str) -> Path:
    """The file of an encoder called `kind`: features, codes, or regions of 2 × 2 squares."""
    colours, codes, regions = (dataset.folder / name for name in ("colours", "codes", "regions"))
    if not colours.exists():
        ids = dataset.item_ids.to_list()
        pictures = PictureStore.open(dataset.covers).read(ids).astype("f4") / 127.5 - 1
        squares = pictures.reshape(len(ids), 8, 4, 8, 4, 3).mean((2, 4))
        with writing(colours, ids, (192,), {"kind": "test"}) as writer:
            writer.append(squares.reshape(len(ids), -1))
        parts = squares.reshape(-1, 4, 2, 4, 2, 3).swapaxes(2, 3).reshape(-1, 16, 12)
        with writing(regions, ids, (16, 12), {"kind": "test"}) as writer:
            writer.append(parts)
        fit_codes(FeatureFile.open(colours), codes, levels=3, size=16)
    return {"features": colours, "codes": codes, "regions": regions}[kind]


def one_of_each(recipes: Iterable[str], overrides: Mapping[str, Any]) -> list[str]:
    """The first of recipes that become equal: they differ in checkpoints, or in a bank, which is not used
    because a small catalogue is re-encoded as a whole.
    """
    found: dict[str, str] = {}
    for name in recipes:
        config = read_recipe(name, {**overrides, **small_network(name), "about": ""}).config
        negatives = {word: value for word, value in config["negatives"].items() if word != "bank"}
        found.setdefault(repr({**config, "negatives": negatives}), name)
    return list(found.values())


def _pixels(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The place and configuration of every picture encoder of a recipe."""
    yield from ((place, config) for place, config in _encoders(recipe) if config["name"] == "pixels")


def _encoders(recipe: Recipe) -> Iterator[tuple[str, Mapping[str, Any]]]:
    parts = recipe["items"].get("parts", {})
    yield "items", recipe["items"]
    yield from ((f"items.parts.{name}", part) for name, part in parts.items())
