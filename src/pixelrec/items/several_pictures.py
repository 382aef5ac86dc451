"""Feature files of items with several pictures: the mean of the vectors of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

import numpy as np
import torch

from pixelrec.choices import Fit
from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError, some_of
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing
from pixelrec.images.covers import read_loose
from pixelrec.images.folder import CoverFolder, FileNames
from pixelrec.items.chunks import pictures_at_once
from pixelrec.items.extraction import Extraction, Layer, origin_of


@final
@dataclass(frozen=True)
class SeveralPictures:
    """All pictures of each item of a data set, in files."""

    files: Mapping[str, Sequence[Path]]  # item id → one or more
    fit: Fit

    @classmethod
    def of(cls, folder: Path, item_ids: Sequence[str], fit: Fit, named: FileNames | None = None) -> Self:
        """Those in a folder, by their names or as they are `named`; an `ImageError` for items without any."""
        found = CoverFolder(folder, item_ids, named)
        if absent := found.missing(item_ids):
            names = some_of(repr(each.item_id) for each in absent)
            raise ImageError(
                f"{folder} has no picture of {len(absent):,} of {len(item_ids):,} items: {names}"
            )
        return cls({each: [folder / file for file in found.all[each]] for each in item_ids}, fit)

    def extract(
        self,
        layer: Layer,
        out: Path,
        *,
        dtype: str = "float32",
        chunk: int | None = None,
        overwrite: bool = False,
    ) -> Extraction:
        """Writes the mean of the vectors of each item's pictures; an interrupted call continues.

        Args:
            layer: computes the vectors.
            out: folder of the feature file.
            dtype: float32 or float16.
            chunk: pictures at a time; by default as many as suit the network and the device.
            overwrite: replace features at `out`.

        Raises:
            FeatureError: `out` holds anything else, or cannot be written.
            ImageError: a file is no usable picture.
        """
        ids = list(self.files)
        origin = origin_of(layer, self.fit) | {"pictures": "mean of all"}
        device = next(layer.network.parameters()).device
        size = chunk or pictures_at_once(layer.network, 0, layer.boundary, device)
        with (
            writing(
                out, ids, layer.shape, origin, dtype=dtype, overwrite=overwrite, resumable=True
            ) as writer,
            progress_line("items", len(ids) - writer.done) as advance,
        ):
            done = writer.done
            for some in self._chunks(ids[done:], size):
                writer.append(self._means(layer, some))
                for _ in some:
                    advance()
        return Extraction(FeatureFile.open(out), len(ids) - done, done)

    def _chunks(self, ids: Sequence[str], size: int) -> Iterator[list[str]]:
        """Items in order, with `size` pictures together or hardly more."""
        some, pictures = list[str](), 0
        for item_id in ids:
            some.append(item_id)
            pictures += len(self.files[item_id])
            if pictures >= size:
                yield some
                some, pictures = [], 0
        if some:
            yield some

    def _means(self, layer: Layer, ids: Sequence[str]) -> np.ndarray:
        counts = [len(self.files[each]) for each in ids]
        files = [file for each in ids for file in self.files[each]]
        vectors = layer(torch.from_numpy(read_loose(files, size=layer.network.input.size, fit=self.fit)))
        sums = np.add.reduceat(vectors, np.cumsum([0, *counts[:-1]]), axis=0)
        return sums / np.array(counts, np.float32).reshape(-1, *[1] * (vectors.ndim - 1))
