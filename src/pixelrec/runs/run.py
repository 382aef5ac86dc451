"""A run folder: everything about one training, readable by people.

```
recipe.yaml         every choice, resolved
run.json            which data set, when, with which versions
items.parquet       the vocabulary of the item numbers that the checkpoints use
metrics.jsonl       a line per epoch
tensorboard/
best/               the recommender of the best epoch
last/               the state to resume from
ranks-<split>.parquet, metrics-<split>.json, baselines-<split>.json, slices-<split>.json
report.html         of test; report-validation.html
```
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch

from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError
from pixelrec.files.atomic import whole
from pixelrec.numerics.device import device_of
from pixelrec.recipe.recipe import Recipe, read_recipe
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.item_vectors import kept_catalogue

FORMAT = 1
EVENTS, PICTURES = "users, items or histories", "pictures"


@dataclass(frozen=True)
class Run:
    """An existing run folder."""

    folder: Path
    recipe: Recipe
    about: Mapping[str, Any]  # run.json

    @property
    def name(self) -> str:
        """What the run's recommender is called in tables."""
        return self.recipe.name

    @property
    def names(self) -> tuple[str, str, str]:
        """What it may be called beside other runs, from the shortest on: recipes may bear the same name."""
        return (self.name, f"{self.name} ({self.folder.name})", f"{self.name} ({self.folder})")

    @property
    def length(self) -> int:
        """L: latest events that its user model looks at."""
        return self.recipe["length"]

    @classmethod
    def create(
        cls,
        folder: Path,
        recipe: Recipe,
        dataset: Dataset,
        start: Mapping[str, str] | None = None,
        reads: str = "",
    ) -> Self:
        """Makes the folder of a new run.

        Args:
            folder: new or empty.
            recipe: resolved.
            dataset: that it is trained on.
            start: the run whose weights it starts from, and their hash.
            reads: fingerprint of the pictures that its item encoder looks at; empty: at none.

        Raises:
            RunError: the folder holds something already.
        """
        demand_new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {
            "format": FORMAT,
            "recipe": recipe.name,
            "data": str(dataset.folder.resolve()),
            "data_fingerprint": dataset.fingerprint,
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "pixelrec": version("pixelrec"),
            "torch": torch.__version__,
        }
        if reads:
            about["pictures_fingerprint"] = reads
        if start is not None:
            about["warm_start"] = dict(start)
        shutil.copyfile(dataset.folder / "items.parquet", folder / "items.parquet")
        (folder / "recipe.yaml").write_text(recipe.dump(named=True), encoding="utf-8")
        (folder / "run.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return cls(folder, recipe, about)

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Opens a run.

        Raises:
            RunError: the folder is no run, or of another format.
        """
        folder = Path(folder)
        try:
            about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{folder} is no run: it has no run.json; give a folder that `pixelrec train` made"
            ) from None
        except json.JSONDecodeError as error:
            raise RunError(f"{folder / 'run.json'}: not JSON ({error}); the run is damaged") from None
        if about.get("format") != FORMAT:
            raise RunError(
                f"{folder}: run format {about.get('format')!r}, this version reads {FORMAT}; train again"
            )
        recipe = read_recipe(folder / "recipe.yaml")
        return cls(folder, Recipe(about["recipe"], recipe.config), about)

    def dataset(self, data: Path | str | None = None) -> Dataset:
        """The data set it was trained on, or the same one at another place.

        Raises:
            RunError: `data` is another data set, or its items have other pictures now.
        """
        if data is None and not Path(self.about["data"]).exists():
            raise RunError(
                f"the data set of {self.folder} is no longer at {self.about['data']}; give it with --data"
            )
        dataset = Dataset.open(Path(data or self.about["data"]))
        if differing := self.difference(dataset):
            mend = "pack the covers of then again" if differing == PICTURES else "give that one with --data"
            raise RunError(
                f"{dataset.folder} is not the data set that {self.folder} was trained on: its {differing} "
                f"differ; {mend}, or train again"
            )
        return dataset

    def difference(self, dataset: Dataset) -> str | None:
        """What `dataset` has otherwise than when the run was trained, in words; none if it is the same.

        Pictures count where the run looks at them and they are at hand; runs of before they were noted have
        any.
        """
        if dataset.fingerprint != self.about["data_fingerprint"]:
            return EVENTS
        then, now = self.about.get("pictures_fingerprint"), dataset.covers.exists()
        return PICTURES if then and now and then != dataset.pictures_fingerprint else None

    def recommender(self, spec: DatasetSpec | None = None) -> Recommender:
        """The recommender of the best epoch.

        Raises:
            RunError: no epoch has ended yet.
        """
        device = device_of(self.recipe.training.device)
        return Recommender.from_pretrained(self.demand_best(), data=spec).to(device)

    def demand_best(self) -> Path:
        """The checkpoint of the best epoch.

        Raises:
            RunError: no epoch has ended yet.
        """
        best = whole(self.folder / "best")
        if not best.exists():
            raise RunError(
                f"{self.folder} has no best checkpoint yet: its first epoch has not ended; train on"
            )
        return best

    @property
    def vocabulary(self) -> pl.DataFrame:
        """`item_id` and what else is known of item number r + 1 of its checkpoints, in row r."""
        return pl.read_parquet(self.folder / "items.parquet")

    def catalogue(self, recommender: Recommender) -> Catalogue:
        """All items, as the recommender of the best epoch sees them; what is dear to encode is kept there."""
        return kept_catalogue(recommender, whole(self.folder / "best"), progress=True)


def demand_new(folder: Path) -> None:
    """Raises `RunError` if the folder of a new run holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is not empty; choose another --out, or continue it with --resume {folder}")


def new_folder(recipe: Recipe, runs: Path = Path("runs")) -> Path:
    """`runs/<date>-<time>-<recipe>`, with a number where that is taken."""
    name = f"{datetime.now():%Y-%m-%d-%H%M%S}-{recipe.name.replace('/', '-')}"
    taken = (f"{name}-{n}" if n > 1 else name for n in range(1, 10**6))
    return next(runs / name for name in taken if not (runs / name).exists())
