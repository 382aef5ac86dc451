"""The objects of a training, built as a recipe says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pixelrec.batch import DatasetSpec, Histories
from pixelrec.data.batcher import Batcher, Batching
from pixelrec.data.sampling import NEGATIVES
from pixelrec.data.views import VIEWS, Reader, Windowing
from pixelrec.errors import RecipeError
from pixelrec.items.id_table import IdTable
from pixelrec.recipe.recipe import Recipe, resolve
from pixelrec.recommender import Recommender, without_name
from pixelrec.training.loop import Loss
from pixelrec.training.losses import LOSSES

_SEEDS = 1000  # between those of two tables, so that runs of seeds 0, 1, 2 share none


def build_recommender(
    recipe: Recipe, spec: DatasetSpec, described: Mapping[str, Any] | None = None
) -> Recommender:
    """The recommender; `described` comes from a checkpoint and replaces the sources of the item encoder."""
    return Recommender(recipe["items"], recipe["users"], recipe["scoring"], spec, described)


def rows_recipe(recipe: Recipe, width: int, steps: int, number: int) -> Recipe:
    """The recipe of an id table that the item encoder of `recipe`, of this width, is fitted to.

    steps: of one epoch. number: of the table, from 0; every table has a seed of its own.
    """
    negatives = {word: value for word, value in recipe["negatives"].items() if word != "bank"}
    factor = max(1, recipe.fit.epoch_steps / steps)
    epochs, patience = recipe.fit.rows, recipe.training.patience
    training = {"epochs": math.ceil(factor * epochs), "patience": math.ceil(factor * patience)}
    sections = {
        "items": {"name": "id_table", "width": width},
        "negatives": negatives,
        "fit": {**recipe["fit"], "passes": 0},
        "training": {**recipe["training"], **training, "warm_start": None},
    }
    seed = recipe["seed"] + number * _SEEDS
    return resolve(f"{recipe.name}, rows", {**recipe.config, **sections, "seed": seed}, {})


def try_user_model(recipe: Recipe) -> None:
    """Builds a tiny recommender without the item encoder, whose sources may be large, to find errors."""
    items = recipe["items"]
    widths = [part.get("width") for part in (items, *items.get("parts", {}).values())]
    for width in [width for width in widths if width][:1]:  # an encoder may have no such option
        spec = DatasetSpec(1, 1, recipe["length"])
        Recommender(items, recipe["users"], recipe["scoring"], spec, encoder=IdTable(spec, width=width))


def build_batcher(
    recipe: Recipe,
    recommender: Recommender,
    histories: Histories,
    *,
    process: int = 0,
    processes: int = 1,
    spare: int = 1,
    pinned: bool = False,
) -> Batcher:
    """Batches of training events in the view of the user model; the last four are as in `Batching`."""
    users, items = recommender.users, recommender.spec.items
    reader = Reader.over(VIEWS[users.view], histories, recipe["length"], Windowing(**recipe["windowing"]))
    name, config = recipe["negatives"]["name"], without_name(recipe["negatives"])
    if "correct" in config and recipe["loss"]["name"] != "softmax":
        config["correct"] = False  # log-Q correction belongs to softmax
    negatives = NEGATIVES[name](reader, items, **config)  # type: ignore[call-arg]
    batching = Batching(
        recipe.training.batch_size,
        recipe["seed"],
        threads=recipe.training.loader_threads,
        spare=spare,
        pinned=pinned,
        process=process,
        processes=processes,
    )
    return Batcher(
        reader,
        negatives,
        recommender.items.load,
        items,
        batching,
        whole_catalogue=users.needs_catalogue,
        load_regions=recommender.load_regions,
    )


def build_loss(recipe: Recipe) -> Loss:
    """The loss, with its options bound; raises `RecipeError` if it cannot use these negatives."""
    name = recipe["loss"]["name"]
    negatives = recipe["negatives"]["name"]
    if NEGATIVES[negatives].whole_catalogue and name != "softmax":
        raise RecipeError(f"negatives.name {negatives} goes with loss.name softmax only, not {name}")
    loss: Callable[..., Any] = partial(LOSSES[name], **without_name(recipe["loss"]))
    return loss
