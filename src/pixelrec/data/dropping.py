"""Dropping items from a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from pixelrec.data.core import new_numbers
from pixelrec.data.dataset import Dataset
from pixelrec.data.manifest import ENTRIES, demand_place
from pixelrec.data.sequences import hold_out
from pixelrec.data.split import all_events
from pixelrec.data.writer import demand_evaluated, write_dataset
from pixelrec.errors import DataError
from pixelrec.files.atomic import new_folder

_PROVENANCE = ("options", "exact_repeats", "left_out", "notes", "id_types", "sources")  # of a manifest


def drop_items(dataset: Dataset, item_ids: Sequence[str], *, out: Path | str | None = None) -> Dataset:
    """Rebuilds a data set without some items and all their events, as for items that lack a cover.

    The others keep their order and get new numbers, as do the users who have events left; the last of their
    events is held out again. `out` defaults to the data set's own folder, which is replaced as a whole; files
    in it that are not the data set's own stay.

    Raises:
        RequestError: an id is unknown.
        DataError: no user with at least three events is left, or `out` exists.
    """
    place = dataset.folder if out is None else Path(out)
    kept_items = np.ones(dataset.items + 1, bool)
    kept_items[dataset.item_numbers(item_ids)] = False
    events, kept_users = _kept(dataset, kept_items)
    sequences = hold_out(events, int(kept_users.sum()), _still_evaluated(dataset, kept_items, kept_users))
    demand_evaluated(sequences, f"without {int((~kept_items).sum()):,} items that are dropped")
    dropped = dataset.manifest.get("dropped_items", 0) + int((~kept_items).sum())
    provenance = {key: dataset.manifest[key] for key in _PROVENANCE if key in dataset.manifest}
    with new_folder(place, DataError, ours=ENTRIES) as folder:
        if out is not None:
            demand_place(place, [], overwrite=False)
        user_ids = dataset.user_ids.filter(pl.Series(kept_users))
        information = dataset.information.filter(pl.Series(kept_items[1:]))
        write_dataset(folder, sequences, user_ids, information, {**provenance, "dropped_items": dropped})
    return Dataset.open(place)


def _still_evaluated(dataset: Dataset, items: np.ndarray, users: np.ndarray) -> np.ndarray | None:
    """bool[kept users + 1]: whose given validation and test events are kept; None without a given split."""
    if dataset.manifest["options"].get("split") != "given":
        return None
    last = dataset.event_items[dataset.offsets[1:] - 1]
    kept = dataset.evaluated & items[last] & items[dataset.held_out().items]
    return np.append(False, kept[1:][users])


def _kept(dataset: Dataset, items: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
    """The events of the kept `items` (bool[items + 1]) in new numbers, and bool[users]: who has any left."""
    events = all_events(dataset)
    owners = np.repeat(np.arange(dataset.users + 1), events.stops - events.starts)
    kept = items[events.items]
    users = np.bincount(owners[kept], minlength=dataset.users + 1) > 0
    frame = {
        "user": new_numbers(users)[owners[kept]],
        "item": new_numbers(items)[events.items[kept]],
        "seconds": events.times[kept],
    }
    return pl.DataFrame(frame), users[1:]
