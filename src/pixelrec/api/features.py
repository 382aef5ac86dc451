"""Verbs over feature files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import (
    Place,
    as_dataset,
    as_features,
    as_input,
    as_run,
    as_source,
    checked,
    folder_of,
)
from pixelrec.choices import FeatureDtype, MissingRows, StoredDtype, UnknownIds
from pixelrec.console.progress import shown_on
from pixelrec.errors import FeatureError, ImageError, RequestError, option

if TYPE_CHECKING:
    from narwhals.typing import IntoFrame
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.features.importing import ImportReport
    from pixelrec.items.extraction import Extraction
    from pixelrec.items.several_pictures import SeveralPictures
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
    covers: Place | None = None,
    cover_column: str | None = None,
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
        depths: instead of one layer, the means of several side by side: all (stem, each block and the last),
            blocks (without the last), or some with commas between, such as stem,3,7,last.
        spread: with depths, also the standard deviations over positions.
        pooling: tokens, mean, cls or pooler; by default that of the family's paper.
        size: side of a picture in pixels; by default that of pretraining.
        covers: folder with several pictures of items: the vector of an item is the mean of those of all of
            them; by default that of its packed cover.
        cover_column: column of the items that lists the files of each in COVERS, where ids do not tell.
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
        given: dict[str, object] = {
            "family": family,
            "revision": revision,
            "pooling": pooling,
            "size": size,
            "chunk": chunk,
        }
        given |= {"depths": depths, "covers": covers}
        if unused := next((name for name, value in given.items() if value is not None), None):
            raise RequestError(f"--{unused} is of a network given by --source; leave it out with --run")
        return _extract_run(run, data, place, dtype, overwrite)
    if depths is not None and (layer != "features" or regions):
        raise RequestError("--depths are read instead of --layer and --regions; leave those out")
    if cover_column is not None and covers is None:
        raise RequestError(f"{option('cover_column', cover_column)} names files of --covers: give that, too")
    from pixelrec.batch import DatasetSpec
    from pixelrec.items.backbones.load import BackboneOptions
    from pixelrec.items.backbones.networks import NetworkConfig, make_network
    from pixelrec.items.extraction import Layer, extract
    from pixelrec.items.pictures import Pictures
    from pixelrec.numerics.precision import device_of

    opened = as_dataset(data)
    several = None if covers is None else _several(opened, Path(covers), cover_column)
    store = opened.covers if opened.covers.exists() else None
    ids = opened.item_ids.to_list()
    pictures = Pictures(DatasetSpec(opened.users, opened.items, 1, opened.folder, item_ids=ids, covers=store))
    if several is None:
        pictures.demand_packed(size)  # before a network is downloaded
    # The network checks the pooling.
    options = BackboneOptions(pooling, size)  # type: ignore[arg-type]
    config = NetworkConfig(source, family, True, revision, options=options, depths=depths, spread=spread)
    network = make_network(config).eval()
    with shown_on(console):
        read = Layer(network.to(device_of("auto")), layer, regions)
        if several is not None:
            return several.extract(read, place, dtype=dtype, chunk=chunk, overwrite=overwrite)
        return extract(read, pictures, place, dtype=dtype, chunk=chunk, overwrite=overwrite)


def _several(dataset: Dataset, covers: Path, column: str | None) -> SeveralPictures:
    from pixelrec.data.covers import cover_files
    from pixelrec.images.store import form_of
    from pixelrec.items.several_pictures import SeveralPictures

    folder = as_input(covers, "covers", ImageError, "give the folder of the pictures")
    form = form_of(dataset.covers) if dataset.covers.exists() else None
    named = None if column is None else cover_files(dataset.information, column)
    return SeveralPictures.of(folder, dataset.item_ids.to_list(), form[1] if form else "stretch", named)


def _extract_run(
    run: Run | Place, data: Dataset | Place, out: Path, dtype: FeatureDtype, overwrite: bool
) -> Extraction:
    dataset, opened = as_dataset(data), as_run(run)
    from pixelrec.runs.encoder_features import extract_run

    return extract_run(opened, dataset, out, dtype=dtype, overwrite=overwrite)


@checked
def import_features(
    vectors: Place | IntoFrame,
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
            of <item_id>.npy; in Python also a data frame with ids and lists of numbers.
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
    source = as_source(vectors, "vectors")
    if isinstance(source, Path):
        source = as_input(source, "vectors", FeatureError, "give a file or a folder of vectors")
    elif out is None:
        raise RequestError("out is None; vectors in a data frame have no name: give the folder to write")
    place = _place(out, data, source.stem if isinstance(source, Path) else "")
    if by_number and (data is None or ids is not None):
        raise RequestError("--by-number takes the ids from the data set: give --data, and leave out --ids")
    items = None if data is None else as_dataset(data).item_ids
    from pixelrec.features import given as vectors_of
    from pixelrec.features.importing import import_vectors

    if isinstance(source, Path):
        id_file = None if ids is None else Path(ids)
        given = vectors_of.open_vectors(source, id_file, item_column=item_column, vector_column=vector_column)
    else:
        given = vectors_of.of_table(source, item_column=item_column, vector_column=vector_column)
    if by_number and items is not None:
        given = vectors_of.by_number(given, items)
    if given.ids is None:
        raise FeatureError(
            f"{source} does not say which item each row belongs to; give a file of ids with --ids, or "
            "--by-number where row r is of item number r"
        )
    return import_vectors(
        given, place, items=items, missing=missing, unknown=unknown, dtype=dtype, overwrite=overwrite
    )


@checked
def export_features(features: FeatureFile | Place, *, out: Place, overwrite: bool = False) -> list[Path]:
    """Write a feature file as .npy or Parquet.

    Args:
        features: folder of a feature file.
        out: NAME.npy, with the ids beside it in NAME.ids.txt, or NAME.parquet with columns item_id and
            vector.
        overwrite: replace files at OUT.

    Returns:
        The files that were written.
    """
    from pixelrec.features.exporting import export_vectors

    return export_vectors(as_features(features), Path(out), overwrite=overwrite)


def _place(out: Place | None, data: Dataset | Place | None, name: str) -> Path:
    """The folder of a feature file: `out`, or else one inside the data set."""
    if out is not None:
        return Path(out)
    folder = folder_of(data)
    if folder is None:
        raise RequestError("--out is missing, and there is no data set for the features; give one of the two")
    return folder / "features" / Path(name).name
