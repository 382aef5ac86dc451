"""The feature file of an item encoder, and the row of each item in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from pixelrec.batch import DatasetSpec
from pixelrec.choices import Control
from pixelrec.errors import FeatureError, RequestError
from pixelrec.features.control import exchanged, noise_like
from pixelrec.features.feature_file import NETWORK, FeatureFile, Kind, found_file
from pixelrec.items.encoder import Log
from pixelrec.items.work import Work


@final
class FeatureSource:
    """A feature file that is read when its rows are needed: a checkpoint loads without it.

    Args:
        described: of a checkpoint, `described` of the source in training; none: the file is looked for.
        file: the option `items.file`.
        kind: of the file.
        missing: the option `items.missing`: error, or what items without a row get.
        others: the other values of that option.
        control: the option `items.control`.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Any] | None,
        file: str | None,
        kind: Kind,
        missing: str,
        others: Sequence[str],
        control: Control = "none",
    ) -> None:
        self.spec, self.missing, self.others, self.control = spec, missing, others, control
        if described is None:
            found = found_file(file, spec.folder, kind)
            if found.knows_test_events:
                raise FeatureError(
                    f"{found.folder}: vectors of a final run, which was trained on the test events; extract "
                    "those of the run that chose its epochs"
                )
            described = _described(found)
        self.described = dict(described)

    @property
    def width(self) -> int:
        """W of vectors and regions; of codes, the levels."""
        return int(self.described["width"])

    @cached_property
    def file(self) -> FeatureFile:
        """Raises `FeatureError` if it is not the one of training."""
        found = FeatureFile.open(self.described["file"])
        if found.digest != self.described["digest"]:
            raise FeatureError(
                f"{found.folder}: holds other vectors than those this model was trained on; train again, or "
                "put the old file back"
            )
        return found

    @cached_property
    def vectors(self) -> np.ndarray:
        """Those of the file, or noise like them if that is the control."""
        return noise_like(self.file.vectors) if self.control == "random" else self.file.vectors

    @cached_property
    def rows(self) -> np.ndarray:
        """int64[N + 1]: the row of each item in the vectors, −1 for none and for padding."""
        if self.spec.item_ids is None:
            raise RequestError(
                "item vectors come from a feature file, and there is no data set; give it with --data"
            )
        if self.missing == "error":
            remedy = f"add them to the file, or set items.missing to {' or '.join(self.others)}"
            rows = self.file.demand(self.spec.item_ids, remedy)
        else:
            rows = self.file.rows_of(self.spec.item_ids)
        rows = np.append(-1, rows)
        return rows[exchanged(self.spec.items)] if self.control == "shuffled" else rows

    @property
    def work(self) -> Work:
        """A pass of each picture through the network, if the vectors come from one."""
        pictures = len(self.file) if self.file.network_origin.get("kind") == NETWORK else 0
        return Work(encodes=pictures, cpu_seconds=self.file.cpu_seconds)

    def verify(self, log: Log) -> None:
        """Compares the vectors with their digest, and logs how many items the file lacks."""
        self.file.verify()
        if absent := int((self.rows[1:] < 0).sum()):
            lacking = f"{absent:,} of {self.spec.items:,} items"
            log(f"{self.file.folder} lacks {lacking}: they get {self.missing}")


def _described(found: FeatureFile) -> dict[str, Any]:
    """What a checkpoint keeps of a file."""
    about = {"file": str(Path(found.folder).resolve()), "width": found.width, "digest": found.digest}
    return {**about, "size": _entries(found)} if found.kind == "codes" else about


def _entries(codes: FeatureFile) -> int:
    """The entries of each codebook."""
    least, most = (int(codes.vectors.min()), int(codes.vectors.max())) if len(codes) else (0, 0)
    size = int(codes.origin.get("size", most + 1))
    if least < 0 or most >= size:
        raise FeatureError(f"{codes.folder}: codes are from {least} to {most}; expected 0 to {size - 1}")
    return size
