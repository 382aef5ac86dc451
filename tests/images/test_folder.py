"""The file of each item, in folders of any layout."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, features

from pixelrec.errors import ImageError
from pixelrec.images.covers import read_loose
from pixelrec.images.folder import CoverFolder, demand_covers


def bytes_in(form: str) -> bytes:
    content = BytesIO()
    Image.new("RGB", (4, 4), "red").save(content, form)
    return content.getvalue()


PNG = bytes_in("PNG")


def covers(folder: Path, *files: str, content: bytes = PNG) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("files", "items", "found"),
    [
        (["a.jpg", "b.PNG"], "a b", ["a.jpg", "b.PNG"]),
        (["0/01.jpg", "1/12.jpg"], "01 12 1", ["0/01.jpg", "1/12.jpg"]),
        (["0/1/2/0123.jpg"], "0123", ["0/1/2/0123.jpg"]),
        (["a/0.jpg", "b/0.jpg"], "a b", ["a/0.jpg", "b/0.jpg"]),
        (["0/0.jpg", "7/0.jpg", "8/0.jpg"], "0 7 8", ["0/0.jpg", "7/0.jpg", "8/0.jpg"]),
        (["a/10.jpg", "a/9.jpg", "a/9.png"], "a", ["a/9.jpg"]),
        (["0/a/main.webp"], "a", ["0/a/main.webp"]),
        (["a/b.jpg"], "a/b", ["a/b.jpg"]),
        (["a.jpg/"], "a", ["a.jpg"]),
        (["a.jfif", "b.jpe", "c.avif", "d.TIF", "e.tiff", "f.bmp"], "a b c d e f", None),
        (["a", "b.img", "c.x.dat", "d.jpg_large"], "a b c.x d", None),
        (["a.b"], "a.b", ["a.b"]),
        (["123.jpg"], "123.jpg", ["123.jpg"]),
        (["x/a.jpg", "a.png"], "a", ["a.png"]),
    ],
    ids=str,
)
def test_the_file_of_an_item(tmp_path: Path, files: list[str], items: str, found: list[str] | None):
    for file in files:
        if file.endswith("/"):
            (tmp_path / file).mkdir()
        else:
            covers(tmp_path, file)
    names = CoverFolder(tmp_path, items.split()).items
    assert [names[item] for item in items.split() if item in names] == (files if found is None else found)


def test_files_of_no_picture_are_no_covers(tmp_path: Path):
    covers(tmp_path, "a.txt", "b", content=b"<html>")
    os.mkfifo(tmp_path / "c")
    covers(tmp_path, "d.png")
    found = CoverFolder(tmp_path, "abcd")
    assert found.items == {"d": "d.png"} and found.others == ("a.txt", "b", "c")


def test_of_several_files_the_rule_is_told(tmp_path: Path):
    covers(tmp_path, "a/2.jpg", "a/10.jpg", "a/3.png", "b.jpg", "b.jpeg", "c.jpg")
    found = CoverFolder(tmp_path, "abc")
    assert found.notes == (
        "item 'a' has 3 covers: a/2.jpg is used, the first by name",
        "item 'b' has two covers: b.jpg is used, b.jpeg is not",
    )
    assert found.others == ("a/10.jpg", "a/3.png", "b.jpeg")


def test_without_items_every_picture_is_found_under_its_path(tmp_path: Path):
    covers(tmp_path, "a.jpg", "x/0.jpg", "y/0.jpg", "z")
    covers(tmp_path, "readme.txt", content=b"hello")
    assert sorted(CoverFolder(tmp_path).items) == ["a", "x/0", "y/0", "z"]


def test_links_upwards_and_hidden_folders_are_not_followed(tmp_path: Path):
    covers(tmp_path, "x/a.jpg", ".thumbnails/a.jpg", "__MACOSX/a.jpg")
    (tmp_path / "x" / "up").symlink_to(tmp_path)
    found = CoverFolder(tmp_path, ["a"])
    assert found.items == {"a": "x/a.jpg"} and not found.notes


@pytest.mark.parametrize("form", ["AVIF", "TIFF", "BMP", "WEBP", "GIF", "JPEG", "PNG"])
def test_formats_are_known_by_their_content(tmp_path: Path, form: str):
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    covers(tmp_path, "a", content=bytes_in(form))
    demand_covers(tmp_path)
    (red,) = read_loose([tmp_path / "a"], size=4, fit="stretch")
    assert red[..., 0].min() > 240 and red[..., 1:].max() < 20


@pytest.mark.parametrize(
    ("files", "holds"), [([], "it is empty"), (["x.csv", "y/z.csv"], "'x.csv', 'y/z.csv'")]
)
def test_a_folder_without_covers_says_its_content(tmp_path: Path, files: list[str], holds: str):
    covers(tmp_path, *files, content=b"1,2,3")
    with pytest.raises(ImageError, match=f"holds no covers: expected files such as <item_id>.jpg, .*{holds}"):
        demand_covers(tmp_path)


@pytest.mark.parametrize(
    ("files", "name", "found"),
    [
        (["x/7.png", "a.png"], "x/7.png", "x/7.png"),
        (["x/7.png"], "./x/7.png", "x/7.png"),
        (["x/7.png"], "images\\x\\7.png", "x/7.png"),
        (["7.png"], "https://shop.example/media/7.png?width=300#top", "7.png"),
        (["x/7.png"], "7.png", "x/7.png"),
        (["x/7.png", "y/7.png"], "7.png", None),
        (["7.png"], "../../etc/passwd", None),
        (["x?1.png"], "x?1.png", "x?1.png"),
        (["7.data"], "7.data", "7.data"),
        (["a.png"], "b.png", None),
    ],
)
def test_the_file_that_an_item_names(tmp_path: Path, files: list[str], name: str, found: str | None) -> None:
    folder = CoverFolder(covers(tmp_path, *files), ["a"], {"a": [name]})
    assert folder.items.get("a") == found
    if found is None:
        assert folder.missing(["a"])[0].detail == "no file as the column of its cover says"


def test_the_first_of_several_files_that_an_item_names_is_its_cover(tmp_path: Path) -> None:
    folder = CoverFolder(
        covers(tmp_path, "1.png", "2.png"), None, {"a": ["2.png", "no.png", "1.png", "2.png"]}
    )
    assert folder.all == {"a": ["2.png", "1.png"]}
    assert folder.notes == ("item 'a' has two covers: 2.png is used, 1.png is not",)
