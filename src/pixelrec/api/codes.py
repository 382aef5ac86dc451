"""Verbs over semantic ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pixelrec.api.arguments import Place, Seed, as_features, checked, names_of
from pixelrec.choices import Quantiser
from pixelrec.errors import RequestError

if TYPE_CHECKING:
    import polars as pl

    from pixelrec.features.codes import CodeReport
    from pixelrec.features.feature_file import FeatureFile


@checked
def fit_codes(
    features: FeatureFile | Place,
    *,
    out: Place,
    quantiser: Quantiser = "residual",
    levels: int = 4,
    size: int = 256,
    separate: bool = False,
    seed: Seed = 0,
    overwrite: bool = False,
) -> CodeReport:
    """Compress feature vectors to semantic ids.

    A code is a few small numbers; similar items share some of them.

    Args:
        features: folder of a feature file.
        out: folder of the codes to write.
        quantiser: residual codes, product codes, product codes after a learned rotation, or RQ-VAE.
        levels: numbers of a code.
        size: entries of the codebook of each level.
        separate: add a level that tells items with the same code apart.
        seed: of the first centres and weights.
        overwrite: replace the codes at OUT.
    """
    if not 2 <= size <= 32_767:
        raise RequestError(f"size is {size}; expected a whole number from 2 to 32767")
    from pixelrec.features import codes

    return codes.fit_codes(
        as_features(features),
        Path(out),
        kind=quantiser,
        levels=levels,
        size=size,
        separate=separate,
        seed=seed,
        overwrite=overwrite,
    )


@checked
def assign_codes(codes: FeatureFile | Place, *, pictures: Sequence[Place]) -> pl.DataFrame:
    """Give new pictures their codes.

    Their vectors come from the network that the features behind the codes were extracted with.

    Args:
        codes: folder of codes that `codes fit` made.
        pictures: files of new pictures.

    Returns:
        Columns `picture`, `code`, such as "17 4 250 3", and `items`: how many items have that code.
    """
    if not pictures:
        raise RequestError("pictures is empty; expected at least one file")
    files = list(map(Path, pictures))
    opened = as_features(codes)
    import polars

    from pixelrec.features.codes import assigned, read_quantiser
    from pixelrec.runs.encoder_features import vectors_of_new

    read_quantiser(opened)  # before a network is loaded
    found, items = assigned(vectors_of_new(files, opened), opened)
    words = [" ".join(map(str, code)) for code in found.tolist()]
    return polars.DataFrame({"picture": names_of(files), "code": words, "items": items})
