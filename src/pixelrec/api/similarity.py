"""Verbs that compare vectors of items: inspection of all, and items like one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import (
    Ids,
    Place,
    Seed,
    as_dataset,
    as_features,
    as_page,
    checked,
    names_of,
)
from pixelrec.api.frames import in_kind_of
from pixelrec.choices import TreatmentName, as_ids, as_list
from pixelrec.console.progress import ignore
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    import polars as pl

    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.features.inspection import Inspection


@checked
def inspect_features(
    features: FeatureFile | Place,
    *,
    data: Dataset | Place,
    k: int = 10,
    seed: Seed = 0,
    page: Place | None = None,
) -> Inspection:
    """Judge vectors, and whether users agree with them.

    Items that follow each other in histories should be near each other, and not if vectors are shuffled.

    Args:
        features: folder of a feature file.
        data: data set whose training events say which items follow each other.
        k: nearest neighbours that count.
        seed: of drawn pairs and of the shuffle test.
        page: page to write with all figures and the nearest neighbours of some items, .html.
    """
    place = None if page is None else as_page(page, "page")
    opened, dataset = as_features(features), as_dataset(data)
    from pixelrec.runs.feature_inspection import inspect_file

    found = inspect_file(opened, dataset, k=k, seed=seed)
    if place is not None:
        from pixelrec.runs.feature_pages import write_inspection

        write_inspection(found, opened, dataset, place)
    return found


@checked
def similar(
    features: FeatureFile | Place,
    *,
    items: Ids = (),
    pictures: Sequence[Place] = (),
    k: int = 20,
    treatment: TreatmentName = "centre",
    data: Dataset | Place | None = None,
    sheet: Place | None = None,
    index: Place | None = None,
    on_note: Callable[[str], object] | None = None,
) -> pl.DataFrame:
    """Find items that are like an item or a new picture.

    By cosine of treated vectors; without an index, the search is exact.

    Args:
        features: folder of a feature file.
        items: ids of items.
        pictures: files of new pictures, which pass through the network that the features were extracted
            with.
        k: neighbours of each.
        treatment: of the vectors; `features inspect` says with which one similar items are bought together.
        data: data set folder with titles and covers of the items.
        sheet: page to write with the covers of all of them, .html.
        index: file of an index of FAISS to search by instead, which is built if it is missing; the share of
            the nearest items that it finds is printed.
        on_note: called with a line about the index.

    Returns:
        Columns `query`, `rank` (1 is the nearest), `item_id`, `cosine`, and `title` if items have one: a
        Polars frame, or one of pandas or PyArrow if the items are a column of one.

    Raises:
        RequestError: an item has no vector, or neither items nor pictures are given.
        FeatureError: there is no feature file, the index is of other vectors or another treatment, or new
            pictures cannot be given vectors.
        ImageError: a file is no picture.
    """
    ids, files = as_ids(items, "items"), list(map(Path, pictures))
    page = None if sheet is None else as_page(sheet, "sheet")
    if not ids and not files:
        raise RequestError("similar to what? Give ids of items (--item) or files of pictures (--picture)")
    if page is not None and data is None:
        raise RequestError("a sheet shows covers: give the data set that has them with --data")
    opened, dataset = as_features(features), None if data is None else as_dataset(data)
    from pixelrec.features.neighbours import nearest_items

    others = None
    if files:
        from pixelrec.runs.encoder_features import vectors_of_new

        others = vectors_of_new(files, opened)
    names = names_of(files)
    found = nearest_items(
        opened,
        k,
        items=ids,
        others=others,
        names=names,
        treatment=treatment,
        index=None if index is None else Path(index),
        on_note=on_note or ignore,
    )
    if dataset is not None and "title" in dataset.information.columns:
        titles = dataset.information.select("item_id", "title")
        found = found.join(titles, on="item_id", how="left", maintain_order="left")
    if page is not None and dataset is not None:
        from pixelrec.runs.feature_pages import write_sheet

        write_sheet(found, opened, treatment, dataset, dict(zip(names, files, strict=True)), page)
    return in_kind_of(_typed(found, dataset, [] if files else as_list(items, "items")), items)


def _typed(found: pl.DataFrame, dataset: Dataset | None, queries: list[str | int]) -> pl.DataFrame:
    """Ids of items with the type that they have in the data set or, without one, in the queries."""
    import polars

    from pixelrec.data.id_types import IdTypes

    numbers = bool(queries) and not any(isinstance(each, str) for each in queries)
    item = polars.Int64() if dataset is None and numbers else polars.String()
    types = IdTypes(item=item) if dataset is None else dataset.id_types
    typed = types.restored(found)
    if queries and typed["item_id"].dtype.is_integer():
        return typed.with_columns(query=typed["query"].cast(typed["item_id"].dtype))
    return typed
