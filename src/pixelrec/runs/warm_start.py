"""Training that starts from the best weights of another run: with more trainable blocks, or on other data.

A tensor is copied if the new recommender has one of that name and shape, and the tensors of an item encoder
only all together. Rows of id tables follow their items by id, whatever their numbers are in either data set;
those of users are copied within one data set only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl
import torch
from torch import Tensor

from pixelrec.blocks.embedding_table import EmbeddingTable
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError
from pixelrec.files.checkpoint import read_description, read_hashed_weights
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.anchors import is_place, network_words
from pixelrec.recipe.recipe import Recipe
from pixelrec.recommender import Recommender
from pixelrec.reports.tables import flatten
from pixelrec.runs.run import Run

_SECTIONS = ("length", "items", "users")  # those of a recipe that decide the shapes of tensors
_SHAPELESS = {"init", "init_std", "dropout", "attention_dropout"}  # words in them that do not


@dataclass(frozen=True)
class WarmStart:
    """The best weights of a run, as they were when training started."""

    run: Run
    recipe: Recipe  # of the training that starts
    tensors: Mapping[str, Tensor]
    sha256: str  # of their file

    @classmethod
    def of(cls, recipe: Recipe) -> Self | None:
        """The start of a recipe, if it names a run; `{seed}` in the name is the seed of the recipe.

        Raises `RunError` if there is no such run, no epoch of it has ended, or it is damaged.
        """
        if not recipe.training.warm_start:
            return None
        folder = Path(recipe.training.warm_start.replace("{seed}", str(recipe["seed"])))
        if not folder.exists():
            raise RunError(f"training.warm_start: {folder} does not exist; give a run folder")
        run = Run.open(folder)
        return cls(run, recipe, *read_hashed_weights(run.demand_best()))

    @property
    def described(self) -> Mapping[str, Any] | None:
        """The item encoder of the run, if the recipe's has the same networks: their sources are not needed.

        A source of the recipe's own is read: a folder of this machine, or another name on the hub.
        """
        ours, theirs = self.recipe["items"], self.run.recipe["items"]
        if not any(_sources(ours)) or network_words(ours) != network_words(theirs):
            return None
        for here, there in zip(_sources(ours), _sources(theirs), strict=True):
            if here != there and (is_place(here) or not is_place(there)):
                return None
        found: Mapping[str, Any] = read_description(self.run.demand_best()).get("described", {})
        return found

    @classmethod
    def of_run(cls, run: Run) -> Self | None:
        """The start of an existing run that has saved no state yet.

        Raises `RunError` if the other run is gone, or has other best weights now.
        """
        recorded = run.about.get("warm_start")
        if recorded is None:
            return None
        unsaved = f"and {run.folder}, which started from it, has saved nothing of its own yet"
        if not Path(recorded["run"]).exists():
            raise RunError(f"{recorded['run']} is gone, {unsaved}: put it back, or train again")
        other = Run.open(recorded["run"])
        start = cls(other, run.recipe, *read_hashed_weights(other.demand_best()))
        if start.sha256 != recorded["sha256"]:
            raise RunError(f"{recorded['run']} has other best weights now, {unsaved}: train again")
        return start

    @classmethod
    def of_rows(cls, run: Run, recipe: Recipe) -> Self:
        """The start of the training of `recipe` from its own id table."""
        return cls(run, recipe, *read_hashed_weights(run.demand_best()))

    @property
    def origin(self) -> dict[str, str]:
        return {"run": str(self.run.folder.resolve()), "sha256": self.sha256}

    @property
    def differences(self) -> str:
        """Differences of the recipes in the shapes of networks: "items.width is 32 there and 64 here"."""
        found: list[str] = []
        for section in _SECTIONS:
            here, there = self.recipe[section], self.run.recipe[section]
            if isinstance(here, Mapping) and here["name"] != there["name"]:
                section, here, there = f"{section}.name", here["name"], there["name"]
            ours, theirs = dict(flatten({section: here})), dict(flatten({section: there}))
            found += [
                f"{key} is {theirs.get(key)} there and {ours.get(key)} here"
                for key in ours | theirs
                if ours.get(key) != theirs.get(key) and key.rpartition(".")[2] not in _SHAPELESS
            ]
        return ", ".join(found)


@torch.no_grad()
def start_from(start: WarmStart, recommender: Recommender, dataset: Dataset) -> str:
    """Copies the weights that fit into `recommender`; returns a line about those copied and those not.

    Raises `RunError` if nothing fits, or only a part of an item encoder.
    """
    own = recommender.state_dict()
    tables = {f"{name}.weight" for name, m in recommender.named_modules() if isinstance(m, EmbeddingTable)}
    by_item = {name for name in tables if name.startswith("items.")}
    here, there = shared_items(dataset, start.run)
    same_users = start.run.about.get("data_fingerprint") == dataset.fingerprint

    def fits(name: str) -> bool:
        if name not in start.tensors:
            return False
        ours, theirs = own[name].shape, start.tensors[name].shape
        if name in by_item:
            return ours[1:] == theirs[1:] and len(here) > 0
        return ours == theirs and (name not in tables or same_users)

    # The recipe fixes a temperature that is not learned.
    fixed = {
        name for name, p in recommender.scoring.named_parameters(prefix="scoring") if not p.requires_grad
    }
    names = [name for name in own if name not in fixed]
    fitting = [name for name in names if fits(name)]
    missing = [name for name in names if name not in fitting]
    _demand_whole_encoders(start, recommender, set(fitting))
    if not fitting and not start.recipe.fit.passes:  # which takes the rows, at least
        raise _nothing_fits(start, missing)
    notes = [f"{len(fitting)} of {len(names)} tensors"]
    for name in fitting:
        if name in by_item:
            own[name][here] = start.tensors[name][there].to(own[name])
            notes.append(f"id vectors of {len(here):,} of {dataset.items:,} items")
        else:
            own[name].copy_(start.tensors[name])
    fits_items = start.recipe.fit.passes > 0  # then the encoder learns from rows, and need not be copied
    if unfilled := [name for name in missing if not (fits_items and name.startswith("items."))]:
        notes.append(f"not copied: {_first_three(unfilled)}")
    reshaped = any(name in start.tensors and own[name].shape != start.tensors[name].shape for name in missing)
    if reshaped and start.differences:
        notes.append(start.differences)
    return f"start      from the best epoch of {start.run.folder}: {'; '.join(notes)}"


def _sources(items: Mapping[str, Any]) -> list[Any]:
    return [part.get("source") for part in (items, *items.get("parts", {}).values())]


def _nothing_fits(start: WarmStart, missing: Sequence[str]) -> RunError:
    refused = f"training.warm_start: nothing of {start.run.folder} fits here"
    if differences := start.differences:
        return RunError(
            f"{refused}; {differences}: start from a run of the same user model and items.width, or of the "
            "same network"
        )
    return RunError(
        f"{refused}; it holds {_first_three(sorted(start.tensors))}, this recipe trains "
        f"{_first_three(missing)}, and rows of tables are copied for items and users of both data sets"
    )


def _demand_whole_encoders(start: WarmStart, recommender: Recommender, fitting: set[str]) -> None:
    for prefix, module in recommender.named_modules():
        inside = [part for part in module.modules() if isinstance(part, AbstractItemEncoder)]
        if inside != [module]:  # no encoder, or one of several parts
            continue
        names = [f"{prefix}.{name}" for name in module.state_dict()]
        others = [name for name in names if name not in fitting]
        if 0 < len(others) < len(names):
            why = f" ({start.differences})" if start.differences else ""
            raise RunError(
                f"training.warm_start: {len(names) - len(others)} of {len(names)} tensors of {prefix} fit "
                f"{start.run.folder}, and {others[0]}, for example, does not{why}: start from a run with "
                "the same network, items.size, items.lora, items.norm and items.width"
            )


def shared_items(dataset: Dataset, run: Run) -> tuple[Tensor, Tensor]:
    """Numbers of the items of both data sets: here and there."""
    ids, known = dataset.item_ids, run.vocabulary["item_id"]
    here = pl.DataFrame({"id": ids, "here": range(1, len(ids) + 1)})
    there = pl.DataFrame({"id": known, "there": range(1, len(known) + 1)})
    both = here.join(there, on="id", how="inner", maintain_order="left")
    return both["here"].to_torch(), both["there"].to_torch()


def _first_three(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
