"""A prepared data set: a folder of dense arrays of events.

| file | holds |
|---|---|
| `manifest.json` | format, counts, digests of ids, events and items, sources, options |
| `users.parquet` | `user_id`: row r is user number r + 1 |
| `items.parquet` | `item_id` and further information on the items: row r is item number r + 1 |
| `events/offsets.npy` | int64[users + 2]: user u's events are [offsets[u]:offsets[u + 1]]; user 0 has none |
| `events/items.npy`, `times.npy` | int32, int64[events]: oldest first; **all events but the test events** |
| `events/evaluated.npy` | bool[users + 1]: the user has at least 3 events, the last of which is held out |
| `held_out/items.npy`, `times.npy` | int32, int64[users + 1]: the test events, 0 where there is none |
| `stats.svg` | a picture of the statistics |
| `baselines/` | ranks of baselines, once a model was evaluated; they can be computed again |

Times are unix seconds. The test events lie apart so that training never opens them. Digests are of values:
another version of a library may write the same values as other bytes. Only that of the items' information,
which no run depends on, is of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import polars as pl

from pixelrec.batch import DatasetSpec, Histories
from pixelrec.data.id_types import IdTypes
from pixelrec.data.manifest import ARRAYS, ENTRIES, MEND, counts_of, read_manifest
from pixelrec.data.numbering import numbers_of
from pixelrec.errors import DataError, first_line
from pixelrec.features.feature_file import feature_folders
from pixelrec.files.array_file import map_array
from pixelrec.files.atomic import recover
from pixelrec.files.digests import array_digest, file_digest, ids_digest
from pixelrec.files.json_object import digest_of
from pixelrec.files.table_file import read_table
from pixelrec.images.store import PictureStore

COVERS = "covers.lmdb"  # the picture store


@dataclass(frozen=True)
class HeldOut:
    """The test event of every user: 0 where the user is not evaluated."""

    items: np.ndarray  # int32[users + 1]
    times: np.ndarray  # int64[users + 1]: unix seconds


@final
@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """An opened data set; arrays are memory-mapped and read-only."""

    folder: Path
    manifest: Mapping[str, Any]
    users: int  # users are numbered 1 … users
    items: int  # items are numbered 1 … items
    interactions: int  # with the held out
    offsets: np.ndarray  # int64[users + 2]
    event_items: np.ndarray  # int32[events]
    event_times: np.ndarray  # int64[events]: unix seconds
    evaluated: np.ndarray  # bool[users + 1]

    def __repr__(self) -> str:
        counts = f"{self.users:,} users, {self.items:,} items, {self.interactions:,} interactions"
        return f"Dataset({str(self.folder)!r}: {counts})"

    @property
    def exact_repeats(self) -> int:
        """The number of rows of a user, item and time that an earlier row of the source had too."""
        return int(self.manifest["exact_repeats"])

    @property
    def repeats_kept(self) -> bool:
        """Whether those rows are events too."""
        return bool(self.manifest["options"]["repeats"] == "keep")

    @property
    def left_out(self) -> Mapping[str, int]:
        """Names of options of `prepare`, separated by commas → rows of the source left out by them."""
        found: Mapping[str, int] = self.manifest.get("left_out", {})
        return found

    @property
    def identical_sources(self) -> list[list[str]]:
        """Names of source files with the same bytes, as of a part that was downloaded twice."""
        names: dict[str, list[str]] = {}
        for source in self.manifest["sources"]:
            names.setdefault(source["sha256"], []).append(source["name"])
        return [each for each in names.values() if len(each) > 1]

    @property
    def has_times(self) -> bool:
        """Whether its times are of the source; else they are places of rows there."""
        return bool(self.manifest["options"].get("order") != "file")

    @property
    def id_types(self) -> IdTypes:
        """The types that ids had in the source."""
        return IdTypes.of(self.manifest)

    @property
    def covers(self) -> Path:
        """The picture store of its items, if covers were packed."""
        return self.folder / COVERS

    @property
    def features(self) -> dict[str, Path]:
        """The folders of feature files inside the data set, by name."""
        return feature_folders(self.folder)

    @property
    def baselines(self) -> Path:
        """The folder of ranks of baselines."""
        return self.folder / "baselines"

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Opens a folder that `prepare` wrote, but not its held-out events.

        Raises:
            DataError: it is missing, no data set, of another format version, or damaged.
        """
        folder = Path(folder)
        recover(folder, ENTRIES)
        manifest = read_manifest(folder)
        users, items, interactions, evaluated = counts_of(folder, manifest)
        events = folder / "events"
        dataset = cls(
            folder,
            manifest,
            users,
            items,
            interactions,
            _array(events / "offsets.npy", np.int64, users + 2),
            _array(events / "items.npy", np.int32, interactions - evaluated),
            _array(events / "times.npy", np.int64, interactions - evaluated),
            _array(events / "evaluated.npy", np.bool_, users + 1),
        )
        lengths = np.diff(dataset.offsets)
        if dataset.offsets[1] != 0 or dataset.offsets[-1] != interactions - evaluated or lengths.min() < 0:
            raise DataError(f"{events / 'offsets.npy'}: does not belong to the other files; {MEND}")
        if np.count_nonzero(dataset.evaluated) != evaluated or lengths[dataset.evaluated].min() < 2:
            raise DataError(f"{events / 'evaluated.npy'}: does not belong to the other files; {MEND}")
        return dataset

    def spec(self, length: int, history: Histories) -> DatasetSpec:
        """The dimensions for a model of histories of `length` events that is trained on `history`."""
        covers = self.covers if self.covers.exists() else None
        return DatasetSpec(
            self.users, self.items, length, self.folder, history, self.item_ids.to_list(), covers
        )

    @property
    def fingerprint(self) -> str:
        """One digest of the ids of users and items and of all events, the held-out ones included."""
        return digest_of(self.manifest["digests"])

    def verify(self) -> None:
        """Compares ids and events, except the held-out ones, with the digests that `prepare` wrote, once.

        Reads them all: a few seconds for 200 million events.

        Raises:
            DataError: a file was changed or damaged since.
        """
        _ = self._verified

    @cached_property
    def _verified(self) -> None:
        arrays = (self.offsets, self.event_items, self.event_times, self.evaluated)
        for name, values in zip(ARRAYS, arrays, strict=True):
            self._check_digest(name, array_digest(values), f"{name}.npy")
        _ = self.user_ids, self.item_ids  # verified whenever they are read

    def _check_digest(self, name: str, found: str, file: str) -> None:
        if found != self.manifest["digests"][name]:
            raise _changed(self.folder / file)

    @cached_property
    def pictures_fingerprint(self) -> str:
        """A digest of the pictures of its items, which must be packed whole; empty where none are."""
        if not self.covers.exists():
            return ""
        return PictureStore.open(self.covers).fingerprint(self.item_ids.to_list())

    def held_out(self) -> HeldOut:
        """Opens the test events. Only for evaluation.

        Raises:
            DataError: they are missing, damaged, or not those that `prepare` held out.
        """
        kinds: dict[str, type[np.generic]] = {"held_out/items": np.int32, "held_out/times": np.int64}
        arrays = [_array(self.folder / f"{name}.npy", kind, self.users + 1) for name, kind in kinds.items()]
        for name, values in zip(kinds, arrays, strict=True):
            self._check_digest(name, array_digest(values), f"{name}.npy")
        return HeldOut(*arrays)

    @cached_property
    def user_ids(self) -> pl.Series:
        """String[users]: the id of user number r + 1 in row r."""
        return self._table("user", ["user_id"], self.users)["user_id"]

    @cached_property
    def item_ids(self) -> pl.Series:
        """String[items]: the id of item number r + 1 in row r."""
        return self._table("item", ["item_id"], self.items)["item_id"]

    @cached_property
    def information(self) -> pl.DataFrame:
        """A row for each item: `item_id` and the columns of the item file, null where there is nothing."""
        path = _file(self.folder / "items.parquet")
        try:
            found = file_digest(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        if found != self.manifest["information"]:
            raise _changed(path)
        return self._table("item", None, self.items)

    def _table(self, noun: str, columns: list[str] | None, rows: int) -> pl.DataFrame:
        path = self.folder / f"{noun}s.parquet"
        try:
            table = read_table(_file(path), columns)
            ids = table[f"{noun}_id"].cast(pl.String)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path}: missing or damaged ({first_line(error)}); {MEND}") from error
        if table.height != rows:
            raise DataError(f"{path}: holds {table.height} rows, expected {rows}; {MEND}")
        if ids.null_count():
            raise _changed(path)
        self._check_digest(f"{noun}_ids", ids_digest(ids), path.name)
        return table.with_columns(ids)

    def user_numbers(self, ids: Sequence[str]) -> np.ndarray:
        """int64: the number of each user; a `RequestError` names the unknown ones."""
        return numbers_of("user", self.user_ids, ids)

    def item_numbers(self, ids: Sequence[str]) -> np.ndarray:
        """int64: the number of each item; a `RequestError` names the unknown ones."""
        return numbers_of("item", self.item_ids, ids)


def _array(path: Path, kind: type[np.generic], length: int) -> np.ndarray:
    """A memory-mapped array, checked to be whole and of the right type."""
    try:
        array = map_array(_file(path))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cut off or damaged ({' '.join(str(error).split())}); {MEND}") from error
    if array.dtype != kind or array.shape != (length,):
        found = f"{array.dtype}{list(array.shape)}"
        raise DataError(f"{path}: holds {found}, expected {np.dtype(kind)}[{length}]; {MEND}")
    return array


def _file(path: Path) -> Path:
    """`path` of a file; a `DataError` if there is none: reading a pipe would wait for ever."""
    if not path.is_file():
        raise DataError(f"{path}: {'is no file' if path.exists() else 'missing'}; {MEND}")
    return path


def _changed(path: Path) -> DataError:
    return DataError(f"{path}: was changed or replaced since the data set was prepared; {MEND}")
