"""Checking covers: the same outcomes as packing, what they are like, and which look alike."""

from __future__ import annotations

import csv
import io
import json
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixelrec.cli.show_images import print_check, print_pack
from pixelrec.console.terminal import Screen
from pixelrec.errors import ImageError
from pixelrec.images.decode import decode, ready
from pixelrec.images.doctor import CheckReport, check
from pixelrec.images.near_duplicates import SIDE, near_duplicates, perceptual_hash
from pixelrec.images.pack import pack
from pixelrec.images.store import PictureStore

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ml_latest_small_posters"


def scene(seed: int, width: int = 120, height: int = 90) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def covers(tmp_path: Path) -> Path:
    """12 sound covers, among them three of one picture, and five that are not."""
    folder = tmp_path / "covers"
    folder.mkdir()
    for n in range(10):
        scene(n).save(folder / f"i{n}.jpg", quality=90)
    scene(3, 60, 45).save(folder / "small.png")
    scene(3).save(folder / "poor.jpg", quality=40)
    (folder / "cut.jpg").write_bytes((folder / "i0.jpg").read_bytes()[:900])
    (folder / "page.jpg").write_bytes(b"<!DOCTYPE html>")
    (folder / "void.jpg").touch()
    (folder / "dir.jpg").mkdir()
    (folder / "Thumbs.db").touch()
    return folder


def shown(printer, report, width: int = 100) -> str:
    console = Screen(file=io.StringIO(), width=width, markup=False)
    printer(report, console)
    return console.file.getvalue()


def checked(covers: Path, items=None, **options) -> CheckReport:
    return check(covers, items, threads=2, **options)


def test_every_cover_has_an_outcome(covers: Path):
    report = checked(covers)
    assert (report.checked, report.sound) == (16, 12)
    assert {u.item_id: u.reason for u in report.unusable} == {
        "cut": "truncated",
        "page": "not-a-picture",
        "void": "empty",
        "dir": "not-a-file",
    }
    assert report.extras == ("Thumbs.db",)
    assert report.formats == {"JPEG": 11, "PNG": 1}
    assert report.modes == {"RGB": 12}


def test_check_and_pack_refuse_the_same(covers: Path, tmp_path: Path):
    ids = [*checked(covers, duplicates=False).to_dict()["unusable"]]
    items = ["i1", "gone", *(u["item_id"] for u in ids)]
    packed = pack(covers, tmp_path / "store", items, size=16, missing="drop-item")
    assert set(checked(covers, items).unusable) == set(packed.unusable)


def test_extra_files_are_those_of_no_item(covers: Path):
    report = checked(covers, ["i0", "i1", "gone"])
    assert (report.checked, report.sound, report.reasons) == (3, 2, {"missing": 1})
    assert "i2.jpg" in report.extras and "i0.jpg" not in report.extras


def test_measures_are_of_the_sound_covers(covers: Path):
    measures = checked(covers).measures
    assert (measures["width"][0], measures["width"][3], measures["width"][-1]) == (60, 120, 120)
    assert measures["width / height"][0] == pytest.approx(4 / 3)
    assert measures["bytes"][-1] == max(p.stat().st_size for p in covers.glob("[isp]*.*g") if p.is_file())


def test_near_duplicates_are_grouped(covers: Path):
    assert checked(covers).duplicates == (("i3", "poor", "small"),)
    assert checked(covers, duplicates=False).duplicates is None


def test_nothing_to_check(tmp_path: Path):
    with pytest.raises(ImageError, match="holds no covers: .* it is empty"):
        checked(tmp_path)
    with pytest.raises(ImageError, match="no folder of covers"):
        checked(tmp_path / "nowhere")


def test_nothing_sound(tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    report = checked(tmp_path)
    assert (report.sound, report.measures, report.duplicates) == (0, {}, ())
    assert "0 of 1 covers" in shown(print_check, report)


def test_reports_are_json_and_printed(covers: Path, tmp_path: Path):
    report = checked(covers)
    assert json.loads(json.dumps(report.to_dict()))["reasons"]["truncated"] == 1
    text = shown(print_check, report)
    assert "12 of 16 covers" in text
    for word in ("truncated", "median", "i3, poor, small", "Thumbs.db", "void"):
        assert word in text
    packed = pack(covers, tmp_path / "store", ["i0", "cut"], size=16, missing="grey")
    text = shown(print_pack, packed)
    assert "1 covers packed" not in text and "1 cover packed" in text
    assert "1 item without a usable cover, stored as grey" in text


def test_names_are_not_markup(tmp_path: Path):
    (tmp_path / "[red]a[.jpg").write_bytes(b"x")
    assert "[red]a[" in shown(print_check, checked(tmp_path))


def test_the_hash_survives_scaling_and_compression_and_separates_pictures():
    def seen(image: Image.Image, **options) -> int:
        file = io.BytesIO()
        image.save(file, "JPEG", **options)
        with ready():
            return perceptual_hash(decode(file.getvalue(), size=SIDE, fit="stretch").pixels)

    def apart(a: int, b: int) -> int:
        return (a ^ b).bit_count()

    hashes = [seen(scene(n), quality=90) for n in range(20)]
    assert max(apart(hashes[n], seen(scene(n, 300, 220), quality=50)) for n in range(20)) <= 3
    assert min(apart(a, b) for a, b in combinations(hashes, 2)) >= 12


def test_plain_colours_are_alike_only_if_of_one_colour(tmp_path: Path):
    for name, colour in (("a", "red"), ("b", "blue"), ("c", (255, 3, 0))):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    assert checked(tmp_path).duplicates == (("a", "c"),)


def test_products_in_different_colours_are_no_duplicates(tmp_path: Path):
    for name, colour in (("blue", (70, 90, 200)), ("brown", (140, 90, 60)), ("purple", (130, 75, 150))):
        picture = Image.new("RGB", (96, 96), "white")
        for left in (10, 40, 70):
            picture.paste(colour, (left, 20, left + 12, 80))
        picture.save(tmp_path / f"{name}.png")
        picture.resize((60, 60)).save(tmp_path / f"{name}-small.jpg", quality=60)
    names = ("blue", "brown", "purple")
    assert sorted(checked(tmp_path).duplicates) == [(name, f"{name}-small") for name in names]


@pytest.mark.parametrize("width", [80, 60])
def test_no_word_or_number_is_broken(covers: Path, width: int):
    text = shown(print_check, checked(covers), width)
    figures = text[text.index("width") : text.index("formats")].splitlines()
    assert figures[0].split() == ["width", "height", "width", "/", "height", "file", "size"]
    assert [line.split()[0] for line in figures[1:]] == ["least", "5", "25", "median", "75", "95", "most"]
    assert "…" not in "".join(figures)
    assert "the shortest side has 45 pixels: packing at the default --size 224 enlarges" in text


@pytest.mark.parametrize("threshold", [0, 1, 3, 6])
def test_groups_are_those_of_comparing_all_pairs(threshold: int):
    rng = np.random.default_rng(threshold)
    seeds = rng.integers(0, 2**64, 30, dtype=np.uint64)
    hashes = np.repeat(seeds, 10)
    for row in range(len(hashes)):
        for bit in rng.integers(0, 64, rng.integers(0, 6)):
            hashes[row] ^= np.uint64(1) << np.uint64(bit)
    colours = rng.choice(np.array([10, 200], np.uint8), (300, 1)).repeat(3, 1)
    expected = list(range(300))  # union by relabelling: slow and plain

    for a, b in combinations(range(300), 2):
        near = (int(hashes[a]) ^ int(hashes[b])).bit_count() <= threshold and colours[a, 0] == colours[b, 0]
        if near and expected[a] != expected[b]:
            low, high = sorted((expected[a], expected[b]))
            expected = [low if label == high else label for label in expected]

    groups = near_duplicates(hashes, colours, threshold=threshold)
    assert groups
    labels = list(range(300))
    for group in groups:
        for position in group:
            labels[position] = group[0]
    assert labels == expected
    assert [len(g) for g in groups] == sorted((len(g) for g in groups), reverse=True)


def test_many_covers_are_grouped_in_seconds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    hashes[50_000:60_000] = hashes[:10_000] ^ np.uint64(5)
    start = time.perf_counter()
    groups = near_duplicates(hashes, np.zeros((100_000, 3), np.uint8))
    assert len(groups) == 10_000
    assert time.perf_counter() - start < 10


@pytest.mark.skipif(not REAL.is_dir(), reason="the real posters are not on this machine")
def test_real_posters(tmp_path: Path):
    with (REAL / "items.csv").open(encoding="utf-8", newline="") as file:
        ids = [row["item_id"] for row, _ in zip(csv.DictReader(file), range(300), strict=False)]
    report = checked(REAL / "covers", ids)
    assert (report.sound, report.unusable) == (300, ())
    assert ("26", "2848") not in report.duplicates
    pack(REAL / "covers", tmp_path / "store", ids)
    with PictureStore.open(tmp_path / "store") as store:
        picture = store.read([ids[0]])[0].astype(int)
    with Image.open(REAL / "covers" / f"{ids[0]}.jpg") as image:
        expected = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))
    assert np.abs(picture - expected).max() <= 1
