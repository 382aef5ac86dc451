"""Arguments of verbs: checked by their annotations, and opened.

Type hints stop no caller, so each check has a message of one line; none imports a heavy library.
"""

from __future__ import annotations

import gc
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar, get_args, get_origin

from pixelrec import choices
from pixelrec.choices import (
    Overrides,
    as_flag,
    as_ids,
    as_list,
    as_number,
    as_path,
    as_text,
    as_whole,
    as_word,
    shown,
)
from pixelrec.errors import FeatureError, ImageError, PixelrecError, RequestError
from pixelrec.files.hub import is_address, local

if TYPE_CHECKING:
    import polars as pl
    from narwhals.typing import IntoFrame

    from pixelrec.data.dataset import Dataset
    from pixelrec.features.feature_file import FeatureFile
    from pixelrec.recipe.recipe import Recipe
    from pixelrec.runs.run import Run

Place: TypeAlias = Path | str
Ids: TypeAlias = Sequence[str | int]
"""In a list, an array or a column of a data frame; the verb gets it as it is, for the kind of its result."""
Changes: TypeAlias = Overrides
Seed: TypeAlias = int
Threads: TypeAlias = int
Days: TypeAlias = int
Repetitions: TypeAlias = int
Port: TypeAlias = int
P = ParamSpec("P")
R = TypeVar("R")


def checked(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that begins with the checks of its arguments, chosen by the annotations as they are written.

    Paths arrive as `Path`, whole numbers as `int` and ids as text; values are checked before files.
    """
    annotations = {name: each.annotation for name, each in inspect.signature(verb).parameters.items()}
    checks = {name: _CHECKS[text.removesuffix(" | None")] for name, text in annotations.items()}

    @wraps(verb)
    def call(*args: P.args, **words: P.kwargs) -> R:
        given = dict(zip(checks, args, strict=False)) | words
        for name in sorted(given.keys() & checks.keys(), key=lambda name: (checks[name] in _OPENING, name)):
            if given[name] is not None or not annotations[name].endswith(" | None"):
                given[name] = checks[name](given[name], name)
        places = [given.pop(name) for name in list(checks)[: len(args)]]
        return verb(*places, *args[len(checks) :], **given)  # type: ignore[arg-type]

    return call


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


def as_sources(
    values: Place | IntoFrame | Sequence[Place | IntoFrame], name: str
) -> list[Path | pl.DataFrame]:
    """Paths and data frames; raises `RequestError` for what is neither, or none at all."""
    given = values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
    found = [as_source(each, name if len(given) == 1 else f"one of {name}") for each in given]
    if not found:
        raise RequestError(f"{name} is empty; expected at least one path or data frame")
    return found


def as_source(value: Place | IntoFrame, name: str) -> Path | pl.DataFrame:
    """A path, or a data frame of any library as one of Polars."""
    if isinstance(value, str | PathLike):
        return as_path(value, name)
    from pixelrec.api.frames import as_polars

    return as_polars(value, name, "a path or a data frame")


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


def as_overrides(values: Overrides, name: str) -> Overrides:
    """Raises `RequestError` for what is no mapping from text."""
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        raise RequestError(f"{name} is {shown(values)}; expected values by keys such as 'users.layers'")
    return values


def as_changes(values: Overrides, name: str) -> Overrides:
    """Raises `RequestError` for options with which a run cannot go on."""
    from pixelrec.training.config import CHANGEABLE

    if other := [key for key in as_overrides(values, name) if key not in CHANGEABLE]:
        raise RequestError(
            f"a run goes on with other {' and '.join(CHANGEABLE)} only, not with another {other[0]}; train a "
            f"new run: pixelrec train RUN/recipe.yaml --data DATA --{other[0]} VALUE"
        )
    return values


def as_recipe(recipe: str | Path | Recipe, name: str) -> Path | Recipe:
    """A recipe, or the path of one that can be read; raises `RecipeError` at once for any other."""
    from pixelrec.recipe.recipe import Recipe as RecipeClass
    from pixelrec.recipe.recipe import read_values

    if isinstance(recipe, RecipeClass):
        return recipe
    path = as_path(recipe, name)
    read_values(path)
    return path


def check_run(run: Run | Place, name: str) -> Run | Place:
    """Raises `RunError` for a path of no run."""
    from pixelrec.runs.about import read_about

    if isinstance(run, str | PathLike) and not is_address(run):
        read_about(as_path(run, name))
    return run


def check_dataset(data: Dataset | Place, name: str) -> Dataset | Place:
    """Raises `DataError` for a path of no data set."""
    from pixelrec.data.manifest import read_manifest
    from pixelrec.files.atomic import whole

    if isinstance(data, str | PathLike):
        read_manifest(whole(as_path(data, name)))
    return data


def check_features(given: FeatureFile | Place, name: str) -> FeatureFile | Place:
    """Raises `FeatureError` for a path where there is nothing."""
    if isinstance(given, str | PathLike):
        as_input(given, name, FeatureError, "give a folder that `pixelrec features` made")
    return given


def _one_or_each(check: Callable[[Any, str], Any]) -> Callable[[Any, str], list[Any]]:
    def check_all(values: Any, name: str) -> list[Any]:
        several = isinstance(values, Iterable) and not isinstance(values, str | PathLike)
        return [check(each, name) for each in (values if several else [values])]

    return check_all


def _each(check: Callable[[Any, str], Any]) -> Callable[[Any, str], list[Any]]:
    return lambda values, name: [check(each, name) for each in as_list(values, name)]


def as_run(run: Run | Place) -> Run:
    with _uncollected():
        from pixelrec.runs.run import Run as RunClass

    return run if isinstance(run, RunClass) else RunClass.open(_local(as_path(run, "run")))


def _local(run: Path) -> Path:
    """The folder of a run, downloaded if it is on the hub."""
    if not is_address(run):
        return run
    from pixelrec.runs.publication import FILES

    return local(run, FILES)


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
    from pixelrec.data.dataset import Dataset as DatasetClass

    return data if isinstance(data, DatasetClass) else DatasetClass.open(as_path(data, "data"))


def folder_of(data: Dataset | Place | None) -> Path | None:
    from pixelrec.data.dataset import Dataset as DatasetClass

    if isinstance(data, DatasetClass):
        return data.folder
    return None if data is None else as_path(data, "data")


def as_features(given: FeatureFile | Place) -> FeatureFile:
    from pixelrec.features.feature_file import FeatureFile as FeatureFileClass

    return given if isinstance(given, FeatureFileClass) else FeatureFileClass.open(as_path(given, "features"))


def names_of(files: Sequence[Path]) -> list[str]:
    """The names of files, or their paths where two have one name."""
    names = [each.name for each in files]
    return names if len(set(names)) == len(names) else list(map(str, files))


def _as_good_ids(value: Any, name: str) -> Any:
    found = as_ids(value, name)
    return found if isinstance(value, Iterator) else value


def _as_it_is(value: Any, _: str) -> Any:
    return value


_OPENING = (check_run, check_dataset, check_features)  # come last, as they read files
_CHECKS: Mapping[str, Callable[[Any, str], Any]] = {
    "bool": as_flag,
    "int": as_whole,
    "float": as_number,
    "Seed": partial(as_whole, least=0, most=2**63 - 1),
    "Days": partial(as_whole, least=0),
    "Repetitions": partial(as_whole, most=10_000),
    "Port": partial(as_whole, least=0, most=65_535),
    "Threads": partial(as_whole, most=4096),
    "str": as_text,
    "Place": as_path,
    "Place | Sequence[Place]": as_paths,
    "Place | IntoFrame": as_source,
    "Place | IntoFrame | Sequence[Place | IntoFrame]": as_sources,
    "Sequence[Place]": _each(partial(as_input, error=ImageError, hint="give a picture")),
    "Sequence[float]": _each(as_number),
    "Sequence[int]": _each(as_whole),
    "Sequence[str]": _each(as_text),
    "Sequence[str | int]": as_ids,
    "Ids": _as_good_ids,
    "Overrides": as_overrides,
    "Changes": as_changes,
    "Run | Place": check_run,
    "Sequence[Run | Place]": _each(check_run),
    "Run | Place | Sequence[Run | Place]": _one_or_each(check_run),
    "Dataset | Place": check_dataset,
    "FeatureFile | Place": check_features,
    "str | Path | Recipe": as_recipe,
    "Sequence[str | Path | Recipe]": _each(as_recipe),
    "Sequence[Baseline]": _each(partial(as_word, known=get_args(choices.Baseline))),
    "Sequence[Rung]": _each(partial(as_word, known=get_args(choices.Rung))),
    **{
        name: partial(as_word, known=get_args(words))
        for name, words in vars(choices).items()
        if get_origin(words) is Literal
    },
    # Those that a verb reads itself.
    **dict.fromkeys(
        (
            "Console",
            "Callable[[str], object]",
            "Callable[[PackedCovers], object]",
            "Sequence[str | int] | Path",
            "Path | IntoFrame | Mapping[str, Sequence[str | int]] | Iterable[Sequence[str | int]]",
        ),
        _as_it_is,
    ),
}
