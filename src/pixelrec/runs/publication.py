"""A published run: one folder that recommends for histories and new covers, with no data set at hand.

It is a run folder without what belongs to training, and with its checkpoint beside the other files:

| file | holds |
|---|---|
| `README.md` | the model card |
| `run.json`, `recipe.yaml` | the description and the recipe, without paths of the machine of training |
| `items.parquet` | `item_id`, and `title` if items have one |
| `recommender.json`, `model.safetensors` | the recommender: form of pictures, treatments, picture network |
| `item-vectors/` | the vectors of the catalogue |

No file holds anything about users.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import polars as pl
from torch import Tensor

from pixelrec.data.dataset import Dataset
from pixelrec.errors import RequestError, RunError
from pixelrec.features.feature_writer import writing
from pixelrec.files.atomic import demand_empty, new_folder, whole
from pixelrec.files.checkpoint import DESCRIPTION, WEIGHTS, read_checkpoint, weights_sha256, write_checkpoint
from pixelrec.files.table_file import write_table
from pixelrec.recipe.anchors import without_places
from pixelrec.recipe.yaml_text import write_yaml
from pixelrec.runs.about import FINAL, PUBLISHED, read_about
from pixelrec.runs.item_vectors import FOLDER as VECTORS
from pixelrec.runs.model_card import OUTDATED, Card, Licences
from pixelrec.runs.place import ITEMS, RECIPE
from pixelrec.runs.results import EvaluationResult, is_evaluated
from pixelrec.users import USER_MODELS

CARD, ABOUT = "README.md", "run.json"
FILES = (CARD, ABOUT, RECIPE, ITEMS, DESCRIPTION, WEIGHTS, f"{VECTORS}/*")
_KEPT = ("format", "recipe", "device", "item_ids", "created", "pixelrec", "torch", "classes", "pretrained")
_KEPT_TOO = ("pictures_fingerprint", "id_types", FINAL)


@final
@dataclass(frozen=True)
class Published:
    """What was written."""

    place: str  # the folder, or hf://OWNER/NAME: either loads
    sizes: Mapping[str, int]  # bytes by file
    url: str = ""  # of its page on the hub
    notes: tuple[str, ...] = ()  # lines about what was left out


@final
@dataclass(frozen=True)
class Publication:
    """All that a published folder is made of.

    encoder: whether the weights of the item encoder are among it, which new covers need.
    """

    about: Mapping[str, Any]  # of the run
    recipe: Mapping[str, Any]
    items: pl.DataFrame
    checkpoint: Path
    vectors: Tensor  # N + 1, D
    licences: Licences
    dataset: Dataset | None = None
    encoder: bool = True
    address: str = "OWNER/NAME"  # on the hub, for the model card

    def write(self, folder: Path, *, overwrite: bool = False) -> Published:
        """Writes the folder, whole or not at all.

        Raises:
            RunError: the folder is not empty, or cannot be written.
        """
        demand_place(folder, overwrite)
        with new_folder(folder, RunError) as new:
            self._write(new)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        sizes = {str(path.relative_to(folder)): path.stat().st_size for path in files}
        return Published(str(folder), sizes, notes=(OUTDATED,) if self._outdated else ())

    def _write(self, folder: Path) -> None:
        saved, tensors = read_checkpoint(self.checkpoint, without="" if self.encoder else "items")
        weights = {key: saved.pop(key) for key in ("weights", "format")}["weights"]
        write_checkpoint(folder, without_places(saved), tensors)
        digest = weights.get("items", "") if self.encoder else ""
        reads = self.about.get("pictures_fingerprint", "")
        origin = {"kind": "run", "run": "", "recipe": self.about["recipe"], "weights": digest, "reads": reads}
        rows = self.vectors[1:].float().cpu().numpy()
        with writing(folder / VECTORS, self.items["item_id"], rows.shape[1:], origin) as writer:
            writer.append(rows)
        written = write_yaml(without_places({"name": self.about["recipe"], **self.recipe}))
        (folder / RECIPE).write_text(written, encoding="utf-8")
        write_table(self.items.select(pl.col("item_id", "^title$")), folder / ITEMS)
        (folder / CARD).write_text(self.card.text(), encoding="utf-8")
        kept = {key: self.about[key] for key in (*_KEPT, *_KEPT_TOO) if key in self.about}
        about = {
            **without_places(kept),
            "recipe_sha256": sha256(written.encode()).hexdigest(),
            PUBLISHED: {"encoder": self.encoder},
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    @cached_property
    def _outdated(self) -> bool:
        """Whether the run that chose the epochs of a final run has other best weights now."""
        if (final := self.about.get(FINAL)) is None:
            return False
        try:
            return weights_sha256(whole(Path(final["run"], "best"))) != final.get("weights")
        except RunError:
            return False  # there are neither weights nor figures of them

    @property
    def card(self) -> Card:
        final = self.about.get(FINAL)
        measured = Path(final["run"]) if final else self.checkpoint.parent
        evaluated = not self._outdated and is_evaluated(measured, "test")
        return Card(
            recipe=self.recipe,
            name=self.about["recipe"],
            items=self.items["item_id"].to_list(),
            counts=None if self.dataset is None else self.dataset.manifest["counts"],
            data=Path(self.about.get("data", "")).name or "unnamed",
            result=EvaluationResult.read(measured, "test") if evaluated else None,
            final=bool(final),
            outdated=self._outdated,
            covers=self.encoder and self.about.get("pictures_fingerprint", "") != "",
            licences=self.licences,
            address=self.address,
        )


def demand_place(folder: Path, overwrite: bool) -> None:
    """Raises `RunError` unless the folder is new or empty, or a published run that may be replaced."""
    if not (overwrite and (folder / ABOUT).exists() and PUBLISHED in read_about(folder)):
        demand_empty(folder, RunError, "choose another folder, or replace a published run with --overwrite")


def demand_publishable(name: str) -> None:
    """Raises `RequestError` for a user model that needs more than the items of a history."""
    model = USER_MODELS[name]
    if model.needs_known_user:
        raise RequestError(
            f"{name} has a vector for each user that it was trained with, and a published run holds nothing "
            "about users; publish a run of another user model, such as one of sasrec-id"
        )
    if model.needs_regions:
        raise RequestError(f"{name} looks at regions of the pictures of a history, which are not published")
