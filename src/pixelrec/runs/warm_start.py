"""Training that starts from the best weights of another run: deeper into its network, later, or elsewhere.

A tensor is taken where the new recommender has one of that name and shape, and those of an item encoder all
together: half of a network is none. Rows of id tables follow their items by id, whatever their numbers are in
either data set; those of users are taken from the same data set only.
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
from pixelrec.files.checkpoint import read_hashed_weights
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.recipe.recipe import Recipe
from pixelrec.recommender import Recommender
from pixelrec.runs.run import Run

_NAMED = 3  # so many tensors a line names
_MADE_BY = ("length", "items", "users")  # what of a recipe decides the shapes of tensors
_SHAPELESS = {"init", "init_std", "dropout", "attention_dropout"}  # words there that decide none


@dataclass(frozen=True)
class WarmStart:
    """The best weights of a run, as they were when training started."""

    run: Run
    here: Recipe  # of the training that starts
    sha256: str  # of their file
    tensors: Mapping[str, Tensor]

    @classmethod
    def of(cls, recipe: Recipe) -> Self | None:
        """What a recipe starts from, if from anything; `{seed}` in its name is the seed of the recipe.

        Raises:
            RunError: there is no such run, or no epoch of it has ended, or it is damaged.
        """
        if not recipe.training.warm_start:
            return None
        return cls._read(Run.open(recipe.training.warm_start.replace("{seed}", str(recipe["seed"]))), recipe)

    @classmethod
    def of_run(cls, run: Run) -> Self | None:
        """What an existing run started from.

        Raises:
            RunError: it is gone, or no longer what it was.
        """
        known = run.about.get("warm_start")
        if known is None:
            return None
        if not Path(known["run"]).exists():
            raise RunError(
                f"{run.folder} starts from {known['run']}, which is gone, and has saved nothing of its own "
                "yet: put it back, or train again"
            )
        start = cls._read(Run.open(known["run"]), run.recipe)
        if start.sha256 != known["sha256"]:
            raise RunError(
                f"{run.folder} started from weights that {known['run']} no longer has as its best, and has "
                "saved nothing of its own yet: train again"
            )
        return start

    @classmethod
    def _read(cls, run: Run, here: Recipe) -> Self:
        tensors, sha256 = read_hashed_weights(run.demand_best())
        return cls(run, here, sha256, tensors)

    @property
    def origin(self) -> dict[str, str]:
        """The entry of `run.json`."""
        return {"run": str(self.run.folder.resolve()), "sha256": self.sha256}

    @property
    def differences(self) -> str:
        """Where the recipes differ in what networks are made by: "items.width is 32 there and 64 here"."""
        there = self.run.recipe
        told = []
        for section in _MADE_BY:
            ours, theirs = self.here[section], there[section]
            if isinstance(ours, Mapping) and ours["name"] != theirs["name"]:
                section, ours, theirs = f"{section}.name", ours["name"], theirs["name"]
            told += _differing(section, theirs, ours)
        return ", ".join(told)


@torch.no_grad()
def start_from(start: WarmStart, recommender: Recommender, dataset: Dataset) -> str:
    """Puts weights into `recommender`, where they fit.

    Returns:
        A line that tells what was taken, and what was not.

    Raises:
        RunError: nothing fits, or a part of an item encoder only.
    """
    own, tables = recommender.state_dict(), _tables(recommender)
    here, there = _same_items(dataset, start.run)
    same_users = start.run.about["data_fingerprint"] == dataset.fingerprint

    def by_item(name: str) -> bool:
        return name in tables and name.startswith("items.")

    def fits(name: str) -> bool:
        shapes = own[name].shape, start.tensors[name].shape
        if by_item(name):
            return shapes[0][1:] == shapes[1][1:] and len(here) > 0
        return shapes[0] == shapes[1] and (name not in tables or same_users)

    names = [name for name in own if not _chosen(name, recommender)]
    fitting = {name for name in names if name in start.tensors and fits(name)}
    anew = [name for name in names if name not in fitting]
    _demand_whole_encoders(start, recommender, fitting)
    notes = []
    for name in sorted(fitting):
        if by_item(name):
            own[name][here] = start.tensors[name][there].to(own[name])
            notes.append(f"id vectors of {len(here):,} of {dataset.items:,} items")
        else:
            own[name].copy_(start.tensors[name])
    if not fitting:
        raise _nothing_fits(start, anew)
    told = [f"{len(fitting)} of {len(names)} tensors", *notes]
    if anew:
        told.append(f"anew: {_named(anew)}")
    reshaped = any(own[name].shape != start.tensors[name].shape for name in anew if name in start.tensors)
    if reshaped and start.differences:
        told.append(start.differences)
    return f"start      from the best epoch of {start.run.folder}: {'; '.join(told)}"


def _nothing_fits(start: WarmStart, anew: Sequence[str]) -> RunError:
    refused = f"training.warm_start: nothing of {start.run.folder} fits here"
    if told := start.differences:
        return RunError(
            f"{refused}; {told}: start from a run of the same user model and items.width, or of the same "
            "network"
        )
    return RunError(
        f"{refused}; it holds {_named(sorted(start.tensors))}, this recipe trains {_named(anew)}, and rows "
        "of tables are taken for items and users that both data sets know"
    )


def _tables(recommender: Recommender) -> set[str]:
    """Names of the tensors whose rows are items or users."""
    return {f"{name}.weight" for name, m in recommender.named_modules() if isinstance(m, EmbeddingTable)}


def _chosen(name: str, recommender: Recommender) -> bool:
    """Whether the recipe says what a tensor is: a temperature that is not learned."""
    return name.startswith("scoring.") and not recommender.get_parameter(name).requires_grad


def _demand_whole_encoders(start: WarmStart, recommender: Recommender, fitting: set[str]) -> None:
    for prefix, module in recommender.named_modules():
        inside = [part for part in module.modules() if isinstance(part, AbstractItemEncoder)]
        if inside == [module]:  # it joins no others
            names = [f"{prefix}.{name}" for name in module.state_dict()]
            count = sum(name in fitting for name in names)
            if 0 < count < len(names):
                other = next(name for name in names if name not in fitting)
                why = f" ({start.differences})" if start.differences else ""
                raise RunError(
                    f"training.warm_start: {count} of {len(names)} tensors of {prefix} fit "
                    f"{start.run.folder}, and {other} for one does not{why}: start from a run with "
                    "the same network, items.size, items.lora, items.norm and items.width"
                )


def _differing(key: str, theirs: Any, ours: Any) -> list[str]:
    """Words under a dotted key that are not the same."""
    if theirs == ours or key.rpartition(".")[2] in _SHAPELESS:
        return []
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        words = dict.fromkeys([*ours, *theirs])
        return [
            told for word in words for told in _differing(f"{key}.{word}", theirs.get(word), ours.get(word))
        ]
    return [f"{key} is {theirs} there and {ours} here"]


def _same_items(dataset: Dataset, run: Run) -> tuple[Tensor, Tensor]:
    """Numbers of the items that both know: here and there."""
    ids, known = dataset.item_ids, run.vocabulary["item_id"]
    here = pl.DataFrame({"id": ids, "here": range(1, len(ids) + 1)})
    there = pl.DataFrame({"id": known, "there": range(1, len(known) + 1)})
    both = here.join(there, on="id", how="inner", maintain_order="left")
    return both["here"].to_torch(), both["there"].to_torch()


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
