"""Types of arguments that Python and the command line share, and checks of what Python callers pass.

Type hints stop nobody, so each check has a message of one line.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from errno import ENAMETOOLONG
from math import isfinite
from numbers import Integral, Real
from os import PathLike, lstat
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from pixelrec.errors import RequestError, nearest

OVER_IDS, OVER_PICTURES = "sasrec-id", "sasrec-mobilenet"
"""Recipes to begin with, which messages recommend."""
Baseline: TypeAlias = Literal[
    "random", "popularity", "recent-popularity", "item-knn", "ease", "vis-rank", "l3ae"
]
Rung: TypeAlias = Literal[
    "ids", "frozen", "whitened", "aligned", "deep", "fitted", "top", "all", "joined", "blend"
]
"""A way to use a picture network for recommendation; of the others, the best are blended."""
Split: TypeAlias = Literal["validation", "test"]
Precision: TypeAlias = Literal["fp32", "bf16", "fast"]
Fit: TypeAlias = Literal["stretch", "crop", "pad"]
"""How a picture becomes square."""
Missing: TypeAlias = Literal["error", "grey", "drop-item"]
"""How items without a usable cover are treated."""
TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns"]
FolderFormat: TypeAlias = Literal["pixelrec", "recbole", "mmrec", "movielens", "amazon", "microlens"]
"""Folders of other programs and of published data sets."""
SplitRule: TypeAlias = Literal["given", "leave-one-out"]
"""Which events are held out: those that the files say, or the last two of each user."""
Order: TypeAlias = Literal["time", "file"]
"""What orders the events of a user."""
Repeats: TypeAlias = Literal["drop", "keep", "first", "last"]
"""How rows of one user, item and time but the first are treated, or events of one user and item but one."""
HeaderLine: TypeAlias = Literal["yes", "no"]
QuoteMark: TypeAlias = Literal["double", "single", "none"]
DecimalSign: TypeAlias = Literal["point", "comma"]
Control: TypeAlias = Literal["none", "shuffled", "random"]
LogForm: TypeAlias = Literal["off", "text", "json"]
"""What an item encoder reads of each item: its own content, that of another item, or noise."""
FeatureDtype: TypeAlias = Literal["float32", "float16"]
StoredDtype: TypeAlias = Literal["float32", "float16", "int16"]
"""Of a feature file; codes are int16."""
TreatmentName: TypeAlias = Literal["none", "centre", "standardise", "whiten-half", "whiten"]
"""Of feature vectors, before they are compared by cosine."""
Quantiser: TypeAlias = Literal["residual", "product", "optimised-product", "rq-vae"]
MissingRows: TypeAlias = Literal["error", "mean", "drop"]
"""How items without a feature vector are treated."""
UnknownIds: TypeAlias = Literal["error", "drop"]
"""How feature vectors of unknown items are treated."""
ExportFormat: TypeAlias = Literal["recbole", "mmrec"]
"""A library whose files a data set is written as."""
Tower: TypeAlias = Literal["items", "users"]
"""Whose vectors are written."""
Form: TypeAlias = Literal["table", "csv", "json", "jsonl", "parquet"]
Overrides: TypeAlias = Mapping[str, Any]
"""Dotted key → value, such as `{"users.layers": 3}`."""
CONTROLS: tuple[Control, ...] = get_args(Control)
RUNGS: tuple[Rung, ...] = get_args(Rung)


def as_word(value: str, name: str, known: Sequence[str]) -> str:
    """Raises `RequestError` for what is none of the `known` words."""
    if not isinstance(value, str) or value not in known:
        raise RequestError(f"{name} is {shown(value)}; {nearest(str(value), known)}")
    return value


def as_text(value: str, name: str) -> str:
    """Raises `RequestError` for what is no text."""
    if not isinstance(value, str):
        raise RequestError(f"{name} is {shown(value)}; expected text")
    return value


def as_whole(value: int, name: str, least: int = 1, most: int = 10**9) -> int:
    """An integer of Python; raises `RequestError` for what is no whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise RequestError(f"{name} is {shown(value)}; expected a whole number of at least {least}")
    if value > most:
        raise RequestError(f"{name} is {shown(value)}; expected a whole number of at most {most:,}")
    return int(value)


def as_number(value: float, name: str) -> float:
    """A number of Python; raises `RequestError` for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        raise RequestError(f"{name} is {shown(value)}; expected a number")
    return float(value)


def as_path(value: str | PathLike[str], name: str) -> Path:
    """Raises `RequestError` for what is no path."""
    if not isinstance(value, str | PathLike) or not _is_possible(str(value)):
        raise RequestError(f"{name} is {shown(value)}; expected a path")
    return Path(value)


def as_flag(value: bool, name: str) -> bool:
    """Raises `RequestError` for what is neither True nor False: "no" would count as True."""
    if not isinstance(value, bool):
        raise RequestError(f"{name} is {shown(value)}; expected True or False")
    return value


def as_list(values: Iterable[Any], name: str) -> list[Any]:
    """The elements of a list, a tuple, an array or a column of a data frame; of nothing else."""
    if isinstance(values, str | PathLike):
        raise RequestError(f"{name} is {str(values)!r}; expected a list, such as [{str(values)!r}]")
    try:
        if type(values).__module__.partition(".")[0] == "pyarrow":
            return values.to_pylist()  # type: ignore[attr-defined]
        return list(values)
    except (TypeError, AttributeError):
        raise RequestError(f"{name} is {shown(values)}; expected a list") from None


def as_ids(values: Iterable[str | int], name: str) -> list[str]:
    """Ids as data sets hold them, digits of whole numbers; raises `RequestError` for other values."""
    return [_as_id(value, name) for value in as_list(values, name)]


def _as_id(value: object, name: str) -> str:
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise RequestError(f"{name} holds {value!r}; expected ids in UTF-8")
        return str(value)
    if not isinstance(value, bool):
        with suppress(TypeError):  # numbers of NumPy and PyTorch are whole numbers too
            return str(operator.index(value))  # type: ignore[arg-type]
    raise RequestError(
        f"{name} holds {shown(value)}; expected ids: strings or whole numbers, in a list, an array or one "
        "column of a data frame"
    )


def shown(value: object) -> str:
    """A value in a message of one line; a large one, such as a data frame, by its type."""
    text = repr(value)
    return text if len(text) <= 60 and "\n" not in text else f"a value of type {type(value).__name__}"


def _is_possible(path: str) -> bool:
    """Whether the system has such paths: not with a zero byte or a lone surrogate, empty or too long."""
    try:
        lstat(path)
    except ValueError:
        return False
    except OSError as error:
        return bool(path) and error.errno != ENAMETOOLONG
    return True
