"""The encoder of feature files: the right vector for each item, through the treatment and the projection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec, Histories, Items
from pixelrec.errors import FeatureError
from pixelrec.features.feature_writer import writing
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.codes import CodeEncoder
from pixelrec.items.features import FeatureEncoder
from pixelrec.items.regions import RegionEncoder

IDS = ["c", "a", "b", "e", "d"]
ROWS = np.random.default_rng(0).normal(size=(4, 6)).astype("f4")  # of a, b, c, d; none of e


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with writing(tmp_path / "f", ["a", "b", "c", "d"], (6,), {}) as writer:
        writer.append(ROWS)
    return tmp_path / "f"


def spec(ids: list[str] = IDS) -> DatasetSpec:
    items = np.arange(1, len(ids) + 1, dtype=np.int32)
    edges = np.array([0, 0]), np.array([0, len(ids)])
    return DatasetSpec(1, len(ids), 3, history=Histories(items, items.astype("i8"), *edges), item_ids=ids)


def prepared(file: Path, ids: list[str] = IDS, **options: Any) -> FeatureEncoder:
    encoder = FeatureEncoder(spec(ids), **{"file": str(file), "width": 3, "scale": "none", **options})
    encoder.prepare(lambda _: None)
    return encoder


def table(encoder: FeatureEncoder, numbers: list[int]) -> torch.Tensor:
    ids = torch.tensor(numbers)
    return encoder(Items(ids, encoder.load(ids.numpy())))


def test_rows_are_matched_by_id(file: Path) -> None:
    encoder = prepared(file, IDS[:3])
    found = table(encoder, [0, 2, 1, 3, 2])
    expected = encoder.project(torch.from_numpy(ROWS[[0, 2, 1, 0]]))
    assert torch.equal(found[0], torch.zeros(3))
    assert torch.allclose(found[1:], expected, atol=1e-6)


@pytest.mark.parametrize("missing", ["mean", "zero"])
def test_items_without_a_vector(file: Path, missing: str) -> None:
    with pytest.raises(FeatureError, match="no vector for 1 of 5 items: 'e'; .* items.missing"):
        prepared(file)
    lines: list[str] = []
    encoder = FeatureEncoder(spec(), file=str(file), missing=missing, width=3, scale="none")  # type: ignore[arg-type]
    encoder.prepare(lines.append)
    given = torch.zeros(1, 6) if missing == "zero" else torch.from_numpy(ROWS.mean(0, keepdims=True))
    assert torch.allclose(table(encoder, [4]), encoder.project(given), atol=1e-6)
    assert lines == [f"{file} lacks 1 of 5 items: they get {missing}"]


def test_a_large_catalogue_is_treated_as_it_is_loaded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepared(file, missing="mean", scale="standardise")
    monkeypatch.setattr("pixelrec.items.features.TREATED_BYTES", 0)
    by_parts = prepared(file, missing="mean", scale="standardise")
    ids = np.arange(6)
    assert torch.allclose(whole.load(ids)["features"], by_parts.load(ids)["features"], atol=1e-6)


@pytest.mark.parametrize("options", [{"scale": "standardise"}, {"pca": 2, "whiten": 1.0}, {"unit": True}])
def test_a_checkpoint_holds_the_treatment(file: Path, options: dict[str, Any]) -> None:
    encoder = prepared(file, IDS[:3], **options)
    again = FeatureEncoder.rebuild(
        spec(IDS[:3]), encoder.describe(), {"file": "elsewhere", "width": 3, "activation": "none", **options}
    )
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(table(again, [0, 1, 2, 3]), table(encoder, [0, 1, 2, 3]))


def test_the_treatment_is_fitted_to_items_with_training_events(file: Path) -> None:
    one = spec(IDS[:3])
    assert one.history is not None
    history = Histories(one.history.items, one.history.times, np.array([0, 0]), np.array([0, 2]))  # c and a
    encoder = FeatureEncoder(
        DatasetSpec(1, 3, 3, history=history, item_ids=IDS[:3]), file=str(file), scale="centre", width=3
    )
    encoder.prepare(lambda _: None)
    assert np.allclose(encoder.mean.numpy(), ROWS[[2, 0]].mean(0), atol=1e-6)


def test_another_file_in_its_place_is_refused(file: Path) -> None:
    encoder = prepared(file, IDS[:3])
    with writing(file, ["a", "b", "c", "d"], (6,), {}, overwrite=True) as writer:
        writer.append(ROWS[::-1])
    again = FeatureEncoder.rebuild(spec(IDS[:3]), encoder.describe(), {"width": 3})
    with pytest.raises(FeatureError, match="other vectors than those this model was trained on"):
        again.load(np.array([1]))


def test_a_changed_vector_is_found_before_training(file: Path) -> None:
    content = bytearray((file / "vectors.safetensors").read_bytes())
    content[-1] ^= 1
    (file / "vectors.safetensors").write_bytes(content)
    with pytest.raises(FeatureError, match="was changed or damaged"):
        prepared(file, IDS[:3])


def test_regions_are_averaged(tmp_path: Path) -> None:
    maps = np.random.default_rng(1).normal(size=(3, 4, 6)).astype("f4")
    with writing(tmp_path / "m", IDS[:3], (4, 6), {}) as writer:
        writer.append(maps)
    found = prepared(tmp_path / "m", IDS[:3]).load(np.arange(4))["features"]
    assert np.allclose(found.numpy(), maps.mean(1), atol=1e-6)


def test_a_file_must_be_given() -> None:
    with pytest.raises(FeatureError, match="Give items.file"):
        FeatureEncoder(spec())


def test_a_file_is_found_by_its_shape(tmp_path: Path) -> None:
    data = tmp_path / "features"
    one = DatasetSpec(1, 2, 3, folder=tmp_path, item_ids=["a", "b"])
    kinds: dict[str, tuple[tuple[int, ...], str]] = {
        "maps": ((4, 6), "float32"),
        "codes": ((2,), "int16"),
        "pooled": ((6,), "float32"),
    }
    for name, (shape, dtype) in kinds.items():
        with writing(data / name, ["a", "b"], shape, {}, dtype=dtype) as writer:
            writer.append(np.zeros((2, *shape)))
        if name == "codes":
            (data / "cut").mkdir()
            (data / "cut" / "features.json").write_text("{", encoding="utf-8")
            assert FeatureEncoder(one).source.file.folder == data / "maps"  # averaged, as there is no other
    assert FeatureEncoder(one).source.file.folder == data / "pooled"
    assert RegionEncoder(one).source.file.folder == data / "maps"
    assert CodeEncoder(one).source.file.folder == data / "codes"
    with pytest.raises(FeatureError, match="pooled holds vectors; expected regions, which `pixelrec feat"):
        RegionEncoder(one, file="pooled")


@pytest.mark.parametrize("kind", ["features", "codes", "regions"])
def test_controls(kind: str, tmp_path: Path) -> None:
    """Shuffled: each item has the row of another one, and each row has one item. Random: rows of noise."""
    shape, dtype = {"features": (3,), "codes": (3,), "regions": (2, 3)}[kind], "int16" * (kind == "codes")
    ids = [f"i{n}" for n in range(50)]
    rows = np.random.default_rng(0).integers(0, 30, (50, *shape)).astype(dtype or "f4")
    with writing(tmp_path / "f", ids, shape, {}, dtype=dtype or "float32") as writer:
        writer.append(rows)

    def loaded(control: str) -> np.ndarray:
        encoder = ITEM_ENCODERS[kind](
            spec(ids),  # type: ignore[arg-type]
            file=str(tmp_path / "f"),
            control=control,
            **({"scale": "none"} if kind == "features" else {}),
        )
        encoder.prepare(lambda _: None)
        numbers = np.arange(51)
        found = (encoder.load_regions(numbers) if kind == "regions" else encoder.load(numbers)[kind]).numpy()
        return found if kind == "features" else found[1:]

    true, shuffled, random = map(loaded, ("none", "shuffled", "random"))
    as_rows = [sorted(map(tuple, each.reshape(50, -1).tolist())) for each in (true, shuffled)]
    assert as_rows[0] == as_rows[1] and (true != shuffled).reshape(50, -1).any(1).all()
    assert np.array_equal(loaded("shuffled"), shuffled) and np.array_equal(loaded("random"), random)
    assert random.shape == true.shape and random.dtype == true.dtype
    assert set(map(tuple, random.reshape(50, -1).tolist())).isdisjoint(as_rows[0])
    assert np.abs(random.mean(0) - true.mean(0)).max() < 6 and (random.std(0) > true.std(0) / 2).all()
