"""The objects of a training, built as a recipe says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pixelrec.batch import DatasetSpec, Histories
from pixelrec.data.batcher import Batcher
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError
from pixelrec.recipe.recipe import Recipe
from pixelrec.recommender import Recommender
from pixelrec.training.loop import Loss
from pixelrec.training.losses import LOSSES


def build_recommender(
    recipe: Recipe, spec: DatasetSpec, described: Mapping[str, Any] | None = None
) -> Recommender:
    """The recommender, from its sources, or from what its item encoder told of itself when it was saved."""
    return Recommender(recipe["items"], recipe["users"], recipe["scoring"], spec, described)


def try_user_model(recipe: Recipe) -> None:
    """Builds all but the item encoder, whose sources may be large, over a catalogue of one item.

    Raises:
        RecipeError: choices that rule out each other.
    """
    items = recipe["items"]
    width = items["width"] or next(iter(items["parts"].values()))["width"]
    over_ids = {"name": "id_table", "width": width}
    Recommender(over_ids, recipe["users"], recipe["scoring"], DatasetSpec(1, 1, recipe["length"]))


def build_batcher(
    recipe: Recipe, recommender: Recommender, histories: Histories, *, process: int = 0, processes: int = 1
) -> Batcher:
    """The batches that the recommender's user model asks for, over the training events."""
    users, items = recommender.users, recommender.spec.items
    view = VIEWS[users.view]
    reader = Reader.over(view, histories, recipe["length"], Windowing(**recipe["windowing"]))
    name, config = _named(recipe["negatives"])
    if "correct" in config and recipe["loss"]["name"] != "softmax":
        config["correct"] = False  # it makes a sample estimate a softmax, and means nothing to other losses
    negatives = NEGATIVES[name](reader, items, **config)  # type: ignore[call-arg]
    return Batcher(
        reader,
        negatives,
        recommender.items.load,
        items,
        users.needs_catalogue,
        batch_size=recipe["training"]["batch_size"],
        seed=recipe["seed"],
        threads=recipe["training"]["loader_threads"],
        spare=0 if recommender.items.expensive else 1,  # its steps are long, and its batches large
        pinned=recommender.device.type == "cuda",
        process=process,
        processes=processes,
    )


def build_loss(recipe: Recipe) -> Loss:
    """The loss, with its choices filled in.

    Raises:
        RecipeError: the negatives are of a kind that the loss cannot use.
    """
    name, config = _named(recipe["loss"])
    negatives = recipe["negatives"]["name"]
    if NEGATIVES[negatives].whole_catalogue and name != "softmax":
        raise RecipeError(f"negatives.name {negatives} goes with loss.name softmax only, not {name}")
    loss: Callable[..., Any] = partial(LOSSES[name], **config)
    return loss


def _named(section: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return section["name"], {key: value for key, value in section.items() if key != "name"}
