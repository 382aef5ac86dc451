"""Vectors of other programs: each kind of file gives the same rows, or one line says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from pixelrec.errors import FeatureError
from pixelrec.features.exporting import export_vectors
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.given import GivenVectors, by_number, open_vectors, read_ids
from pixelrec.features.importing import import_vectors

IDS = pl.Series("item_id", [f"i{number}" for number in range(6)])
ROWS = np.random.default_rng(0).normal(size=(6, 4)).astype("f4")


def as_npy(folder: Path) -> GivenVectors:
    np.save(folder / "v.npy", ROWS)
    (folder / "ids.txt").write_text("\n".join(IDS) + "\n")
    return open_vectors(folder / "v.npy", folder / "ids.txt")


def as_safetensors(folder: Path) -> GivenVectors:
    save_file({"embeddings": ROWS}, folder / "v.safetensors")
    IDS.to_frame().write_csv(folder / "ids.csv")
    return open_vectors(folder / "v.safetensors", folder / "ids.csv")


def as_parquet(folder: Path) -> GivenVectors:
    pl.DataFrame({"item_id": IDS, "vector": ROWS.tolist()}).write_parquet(folder / "v.parquet")
    return open_vectors(folder / "v.parquet")


def as_array_parquet(folder: Path) -> GivenVectors:
    table = pl.DataFrame({"asin": IDS, "emb": ROWS.astype("f8")})
    table.write_parquet(folder / "v.parquet")
    return open_vectors(folder / "v.parquet", item_column="asin", vector_column="emb")


def as_folder(folder: Path) -> GivenVectors:
    (folder / "vectors").mkdir()
    for name, row in zip(IDS, ROWS, strict=True):
        np.save(folder / "vectors" / f"{name}.npy", row)
    return open_vectors(folder / "vectors")


def as_published(folder: Path) -> GivenVectors:
    np.save(folder / "v.npy", np.concatenate([np.zeros((1, 4), "f4"), ROWS]))
    return by_number(open_vectors(folder / "v.npy"), IDS)


@pytest.mark.parametrize(
    "kind", [as_npy, as_safetensors, as_parquet, as_array_parquet, as_folder, as_published]
)
def test_every_kind_gives_the_same_rows(tmp_path: Path, kind: Callable[[Path], GivenVectors]) -> None:
    wanted = IDS.reverse()
    report = import_vectors(kind(tmp_path), tmp_path / "f", items=wanted)
    assert report.features.ids.to_list() == wanted.to_list()
    assert np.array_equal(report.features.vectors, ROWS[::-1])


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_export_and_import_are_inverse(tmp_path: Path, name: str) -> None:
    made = import_vectors(as_npy(tmp_path), tmp_path / "f").features
    files = export_vectors(made, tmp_path / name)
    again = import_vectors(open_vectors(*files), tmp_path / "g").features
    assert np.array_equal(again.vectors, ROWS)
    assert again.ids.equals(made.ids)
    with pytest.raises(FeatureError, match="is there already; replace it with --overwrite"):
        export_vectors(made, tmp_path / name)
    assert export_vectors(made, tmp_path / name, overwrite=True) == files


def test_an_id_with_a_line_break_leaves_no_file(tmp_path: Path) -> None:
    ids = pl.Series("item_id", ["a\nb", *IDS[1:]])
    made = import_vectors(GivenVectors(tmp_path, ROWS.shape, ids, ROWS.__getitem__), tmp_path / "f").features
    with pytest.raises(FeatureError, match="an id has a line break"):
        export_vectors(made, tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_maps_of_regions(tmp_path: Path) -> None:
    maps = np.random.default_rng(1).normal(size=(6, 9, 4)).astype("f2")
    np.save(tmp_path / "v.npy", maps)
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    given = open_vectors(tmp_path / "v.npy", tmp_path / "ids.txt")
    made = import_vectors(given, tmp_path / "f", dtype="float16").features
    assert np.array_equal(made.vectors, maps)


def test_items_without_a_vector(tmp_path: Path) -> None:
    given, items = as_npy(tmp_path), pl.Series("item_id", [*IDS, "new"])
    with pytest.raises(FeatureError, match="no vector for 1 of 7 items: 'new'; add them, or give --missing"):
        import_vectors(given, tmp_path / "f", items=items)
    filled = import_vectors(given, tmp_path / "f", items=items, missing="mean").features
    assert np.allclose(filled.vectors[-1], ROWS.mean(0), atol=1e-6)
    assert filled.origin["mean_for"] == 1
    dropped = import_vectors(given, tmp_path / "g", items=items, missing="drop")
    assert dropped.features.ids.to_list() == IDS.to_list()
    assert dropped.absent == ["new"]


def test_vectors_of_unknown_items(tmp_path: Path) -> None:
    given = as_npy(tmp_path)
    with pytest.raises(FeatureError, match="1 items that are not in the data set: 'i5'"):
        import_vectors(given, tmp_path / "f", items=IDS[:5])
    report = import_vectors(given, tmp_path / "f", items=IDS[:5], unknown="drop")
    assert (report.unknown, len(report.features)) == (1, 5)


def test_an_id_twice_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "ids.txt").write_text("a\nb\na\nc\nd\nb\n")
    with pytest.raises(FeatureError, match="several vectors: 'a', 'b'"):
        import_vectors(open_vectors(tmp_path / "v.npy", tmp_path / "ids.txt"), tmp_path / "f")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(5), r"holds float64\[5\]"),
        (np.zeros((5, 0)), r"holds float64\[5, 0\]"),
        (np.array(["a", "b"]), "expected numbers"),
        (np.array([[1j]]), "expected numbers"),
        (np.array([{}], dtype=object), "not a readable array"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, content: np.ndarray, message: str) -> None:
    np.save(tmp_path / "v.npy", content)
    with pytest.raises(FeatureError, match=message):
        open_vectors(tmp_path / "v.npy")


@pytest.mark.parametrize(("left", "why"), [(-30, "it is cut off"), (20, "it is cut off"), (0, "it is empty")])
def test_how_to_mend_a_damaged_array_is_told(tmp_path: Path, left: int, why: str) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:left])
    with pytest.raises(FeatureError) as raised:
        open_vectors(tmp_path / "v.npy")
    assert f"numbers ({why}); write it with numpy.save, as floats, or download it again" in str(raised.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    rows = ROWS.copy()
    rows[2, 1] = bad
    np.save(tmp_path / "v.npy", rows)
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    with pytest.raises(FeatureError, match="of 'i2'"):
        import_vectors(open_vectors(tmp_path / "v.npy", tmp_path / "ids.txt"), tmp_path / "f")
    assert not (tmp_path / "f").exists()


def test_counts_of_rows_and_ids_must_agree(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS)
    (tmp_path / "ids.txt").write_text("\n".join(IDS[:5]))
    with pytest.raises(FeatureError, match="6 rows, and .* 5 ids; if its row 0 is padding"):
        open_vectors(tmp_path / "v.npy", tmp_path / "ids.txt")
    with pytest.raises(FeatureError, match="has 6 rows; expected 7"):
        by_number(open_vectors(tmp_path / "v.npy"), IDS)


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0], [3.0]], "differ in length, such as of 'b'"),
        ([[1.0], None], "differ in length, such as of 'b'"),
        ([1.0, 2.0], "of type Float64; expected lists of numbers"),
        ([["x"], ["y"]], "lists of numbers"),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, vectors: list[object], message: str) -> None:
    pl.DataFrame({"item_id": ["a", "b"], "vector": vectors}, strict=False).write_parquet(
        tmp_path / "v.parquet"
    )
    with pytest.raises(FeatureError, match=message):
        open_vectors(tmp_path / "v.parquet")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"asin": ["a"], "emb": [[1.0]]}).write_parquet(tmp_path / "v.parquet")
    with pytest.raises(
        FeatureError, match="no column 'item_id'; the columns are asin, emb; .* --item-column"
    ):
        open_vectors(tmp_path / "v.parquet")
    pl.DataFrame({"asin": ["a"]}).write_csv(tmp_path / "ids.csv")
    with pytest.raises(FeatureError, match="--item-column"):
        read_ids(tmp_path / "ids.csv")


@pytest.mark.parametrize("name", ["v.npy", "v.safetensors", "v.parquet", "v.csv", "nothing.npy", "empty"])
def test_other_files_are_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    if name.startswith("v."):
        (tmp_path / name).write_bytes(b"hello\xff")
    with pytest.raises(FeatureError) as caught:
        open_vectors(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_parquet_file_has_its_own_ids(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": IDS, "vector": ROWS.tolist()}).write_parquet(tmp_path / "v.parquet")
    (tmp_path / "ids.txt").write_text("\n".join(IDS))
    with pytest.raises(FeatureError, match="leave out --ids"):
        open_vectors(tmp_path / "v.parquet", tmp_path / "ids.txt")


def test_the_file_is_found_in_the_origin(tmp_path: Path) -> None:
    made = FeatureFile.open(import_vectors(as_npy(tmp_path), tmp_path / "f").features.folder)
    assert made.origin["file"] == "v.npy" and len(made.origin["sha256"]) == 64
