"""Verbs that write files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, as_dataset, as_features, as_run, checked
from pixelrec.api.recommendations import load
from pixelrec.choices import ExportFormat, Tower
from pixelrec.errors import RequestError, option

if TYPE_CHECKING:
    from rich.console import Console

    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.runs.recommend import RecommendationService
    from pixelrec.runs.run import Run


@checked
def export_data(
    data: Dataset | Place,
    *,
    out: Place,
    format: ExportFormat,
    image_features: FeatureFile | Place | None = None,
    text_features: FeatureFile | Place | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a data set as files of RecBole or MMRec.

    All events are written, those held out for the test among them.

    Args:
        data: data set folder.
        out: folder to write; its name is that of the data set in the other library.
        format: recbole (atomic files: NAME.inter, NAME.item) or mmrec (NAME.inter with a label of the split,
            tables of ids, a configuration).
        image_features: feature file to write as image_feat.npy, for MMRec.
        text_features: feature file to write as text_feat.npy, for MMRec.
        overwrite: replace files in OUT of the same names.

    Returns:
        The files that were written.
    """
    given = {"image_feat.npy": image_features, "text_feat.npy": text_features}
    features = {file: as_features(each) for file, each in given.items() if each is not None}
    if features and format != "mmrec":
        raise RequestError(f"feature files are of use with {option('format', 'mmrec')} only")
    from pixelrec.data.exporting import export_dataset

    return export_dataset(as_dataset(data), Path(out), format, features=features, overwrite=overwrite)


@checked
def export_vectors(
    run: Run | Place,
    *,
    of: Tower,
    out: Place,
    data: Dataset | Place | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Write the vectors of items or users, for a vector store.

    A score is the dot product of a user's and an item's vector.

    Args:
        run: run folder.
        of: items or users.
        out: file to write, NAME.parquet: item_id or user_id, and vector, a list of fixed length.
        data: data set folder with the users and their events; by default the one of training.
        overwrite: replace the file at OUT.
        console: for progress; without one, nothing is printed.

    Returns:
        The file that was written.
    """
    place = Path(out)
    if place.suffix != ".parquet":
        raise RequestError(f"out is {str(place)!r}; expected a name that ends in .parquet")
    from pixelrec.files.atomic import demand_free

    demand_free(place, overwrite, RequestError)
    service = _service(run, data, console)
    from pixelrec.runs.vectors import export_vectors as write

    write(service, of, place)
    return [place]


@checked
def export_onnx(
    run: Run | Place,
    *,
    out: Place,
    data: Dataset | Place | None = None,
    overwrite: bool = False,
    console: Console | None = None,
) -> list[Path]:
    """Write the towers of items and users as ONNX.

    They serve without PyTorch, and are compared with the run before the folder appears.

    Args:
        run: run folder.
        out: folder to write: user.onnx, item.onnx for pictures or features, items.npy and serving.json.
        data: data set folder of the training, where it is not at its place any more; needed only where
            vectors of items come from pictures and are not cached.
        overwrite: replace files in OUT of the same names.
        console: for progress; without one, nothing is printed.

    Returns:
        The files that were written.
    """
    service = _service(run, data, console)
    from pixelrec.runs.onnx_towers import export_onnx as write

    return write(service, Path(out), overwrite=overwrite)


def _service(
    run: Run | Place, data: Dataset | Place | None, console: Console | None
) -> RecommendationService:
    opened = as_run(run)
    opened.demand_trained()
    return load(opened, data=data, console=console)
