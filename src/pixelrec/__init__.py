"""Train and evaluate recommenders that see the pictures of items.

Each name is imported when it is first used, so importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixelrec.api import (
        bench,
        cache,
        check_images,
        compare,
        demo,
        evaluate,
        pack_images,
        prepare,
        recommend,
        report,
        resume,
        train,
    )
    from pixelrec.batch import Batch, DatasetSpec, Events, Histories, Items, Scores
    from pixelrec.data.dataset import Dataset
    from pixelrec.demonstration.world import generate_world
    from pixelrec.errors import (
        DataError,
        DivergedError,
        ExhaustedError,
        GridError,
        ImageError,
        PixelrecError,
        RecipeError,
        RequestError,
        RunError,
        StoppedError,
    )
    from pixelrec.images.store import PictureStore
    from pixelrec.items.encoder import AbstractItemEncoder
    from pixelrec.recipe.recipe import Recipe, read_recipe, recipes
    from pixelrec.recipe.registry import register
    from pixelrec.recommender import Recommender
    from pixelrec.runs.run import Run
    from pixelrec.users.user_model import AbstractUserModel

    __version__: str

_HOMES = {
    "pixelrec.api": (
        "bench cache check_images compare demo evaluate pack_images prepare recommend report resume train"
    ),
    "pixelrec.batch": "Batch DatasetSpec Events Histories Items Scores",
    "pixelrec.data.dataset": "Dataset",
    "pixelrec.demonstration.world": "generate_world",
    "pixelrec.errors": (
        "DataError DivergedError ExhaustedError GridError ImageError PixelrecError RecipeError RequestError "
        "RunError StoppedError"
    ),
    "pixelrec.images.store": "PictureStore",
    "pixelrec.items.encoder": "AbstractItemEncoder",
    "pixelrec.recipe.recipe": "Recipe read_recipe recipes",
    "pixelrec.recipe.registry": "register",
    "pixelrec.recommender": "Recommender",
    "pixelrec.runs.run": "Run",
    "pixelrec.users.user_model": "AbstractUserModel",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "AbstractItemEncoder",
    "AbstractUserModel",
    "Batch",
    "DataError",
    "Dataset",
    "DatasetSpec",
    "DivergedError",
    "Events",
    "ExhaustedError",
    "GridError",
    "Histories",
    "ImageError",
    "Items",
    "PictureStore",
    "PixelrecError",
    "Recipe",
    "RecipeError",
    "Recommender",
    "RequestError",
    "Run",
    "RunError",
    "Scores",
    "StoppedError",
    "__version__",
    "bench",
    "cache",
    "check_images",
    "compare",
    "demo",
    "evaluate",
    "generate_world",
    "pack_images",
    "prepare",
    "read_recipe",
    "recipes",
    "recommend",
    "register",
    "report",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("pixelrec")
    if name not in _HOME:
        raise AttributeError(f"module 'pixelrec' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
