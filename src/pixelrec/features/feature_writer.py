"""Writes a feature file: row by row, so that an interrupted extraction continues, and whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any, final

import numpy as np
import polars as pl

from pixelrec.errors import FeatureError, some_of
from pixelrec.features.feature_file import (
    ABOUT,
    DTYPES,
    ENTRIES,
    FORMAT,
    IDS,
    VECTORS,
    VERSION,
    FeatureFile,
    digest_of,
    mapped,
)
from pixelrec.files.atomic import new_folder
from pixelrec.files.digests import ids_digest
from pixelrec.files.table_file import write_table


@final
class FeatureWriter:
    """Writes the vectors of known items in order. Made by `writing`.

    An interrupted call of the same items and origin leaves `done` rows, which need not be written again.
    """

    def __init__(
        self,
        folder: Path,
        table: pl.DataFrame,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        origin: Mapping[str, Any],
    ) -> None:
        self.folder, self.table, self.origin = folder, table, origin
        self.shape, self.dtype = (len(table), *shape), dtype
        self._head = _header(self.shape, dtype)
        self._row_bytes = int(np.prod(shape)) * dtype.itemsize
        begun = json.dumps([self.shape, dtype.str, origin, ids_digest(table["item_id"])], sort_keys=True)
        plan, path = folder / "begun.json", folder / VECTORS
        if not plan.exists() or plan.read_text("utf-8") != begun or not path.exists():
            path.write_bytes(self._head)
            plan.write_text(begun, "utf-8")
        self.done = max(0, path.stat().st_size - len(self._head)) // self._row_bytes
        self._begun = self.done, process_time()
        self._file = path.open("r+b")
        self._file.truncate(len(self._head) + self.done * self._row_bytes)
        self._file.seek(0, 2)

    def written(self) -> np.ndarray:
        """The rows that are done."""
        shape = (self.done, *self.shape[1:])
        return np.fromfile(
            self.folder / VECTORS, self.dtype, math.prod(shape), offset=len(self._head)
        ).reshape(shape)

    def append(self, vectors: np.ndarray) -> None:
        """The next rows (k, W or k, R, W).

        Raises:
            FeatureError: a vector is not finite, in the dtype of the file.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # named below
            rows = np.ascontiguousarray(vectors, self.dtype)
        if self.dtype.kind == "f":
            sound, wanted = np.isfinite(rows), f"finite {self.dtype.name} numbers"
        else:
            sound, wanted = rows == vectors, "codes: whole numbers of at most 16 bits"
        sound = sound.reshape(len(rows), -1).all(1)
        if not sound.all():
            ids = self.table["item_id"][self.done : self.done + len(rows)]
            bad = some_of(repr(ids[int(row)]) for row in np.flatnonzero(~sound))
            raise FeatureError(f"vectors of {bad} are not {wanted}")
        self._file.write(rows.data)
        self._file.flush()
        self.done += len(rows)

    def close(self) -> None:
        """Closes the file, finished or not."""
        self._file.close()

    def finish(self) -> None:
        """Writes ids and description; all rows must have been appended."""
        if self.done != self.shape[0]:
            raise ValueError(f"{self.done} of {self.shape[0]} rows were written")
        self.close()
        write_table(self.table, self.folder / IDS)
        vectors = mapped(self.folder / VECTORS, self.shape)
        about = {
            "format": FORMAT,
            "version": VERSION,
            "shape": self.shape,
            "dtype": self.dtype.name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "origin": self.origin,
            "cpu_seconds": self._cpu_seconds,
            "digests": {"ids": ids_digest(self.table["item_id"]), "vectors": digest_of(vectors)},
        }
        (self.folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        (self.folder / "begun.json").unlink()

    @property
    def _cpu_seconds(self) -> float:
        """Of making all rows, by those that this process made."""
        done, started = self._begun
        return round((process_time() - started) * self.done / max(1, self.done - done), 3)


@contextmanager
def writing(
    out: Path,
    item_ids: Sequence[str] | pl.Series,
    shape: Sequence[int],
    origin: Mapping[str, Any],
    *,
    pictures: Sequence[str | None] | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
    resumable: bool = False,
) -> Iterator[FeatureWriter]:
    """Writes a feature file at `out`, which appears whole when the block ends without an error.

    Args:
        out: the folder.
        item_ids: n ids, each once.
        shape: of a row: (W,), or (R, W).
        origin: how the vectors are made: JSON.
        pictures: n digests of the pictures that the vectors are made from, None where unknown.
        dtype: float32 or float16, or int16 of codes.
        overwrite: replace a feature file at `out`.
        resumable: keep the rows that were written where the block ends with an error.

    Raises:
        FeatureError: `out` exists, or cannot be written, or an id is given twice.
    """
    ids = pl.Series("item_id", item_ids, dtype=pl.String)
    if (twice := ids.filter(ids.is_duplicated())).len():
        raise FeatureError(
            f"items with several vectors: {some_of(map(repr, twice.unique()))}; give each once"
        )
    if out.exists() and not (overwrite and (out / ABOUT).is_file()):
        if not (out / ABOUT).is_file():
            raise FeatureError(f"{out} exists; choose another place")
        there = FeatureFile.open(out)
        raise FeatureError(
            f"{out} exists, with {there.kind} of {len(there):,} items ({there.described}); replace it with "
            "--overwrite, or choose another --out"
        )
    given = pl.Series("picture", pictures or [None] * len(ids), dtype=pl.String)
    with new_folder(out, FeatureError, ours=ENTRIES, resumable=resumable) as folder:
        writer = FeatureWriter(folder, pl.DataFrame([ids, given]), shape, np.dtype(dtype), origin)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def _header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    """The head of a safetensors file of one tensor; rows can then be appended."""
    code = next(name for name, known in DTYPES.items() if known == dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    text = json.dumps({"vectors": {"dtype": code, "shape": list(shape), "data_offsets": [0, size]}})
    text += " " * (-(8 + len(text)) % 64)  # aligned, so that rows can be mapped
    return len(text).to_bytes(8, "little") + text.encode()
