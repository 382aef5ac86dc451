"""A feature file: a folder with a vector, or a map of regions, for each of n items.

| file | holds |
|---|---|
| `vectors.safetensors` | `vectors`: n, W, or n, R, W for R regions of a picture; codes are of type int16 |
| `ids.parquet` | `item_id`, and `picture`: a digest of the picture a row was computed from, if known |
| `features.json` | format, shape, origin, date, digests of ids and vectors |
| `quantiser.safetensors` | of codes: the codebooks, which give new vectors their codes |

Rows are matched to items by id and never by position, so a file cannot be misaligned with a data set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import polars as pl

from pixelrec.errors import FeatureError, some_of
from pixelrec.files.atomic import new_folder, recover
from pixelrec.files.digests import ids_digest
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table, write_table

NETWORK, RUN, CODES = "network", "run", "codes"  # kinds of origin, beside imported
FORMAT, VERSION = "pixelrec features", 1
VECTORS, IDS, ABOUT, QUANTISER = (
    "vectors.safetensors",
    "ids.parquet",
    "features.json",
    "quantiser.safetensors",
)
FOLDER = "features"  # inside a data set
ENTRIES = frozenset({VECTORS, IDS, ABOUT, QUANTISER})
_DTYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I16": np.dtype("<i2"),
}
_BLOCK = 1 << 26  # bytes that are hashed or checked together
_MEND = "extract or import the features again"


@final
@dataclass(frozen=True, eq=False, repr=False)
class FeatureFile:
    """An opened feature file; vectors are memory-mapped and read-only."""

    folder: Path
    origin: Mapping[str, Any]  # how the vectors were made: JSON
    made: str  # ISO 8601, UTC
    digest: str  # of ids and vectors
    ids: pl.Series  # String[n]
    pictures: pl.Series  # String[n]: digests of the pictures; null where unknown
    vectors: np.ndarray  # n, W or n, R, W

    def __repr__(self) -> str:
        shape = " × ".join(f"{each:,}" for each in self.vectors.shape)
        return f"FeatureFile({str(self.folder)!r}: {shape})"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_codes(self) -> bool:
        """Whether it holds codes instead of vectors."""
        return self.vectors.dtype.kind != "f"

    @property
    def width(self) -> int:
        """W."""
        return int(self.vectors.shape[-1])

    @property
    def network_origin(self) -> Mapping[str, Any]:
        """The origin; of codes, that of the features they were fitted to."""
        return self.origin["features_origin"] if self.origin.get("kind") == CODES else self.origin

    @property
    def described(self) -> str:
        """The origin in a few words."""
        origin = self.network_origin
        if origin.get("kind") == NETWORK:
            network = f"{origin['network']['family']}, layer {origin['layer']}"
            return f"{network}, pictures of {origin['size']} pixels"
        return f"items of a run of {origin['recipe']}" if origin.get("kind") == RUN else "imported"

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Opens a folder that `FeatureWriter` wrote; `verify` compares the vectors with their digest.

        Raises:
            FeatureError: it is missing, no feature file, of another version, or damaged.
        """
        folder = Path(folder)
        if not folder.exists():
            recover(folder, ENTRIES)
        about = _about(folder)
        try:
            shape = tuple(int(each) for each in about["shape"])
            origin, made, digests = dict(about["origin"]), str(about["made"]), dict(about["digests"])
            digest = sha256(f"{digests['ids']} {digests['vectors']}".encode()).hexdigest()
        except (KeyError, TypeError, ValueError) as error:
            raise FeatureError(f"{folder / ABOUT}: incomplete or damaged ({error!r}); {_MEND}") from error
        table = _read_ids(folder / IDS, shape[0] if shape else 0)
        if ids_digest(table["item_id"]) != digests["ids"]:
            raise FeatureError(f"{folder / IDS}: does not belong to the other files; {_MEND}")
        vectors = _mapped(folder / VECTORS, shape)
        return cls(folder, origin, made, digest, table["item_id"], table["picture"], vectors)

    def verify(self) -> None:
        """Compares the vectors with the digest that was written with them; reads them all.

        Raises:
            FeatureError: they were changed or damaged since.
        """
        if _digest(self.vectors) != _about(self.folder)["digests"]["vectors"]:
            raise FeatureError(f"{self.folder / VECTORS}: was changed or damaged since it was made; {_MEND}")

    def demand_vectors(self) -> None:
        """Raises `FeatureError` for codes."""
        if self.vectors.dtype.kind != "f":
            raise FeatureError(f"{self.folder} holds codes; expected feature vectors")

    def rows_of(self, item_ids: Sequence[str] | pl.Series) -> np.ndarray:
        """int64: the row of each item, −1 where the file has none."""
        wanted = pl.Series("id", item_ids, dtype=pl.String)
        rows = wanted.replace_strict(self.ids, np.arange(len(self)), default=-1, return_dtype=pl.Int64)
        return rows.to_numpy()

    def table(self, item_ids: Sequence[str] | pl.Series) -> np.ndarray:
        """float32[n + 1, W]: the vectors of n items below a row of padding; zero where the file has none."""
        rows = self.rows_of(item_ids)
        table = np.zeros((len(rows) + 1, self.width), np.float32)
        known = rows >= 0
        table[1:][known] = pooled(self.vectors[rows[known]])
        return table

    def demand(self, item_ids: Sequence[str] | pl.Series, remedy: str) -> np.ndarray:
        """As `rows_of`; a `FeatureError` with `remedy` names items that the file lacks."""
        rows = self.rows_of(item_ids)
        if (absent := np.flatnonzero(rows < 0)).size:
            named = some_of(repr(item_ids[int(row)]) for row in absent)
            raise FeatureError(
                f"{self.folder} has no vector for {absent.size:,} of {len(rows):,} items: {named}; {remedy}"
            )
        return rows


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
        self._file = path.open("r+b")
        self._file.truncate(len(self._head) + self.done * self._row_bytes)
        self._file.seek(0, 2)

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
        vectors = _mapped(self.folder / VECTORS, self.shape)
        about = {
            "format": FORMAT,
            "version": VERSION,
            "shape": self.shape,
            "dtype": self.dtype.name,
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "origin": self.origin,
            "digests": {"ids": ids_digest(self.table["item_id"]), "vectors": _digest(vectors)},
        }
        (self.folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        (self.folder / "begun.json").unlink()


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
        hint = "replace it with --overwrite" if (out / ABOUT).is_file() else "choose another place"
        raise FeatureError(f"{out} exists; {hint}")
    given = pl.Series("picture", pictures or [None] * len(ids), dtype=pl.String)
    with new_folder(out, FeatureError, ours=ENTRIES, resumable=resumable) as folder:
        writer = FeatureWriter(folder, pl.DataFrame([ids, given]), shape, np.dtype(dtype), origin)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def feature_folders(data: Path) -> dict[str, Path]:
    """The folders of feature files in `DATA/features`, by name."""
    return {path.parent.name: path.parent for path in sorted((data / FOLDER).glob(f"*/{ABOUT}"))}


def found_file(written: str | None, data: Path | None, *, codes: bool = False) -> FeatureFile:
    """The feature file, or the file of codes, that a recipe names: a path, or a name in `DATA/features`.

    By default the only one of the data set. Raises `FeatureError` if there is none, or are several.
    """
    inside = {} if data is None else feature_folders(data)
    if written is not None:
        own = inside.get(written)
        return FeatureFile.open(own if own is not None and not Path(written).exists() else written)
    opened = {name: FeatureFile.open(path) for name, path in inside.items()}
    fitting = {name: file for name, file in opened.items() if file.is_codes == codes}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    what, verb = ("codes", "pixelrec codes fit") if codes else ("features", "pixelrec features extract")
    if not fitting:
        raise FeatureError(f"which {what}? Give items.file, a folder made by `{verb}`")
    raise FeatureError(f"which {what}? Give items.file: {' or '.join(fitting)}, or another folder")


def pooled(vectors: np.ndarray) -> np.ndarray:
    """n, W of n, W, or the means of n, R, W over regions."""
    return vectors if vectors.ndim == 2 else vectors.mean(1, dtype=np.float32)


def _digest(vectors: np.ndarray) -> str:
    digest = sha256()
    flat = vectors.reshape(-1)
    step = _BLOCK // flat.itemsize
    for start in range(0, flat.size, step):
        digest.update(np.ascontiguousarray(flat[start : start + step]).data)
    return digest.hexdigest()


def _about(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir():
        raise FeatureError(f"{folder}: no such folder of features; make one with `pixelrec features extract`")
    path = folder / ABOUT
    try:
        demand_regular(path)
        about = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise FeatureError(f"{folder}: not a folder of features: it holds no {ABOUT}; {_MEND}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureError(f"{path}: cannot be read ({error}); {_MEND}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise FeatureError(f"{folder}: not a folder of features: its {ABOUT} is of something else")
    if about.get("version") != VERSION:
        raise FeatureError(
            f"{folder}: features of format version {about.get('version')}, expected {VERSION}; {_MEND}"
        )
    return about


def _read_ids(path: Path, rows: int) -> pl.DataFrame:
    try:
        table = read_table(path, ["item_id", "picture"])
    except (pl.exceptions.PolarsError, OSError) as error:
        raise FeatureError(
            f"{path}: missing or damaged ({str(error).strip().splitlines()[0]}); {_MEND}"
        ) from error
    if table.height != rows or table.dtypes != [pl.String, pl.String]:
        raise FeatureError(f"{path}: holds {table.height} rows of {table.dtypes}, expected {rows}; {_MEND}")
    return table


def _header(shape: Sequence[int], dtype: np.dtype[Any]) -> bytes:
    """The head of a safetensors file of one tensor; rows can then be appended."""
    code = next(name for name, known in _DTYPES.items() if known == dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    text = json.dumps({"vectors": {"dtype": code, "shape": list(shape), "data_offsets": [0, size]}})
    text += " " * (-(8 + len(text)) % 64)  # aligned, so that rows can be mapped
    return len(text).to_bytes(8, "little") + text.encode()


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        demand_regular(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 1 << 20:
                raise ValueError("its header is too long")
            tensor = json.loads(file.read(length))["vectors"]
        dtype = _DTYPES[tensor["dtype"]]
        if tuple(tensor["shape"]) != shape or len(shape) < 2:
            raise ValueError(f"its shape is {tensor['shape']}, expected {list(shape)}")
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if tensor["data_offsets"] != [0, size] or path.stat().st_size != 8 + length + size:
            raise ValueError("its size does not match its header")
        if not size:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, mode="r", offset=8 + length, shape=shape)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FeatureError(f"{path}: missing, cut off or damaged ({error}); {_MEND}") from error
