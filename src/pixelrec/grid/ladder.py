"""The ladder of a picture network: each way of using it as a recipe, from ids to training it end to end.

The fair rule: all rungs have one user model, scoring, negatives, batches, rate and decay of what is not the
network, and every epoch of every rung is chosen on validation, with one patience. Each rung has one setting,
written below, and none was tuned on the data set at hand, unless trials are asked for (`grid/trials.py`);
options of the command line change all rungs that have them. What differs:

- ids: a table, at the rate of the rows that `fitted` begins with
- frozen, whitened, aligned, deep, joined: the network does not change, so it has no rate
- top, all: the rate of the network is 1/20 of that of the rest; vectors of negatives come from a bank
- fitted: the stages and rates of the shipped recipes that are fitted to rows; its user model settles in fewer
  epochs, where that of others has as many as it takes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np

from pixelrec.choices import Rung, Split
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.errors import FeatureError, RequestError, RunError
from pixelrec.grid.blended import with_blend
from pixelrec.grid.plan import Grid, plan
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.extraction import Layer, extract
from pixelrec.items.pictures import Pictures
from pixelrec.numerics.precision import device_of
from pixelrec.recipe.recipe import Recipe, resolve

Sections: TypeAlias = Mapping[str, Mapping[str, Any]]
TOP_BLOCKS = 3  # that `top` and `fitted` train, or all if there are fewer
WIDTH, RATE = 64, 0.002
IDS = {"items_learning_rate": 0.005, "items_weight_decay": 0.0}
NETWORK = {"backbone_learning_rate": 1e-4, "backbone_weight_decay": 0.01}
COMMON: Mapping[str, Any] = {
    "length": 50,
    "users": {"name": "sasrec", "layers": 2, "heads": 2, "expansion": 2.0, "dropout": 0.2,
              "attention_dropout": 0.1},
    "scoring": {"name": "cosine", "temperature": 0.15, "learn": False, "unit_items": True},
    "windowing": {"overlap": 0.5},
    "negatives": {"name": "shared", "drawn": 512, "interacted_only": True, "in_batch": True,
                  "logit_adjustment": 0.5},
    "loss": {"name": "softmax"},
    "optimiser": {"learning_rate": RATE, "weight_decay": 0.1},
    "training": {"epochs": 200, "batch_size": 128, "patience": 10},
}  # fmt: skip
BANK = {"bank": True, "reencoded": 128}
_NONE: Sections = {}
FIT = {"rows": 10, "passes": 20, "learning_rate": RATE, "backbone_learning_rate": 5e-4, "warmup": 30}


@final
@dataclass(frozen=True)
class Ladder:
    """A network and a data set, and the folder of the runs."""

    source: str
    size: int | None
    network: AbstractBackbone
    dataset: Dataset
    out: Path

    @classmethod
    def of(cls, source: str, size: int | None, dataset: Dataset, out: Path) -> Ladder:
        """Loads the network; raises `RecipeError` if it is none, and an error if there are no pictures."""
        Pictures(dataset.spec(1, training_events(dataset))).demand_packed(size)
        place = Path(source).expanduser()
        found = str(place.resolve()) if place.exists() else source
        network = make_network(NetworkConfig(found, options=BackboneOptions(size=size)))
        return cls(found, size, network, dataset, out)

    @property
    def features(self) -> Path:
        """The feature file of `whitened` and `aligned`."""
        return (self.out / "features").resolve()

    @property
    def top(self) -> int:
        """The blocks that `top` and `fitted` train."""
        return min(TOP_BLOCKS, len(self.network.blocks))

    def recipes(self, rungs: Sequence[Rung]) -> list[Recipe]:
        """In the order of the ladder; a blend has none of its own."""
        top = self._pixels(self.top)
        bank: Sections = {"negatives": BANK, "optimiser": NETWORK}
        ids, half = {"name": "id_table", "width": WIDTH}, {"whiten": 0.5, "shrinkage": 0.1}
        whitened = {"name": "features", "file": str(self.features), "width": WIDTH, **half}
        aligned = {**whitened, "whiten": 0.0, "shrinkage": 0.0, "pca": self._directions, "smoothing": 0.5}
        both = {"name": "joined", "width": WIDTH, "parts": {"ids": {"name": "id_table"}, "deep": self._deep}}
        fitted: Sections = {
            "optimiser": IDS,
            "fit": FIT,
            "training": {"epochs": 30, "patience": 5},
        }
        made: dict[Rung, Recipe] = {
            "ids": _recipe("ids", "a table of ids", ids, {"optimiser": IDS}),
            "frozen": _recipe("frozen", "the last layer, frozen", self._pixels("none")),
            "whitened": _recipe("whitened", "the last layer, frozen and half whitened", whitened),
            "aligned": _recipe(
                "aligned", "the last layer, frozen, by what items bought together share", aligned
            ),
            "deep": _recipe("deep", "every depth, frozen", self._deep),
            "fitted": _recipe("fitted", f"the top {self.top} blocks, fitted to rows", top, fitted),
            "top": _recipe("top", f"the top {self.top} blocks, end to end", top, bank),
            "all": _recipe("all", "all blocks, end to end", self._pixels("all"), bank),
            "joined": _recipe("joined", "ids and every depth, frozen", both),
        }
        return [recipe for rung, recipe in made.items() if rung in rungs]

    @property
    def _directions(self) -> int:
        """Those of `aligned`: fewer than the features have, and than the items that they are found from."""
        taken = np.count_nonzero(item_counts(training_events(self.dataset), self.dataset.items))
        return max(1, min(WIDTH, self.network.width - 1, int(taken) - 1))

    def _pixels(self, trainable: int | str) -> dict[str, Any]:
        size = {} if self.size is None else {"size": self.size}
        own = {"name": "pixels", "source": self.source, "width": WIDTH, "init": "xavier_normal"}
        return {**own, **size, "trainable": trainable}

    @property
    def _deep(self) -> dict[str, Any]:
        return {**self._pixels("none"), "depths": "all", "cache_dtype": "fp32"}

    def extract(self) -> None:
        """Make the feature file of `whitened` and `aligned`; an interrupted extraction continues.

        Raises `RunError` if there is one of another network.
        """
        layer, there = Layer(self.network.eval().to(device_of("auto"))), self.features.exists()
        try:
            extract(layer, Pictures(self.dataset.spec(1, training_events(self.dataset))), self.features)
        except FeatureError as error:
            if not there:
                raise
            raise RunError(
                f"{self.features} is of another network, or damaged; choose another --out, or delete it"
            ) from error


def _recipe(name: str, about: str, items: Mapping[str, Any], sections: Sections = _NONE) -> Recipe:
    """COMMON with these items, and some values of sections replaced."""
    changed = {key: {**COMMON.get(key, {}), **values} for key, values in sections.items()}
    return resolve(name, {"about": about, **COMMON, "items": items, **changed}, {})


def plan_ladder(
    ladder: Ladder,
    rungs: Sequence[Rung],
    *,
    seeds: int,
    split: Split,
    overrides: Mapping[str, Any],
    settings: Sections = _NONE,
) -> Grid:
    """The grid of some rungs, in the order of the ladder; settings: options by rung."""
    recipes = [resolve(one.name, one.values, settings.get(one.name, {})) for one in ladder.recipes(rungs)]
    if not recipes or ("blend" in rungs and len(recipes) < 2):
        raise RequestError(
            f"rungs are {', '.join(rungs) or 'none'}; give at least one, and two beside blend, such as "
            "--rungs ids frozen blend"
        )
    grid = plan_recipes(ladder, recipes, seeds=seeds, split=split, overrides=overrides)
    return with_blend(grid) if "blend" in rungs else grid


def plan_recipes(
    ladder: Ladder, recipes: Sequence[Recipe], *, seeds: int, split: Split, overrides: Mapping[str, Any]
) -> Grid:
    """A grid that compares with the first; options of `fit` are of the recipes with a fit."""
    fit = {key: value for key, value in overrides.items() if key.startswith("fit.")}  # all recipes have them
    others = {key: value for key, value in overrides.items() if key not in fit}
    chosen = [resolve(one.name, one.values, fit) if one.fit.passes else one for one in recipes]
    grid = plan(ladder.dataset, chosen, seeds=seeds, split=split, out=ladder.out, overrides=others)
    return replace(grid, reference=recipes[0].name)
