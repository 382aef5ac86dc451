"""Checks of what Python callers pass, where type hints stop nobody, each with a message of one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral
from os import PathLike, fsencode
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pixelrec.choices import Overrides
from pixelrec.errors import PixelrecError, RequestError

if TYPE_CHECKING:
    from pixelrec.data.dataset import Dataset
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.run import Run

Place: TypeAlias = Path | str


def as_whole(value: int, name: str, least: int = 1, most: int = 10**9) -> int:
    """An integer of Python; raises `RequestError` for what is no whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise RequestError(f"{name} is {_shown(value)}; expected a whole number of at least {least}")
    if value > most:
        raise RequestError(f"{name} is {_shown(value)}; expected a whole number of at most {most:,}")
    return int(value)


def as_path(value: str | PathLike[str], name: str) -> Path:
    """Raises `RequestError` for what is no path."""
    if not isinstance(value, str | PathLike) or "\0" in str(value) or not _has_bytes(str(value)):
        raise RequestError(f"{name} is {_shown(value)}; expected a path")
    return Path(value)


def as_paths(values: Place | Sequence[Place], name: str) -> list[Path]:
    """One path or several; raises `RequestError` for what is no path, or none at all."""
    if isinstance(values, str | PathLike):
        return [as_path(values, name)]
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


def check_text(value: str, name: str) -> None:
    """Raises `RequestError` for what is no text."""
    if not isinstance(value, str):
        raise RequestError(f"{name} is {_shown(value)}; expected text")


def check_flag(value: bool, name: str) -> None:
    """Raises `RequestError` for what is neither True nor False: "no" would count as True."""
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {_shown(value)}; expected True or False")


def as_list(values: Sequence[Any], name: str) -> list[Any]:
    """The elements of a list, a tuple, an array or a column of a data frame; of nothing else."""
    if isinstance(values, str | PathLike):
        raise RequestError(f"{name} is {str(values)!r}; expected a list, such as [{str(values)!r}]")
    try:
        return list(values)
    except TypeError:
        raise RequestError(f"{name} is {_shown(values)}; expected a list") from None


def as_ids(values: Sequence[str | int], name: str) -> list[str]:
    """Ids as data sets hold them, digits of whole numbers; raises `RequestError` for other values."""
    found = as_list(values, name)
    for value in found:
        if isinstance(value, bool) or not isinstance(value, str | Integral):
            raise RequestError(
                f"{name} holds {_shown(value)}; expected ids: strings or whole numbers, in a list, an array "
                "or one column of a data frame"
            )
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            raise RequestError(f"{name} holds {value!r}; expected ids in UTF-8")
    return [str(value) if isinstance(value, str) else str(int(value)) for value in found]


def as_overrides(values: Overrides | None) -> Overrides:
    """Raises `RequestError` for what is no mapping from text."""
    if values is None:
        return {}
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise RequestError(f"overrides is {_shown(values)}; expected values by keys such as 'users.layers'")
    return values


def _shown(value: object) -> str:
    """A value in a message of one line; a large one, such as a data frame, by its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a value of type {type(value).__name__}"


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
    from pixelrec.runs.run import Run as RunClass

    return run if isinstance(run, RunClass) else RunClass.open(as_path(run, "run"))


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


def _has_bytes(path: str) -> bool:
    """Whether a path can be given to the system: a lone surrogate stands for no byte of it."""
    try:
        return bool(fsencode(path))
    except UnicodeEncodeError:
        return False
