"""The files of interactions: single ones, and all parts of folders, at any depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, final
from urllib.parse import unquote

import polars as pl

from pixelrec.data.columns import Columns, find_columns
from pixelrec.data.file_kinds import Kind, kind_of, kind_of_name, kind_of_text, unknown_kind
from pixelrec.data.timestamps import is_date, number_of, seconds_of_text, unit_of, wrong_time
from pixelrec.errors import DataError

_EXPECTED = (
    "expected .csv, .tsv, .dat, .inter or .jsonl, perhaps with .gz, .parquet, or a folder of such files"
)
_NULL = "__HIVE_DEFAULT_PARTITION__"


@final
@dataclass(frozen=True)
class Part:
    """A file, and the columns that its folders add, such as `day` of `day=2024-01-05/`."""

    path: Path
    kind: Kind
    name: str  # its path in the folder that was given
    folders: Mapping[str, str] = field(default_factory=dict)  # column → value
    frame: pl.DataFrame | None = None  # the table itself, where it is in no file

    @classmethod
    def of(cls, path: Path, name: str, folders: Mapping[str, str], kind: Kind | None = None) -> Self:
        """A file whose kind is given, or found by its name or content; a `DataError` for any other."""
        kind = kind or kind_of(path) or kind_of_text(path)
        if kind is None:
            raise unknown_kind(path, _EXPECTED)
        return cls(path, kind, name, folders)

    def find(
        self, present: Sequence[str], columns: Columns, first: Sequence[str] = (), how: str = ""
    ) -> tuple[dict[str, str], dict[str, pl.Expr]]:
        """Key → column of those that the file has, and key → value of those that its folders have.

        The keys are `item`, `user`, perhaps `time` (of values: `seconds`, perhaps `fraction`) and `rating`.

        Args:
            present: columns of the file, which precede those of folders.
            columns: what is wanted.
            first: the first row of a file without names of columns.
            how: what was found about the file, for messages.

        Raises:
            DataError: a column is missing, or the name of a folder is no id, time or rating.
        """
        added = [name for name in self.folders if name not in present]
        try:
            names = find_columns(self.path, [*present, *added], columns.roles, first)
        except DataError as error:
            raise DataError(f"{error}; the file was read {how}") if how else error from None
        found = {role.removesuffix("_column"): name for role, name in zip(columns.roles, names, strict=True)}
        constants: dict[str, pl.Expr] = {}
        for key in [key for key, name in found.items() if name in added]:
            constants |= self._constants(key, found.pop(key), columns)
        return found, constants

    def _constants(self, key: str, name: str, columns: Columns) -> dict[str, pl.Expr]:
        value = self.folders[name]
        if value in {"", _NULL}:
            raise DataError(
                f"{self.path}: {name} is empty in the name of its folder; name it, or move the part"
            )
        if key == "time":
            return self._times(name, value, columns)
        if key == "rating":
            if (rating := number_of(value)) is None:
                raise DataError(
                    f"{self.path}: {name} {value!r} in the name of its folder is no number; mend it"
                )
            return {key: pl.lit(rating)}
        return {key: pl.lit(value)}

    def _times(self, name: str, value: str, columns: Columns) -> dict[str, pl.Expr]:
        unit = None if is_date(value) else columns.time_unit or unit_of(value)
        if wrong := wrong_time(name, value, unit):
            raise DataError(f"{self.path}: in the name of its folder, {wrong}")
        found = seconds_of_text(pl.Series([value]), unit)
        return {each.name: pl.lit(each[0], each.dtype) for each in found}


def parts_of(sources: Sequence[Path | pl.DataFrame], apart: Path | None = None) -> list[Part]:
    """All files and frames of `sources` in order, those of a folder by name; `apart` is no part of a folder.

    Entries of folders that begin with `.` or `_` are left out, as Spark and Hadoop do.

    Raises:
        DataError: naming what is missing, given twice, or no part.
    """
    found = [part for place, source in enumerate(sources, 1) for part in _parts(source, apart, place)]
    seen: dict[Path, Path] = {}
    for part in found:
        if (before := seen.setdefault(part.path.resolve(), part.path)) is not part.path:
            same = "is given twice" if before == part.path else f"is the same file as {before}"
            raise DataError(f"{part.path}: {same}; give each file once")
    return found


def _parts(source: Path | pl.DataFrame, apart: Path | None, place: int) -> list[Part]:
    if isinstance(source, pl.DataFrame):
        name = f"data frame {place}"
        return [Part(Path(name), "parquet", name, frame=source)]
    if source.is_dir():
        found = list(_walk(source, source, {}, (), None if apart is None else apart.resolve()))
        if not found:
            raise DataError(f"{source}: the folder holds no part; {_EXPECTED}")
        return found
    if not source.is_file():
        raise DataError(f"{source}: {_absence(source)}; give a CSV file, a Parquet file or a folder of them")
    return [Part.of(source, source.name, {})]


def _part(path: Path, name: str, folders: Mapping[str, str]) -> Part:
    """A file in a folder, where a text of any name, such as a README, is no part."""
    kind = kind_of(path)
    if kind is None:
        hint = "rename or convert it, or move it elsewhere"
        raise unknown_kind(path, f"{_EXPECTED}; {hint}")
    return Part(path, kind, name, folders)


def _walk(
    folder: Path, root: Path, folders: Mapping[str, str], above: tuple[Path, ...], apart: Path | None
) -> Iterator[Part]:
    try:
        entries, resolved = sorted(folder.iterdir()), folder.resolve()
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if resolved in above:
        raise DataError(f"{folder}: a link to a folder that it lies in; remove the link")
    if folder / "_delta_log" in entries:
        raise DataError(f"{folder}: a Delta table, whose log decides which parts count; export it as Parquet")
    for entry in entries:
        name, equals, value = entry.name.partition("=")
        if (name[:1] in {".", "_"} and not equals) or (apart is not None and entry.resolve() == apart):
            continue
        if entry.is_dir():
            inside = {**folders, name: unquote(value)} if equals else folders
            below = list(_walk(entry, root, inside, (*above, resolved), apart))
            if not below and kind_of_name(entry):
                raise DataError(f"{entry}: a folder without parts; remove it, or put its parts there")
            yield from below
        elif entry.is_file():
            yield _part(entry, str(entry.relative_to(root)), folders)
        else:
            raise DataError(f"{entry}: {_absence(entry)}; remove it from the folder, or mend it")


def _absence(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads nowhere"
    return "is neither a file nor a folder" if path.exists() else "no such file or folder"
