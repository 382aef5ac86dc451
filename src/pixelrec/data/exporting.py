"""A data set as files of RecBole or MMRec: all events, those held out for the test among them.

A user's events follow each other, oldest first. RecBole sorts by time in fp32, which is exact to two minutes
only, and stably: events within two minutes keep this order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from polars import selectors as cs

from pixelrec.batch import Histories
from pixelrec.choices import ExportFormat
from pixelrec.data.dataset import Dataset
from pixelrec.data.information import TEXTS
from pixelrec.data.split import all_events
from pixelrec.errors import DataError, option, some_of
from pixelrec.features.feature_file import FeatureFile
from pixelrec.files.atomic import demand_empty, new_folder
from pixelrec.files.table_file import system_errors

_EVENTS = 2_000_000  # written at a time
_LACKS = "extract or import vectors of all items"
# The library reads these as missing: those of pandas, and its own padding.
_LOST = (
    "#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,<NA>,N/A,NA,NULL,NaN,None,n/a,nan,null,[PAD]"
)
_CONFIG = """\
# Copy this file to src/configs/dataset/ of MMRec, and its folder to data/.
USER_ID_FIELD: userID
ITEM_ID_FIELD: itemID
TIME_FIELD: timestamp
inter_file_name: '{name}.inter'
vision_feature_file: 'image_feat.npy'
text_feature_file: 'text_feat.npy'
user_graph_dict_file: 'user_graph_dict.npy'
field_separator: "\\t"
"""


def export_dataset(
    dataset: Dataset,
    out: Path,
    form: ExportFormat,
    *,
    features: Mapping[str, FeatureFile],
    overwrite: bool = False,
) -> list[Path]:
    """Writes a folder whose name is that of the data set in the other library.

    Args:
        dataset: whose events and item information are written.
        out: the folder; other files in it stay.
        form: the other library.
        features: feature files by name of the `.npy` file, row r of item number r + 1; for MMRec.
        overwrite: replace files there.

    Returns:
        The files that were written.

    Raises:
        DataError: the folder is not empty, cannot be written, or an id would be lost.
        FeatureError: an item has no vector.
    """
    if not overwrite:
        demand_empty(out, DataError, f"replace its files with {option('overwrite')}, or choose another --out")
    name = out.resolve().name
    write = _recbole(dataset, name) if form == "recbole" else _mmrec(dataset, name, features)
    with new_folder(out, DataError, ours=frozenset(write)) as draft, system_errors():
        for file, writing in write.items():
            writing(draft / file)
    return [out / file for file in write]


Write = Mapping[str, Callable[[Path], object]]
"""What writes each file, by its name."""


def _recbole(dataset: Dataset, name: str) -> Write:
    """Atomic files: tables whose columns are called name:type."""
    for noun, ids in (("user", dataset.user_ids), ("item", dataset.item_ids)):
        if lost := ids.filter(ids.is_in(_LOST.split(",")) | (ids == "")).to_list():
            named = some_of(map(repr, lost))
            raise DataError(f"{noun} ids {named}: RecBole takes them for missing; rename them")

    def some(users: np.ndarray, items: np.ndarray, times: np.ndarray, _: np.ndarray) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user_id:token": dataset.user_ids[users - 1],
                "item_id:token": dataset.item_ids[items - 1],
                "timestamp:float": times,
            }
        )

    return {
        f"{name}.inter": lambda path: _write_events(dataset, path, some),
        f"{name}.item": lambda path: _write(_atomic(dataset.information), path),
    }


def _atomic(information: pl.DataFrame) -> pl.DataFrame:
    """Item information with RecBole's names of columns; lists and the like are left out."""
    numbers = set(information.select(cs.numeric()).columns)
    kinds = {"item_id": "token"} | dict.fromkeys(TEXTS, "token_seq")

    def renamed(column: str) -> str:
        return f"{column.replace(':', '_')}:{kinds.get(column, 'float' if column in numbers else 'token')}"

    flat = information.select(~cs.nested())
    return flat.rename({column: renamed(column) for column in flat.columns})


def _mmrec(dataset: Dataset, name: str, features: Mapping[str, FeatureFile]) -> Write:
    """Numbers from 0 in place of ids, with a label of the split: 0 training, 1 validation, 2 test."""
    rows = {file: each.demand(dataset.item_ids, _LACKS) for file, each in features.items()}

    def some(users: np.ndarray, items: np.ndarray, times: np.ndarray, left: np.ndarray) -> pl.DataFrame:
        label = np.where(dataset.evaluated[users], np.maximum(2 - left, 0), 0)
        return pl.DataFrame(
            {"userID": users - 1, "itemID": items - 1, "rating": 1.0, "timestamp": times, "x_label": label}
        )

    def vectors(file: str) -> Callable[[Path], object]:
        return lambda path: np.save(path, features[file].table(dataset.item_ids)[1:])

    return {
        f"{name}.inter": lambda path: _write_events(dataset, path, some),
        "i_id_mapping.csv": lambda path: _write(_numbered(dataset.item_ids, "asin", "itemID"), path),
        "u_id_mapping.csv": lambda path: _write(_numbered(dataset.user_ids, "user_id", "userID"), path),
        f"{name}.yaml": lambda path: path.write_text(_CONFIG.format(name=name), "utf-8"),
        **{file: vectors(file) for file in rows},
    }


def _numbered(ids: pl.Series, noun: str, number: str) -> pl.DataFrame:
    return pl.DataFrame({noun: ids, number: np.arange(len(ids))})


def _write_events(dataset: Dataset, path: Path, some: Callable[..., pl.DataFrame]) -> None:
    """some: the table of events with these users, items, times, and numbers of later events of the user."""
    events = all_events(dataset)
    for number, (start, stop) in enumerate(pairwise(_cuts(events))):
        users = np.arange(start, stop)
        lengths = events.stops[users] - events.starts[users]
        owners = np.repeat(users, lengths)
        places = slice(events.starts[start], events.stops[stop - 1])
        left = events.stops[owners] - 1 - np.arange(places.start, places.stop)
        table = some(owners, events.items[places].astype(np.int64), events.times[places], left)
        with path.open("ab") as file:
            _write(table, file, header=not number)


def _cuts(events: Histories) -> list[int]:
    """Numbers of users between which there are about as many events as are written at a time."""
    count = len(events.stops)
    ends = np.arange(_EVENTS, events.stops[-1], _EVENTS)
    return [1, *np.unique(np.searchsorted(events.stops, ends, "right").clip(2, count - 1)), count]


def _write(table: pl.DataFrame, file: object, header: bool = True) -> None:
    """Separated by tabs, with quotes as in CSV where a text needs them."""
    table.write_csv(file, separator="\t", include_header=header, quote_style="necessary")  # type: ignore[call-overload]
