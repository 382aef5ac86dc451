"""Recommenders without training, which every model must beat: counts and closed forms over training events.

They score all items for users from histories alone; tuning and ranking them is evaluation's work.
"""

from collections.abc import Mapping

from pixelrec.baselines.baseline import AbstractBaseline, RandomOrder
from pixelrec.baselines.ease import EASE
from pixelrec.baselines.item_knn import ItemKNN
from pixelrec.baselines.popularity import Popularity, RecentPopularity

BASELINES: Mapping[str, type[AbstractBaseline]] = {
    "random": RandomOrder,
    "popularity": Popularity,
    "recent popularity": RecentPopularity,
    "item-kNN": ItemKNN,
    "EASE": EASE,
}

# Raised whenever the ranks of a baseline may change, so that saved ones are not used.
VERSION = 2
