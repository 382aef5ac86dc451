"""A run folder: everything about one training, readable by people.

```
recipe.yaml         every choice, resolved, and the name of the recipe
run.json            the data set, digests of it, pretrained networks, time and versions
items.parquet       the vocabulary of the item numbers that the checkpoints use
metrics.jsonl       a line per epoch
tensorboard/
best/               the recommender of the best epoch
last/               the state to resume from
rows/, fit/         of a fitted item encoder: the run of the id table, and the fit to its rows
evaluation-<split>.json, ranks-<split>.parquet
report.html         of test; report-validation.html
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import torch
from torch import Tensor

from pixelrec.batch import Histories
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.manifest import is_dataset
from pixelrec.data.split import all_events, training_events
from pixelrec.errors import RecipeError, RunError, command, first_line
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.features.feature_file import RUN
from pixelrec.files.atomic import whole
from pixelrec.files.checkpoint import read_description
from pixelrec.files.digests import ids_digest
from pixelrec.files.hub import PREFIX, upload
from pixelrec.files.table_file import read_table
from pixelrec.numerics.precision import device_of
from pixelrec.recommender import Catalogue, Recommender
from pixelrec.runs.about import FINAL, PUBLISHED, read_about
from pixelrec.runs.item_vectors import kept_vectors, read_vectors
from pixelrec.runs.place import ITEMS
from pixelrec.training.config import EPOCH

if TYPE_CHECKING:
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.publication import Publication, Published

EVENTS, PICTURES = "users, items or histories", "pictures"
BLEND = "blend"  # entry of the description of a blend: its weights by part
FORMER_RECIPE = "former_recipe_sha256"  # entry of the description: a recipe that may still be in place
_AGAIN = "download it again, or publish the run again"


@dataclass(frozen=True, repr=False)
class Run:
    folder: Path
    about: Mapping[str, Any]  # run.json

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}: {self.name})"

    @property
    def name(self) -> str:
        """That of its recipe."""
        return str(self.about["recipe"])

    @property
    def is_blend(self) -> bool:
        """Whether it mixes scores of other models, and has no recommender and no recipe of its own."""
        return BLEND in self.about

    def demand_trained(self) -> None:
        """Raises `RunError` for a blend."""
        if self.is_blend:
            raise RunError(
                f"{self.folder} is a blend of other models and was not trained; give a trained run"
            )

    @property
    def is_final(self) -> bool:
        """Whether it was trained on every event, the test events included."""
        return FINAL in self.about

    def demand_measured(self) -> None:
        """Raises `RunError` for a final run: its metrics would be of events that it was trained on."""
        if self.is_final:
            raise RunError(
                f"{self.folder} is a final run: it was trained on every event, the test events included, so "
                f"it has no metrics; give the run that chose its epochs, {self.about[FINAL]['run']}"
            )

    @property
    def is_published(self) -> bool:
        """Whether it was published: it has item vectors, and neither a data set nor a state of training."""
        return PUBLISHED in self.about

    @property
    def has_encoder(self) -> bool:
        """Whether the weights of its item encoder are there: it may have been published without them."""
        return not self.is_published or bool(self.about[PUBLISHED].get("encoder"))

    @property
    def monitor(self) -> str:
        """The metric in its journal that picks the best epoch."""
        return EPOCH if self.is_final else self.recipe.training.monitor

    def training_events(self, dataset: Dataset) -> Histories:
        """The events of its data set that it was trained on."""
        return all_events(dataset) if self.is_final else training_events(dataset)

    @cached_property
    def recipe(self) -> Recipe:
        """Raises `RunError` if the file is missing or damaged, or names a class that is not installed."""
        from pixelrec.recipe.recipe import read_recipe

        self.demand_trained()
        path = self.folder / "recipe.yaml"
        try:
            found = read_recipe(path)
        except RecipeError as error:
            foreign = self.about.get("classes")
            mend = f"; it was trained with {foreign}: install the package" if foreign else ""
            raise RunError(f"{path}: the recipe of the run cannot be used: {error}{mend}") from error
        allowed = self.about["recipe_sha256"], self.about.get(FORMER_RECIPE)
        if sha256(path.read_bytes()).hexdigest() not in allowed:
            raise RunError(
                f"{path}: has changed since the training began; put the recipe of {self.name} back as it was"
            )
        return found

    @property
    def names(self) -> tuple[str, str, str]:
        """Names beside other runs, the shortest first: several recipes may have the same name."""
        return (self.name, f"{self.name} ({self.folder.name})", f"{self.name} ({self.folder})")

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Raises `RunError` if the folder is no run, or of another format."""
        folder = Path(folder)
        return cls(folder, read_about(folder))

    def dataset(self, data: Path | str | None = None) -> Dataset:
        """The data set it was trained on, or the same one at another place.

        Raises `RunError` if `data` is another data set, or its items have other pictures now.
        """
        places = self.data_folders if data is None else [Path(data)]
        if not places:
            if self.is_published:
                raise RunError(
                    f"{self.folder} is a published run, without data set and state of training; "
                    "recommend for histories of item ids, or start a new run from it with training.warm_start"
                )
            raise RunError(
                f"the data set of {self.folder} is no longer at {self.about['data']}; give it with --data"
            )
        for place in places:
            dataset = Dataset.open(place)
            differing = self.difference(dataset)
            if differing is None:
                return dataset
        mend = "give the one it was trained on with --data"
        if differing == PICTURES:
            mend = "pack the covers it was trained on again"
        raise RunError(
            f"{dataset.folder} is not the data set that {self.folder} was trained on: its {differing} "
            f"differ; {mend}, or train again"
        )

    @property
    def data_folders(self) -> list[Path]:
        """Data sets where its own may be: at the absolute path, and at the one relative to the run."""
        if self.is_published:
            return []
        places = Path(self.about["data"]), (self.folder / self.about["data_from_here"]).resolve()
        return [place for place in dict.fromkeys(places) if is_dataset(place)]

    def difference(self, dataset: Dataset) -> str | None:
        """The part of `dataset` that has changed since the run was trained, in words; none if it is the same.

        Pictures count only if the run reads them and they are there.
        """
        if dataset.fingerprint != self.about.get("data_fingerprint"):
            return EVENTS
        then, now = self.about.get("pictures_fingerprint"), dataset.covers.exists()
        return PICTURES if then and now and then != dataset.pictures_fingerprint else None

    def recommender(self, dataset: Dataset | None = None, *, vectors: Tensor | None = None) -> Recommender:
        """The recommender of the best epoch; raises `RunError` if no epoch has ended yet.

        dataset: its own, for an encoder that reads pictures and a user model that reads training events.
        vectors: as in `Recommender.from_pretrained`.
        """
        self.demand_trained()
        best = self.demand_best()
        if vectors is None and not self.has_encoder:
            raise RunError(f"{self.folder} was published without its item encoder, so it takes no new covers")
        length = read_description(best)["spec"]["length"]
        spec = None if dataset is None else dataset.spec(length, self.training_events(dataset))
        return Recommender.from_pretrained(best, data=spec, vectors=vectors).to(self.device)

    @property
    def device(self) -> torch.device:
        """The device that its recipe chooses, on this machine."""
        return device_of("cpu" if self.about["device"] == "cpu" else "auto")

    def demand_best(self) -> Path:
        """The checkpoint of the best epoch; raises `RunError` if no epoch has ended yet."""
        best = self.folder if self.is_published else whole(self.folder / "best")
        if not best.exists():
            raise RunError(
                f"{self.folder} has no best checkpoint yet: its first epoch has not ended; continue it with "
                f"`{command('train', '--resume', self.folder)}`"
            )
        return best

    @property
    def vocabulary(self) -> pl.DataFrame:
        """`item_id`, and perhaps a title and more, of item number r + 1 of its checkpoints, in row r.

        Raises `RunError` if the file is missing, damaged, or of other items.
        """
        path = self.folder / ITEMS
        remedy = "copy items.parquet of the data set that the run was trained on there"
        try:
            items = read_table(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            reason = first_line(error)
            raise RunError(f"{path}: missing or damaged ({reason}); {remedy}") from error
        ids = items.to_dict().get("item_id")
        if ids is None or ids.dtype != pl.String or ids.null_count():
            raise RunError(f"{path}: has no column item_id of text; {remedy}")
        if ids_digest(ids) != self.about["item_ids"]:
            raise RunError(f"{path}: has other items, or in another order, than the run; {remedy}")
        return items

    def trained_ranker(self, dataset: Dataset, on_progress: OnProgress = ignore) -> TrainedRanker:
        """The recommender of the best epoch and its catalogue; errors as of `recommender`."""
        recommender = self.recommender(dataset)
        return TrainedRanker(recommender, self.catalogue(recommender, on_progress))

    def catalogue(self, recommender: Recommender, on_progress: OnProgress = ignore) -> Catalogue:
        """All items, encoded by the recommender of the best epoch; expensive vectors are kept there."""
        return recommender.catalogue(encoded=self.encoded(recommender, on_progress))

    def encoded(self, recommender: Recommender, on_progress: OnProgress = ignore) -> Tensor:
        """Vectors (N + 1, D) of all items; where they are expensive, kept in the best checkpoint."""
        if self.is_published:
            return self.published_vectors.to(recommender.device)
        if not recommender.items.expensive:
            return recommender.encode_all()
        ids = self.vocabulary["item_id"]
        return kept_vectors(recommender, self.demand_best(), ids, self.origin, on_progress)

    @cached_property
    def published_vectors(self) -> Tensor:
        """Vectors (N + 1, D) of a published run; raises `RunError` if they are damaged or of other items."""
        description, ids = read_description(self.folder), self.vocabulary["item_id"]
        digest, pictures = description["weights"].get("items", ""), self.about.get("pictures_fingerprint", "")
        vectors = read_vectors(self.folder, digest, pictures, ids)
        if vectors is None or description["spec"]["items"] != len(ids):
            raise RunError(
                f"{self.folder}: its item vectors are missing, damaged or of other items; {_AGAIN}"
            )
        return vectors

    def save_pretrained(
        self,
        folder: Path | str,
        *,
        licence: str | None = None,
        data_licence: str | None = None,
        encoder: bool = True,
        overwrite: bool = False,
        data: Dataset | None = None,
        on_progress: OnProgress = ignore,
    ) -> Published:
        """Writes a folder for `pixelrec.from_pretrained`, which recommends with no data set at hand.

        Args:
            folder: new or empty.
            licence: of the weights, for the model card: an id that the hub knows, or any name.
            data_licence: the same of the data.
            encoder: whether to include the weights of the item encoder, which new covers need.
            overwrite: replace a published run.
            data: its data set, if it has moved since.
            on_progress: called with a line of text as items are encoded.

        Raises:
            RequestError: its user model needs more than the items of a history.
            RunError: it is a blend, no epoch has ended, or the folder is not empty.
        """
        from pixelrec.runs.publication import demand_place

        demand_place(Path(folder), overwrite)  # before items are encoded
        made = self._publication(licence, data_licence, encoder, data, on_progress)
        return made.write(Path(folder), overwrite=overwrite)

    def push_to_hub(
        self,
        name: str,
        *,
        private: bool = False,
        licence: str | None = None,
        data_licence: str | None = None,
        encoder: bool = True,
        data: Dataset | None = None,
        on_progress: OnProgress = ignore,
    ) -> Published:
        """Publishes it on the Hugging Face hub as OWNER/NAME; arguments as of `save_pretrained`."""
        with TemporaryDirectory() as place:
            made = self._publication(licence, data_licence, encoder, data, on_progress, name)
            written = made.write(Path(place, "run"))
            on_progress(f"uploading {name}")
            url = upload(Path(written.place), name, private=private)
            return replace(written, place=f"{PREFIX}{name}", url=url)

    def _publication(
        self,
        licence: str | None,
        data_licence: str | None,
        encoder: bool,
        data: Dataset | None,
        on_progress: OnProgress,
        address: str = "OWNER/NAME",
    ) -> Publication:
        from pixelrec.runs.model_card import Licences  # with the results of evaluations, and SciPy for them
        from pixelrec.runs.publication import Publication, demand_publishable

        demand_publishable(self.recipe["users"]["name"])
        best = self.demand_best()
        places = self.data_folders if data is None else [self.dataset(data.folder).folder]
        own = next((each for each in map(Dataset.open, places) if self.difference(each) is None), None)
        digest = read_description(best)["weights"].get("items", "")
        vectors = read_vectors(best, digest, self.about.get("pictures_fingerprint", ""))
        if vectors is None:
            vectors = self.encoded(self.recommender(own), on_progress)
        licences, recipe = Licences(licence, data_licence), self.recipe.values
        return Publication(
            self.about, recipe, self.vocabulary, best, vectors, licences, own, encoder, address
        )

    @property
    def origin(self) -> dict[str, str]:
        """As the origin of feature files of its item vectors."""
        return {"kind": RUN, "run": str(self.folder.resolve()), "recipe": self.name}
