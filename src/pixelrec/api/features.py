"""Verbs over feature files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import (
    Place,
    Seed,
    as_dataset,
    as_features,
    as_input,
    as_page,
    as_run,
    checked,
    folder_of,
    names_of,
)
from pixelrec.choices import FeatureDtype, MissingRows, StoredDtype, TreatmentName, UnknownIds, as_ids
from pixelrec.console.progress import ignore, shown_on
from pixelrec.errors import FeatureError, RequestError

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.features.importing import ImportReport
    from pixelrec.features.inspection import Inspection
    from pixelrec.items.extraction import Extraction
    from pixelrec.runs.run import Run


@checked
def extract_features(
    data: Dataset | Place,
    *,
    out: Place | None = None,
    source: str | None = None,
    run: Run | Place | None = None,
    family: str | None = None,
    revision: str | None = None,
    layer: str = "features",
    regions: bool = False,
    depths: str | None = None,
    spread: bool = True,
    pooling: str | None = None,
    size: int | None = None,
    dtype: FeatureDtype = "float32",
    chunk: int | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> Extraction:
    """Compute a vector for the picture of every item.

    Interrupted, it continues; run again, it computes only those of new or changed pictures.

    Args:
        data: data set folder, with packed covers.
        out: folder of the feature file to write; by default DATA/features/NAME, by the name of the source.
        source: folder of a checkpoint, name on the Hugging Face hub, or file of a CLIP ResNet's weights.
        run: folder of a trained run whose item vectors are taken, instead of a source.
        family: family of the network, where its checkpoint does not tell.
        revision: branch, tag or commit on the hub.
        layer: features (the pooled output of the network), stem, "block N" or "stage N".
        regions: a vector for each position of the layer's map instead of their mean.
        depths: instead of one layer, the means of several side by side: all (stem and each block), or some
            with commas between, such as stem,3,7,last.
        spread: with depths, also the standard deviations over positions.
        pooling: tokens, mean, cls or pooler; by default that of the family's paper.
        size: side of a picture in pixels; by default that of pretraining.
        dtype: type of the stored numbers.
        chunk: pictures at a time; by default as many as suit the network and the device.
        overwrite: replace the features at OUT, if they are of another network or layer.
        console: for a progress bar; without one, nothing is drawn.
    """
    if (source is None) == (run is None):
        raise RequestError(
            "vectors of what? Give a network (--source) or a trained run (--run): one of the two"
        )
    named = source if run is None else run if isinstance(run, str | Path) else run.folder
    place = _place(out, data, str(named))
    if run is not None:
        given = {"family": family, "revision": revision, "pooling": pooling, "size": size, "chunk": chunk}
        given |= {"depths": depths}
        if unused := next((name for name, value in given.items() if value is not None), None):
            raise RequestError(f"--{unused} is of a network given by --source; leave it out with --run")
        return _extract_run(run, data, place, dtype, overwrite)
    if depths is not None and (layer != "features" or regions):
        raise RequestError("--depths are read instead of --layer and --regions; leave those out")
    from pixelrec.batch import DatasetSpec
    from pixelrec.items.backbones.load import BackboneOptions
    from pixelrec.items.backbones.networks import NetworkConfig, make_network
    from pixelrec.items.extraction import Layer, extract
    from pixelrec.items.pictures import Pictures
    from pixelrec.numerics.precision import device_of

    opened = as_dataset(data)
    covers = opened.covers if opened.covers.exists() else None
    ids = opened.item_ids.to_list()
    pictures = Pictures(
        DatasetSpec(opened.users, opened.items, 1, opened.folder, item_ids=ids, covers=covers)
    )
    pictures.demand_packed(size)  # before a network is downloaded
    # The network checks the pooling.
    options = BackboneOptions(pooling, size)  # type: ignore[arg-type]
    config = NetworkConfig(source, family, True, revision, options=options, depths=depths, spread=spread)
    network = make_network(config).eval()
    with shown_on(console):
        return extract(
            Layer(network.to(device_of("auto")), layer, regions),
            pictures,
            place,
            dtype=dtype,
            chunk=chunk,
            overwrite=overwrite,
        )


def _extract_run(
    run: Run | Place, data: Dataset | Place, out: Path, dtype: FeatureDtype, overwrite: bool
) -> Extraction:
    dataset, opened = as_dataset(data), as_run(run)
    from pixelrec.runs.encoder_features import extract_run

    return extract_run(opened, dataset, out, dtype=dtype, overwrite=overwrite)


@checked
def import_features(
    vectors: Place,
    *,
    out: Place | None = None,
    data: Dataset | Place | None = None,
    ids: Place | None = None,
    by_number: bool = False,
    missing: MissingRows = "error",
    unknown: UnknownIds = "error",
    item_column: str = "item_id",
    vector_column: str = "vector",
    dtype: StoredDtype = "float32",
    overwrite: bool = False,
) -> ImportReport:
    """Make a feature file from vectors of another program.

    Args:
        vectors: .npy or .safetensors with a row per item, Parquet with ids and lists of numbers, or a folder
            of <item_id>.npy.
        out: folder of the feature file to write; by default DATA/features/NAME, by the name of VECTORS.
        data: data set whose items the vectors are for; its ids are checked.
        ids: the id of each row: a text file with an id per line, or CSV or Parquet with a column of ids.
        by_number: row r is of the data set's item number r and row 0 is padding, as in the files that the
            benchmark published.
        missing: items without a vector: stop with an error, give them the mean of all vectors, or leave them
            out of the file.
        unknown: vectors of items that are not in the data set: stop with an error, or leave them out.
        item_column: column of ids.
        vector_column: column of vectors.
        dtype: type of the stored numbers; int16 for codes, such as semantic ids.
        overwrite: replace the features at OUT.
    """
    source = as_input(vectors, "vectors", FeatureError, "give a file or a folder of vectors")
    place = _place(out, data, source.stem)
    if by_number and (data is None or ids is not None):
        raise RequestError("--by-number takes the ids from the data set: give --data, and leave out --ids")
    items = None if data is None else as_dataset(data).item_ids
    from pixelrec.features import importing

    id_file = None if ids is None else Path(ids)
    given = importing.open_vectors(source, id_file, item_column=item_column, vector_column=vector_column)
    if by_number and items is not None:
        given = importing.by_number(given, items)
    if given.ids is None:
        raise FeatureError(
            f"{source} does not say which item each row belongs to; give a file of ids with --ids, or "
            "--by-number where row r is of item number r"
        )
    return importing.import_vectors(
        given, place, items=items, missing=missing, unknown=unknown, dtype=dtype, overwrite=overwrite
    )


@checked
def export_features(features: FeatureFile | Place, *, out: Place) -> list[Path]:
    """Write a feature file as .npy or Parquet.

    Args:
        features: folder of a feature file.
        out: NAME.npy, with the ids beside it in NAME.ids.txt, or NAME.parquet with columns item_id and
            vector.

    Returns:
        The files that were written.
    """
    from pixelrec.features.exporting import export_vectors

    return export_vectors(as_features(features), Path(out))


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
    import numpy as np

    from pixelrec.data.split import training_events
    from pixelrec.features.feature_file import pooled
    from pixelrec.features.inspection import inspect_vectors
    from pixelrec.features.treatment import consecutive_pairs

    opened.demand_kind()
    dataset.verify()
    opened.verify()
    places = opened.rows_of(dataset.item_ids)
    known = np.flatnonzero(places >= 0)
    if len(known) < 2:
        raise FeatureError(f"{opened.folder} has vectors of {len(known)} items of {dataset.folder}")
    rows = np.full(len(places) + 1, -1)
    rows[known + 1] = np.arange(len(known))
    vectors = pooled(opened.vectors[places[known]]).astype(np.float32)
    ids = dataset.item_ids.gather(known).to_list()
    pairs = consecutive_pairs(training_events(dataset), rows)
    found = inspect_vectors(vectors, ids, pairs, k=k, seed=seed)
    if place is not None:
        from pixelrec.runs.feature_pages import write_inspection

        write_inspection(found, opened, dataset, place)
    return found


@checked
def similar(
    features: FeatureFile | Place,
    *,
    items: Sequence[str | int] = (),
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
        Columns `query`, `rank` (1 is the nearest), `item_id`, `cosine`, and `title` if items have one.

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

        write_sheet(found, opened, dataset, dict(zip(names, files, strict=True)), page)
    return found


def _place(out: Place | None, data: Dataset | Place | None, name: str) -> Path:
    """The folder of a feature file: `out`, or else one inside the data set."""
    if out is not None:
        return Path(out)
    folder = folder_of(data)
    if folder is None:
        raise RequestError("--out is missing, and there is no data set for the features; give one of the two")
    return folder / "features" / Path(name).name
