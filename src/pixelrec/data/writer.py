"""The files of a data set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pixelrec.data.dataset import Dataset
from pixelrec.data.manifest import FORMAT, VERSION
from pixelrec.data.sequences import SHORTEST, Sequences
from pixelrec.data.statistics import save_picture
from pixelrec.errors import DataError
from pixelrec.files.digests import array_digest, file_digest, ids_digest
from pixelrec.files.table_file import write_table


def write_dataset(
    folder: Path,
    sequences: Sequences,
    user_ids: pl.Series,
    information: pl.DataFrame,
    provenance: Mapping[str, Any],
) -> None:
    """Writes all files into the empty `folder`."""
    digests = {"user_ids": ids_digest(user_ids), "item_ids": ids_digest(information["item_id"])}
    for name, values in {
        "events/offsets": sequences.offsets,
        "events/items": sequences.items,
        "events/times": sequences.times,
        "events/evaluated": sequences.evaluated,
        "held_out/items": sequences.held_items,
        "held_out/times": sequences.held_times,
    }.items():
        digests[name] = array_digest(values)
        path = folder / f"{name}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, values, allow_pickle=False)
    write_table(user_ids.to_frame("user_id"), folder / "users.parquet")
    write_table(information, folder / "items.parquet")
    users, evaluated = len(sequences.evaluated) - 1, int(sequences.evaluated.sum())
    counts = {
        "users": users,
        "items": information.height,
        "interactions": len(sequences.items) + evaluated,
        "evaluated_users": evaluated,
        "users_with_fewer_than_3_events": users - evaluated,
    }
    manifest = {"format": FORMAT, "version": VERSION, "pixelrec": version("pixelrec"), "counts": counts}
    manifest |= {"digests": digests, "information": file_digest(folder / "items.parquet"), **provenance}
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    save_picture(Dataset.open(folder), folder / "stats.svg")


def demand_evaluated(sequences: Sequences, source: str) -> None:
    if not sequences.evaluated.any():
        longest = int(np.diff(sequences.offsets).max(initial=0))
        raise DataError(
            f"{source}: no user is left to evaluate: the longest history has {longest} events, "
            f"and at least {SHORTEST} are needed (train, validate, test); give more interactions"
        )
