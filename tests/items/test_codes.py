"""The encoder of codes: the mean of a vector per level, shared by items with the same code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Items
from pixelrec.errors import FeatureError
from pixelrec.features.feature_writer import writing
from pixelrec.items.codes import CodeEncoder

CODES = np.array([[0, 2], [1, 2], [0, 2]], np.int16)  # of a, b, c


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with writing(
        tmp_path / "c",
        ["a", "b", "c"],
        (2,),
        {"kind": "codes", "size": 4, "features_origin": {}},
        dtype="int16",
    ) as writer:
        writer.append(CODES)
    return tmp_path / "c"


def encoder(file: Path, ids: list[str], **options: Any) -> CodeEncoder:
    made = CodeEncoder(DatasetSpec(1, len(ids), 3, item_ids=ids), file=str(file), width=3, **options)
    made.prepare(lambda _: None)
    return made


def table(made: CodeEncoder, numbers: list[int]) -> torch.Tensor:
    ids = torch.tensor(numbers)
    return made(Items(ids, made.load(ids.numpy())))


def test_vectors_are_means_over_levels(file: Path) -> None:
    made = encoder(file, ["b", "a", "c"])
    weight = made.rows.weight
    assert weight.shape == (1 + 2 * 4, 3)
    found = table(made, [0, 1, 2, 3])
    assert torch.equal(found[0], torch.zeros(3))
    assert torch.allclose(found[1], (weight[1 + 1] + weight[1 + 4 + 2]) / 2)
    assert torch.equal(found[2], found[3])  # a and c have the same code


def test_items_without_codes(file: Path) -> None:
    with pytest.raises(FeatureError, match="no vector for 1 of 2 items: 'x'"):
        encoder(file, ["a", "x"])
    assert torch.equal(table(encoder(file, ["a", "x"], missing="zero"), [2]), torch.zeros(1, 3))


def test_a_checkpoint_names_the_codes(file: Path) -> None:
    made = encoder(file, ["b", "a", "c"])
    again = CodeEncoder.rebuild(made.source.spec, made.describe(), {"width": 3})
    again.load_state_dict(made.state_dict())
    assert torch.equal(table(again, [1, 2]), table(made, [1, 2]))
    with writing(file, ["a", "b", "c"], (2,), {"size": 4}, dtype="int16", overwrite=True) as writer:
        writer.append(CODES[::-1])
        writer.done = 3
    changed = CodeEncoder.rebuild(made.source.spec, {**made.describe(), "digest": "other"}, {"width": 3})
    with pytest.raises(FeatureError, match="other vectors than those"):
        changed.load(np.array([1]))


def test_features_are_no_codes(tmp_path: Path) -> None:
    with writing(tmp_path / "f", ["a"], (2,), {}) as writer:
        writer.append(np.zeros((1, 2)))
    with pytest.raises(FeatureError, match="holds vectors; expected codes, which `pixelrec codes fit`"):
        encoder(tmp_path / "f", ["a"])


def test_codes_beyond_the_codebook_are_refused(tmp_path: Path) -> None:
    with writing(tmp_path / "c", ["a"], (2,), {"size": 2}, dtype="int16") as writer:
        writer.append(np.array([[1, 5]]))
    with pytest.raises(FeatureError, match="codes are from 1 to 5; expected 0 to 1"):
        encoder(tmp_path / "c", ["a"])


def test_a_file_must_be_given() -> None:
    with pytest.raises(FeatureError, match="Give items.file"):
        CodeEncoder(DatasetSpec(1, 1, 1))
