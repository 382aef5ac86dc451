"""Checks of what Python callers pass, where type hints stop nobody, each with a message of one line."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pixelrec.choices import Overrides, shown
from pixelrec.choices import as_ids as as_ids
from pixelrec.choices import as_list as as_list
from pixelrec.choices import as_path as as_path
from pixelrec.choices import as_whole as as_whole
from pixelrec.choices import check_flag as check_flag
from pixelrec.errors import FeatureError, ImageError, PixelrecError, RequestError

if TYPE_CHECKING:
    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.run import Run

Place: TypeAlias = Path | str


def as_paths(values: Place | Sequence[Place], name: str) -> list[Path]:
    """One path or several; raises `RequestError` for what is no path, or none at all."""
    if isinstance(values, str | PathLike):
        return [as_path(values, name)]
    if not isinstance(values, Sequence):  # a data frame, above all, whose elements are columns
        raise RequestError(f"{name} is {shown(values)}; expected a path or a list of paths")
    found = [as_path(value, f"one of {name}") for value in as_list(values, name)]
    if not found:
        raise RequestError(f"{name} is empty; expected at least one path")
    return found


def as_input(value: str | PathLike[str], name: str, error: type[PixelrecError], hint: str) -> Path:
    """A path; raises `error` where there is nothing: at once, while importing a library takes seconds."""
    path = as_path(value, name)
    if not path.exists():
        raise error(f"{path}: no such file or folder; {hint}")
    return path


def as_page(value: Place, name: str) -> Path:
    """The path of a page to write; raises `RequestError` for a folder, or another suffix."""
    path = as_path(value, name)
    if path.suffix != ".html" or path.is_dir():
        raise RequestError(f"{name} is {str(path)!r}; expected a file whose name ends in .html")
    return path


def check_text(value: str, name: str) -> None:
    """Raises `RequestError` for what is no text."""
    if not isinstance(value, str):
        raise RequestError(f"{name} is {shown(value)}; expected text")


def as_overrides(values: Overrides | None) -> Overrides:
    """Raises `RequestError` for what is no mapping from text."""
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise RequestError(f"overrides is {shown(values)}; expected values by keys such as 'users.layers'")
    return values


def ids_or_file(values: Iterable[str | int] | Path, name: str) -> list[str]:
    """Ids of items, or those in the file whose path is given, alone."""
    from pixelrec.runs.request_files import SUFFIXES, read_ids

    if isinstance(values, Path):
        return read_ids(values)
    ids = as_ids(values, name)
    alone = Path(ids[0]) if len(ids) == 1 and "\0" not in ids[0] else None
    return read_ids(alone) if alone and alone.suffix in SUFFIXES and alone.is_file() else ids


def as_recipe(recipe: str | Path | Recipe, name: str) -> Path | Recipe:
    """A recipe, or the path of one that can be read; raises `RecipeError` at once for any other."""
    from pixelrec.recipe.recipe import Recipe as RecipeClass
    from pixelrec.recipe.recipe import read_values

    if isinstance(recipe, RecipeClass):
        return recipe
    path = as_path(recipe, name)
    read_values(path)
    return path


def check_runs(*runs: Run | Place) -> None:
    """Raises `RunError` for a path of no run: at once, while importing PyTorch takes seconds."""
    from pixelrec.runs.about import read_about

    for run in runs:
        if isinstance(run, str | PathLike):
            read_about(as_path(run, "run"))


def check_datasets(*datasets: Dataset | Place | None) -> None:
    """Raises `DataError` for a path of no data set, at once."""
    from pixelrec.data.manifest import read_manifest
    from pixelrec.files.atomic import whole

    for data in datasets:
        if isinstance(data, str | PathLike):
            read_manifest(whole(as_path(data, "data")))


def as_run(run: Run | Place) -> Run:
    check_runs(run)
    with _uncollected():
        from pixelrec.runs.run import Run as RunClass

    return run if isinstance(run, RunClass) else RunClass.open(as_path(run, "run"))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage among the objects of PyTorch, now or later: it takes 0.2 s."""
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.collect()  # else garbage of the caller would be kept with them
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def as_dataset(data: Dataset | Place) -> Dataset:
    check_datasets(data)
    from pixelrec.data.dataset import Dataset as DatasetClass

    return data if isinstance(data, DatasetClass) else DatasetClass.open(as_path(data, "data"))


def folder_of(data: Dataset | Place | None) -> Path | None:
    check_datasets(data)
    from pixelrec.data.dataset import Dataset as DatasetClass

    if isinstance(data, DatasetClass):
        return data.folder
    return None if data is None else as_path(data, "data")


def as_features(given: FeatureFile | Place) -> FeatureFile:
    if isinstance(given, str | PathLike):
        as_input(given, "features", FeatureError, "give a folder that `pixelrec features` made")
    from pixelrec.features.feature_file import FeatureFile as FeatureFileClass

    return given if isinstance(given, FeatureFileClass) else FeatureFileClass.open(as_path(given, "features"))


def as_pictures(given: Sequence[Place]) -> list[Path]:
    """Files of pictures; raises `ImageError` where there is nothing."""
    files = [as_path(each, "pictures") for each in as_list(given, "pictures")]
    for each in files:
        as_input(each, "pictures", ImageError, "give a picture")
    return files


def names_of(files: Sequence[Path]) -> list[str]:
    """The names of files, or their paths where two have one name."""
    names = [each.name for each in files]
    return names if len(set(names)) == len(names) else list(map(str, files))
