"""Training that starts from the best weights of another run: deeper into its network, later, or elsewhere.

A tensor is taken where the new recommender has one of that name and shape. Rows of id tables follow their
items by id, whatever their numbers are in either data set; those of users are taken from the same data set.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from pixelrec.blocks.row_table import RowTable
from pixelrec.data.dataset import Dataset
from pixelrec.errors import RunError
from pixelrec.recipe import Recipe
from pixelrec.recommender import Recommender, read_tensors
from pixelrec.run import Run

_NAMED = 3  # so many tensors a line names


def source_of(recipe: Recipe) -> Run | None:
    """The run that a recipe starts from, if from any; `{seed}` in its name is the seed of the recipe.

    Raises:
        RunError: there is no such run, or no epoch of it has ended.
    """
    if not recipe.training.start:
        return None
    source = Run.open(recipe.training.start.replace("{seed}", str(recipe["seed"])))
    source.demand_best()
    return source


@torch.no_grad()
def start_from(source: Run, recommender: Recommender, dataset: Dataset) -> str:
    """Puts the weights of the best epoch of `source` into `recommender`, where they fit.

    Returns:
        A line that tells what was taken, and what was not.

    Raises:
        RunError: nothing fits, or the checkpoint is damaged.
    """
    saved = read_tensors(source.demand_best() / "model.safetensors")
    own = recommender.state_dict()
    tables = {f"{name}.weight" for name, m in recommender.named_modules() if isinstance(m, RowTable)}
    same_users = source.about["data_fingerprint"] == dataset.fingerprint
    notes, anew = [], []
    for name, tensor in own.items():
        there = saved.get(name)
        by_item = name in tables and name.startswith("items.")
        if there is None or tensor.shape[by_item:] != there.shape[by_item:]:
            anew.append(name)
        elif by_item:
            here, known = _same_items(dataset.item_ids, source.vocabulary["item_id"])
            tensor[here] = there[known].to(tensor)
            notes.append(f"id vectors of {len(here):,} of {dataset.items:,} items")
        elif name in tables and not same_users:
            anew.append(name)
        else:
            tensor.copy_(there)
    if len(anew) == len(own):
        raise RunError(
            f"training.start: nothing of {source.folder} fits here; it holds {_named(list(saved))}, this "
            f"recipe trains {_named(anew)}: start from a run of the same user model or the same network"
        )
    told = [f"{len(own) - len(anew)} of {len(own)} tensors", *notes]
    if anew:
        told.append(f"anew: {_named(anew)}")
    return f"start      from the best epoch of {source.folder}: {'; '.join(told)}"


def _same_items(ids: pl.Series, known: pl.Series) -> tuple[Tensor, Tensor]:
    """Numbers of the items that both know: here and there."""
    here = pl.DataFrame({"id": ids, "here": range(1, len(ids) + 1)})
    there = pl.DataFrame({"id": known, "there": range(1, len(known) + 1)})
    both = here.join(there, on="id", how="inner", maintain_order="left")
    return both["here"].to_torch(), both["there"].to_torch()


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
