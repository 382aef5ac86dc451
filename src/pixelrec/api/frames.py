"""Data frames of other libraries, through Narwhals: taken as Polars frames, and given back in their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pixelrec.choices import shown
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    import polars as pl


def is_frame(value: object) -> bool:
    """Whether it is a data frame of Polars, pandas, PyArrow or another library that Narwhals knows."""
    import narwhals

    found = narwhals.from_native(value, pass_through=True)
    return isinstance(found, narwhals.DataFrame | narwhals.LazyFrame)


def as_polars(value: Any, name: str, expected: str = "a data frame") -> pl.DataFrame:
    """A frame as one of Polars; a `RequestError` for a value that is none, or holds values of no type."""
    import narwhals
    import polars

    try:
        found = narwhals.from_native(value)
        table = found.collect("polars") if isinstance(found, narwhals.LazyFrame) else found
        return table.to_polars()
    except (TypeError, ValueError, ImportError, polars.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RequestError(
            f"{name} is {shown(value)}; expected {expected} with a type for each column ({reason})"
        ) from error


def in_kind_of(table: pl.DataFrame, *given: object) -> Any:
    """`table` in the kind of the first data frame or column of one among `given`; Polars where none is."""
    import narwhals

    for value in given:
        found = narwhals.from_native(value, pass_through=True, allow_series=True)
        if isinstance(found, narwhals.DataFrame | narwhals.LazyFrame | narwhals.Series):
            if found.implementation.is_pandas_like():
                return table.to_pandas()
            return table.to_arrow() if found.implementation.is_pyarrow() else table
    return table
