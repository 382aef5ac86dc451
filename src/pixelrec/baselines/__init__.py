"""Recommenders that need no training: what every model must beat, by the names that tables show."""

from collections.abc import Mapping

from pixelrec.baselines.baseline import AbstractBaseline
from pixelrec.baselines.ease import EASE
from pixelrec.baselines.item_knn import ItemKNN
from pixelrec.baselines.popularity import Popularity
from pixelrec.baselines.random_order import RandomOrder
from pixelrec.baselines.recent_popularity import RecentPopularity

BASELINES: Mapping[str, type[AbstractBaseline]] = {
    "random": RandomOrder,
    "popularity": Popularity,
    "recent popularity": RecentPopularity,
    "item-kNN": ItemKNN,
    "EASE": EASE,
}

# Of everything in this room: raised whenever a baseline's ranks may change, so that kept ones are not used.
VERSION = 1
