"""Verbs over semantic ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, get_args

from pixelrec.api.arguments import Place, as_features, as_path, as_pictures, as_whole, check_flag, names_of
from pixelrec.choices import Quantiser
from pixelrec.errors import RequestError, nearest

if TYPE_CHECKING:
    import polars as pl

    from pixelrec.features.codes import CodeReport
    from pixelrec.features.feature_file import FeatureFile


def fit_codes(
    features: FeatureFile | Place,
    *,
    out: Place,
    quantiser: Quantiser = "residual",
    levels: int = 4,
    size: int = 256,
    separate: bool = False,
    seed: int = 0,
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
    count, entries, first = as_whole(levels, "levels"), as_whole(size, "size", 2), as_whole(seed, "seed", 0)
    check_flag(separate, "separate")
    check_flag(overwrite, "overwrite")
    if entries > 32_767:
        raise RequestError(f"size is {entries}; expected at most 32767")
    if quantiser not in get_args(Quantiser):
        raise RequestError(f"quantiser is {quantiser!r}; {nearest(str(quantiser), get_args(Quantiser))}")
    opened, place = as_features(features), as_path(out, "out")
    from pixelrec.features import codes

    return codes.fit_codes(
        opened,
        place,
        kind=quantiser,
        levels=count,
        size=entries,
        separate=separate,
        seed=first,
        overwrite=overwrite,
    )


def assign_codes(codes: FeatureFile | Place, *, pictures: Sequence[Place]) -> pl.DataFrame:
    """Give new pictures their codes.

    Their vectors come from the network that the features behind the codes were extracted with.

    Args:
        codes: folder of codes that `codes fit` made.
        pictures: files of new pictures.

    Returns:
        Columns `picture`, `code`, such as "17 4 250 3", and `items`: how many items have that code.
    """
    files = as_pictures(pictures)
    if not files:
        raise RequestError("pictures is empty; expected at least one file")
    opened = as_features(codes)
    import polars

    from pixelrec.features.codes import assigned, read_quantiser
    from pixelrec.runs.encoder_features import vectors_of_new

    read_quantiser(opened)  # before a network is loaded
    found, items = assigned(vectors_of_new(files, opened), opened)
    words = [" ".join(map(str, code)) for code in found.tolist()]
    return polars.DataFrame({"picture": names_of(files), "code": words, "items": items})
