"""Recommenders without training, which every model must beat: counts and closed forms over training events.

They score all items for users from histories alone; tuning and ranking them is evaluation's work.
"""

from collections.abc import Mapping

from pixelrec.baselines.baseline import AbstractEventBaseline, AbstractFeatureBaseline, RandomOrder
from pixelrec.baselines.ease import EASE
from pixelrec.baselines.item_knn import ItemKNN
from pixelrec.baselines.l3ae import L3AE
from pixelrec.baselines.popularity import Popularity, RecentPopularity
from pixelrec.baselines.visrank import VisRank

BASELINES: Mapping[str, type[AbstractEventBaseline]] = {
    "random": RandomOrder,
    "popularity": Popularity,
    "recent popularity": RecentPopularity,
    "item-kNN": ItemKNN,
    "EASE": EASE,
}

FEATURE_BASELINES: Mapping[str, type[AbstractFeatureBaseline]] = {"VisRank": VisRank, "L3AE": L3AE}
"""For data sets with feature files."""

# Raised whenever the ranks of a baseline may change, so that saved ones are not used.
VERSION = 2
