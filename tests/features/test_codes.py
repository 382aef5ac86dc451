"""Codes: written by item, reported truthfully, and told apart where that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.errors import FeatureError
from pixelrec.features.codes import fit_codes, read_quantiser
from pixelrec.features.feature_file import FeatureFile
from pixelrec.features.feature_writer import writing

GENERATOR = np.random.default_rng(0)
GROUPS = 12
ROWS = (GENERATOR.normal(size=(GROUPS, 8))[np.arange(120) % GROUPS]).astype("f4")  # ten items look the same
ROWS[60:] += 0.05 * GENERATOR.normal(size=(60, 8)).astype("f4")
IDS = [f"i{number}" for number in range(120)]


@pytest.fixture
def features(tmp_path: Path) -> FeatureFile:
    with writing(tmp_path / "f", IDS, (8,), {"kind": "test"}) as writer:
        writer.append(ROWS)
    return FeatureFile.open(tmp_path / "f")


def test_codes_are_those_of_the_quantiser(tmp_path: Path, features: FeatureFile) -> None:
    report = fit_codes(features, tmp_path / "c", levels=2, size=16)
    codes = FeatureFile.open(tmp_path / "c")
    codes.verify()
    assert codes.vectors.dtype == np.int16 and codes.ids.to_list() == IDS
    again = read_quantiser(codes)
    assert np.array_equal(again.encode(torch.from_numpy(ROWS)).numpy(), codes.vectors)
    assert codes.origin["features"] == features.digest
    decoded = again.decode(again.encode(torch.from_numpy(ROWS))).numpy()
    variance = ((ROWS - ROWS.mean(0)) ** 2).sum()
    assert report.error == pytest.approx(((ROWS - decoded) ** 2).sum() / variance, rel=1e-3, abs=1e-9)


def test_the_report_counts_what_is_written(tmp_path: Path, features: FeatureFile) -> None:
    report = fit_codes(features, tmp_path / "c", levels=2, size=16)
    codes = [tuple(code) for code in np.asarray(report.codes.vectors).tolist()]
    counts = [codes.count(code) for code in codes]
    assert (report.sharing, report.largest) == (sum(count > 1 for count in counts), max(counts))
    assert report.sharing >= 60
    for level in range(2):
        used = {code[level] for code in codes}
        shares = np.array([sum(code[level] == entry for code in codes) for entry in used]) / len(codes)
        assert report.used[level] == pytest.approx(len(used) / 16)
        assert report.perplexity[level] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    assert 0.3 < report.neighbours <= 1


def test_a_last_level_tells_items_apart(tmp_path: Path, features: FeatureFile) -> None:
    plain = fit_codes(features, tmp_path / "p", levels=2, size=16)
    report = fit_codes(features, tmp_path / "c", levels=2, size=16, separate=True)
    codes = np.asarray(report.codes.vectors)
    assert codes.shape == (120, 3)
    assert np.array_equal(codes[:, :2], plain.codes.vectors)
    assert len(np.unique(codes, axis=0)) == 120
    assert codes[:, 2].max() == report.largest - 1


def test_too_many_items_of_one_code(tmp_path: Path, features: FeatureFile) -> None:
    with pytest.raises(FeatureError, match=r"items share a code, and a level has 2 numbers"):
        fit_codes(features, tmp_path / "c", levels=1, size=2, separate=True)
    assert not (tmp_path / "c").exists()


def test_codes_have_no_codes(tmp_path: Path, features: FeatureFile) -> None:
    codes = fit_codes(features, tmp_path / "c", levels=2, size=4).codes
    with pytest.raises(FeatureError, match="holds codes; expected vectors"):
        fit_codes(codes, tmp_path / "d")


def test_a_damaged_quantiser_is_one_line(tmp_path: Path, features: FeatureFile) -> None:
    codes = fit_codes(features, tmp_path / "c", levels=2, size=4).codes
    (tmp_path / "c" / "quantiser.safetensors").write_bytes(b"nothing")
    with pytest.raises(FeatureError, match="damaged"):
        read_quantiser(codes)
    (tmp_path / "c" / "quantiser.safetensors").unlink()
    with pytest.raises(FeatureError, match="holds no quantiser"):
        read_quantiser(codes)


@pytest.mark.parametrize("bad", [0.5, 40_000, -40_000, np.nan])
def test_only_whole_numbers_are_codes(tmp_path: Path, bad: float) -> None:
    rows = np.zeros((120, 2))
    rows[7, 1] = bad
    with (
        pytest.raises(FeatureError, match="of 'i7' are not codes"),
        writing(tmp_path / "c", IDS, (2,), {}, dtype="int16") as writer,
    ):
        writer.append(rows)
