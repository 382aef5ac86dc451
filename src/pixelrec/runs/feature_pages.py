"""Pages about vectors: contact sheets of similar items, and the inspection of a feature file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from pixelrec.choices import TreatmentName
from pixelrec.data.dataset import Dataset
from pixelrec.errors import FeatureError, RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.inspection import Inspection
from pixelrec.features.neighbours import nearest_items
from pixelrec.files.atomic import write_text
from pixelrec.images.covers import read_cover
from pixelrec.images.decode import decode, ready
from pixelrec.reports.page import render_vectors
from pixelrec.reports.view import Alike, ContactSheet, Cover
from pixelrec.runs.stories import Covers

SIDE = 288  # pixels of a side of a new picture on the sheet
SHOWN = 6  # items of an inspection whose neighbours are shown
NEIGHBOURS = 10
TREATED: tuple[TreatmentName, ...] = ("none", "centre")  # as the neighbours are shown


def write_sheet(
    found: pl.DataFrame,
    features: FeatureFile,
    treatment: TreatmentName,
    dataset: Dataset,
    pictures: Mapping[str, Path],
    path: Path,
) -> None:
    """The items of `nearest_items`, with their covers; `pictures` are queries that are no items."""
    covers = Covers.of(dataset)
    rows = [
        Alike(_query(covers, name, pictures.get(name)), [("", _listed(covers, some))])
        for (name,), some in found.group_by("query", maintain_order=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    origin = f"{features.described}, treatment: {treatment}"
    write_text(path, render_vectors(_sheet(features, rows, covers, origin)), RequestError)


def write_inspection(found: Inspection, features: FeatureFile, dataset: Dataset, path: Path) -> None:
    """The figures, and the nearest items of some, with vectors untreated and centred."""
    covers = Covers.of(dataset)
    known = features.ids.filter(features.ids.is_in(dataset.item_ids.implode()))
    rows = np.random.default_rng(0).permutation(len(known))[:SHOWN]
    items = known.gather(rows).to_list()
    lists = {
        f"treatment: {name}": nearest_items(features, NEIGHBOURS, items=items, treatment=name)
        for name in TREATED
    }
    alike = [
        Alike(
            _query(covers, item, None),
            [(name, _listed(covers, each.filter(each["query"] == item))) for name, each in lists.items()],
        )
        for item in items
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(
        path,
        render_vectors(
            _sheet(features, alike, covers, features.described), dataset.folder.resolve().name, found
        ),
        FeatureError,
    )


def _sheet(features: FeatureFile, rows: Sequence[Alike], covers: Covers, origin: str) -> ContactSheet:
    when = f"{datetime.now():%Y-%m-%d %H:%M}"
    return ContactSheet(features.folder.resolve().name, when, rows, origin, covers.problem)


def _query(covers: Covers, name: str, picture: Path | None) -> Cover:
    if picture is not None:
        with ready():
            seen = decode(read_cover(picture)[0], size=SIDE, fit="stretch")
        return Cover(name, name, seen.pixels, "new picture", seen.width / seen.height)
    return (covers.show_ids({name: name}) or [Cover(name)])[0]


def _listed(covers: Covers, found: pl.DataFrame) -> list[Cover]:
    notes = {item: f"{cosine:.3f}" for item, cosine in found.select("item_id", "cosine").iter_rows()}
    known = {cover.item_id: cover for cover in covers.show_ids(notes)}
    return [known.get(item) or Cover(item, note=note) for item, note in notes.items()]
