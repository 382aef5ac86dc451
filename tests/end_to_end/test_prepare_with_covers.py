"""Interactions and covers become a data set in one go: all of it, or nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from PIL import Image

from pixelrec import api
from pixelrec.cli.main import main
from pixelrec.data.dataset import Dataset
from pixelrec.errors import DataError, ImageError, RequestError
from pixelrec.images.store import PictureStore

ITEMS = [f"i{n}" for n in range(8)]


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixelrec.data.writer.save_picture", lambda _, path: path.touch())


@pytest.fixture
def shop(tmp_path: Path) -> SimpleNamespace:
    """Five users of eight items, a sound cover each, and where the data set is to be made."""
    source, covers = tmp_path / "events.csv", tmp_path / "covers"
    lines = (f"{item},u{user},{10 * user + n}" for user in range(5) for n, item in enumerate(ITEMS))
    source.write_text("item_id,user_id,timestamp\n" + "\n".join(lines) + "\n", encoding="utf-8")
    covers.mkdir()
    for n, item in enumerate(ITEMS):
        Image.new("RGB", (9, 9), (20 * n, 9, 9)).save(covers / f"{item}.png")
    return SimpleNamespace(source=source, covers=covers, out=tmp_path / "data")


def words(shop: SimpleNamespace, *more: object) -> list[str]:
    command = ["prepare", shop.source, "--covers", shop.covers, "--out", shop.out, "--size", 16, *more]
    return [str(word) for word in command]


def damage(shop: SimpleNamespace) -> None:
    (shop.covers / "i3.png").unlink()
    (shop.covers / "i4.png").write_bytes(b"nonsense")


def nowhere(shop: SimpleNamespace) -> None:
    shop.covers.rename(shop.covers.with_name("elsewhere"))


def empty(shop: SimpleNamespace) -> None:
    for path in shop.covers.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("spoil", "more", "says"),
    [
        (damage, [], r"2 of 8 items have no usable cover \[1 missing, 1 not-a-picture\]: .*nothing is kept"),
        (nowhere, [], "no such file or folder; give the folder of the covers"),
        (empty, [], "holds no covers: expected files such as <item_id>.jpg"),
        (lambda _: None, ["--size", 0], "size is 0; expected a whole number of at least 1"),
    ],
)
def test_a_mistake_leaves_nothing_behind(
    shop: SimpleNamespace,
    spoil: Callable[[SimpleNamespace], None],
    more: list[object],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(shop)
    before = sorted(shop.out.parent.rglob("*"))
    assert main(words(shop, *more)) == 2
    assert re.search(says, capsys.readouterr().err)
    assert sorted(shop.out.parent.rglob("*")) == before


def test_interrupted_while_packing_it_leaves_nothing(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pixelrec.images.pack.StoreWriter.add", interrupted)
    before = sorted(shop.out.parent.rglob("*"))
    assert main(words(shop)) == 130
    assert "stopped; the same command" in capsys.readouterr().err
    assert sorted(shop.out.parent.rglob("*")) == before


def test_a_mistake_leaves_the_data_set_that_was_to_be_replaced(shop: SimpleNamespace) -> None:
    api.prepare(shop.source, out=shop.out, covers=shop.covers, size=16)
    damage(shop)
    with pytest.raises(ImageError, match="2 of 8"):
        api.prepare(shop.source, out=shop.out, covers=shop.covers, size=8, overwrite=True)
    assert PictureStore.open(Dataset.open(shop.out).covers).read(ITEMS).shape == (8, 16, 16, 3)


def test_a_replacement_has_a_store_of_its_own(shop: SimpleNamespace) -> None:
    for size in (16, 8):
        api.prepare(shop.source, out=shop.out, covers=shop.covers, size=size, overwrite=True)
        assert PictureStore.open(shop.out / "covers.lmdb").size == size
    assert sorted(path.name for path in shop.out.parent.iterdir()) == ["covers", "data", "events.csv"]
    with PictureStore.open(shop.out / "covers.lmdb"), pytest.raises(ImageError, match="open in this process"):
        api.prepare(shop.source, out=shop.out, covers=shop.covers, overwrite=True)


def test_many_refused_covers_are_listed_beside_the_data_set(shop: SimpleNamespace) -> None:
    listed = shop.out.with_name("data.unusable.csv")
    shutil.move(shop.covers, shop.covers.with_name("all"))
    shop.covers.mkdir()
    shutil.copy(shop.covers.with_name("all") / "i0.png", shop.covers)
    with pytest.raises(ImageError, match=re.escape(f"all are listed in {listed}; nothing is kept")):
        api.prepare(shop.source, out=shop.out, covers=shop.covers)
    assert len(listed.read_text(encoding="utf-8").splitlines()) == 8
    api.prepare(shop.source, out=shop.out, covers=shop.covers.with_name("all"))
    assert not listed.exists()


def test_dropped_items_and_events_are_told(shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    damage(shop)
    assert main(words(shop, "--missing", "drop-item")) == 0
    out = capsys.readouterr().out
    assert "2 items without a usable cover, left out:" in out
    assert "left out with them: 10 of 40 events" in out and "no longer fit" not in out
    assert f"store: {shop.out / 'covers.lmdb'}" in out
    dataset = Dataset.open(shop.out)
    assert (dataset.items, dataset.interactions) == (6, 30)
    PictureStore.open(dataset.covers).read(dataset.item_ids.to_list())


def test_dropping_from_a_data_set_says_that_it_changed(
    shop: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    api.prepare(shop.source, out=shop.out)
    damage(shop)
    pack = ["images", "pack", shop.covers, "--data", shop.out, "--size", 16, "--missing", "drop-item"]
    assert main([str(word) for word in pack]) == 0
    out = capsys.readouterr().out
    assert "left out with them: 10 of 40 events" in out
    assert "the data set has changed: runs trained on it before no longer fit; train again" in out


def test_dropping_all_that_matters_is_refused(shop: SimpleNamespace) -> None:
    for item in ITEMS[2:]:
        (shop.covers / f"{item}.png").unlink()
    with pytest.raises(DataError, match="^without 6 items that are dropped: no user is left"):
        api.prepare(shop.source, out=shop.out, covers=shop.covers, missing="drop-item")
    assert not shop.out.exists()


def named_files(shop: SimpleNamespace, names: list[object]) -> Path:
    for n, item in enumerate(ITEMS):
        (shop.covers / f"{item}.png").rename(shop.covers / f"{n + 100}.png")
    table = pl.DataFrame({"item_id": ITEMS, "image_path": names})
    items = shop.source.with_name("items.parquet")
    table.write_parquet(items)
    return items


@pytest.mark.parametrize("several", [False, True])
def test_a_column_of_the_items_names_their_covers(shop: SimpleNamespace, several: bool) -> None:
    plain = api.prepare(shop.source, covers=shop.covers, out=shop.out.with_name("plain"), size=16)
    names: list[object] = [f"images/{n + 100}.png" for n in range(8)]
    if several:
        names = [[name, "images/100.png"] for name in names]
    items = named_files(shop, names)
    column = "Image Path"
    dataset = api.prepare(
        shop.source, items=items, covers=shop.covers, cover_column=column, out=shop.out, size=16
    )
    assert dataset.pictures_fingerprint == plain.pictures_fingerprint
    assert dataset.manifest["options"]["cover_column"] == column
    packed = api.pack_images(shop.covers, data=dataset, cover_column="image_path")
    assert (packed.report.packed, packed.report.resumed) == (0, 8)
    assert api.check_images(shop.covers, data=dataset, cover_column="image_path").sound == 8
    assert api.check_images(shop.covers, data=dataset).sound == 0


def test_columns_that_name_no_covers(shop: SimpleNamespace) -> None:
    items = named_files(shop, list(range(8)))
    given = {"items": items, "covers": shop.covers, "out": shop.out, "size": 16}
    with pytest.raises(
        DataError, match="no column 'image' of names of covers; the columns are 'item_id', 'im"
    ):
        api.prepare(shop.source, cover_column="image", **given)
    with pytest.raises(
        DataError, match="column 'image_path' of the items holds Int64, expected names of pic"
    ):
        api.prepare(shop.source, cover_column="image_path", **given)
    with pytest.raises(RequestError, match="--cover-column image .* names files of --covers by --items"):
        api.prepare(shop.source, cover_column="image", covers=shop.covers, out=shop.out)
    with pytest.raises(RequestError, match="is of the items of a data set: give --data"):
        api.check_images(shop.covers, cover_column="image")
    assert not shop.out.exists()
