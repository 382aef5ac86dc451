"""Feature files: what is written is read back by id, and damage is one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from pixelrec.errors import FeatureError
from pixelrec.features.feature_file import ABOUT, IDS, VECTORS, FeatureFile
from pixelrec.features.feature_writer import writing

IDS_OF = [f"i{number}" for number in range(7)]
ROWS = np.random.default_rng(0).normal(size=(7, 5)).astype("f4")


def written(out: Path, rows: np.ndarray = ROWS, dtype: str = "float32", *, overwrite: bool = False) -> Path:
    with writing(out, IDS_OF, rows.shape[1:], {"kind": "test"}, dtype=dtype, overwrite=overwrite) as writer:
        writer.append(rows[:3])
        writer.append(rows[3:])
    return out


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(7, 5), (7, 4, 5)])
def test_rows_come_back_by_id(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    rows = np.random.default_rng(1).normal(size=shape).astype(dtype)
    found = FeatureFile.open(written(tmp_path / "f", rows, dtype))
    found.verify()
    assert found.vectors.dtype == dtype and found.width == 5
    assert np.array_equal(found.vectors[found.rows_of(["i6", "i0"])], rows[[6, 0]])
    assert found.rows_of(["i1", "nobody"]).tolist() == [1, -1]
    with pytest.raises(FeatureError, match=r"no vector for 1 of 2 items: 'nobody'; do this"):
        found.demand(["i1", "nobody"], "do this")


def test_it_is_a_safetensors_file(tmp_path: Path) -> None:
    assert np.array_equal(load_file(written(tmp_path / "f") / VECTORS)["vectors"], ROWS)


def test_an_interrupted_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out, origin = tmp_path / "f", {"kind": "test"}
    with (
        pytest.raises(KeyboardInterrupt),
        writing(out, IDS_OF, (5,), origin, resumable=True) as writer,
    ):
        writer.append(ROWS[:4])
        raise KeyboardInterrupt
    assert not out.exists()
    with pytest.raises(FeatureError):
        FeatureFile.open(out)  # keeps what is there so far
    with writing(out, IDS_OF, (5,), origin, resumable=True) as writer:
        assert writer.done == 4
        writer.append(ROWS[4:])
    assert np.array_equal(FeatureFile.open(out).vectors, ROWS)


def test_rows_of_another_origin_are_not_continued(tmp_path: Path) -> None:
    out = tmp_path / "f"
    with (
        pytest.raises(KeyboardInterrupt),
        writing(out, IDS_OF, (5,), {"network": "a"}, resumable=True) as writer,
    ):
        writer.append(ROWS[:4])
        raise KeyboardInterrupt
    with writing(out, IDS_OF, (5,), {"network": "b"}, resumable=True) as writer:
        assert writer.done == 0
        writer.append(ROWS)


@pytest.mark.parametrize(("bad", "dtype"), [(np.nan, "float32"), (np.inf, "float32"), (1e6, "float16")])
def test_numbers_that_are_not_finite_are_refused_by_id(tmp_path: Path, bad: float, dtype: str) -> None:
    rows = ROWS.copy()
    rows[5, 2] = bad
    with pytest.raises(FeatureError, match="of 'i5'"):
        written(tmp_path / "f", rows, dtype)
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_only_when_told(tmp_path: Path) -> None:
    out = written(tmp_path / "f")
    said = rf"exists, with vectors of {len(ROWS)} items \(imported\); replace it with --overwrite, or choose"
    with pytest.raises(FeatureError, match=said):
        written(out)
    written(out, 2 * ROWS, overwrite=True)
    assert np.array_equal(FeatureFile.open(out).vectors, 2 * ROWS)
    foreign = tmp_path / "mine"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear …")
    with pytest.raises(FeatureError, match="choose another place"):
        written(foreign, overwrite=True)


def test_an_id_has_one_vector(tmp_path: Path) -> None:
    with (
        pytest.raises(FeatureError, match="several vectors: 'i0'"),
        writing(tmp_path / "f", ["i0", "i1", "i0"], (5,), {}),
    ):
        pass


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()


def nonsense(path: Path) -> None:
    path.write_bytes(b"\xff\xfe{[" * 20)


@pytest.mark.parametrize("name", [VECTORS, IDS, ABOUT])
@pytest.mark.parametrize("damage", [cut, empty, deleted, nonsense])
def test_damage_is_one_line(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    out = written(tmp_path / "f")
    if (name, damage) == (ABOUT, cut):
        pytest.skip("only the final line end is cut")
    damage(out / name)
    with pytest.raises(FeatureError) as caught:
        FeatureFile.open(out)
    assert "\n" not in str(caught.value)


def test_ids_in_another_order_are_refused(tmp_path: Path) -> None:
    out = written(tmp_path / "f")
    pl.read_parquet(out / IDS).reverse().write_parquet(out / IDS)
    with pytest.raises(FeatureError, match="does not belong to the other files"):
        FeatureFile.open(out)


def test_a_changed_vector_is_found_by_verify(tmp_path: Path) -> None:
    out = written(tmp_path / "f")
    content = bytearray((out / VECTORS).read_bytes())
    content[-2] ^= 1
    (out / VECTORS).write_bytes(content)
    with pytest.raises(FeatureError, match="was changed or damaged"):
        FeatureFile.open(out).verify()


@pytest.mark.parametrize("shape", [[8, 5], [7, 6], [5, 7], "no", [], [-1, 5], None])
def test_another_shape_in_the_description_is_refused(tmp_path: Path, shape: object) -> None:
    out = written(tmp_path / "f")
    about = json.loads((out / ABOUT).read_text())
    (out / ABOUT).write_text(json.dumps({**about, "shape": shape}))
    with pytest.raises(FeatureError):
        FeatureFile.open(out)
