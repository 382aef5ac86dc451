"""A feature file as a file for other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.files.atomic import demand_free, new_file
from pixelrec.files.table_file import write_table


def export_vectors(features: FeatureFile, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Writes `out`: `.npy` and the ids beside it in `<name>.ids.txt`, or `.parquet` with both.

    overwrite: replace files there.

    Returns:
        The files that were written.

    Raises:
        FeatureError: another suffix, regions for a Parquet file, a file is there already, or the place cannot
            be written.
    """
    ids = out.with_suffix(".ids.txt")
    for each in [out, ids] if out.suffix == ".npy" else [out]:
        demand_free(each, overwrite, FeatureError)
    if out.suffix == ".npy":
        if features.ids.str.contains(r"[\r\n]").any():
            raise FeatureError(
                f"{ids}: an id has a line break, so one line each is not possible; use .parquet"
            )
        with new_file(out, FeatureError) as draft, draft.open("wb") as file:
            np.lib.format.write_array(file, np.asarray(features.vectors), allow_pickle=False)
        with new_file(ids, FeatureError) as draft:
            draft.write_text("".join(f"{each}\n" for each in features.ids), "utf-8")
        return [out, ids]
    if out.suffix != ".parquet":
        raise FeatureError(f"{out}: unknown kind; expected a name that ends in .npy or .parquet")
    if features.vectors.ndim != 2:
        raise FeatureError(f"{features.folder} holds several regions per item; export it as .npy")
    vectors = np.ascontiguousarray(features.vectors)
    table = pl.DataFrame({"item_id": features.ids, "vector": vectors})
    with new_file(out, FeatureError) as draft:
        write_table(table, draft)
    return [out]
