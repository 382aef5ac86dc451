"""The feature file of an item encoder, and the row of each item in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from pixelrec.batch import DatasetSpec
from pixelrec.errors import FeatureError, RequestError
from pixelrec.features.feature_file import FeatureFile
from pixelrec.items.encoder import Log


@final
class FeatureSource:
    """A feature file that is read when its rows are needed: a checkpoint loads without it.

    Args:
        described: of a checkpoint, what `describe_file` gave in training.
        missing: the option `items.missing`: error, or what items without a row get.
        others: the other values of that option.
    """

    def __init__(
        self, spec: DatasetSpec, described: Mapping[str, Any], missing: str, others: Sequence[str]
    ) -> None:
        self.spec, self.described = spec, described
        self.missing, self.others = missing, others

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
    def rows(self) -> np.ndarray:
        """int64[N + 1]: the row of each item in the file, −1 for none and for padding."""
        if self.spec.item_ids is None:
            raise RequestError(
                "item vectors come from a feature file, and there is no data set; give it with --data"
            )
        if self.missing == "error":
            remedy = f"add them to the file, or set items.missing to {' or '.join(self.others)}"
            rows = self.file.demand(self.spec.item_ids, remedy)
        else:
            rows = self.file.rows_of(self.spec.item_ids)
        return np.append(-1, rows)

    def verify(self, log: Log) -> None:
        """Compares the vectors with their digest, and logs how many items the file lacks."""
        self.file.verify()
        if absent := int((self.rows[1:] < 0).sum()):
            lacking = f"{absent:,} of {self.spec.items:,} items"
            log(f"{self.file.folder} lacks {lacking}: they get {self.missing}")


def describe_file(found: FeatureFile) -> dict[str, Any]:
    """What a checkpoint keeps of a file."""
    return {"file": str(Path(found.folder).resolve()), "width": found.width, "digest": found.digest}
