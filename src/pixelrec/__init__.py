"""Train and evaluate recommenders that see the pictures of items.

Each name is imported when it is first used, so importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pixelrec.api import assign_codes as assign_codes
    from pixelrec.api import bench as bench
    from pixelrec.api import blend as blend
    from pixelrec.api import cache as cache
    from pixelrec.api import check_images as check_images
    from pixelrec.api import compare as compare
    from pixelrec.api import demo as demo
    from pixelrec.api import evaluate as evaluate
    from pixelrec.api import explain as explain
    from pixelrec.api import export_data as export_data
    from pixelrec.api import export_features as export_features
    from pixelrec.api import export_onnx as export_onnx
    from pixelrec.api import export_vectors as export_vectors
    from pixelrec.api import extract_features as extract_features
    from pixelrec.api import fit_codes as fit_codes
    from pixelrec.api import from_pretrained as from_pretrained
    from pixelrec.api import import_features as import_features
    from pixelrec.api import import_recipe as import_recipe
    from pixelrec.api import inspect_features as inspect_features
    from pixelrec.api import ladder as ladder
    from pixelrec.api import load as load
    from pixelrec.api import pack_images as pack_images
    from pixelrec.api import prepare as prepare
    from pixelrec.api import publish as publish
    from pixelrec.api import recommend as recommend
    from pixelrec.api import recommend_all as recommend_all
    from pixelrec.api import report as report
    from pixelrec.api import resume as resume
    from pixelrec.api import serve as serve
    from pixelrec.api import similar as similar
    from pixelrec.api import train as train
    from pixelrec.api import train_final as train_final
    from pixelrec.api import what_if as what_if
    from pixelrec.batch import Batch as Batch
    from pixelrec.batch import DatasetSpec as DatasetSpec
    from pixelrec.batch import Events as Events
    from pixelrec.batch import Histories as Histories
    from pixelrec.batch import Items as Items
    from pixelrec.batch import Scores as Scores
    from pixelrec.data.dataset import Dataset as Dataset
    from pixelrec.demonstration.world import generate_world as generate_world
    from pixelrec.errors import DataError as DataError
    from pixelrec.errors import DivergedError as DivergedError
    from pixelrec.errors import ExhaustedError as ExhaustedError
    from pixelrec.errors import FeatureError as FeatureError
    from pixelrec.errors import GridError as GridError
    from pixelrec.errors import ImageError as ImageError
    from pixelrec.errors import PixelrecError as PixelrecError
    from pixelrec.errors import RecipeError as RecipeError
    from pixelrec.errors import RequestError as RequestError
    from pixelrec.errors import RunError as RunError
    from pixelrec.errors import StoppedError as StoppedError
    from pixelrec.features.feature_file import FeatureFile as FeatureFile
    from pixelrec.images.store import PictureStore as PictureStore
    from pixelrec.items.encoder import AbstractItemEncoder as AbstractItemEncoder
    from pixelrec.recipe.recipe import Recipe as Recipe
    from pixelrec.recipe.recipe import read_recipe as read_recipe
    from pixelrec.recipe.recipe import recipes as recipes
    from pixelrec.recipe.registry import register as register
    from pixelrec.recommender import Recommender as Recommender
    from pixelrec.runs.run import Run as Run
    from pixelrec.serving.client import Client as Client
    from pixelrec.users.user_model import AbstractUserModel as AbstractUserModel

    __version__: str

_HOMES = {
    "pixelrec.api": (
        "assign_codes bench blend cache check_images compare demo evaluate explain export_data "
        "export_features export_onnx export_vectors extract_features fit_codes from_pretrained "
        "import_features import_recipe inspect_features ladder load pack_images prepare publish recommend "
        "recommend_all report resume serve similar train train_final what_if"
    ),
    "pixelrec.batch": "Batch DatasetSpec Events Histories Items Scores",
    "pixelrec.data.dataset": "Dataset",
    "pixelrec.demonstration.world": "generate_world",
    "pixelrec.errors": (
        "DataError DivergedError ExhaustedError FeatureError GridError ImageError PixelrecError RecipeError "
        "RequestError RunError StoppedError"
    ),
    "pixelrec.features.feature_file": "FeatureFile",
    "pixelrec.images.store": "PictureStore",
    "pixelrec.items.encoder": "AbstractItemEncoder",
    "pixelrec.recipe.recipe": "Recipe read_recipe recipes",
    "pixelrec.recipe.registry": "register",
    "pixelrec.recommender": "Recommender",
    "pixelrec.runs.run": "Run",
    "pixelrec.serving.client": "Client",
    "pixelrec.users.user_model": "AbstractUserModel",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("pixelrec")
    if name not in _HOME:
        raise AttributeError(f"module 'pixelrec' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
