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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, final

import numpy as np
import polars as pl

from pixelrec.errors import FeatureError, first_line, some_of
from pixelrec.files.atomic import recover
from pixelrec.files.digests import ids_digest
from pixelrec.files.json_object import LARGEST
from pixelrec.files.regular import demand_regular
from pixelrec.files.table_file import read_table

Kind: TypeAlias = Literal["vectors", "regions", "codes"]
NETWORK, RUN, CODES = "network", "run", "codes"  # kinds of origin, beside imported
FINAL = "final"  # in the origin: whether vectors are of a run that was trained on the test events, too
FORMAT, VERSION = "pixelrec features", 1
VECTORS, IDS, ABOUT, QUANTISER = (
    "vectors.safetensors",
    "ids.parquet",
    "features.json",
    "quantiser.safetensors",
)
FOLDER = "features"  # inside a data set
ENTRIES = frozenset({VECTORS, IDS, ABOUT, QUANTISER})
DTYPES: Mapping[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I16": np.dtype("<i2"),
}
_MADE_BY: Mapping[Kind, str] = {
    "vectors": "pixelrec features extract",
    "regions": "pixelrec features extract --layer 'stage 4' --regions",
    "codes": "pixelrec codes fit",
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
        return self.kind == CODES

    @property
    def kind(self) -> Kind:
        if self.vectors.dtype.kind != "f":
            return "codes"
        return "regions" if self.vectors.ndim == 3 else "vectors"

    @property
    def width(self) -> int:
        """W."""
        return int(self.vectors.shape[-1])

    @property
    def network_origin(self) -> Mapping[str, Any]:
        """The origin; of codes, that of the features they were fitted to."""
        return self.origin["features_origin"] if self.origin.get("kind") == CODES else self.origin

    @property
    def knows_test_events(self) -> bool:
        """Whether its vectors are of a final run: a model over them could not be measured."""
        return bool(self.network_origin.get(FINAL))

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
        """Opens a folder that `writing` wrote; `verify` compares the vectors with their digest.

        Raises:
            FeatureError: it is missing, no feature file, of another version, or damaged.
        """
        folder = Path(folder)
        if not folder.exists():
            recover(folder, ENTRIES, resumable=True)
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
        vectors = mapped(folder / VECTORS, shape)
        return cls(folder, origin, made, digest, table["item_id"], table["picture"], vectors)

    @property
    def cpu_seconds(self) -> float:
        """Of the process that made it; 0 if that is unknown."""
        return float(_about(self.folder).get("cpu_seconds", 0.0))

    def verify(self) -> None:
        """Compares the vectors with the digest that was written with them; reads them all.

        Raises:
            FeatureError: they were changed or damaged since.
        """
        if digest_of(self.vectors) != _about(self.folder)["digests"]["vectors"]:
            raise FeatureError(f"{self.folder / VECTORS}: was changed or damaged since it was made; {_MEND}")

    def demand_kind(self, kind: Kind = "vectors") -> None:
        """Raises `FeatureError` for a file of another kind; regions are vectors, too, when averaged."""
        if self.kind != kind and (kind, self.kind) != ("vectors", "regions"):
            raise FeatureError(
                f"{self.folder} holds {self.kind}; expected {kind}, which `{_MADE_BY[kind]}` makes"
            )

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


def feature_folders(data: Path) -> dict[str, Path]:
    """The folders of feature files in `DATA/features`, by name."""
    return {path.parent.name: path.parent for path in sorted((data / FOLDER).glob(f"*/{ABOUT}"))}


def opened_features(data: Path) -> tuple[dict[str, FeatureFile], dict[str, str]]:
    """The feature files in `DATA/features` by name; and of the others, why they cannot be opened."""
    opened, damaged = {}, {}
    for name, folder in feature_folders(data).items():
        try:
            opened[name] = FeatureFile.open(folder)
        except FeatureError as error:
            damaged[name] = str(error)
    return opened, damaged


def found_file(written: str | None, data: Path | None, kind: Kind = "vectors") -> FeatureFile:
    """The feature file that a recipe names: a path, or a name in `DATA/features`.

    By default the only one of this kind there; for vectors, regions are averaged where no file has one vector
    per item. Raises `FeatureError` if there is none, are several, or the one named is of another kind.
    """
    if written is not None:
        inside = {} if data is None else feature_folders(data)
        own = inside.get(written)
        found = FeatureFile.open(own if own is not None and not Path(written).exists() else written)
        found.demand_kind(kind)
        return found
    opened, damaged = ({}, {}) if data is None else opened_features(data)
    fitting = {name: file for name, file in opened.items() if file.kind == kind}
    if kind == "vectors" and not fitting:
        fitting = {name: file for name, file in opened.items() if file.kind == "regions"}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if fitting:
        raise FeatureError(f"which {kind}? Give items.file: {' or '.join(fitting)}, or another folder")
    if damaged:
        raise FeatureError(next(iter(damaged.values())))
    raise FeatureError(f"which {kind}? Give items.file, a folder made by `{_MADE_BY[kind]}`")


def pooled(vectors: np.ndarray) -> np.ndarray:
    """n, W of n, W, or the means of n, R, W over regions."""
    return vectors if vectors.ndim == 2 else vectors.mean(1, dtype=np.float32)


def digest_of(vectors: np.ndarray) -> str:
    digest = sha256()
    flat = vectors.reshape(-1)
    step = _BLOCK // flat.itemsize
    for start in range(0, flat.size, step):
        digest.update(np.ascontiguousarray(flat[start : start + step]).data)
    return digest.hexdigest()


def _about(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir():
        raise FeatureError(
            f"{folder}: no such folder of features; make one with `pixelrec features "
            "extract`, or `import` from vectors of another program"
        )
    path = folder / ABOUT
    try:
        demand_regular(path)
        if path.stat().st_size > LARGEST:
            raise ValueError(f"over {LARGEST >> 20} MB")
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
        raise FeatureError(f"{path}: missing or damaged ({first_line(error)}); {_MEND}") from error
    if table.height != rows or table.dtypes != [pl.String, pl.String]:
        raise FeatureError(f"{path}: holds {table.height} rows of {table.dtypes}, expected {rows}; {_MEND}")
    return table


def mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        demand_regular(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > 1 << 20:
                raise ValueError("its header is too long")
            tensor = json.loads(file.read(length))["vectors"]
        dtype = DTYPES[tensor["dtype"]]
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
