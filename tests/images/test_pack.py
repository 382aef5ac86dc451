"""Packing: what is stored, what is refused, and that nothing is lost or corrupt however it is cut short."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb
import numpy as np
import pytest
from commands import FORKS, PATIENCE
from PIL import Image

from pixelrec.errors import ImageError
from pixelrec.files.atomic import in_place
from pixelrec.images import pack as packing
from pixelrec.images import writer as writing
from pixelrec.images.covers import list_path
from pixelrec.images.environment import PICTURES, STAMPS
from pixelrec.images.folder import CoverFolder
from pixelrec.images.manifest import Manifest
from pixelrec.images.pack import pack
from pixelrec.images.pool import in_threads
from pixelrec.images.store import PictureStore
from pixelrec.images.writer import StoreWriter

SIZE = 16


def colour(n: int) -> tuple[int, int, int]:
    return n % 256, n // 256 * 40, 99


def draw(folder: Path, count: int, side: int = 20) -> list[str]:
    folder.mkdir(exist_ok=True)
    for n in range(count):
        Image.new("RGB", (side, side), colour(n)).save(folder / f"i{n}.png")
    return [f"i{n}" for n in range(count)]


def packed(covers: Path, out: Path, item_ids, **options):
    return pack(covers, out, item_ids, **({"size": SIZE, "threads": 2} | options))


def contents(store: Path) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Everything but the manifest, read without any of our code."""
    with lmdb.open(str(store), readonly=True, max_dbs=2) as env, env.begin() as txn:
        return tuple(dict(txn.cursor(env.open_db(name, txn=txn))) for name in (PICTURES, STAMPS))


@pytest.fixture
def covers(tmp_path: Path) -> Path:
    return tmp_path / "covers"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_every_picture_is_stored_under_its_item(covers: Path, out: Path):
    ids = draw(covers, 30)
    report = packed(covers, out, ids)
    assert (report.packed, report.resumed, report.unusable) == (30, 0, ())
    pictures = PictureStore.open(out).read(ids)
    assert all((pictures[n] == colour(n)).all() for n in range(30))


def test_the_shape_of_covers_is_kept(covers: Path, out: Path):
    covers.mkdir()
    Image.new("RGB", (40, 10)).save(covers / "wide.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 10)).save(covers / "turned.jpg", exif=turned)
    packed(covers, out, ["wide", "turned", "gone"], missing="grey")
    assert PictureStore.open(out).aspects(["wide", "turned", "gone"]).tolist() == [4.0, 0.25, 1.0]


def test_packing_again_does_nothing(covers: Path, out: Path):
    ids = draw(covers, 5)
    packed(covers, out, ids)
    before = (out / "data.mdb").read_bytes()
    report = packed(covers, out, ids)
    assert (report.packed, report.resumed) == (0, 5)
    assert (out / "data.mdb").read_bytes() == before


def test_changed_and_new_covers_are_packed_again(covers: Path, out: Path):
    ids = draw(covers, 4)
    packed(covers, out, ids)
    Image.new("RGB", (9, 9), "white").save(covers / "i2.png")
    Image.new("RGB", (9, 9), "white").save(covers / "new.png")
    report = packed(covers, out, [*ids, "new"])
    assert (report.packed, report.resumed) == (2, 3)
    with PictureStore.open(out) as store:
        assert (store.read(["i2", "new"]) == 255).all()
        assert (store.read(["i1"]) == colour(1)).all()


def test_a_complete_store_that_gets_new_covers_is_unfinished_meanwhile(covers: Path, out: Path):
    ids = draw(covers, 4)
    packed(covers, out, ids[:2])
    (covers / "i3.png").write_bytes(b"nonsense")
    with pytest.raises(ImageError, match="1 of 4"):
        packed(covers, out, ids)
    with pytest.raises(ImageError, match="unfinished, 3 of 4"):
        PictureStore.open(out)


def test_an_item_listed_twice_is_packed_once(covers: Path, out: Path):
    draw(covers, 2)
    assert packed(covers, out, ["i0", "i1", "i0"]).packed == 2


def test_missing_and_damaged_covers_are_refused_together_and_the_others_kept(covers: Path, out: Path):
    draw(covers, 3)
    (covers / "i1.png").write_bytes(b"nonsense")
    with pytest.raises(
        ImageError, match=r"2 of 4 items have .*\[1 missing, 1 not-a-picture\]: x .*i1"
    ) as caught:
        packed(covers, out, ["i0", "x", "i1", "i2"])
    for part in ("no x.jpg, .png or the like", "the others are packed", "--missing grey"):
        assert part in str(caught.value)
    assert not list_path(out).exists(), "all of them are named"
    with pytest.raises(ImageError, match="unfinished, 2 of 4 pictures"):
        PictureStore.open(out)
    assert packed(covers, out, ["i0", "i2"]).resumed == 2
    assert len(PictureStore.open(out)) == 2


def test_a_single_item_has_no_usable_cover(covers: Path, out: Path):
    draw(covers, 2)
    with pytest.raises(ImageError, match="1 of 3 items has no usable cover"):
        packed(covers, out, ["i0", "i1", "x"])


def test_many_unusable_covers_are_listed_in_a_file(covers: Path, out: Path):
    draw(covers, 1)
    with pytest.raises(ImageError, match=r"4 of 5 items .*: a .*, …; all are listed in .*unusable.csv"):
        packed(covers, out, ["i0", "a", "b", "c", "d"])
    rows = [line.split(",")[:2] for line in list_path(out).read_text("utf-8").splitlines()[1:]]
    assert rows == [[name, "missing"] for name in "abcd"]
    packed(covers, out, ["i0"])
    assert not list_path(out).exists()


def test_missing_covers_become_grey_pictures(covers: Path, out: Path):
    ids = draw(covers, 3)
    (covers / "i1.png").write_bytes(b"nonsense")
    report = packed(covers, out, [*ids, "gone"], missing="grey")
    assert report.reasons == {"missing": 1, "not-a-picture": 1}
    assert (report.packed, report.resumed) == (2, 0)
    with PictureStore.open(out) as store:
        assert (store.read(["i1", "gone"]) == 128).all()
        assert store.grey == {"i1": "not-a-picture", "gone": "missing"}
        assert len(store) == 4


def test_a_later_cover_replaces_the_grey_picture(covers: Path, out: Path):
    ids = draw(covers, 2)
    packed(covers, out, [*ids, "late"], missing="grey")
    Image.new("RGB", (9, 9), "white").save(covers / "late.png")
    packed(covers, out, [*ids, "late"])
    with PictureStore.open(out) as store:
        assert (store.read(["late"]) == 255).all()
        assert store.grey == {}


def test_grey_again_changes_nothing(covers: Path, out: Path):
    draw(covers, 2)
    packed(covers, out, ["i0", "gone"], missing="grey")
    before = (out / "data.mdb").read_bytes()
    assert len(packed(covers, out, ["i0", "gone"], missing="grey").unusable) == 1
    assert (out / "data.mdb").read_bytes() == before


def test_dropped_items_are_reported_and_leave_the_store(covers: Path, out: Path):
    ids = draw(covers, 3)
    packed(covers, out, [*ids, "gone"], missing="grey")
    (covers / "i2.png").unlink()
    report = packed(covers, out, [*ids, "gone"], missing="drop-item")
    assert [u.item_id for u in report.unusable] == ["i2", "gone"]
    with PictureStore.open(out) as store:
        assert ("i2" in store, "gone" in store, "i0" in store, len(store)) == (False, False, True, 2)
        assert store.grey == {}


def test_a_folder_of_other_items_is_named(covers: Path, out: Path):
    draw(covers, 2)
    with pytest.raises(
        ImageError, match="none of the 2 .* holds 'i0.png', 'i1.png', the items are 'a', 'b'; .*'a.jpg'"
    ):
        packed(covers, out, ["a", "b"], missing="drop-item")


@pytest.mark.parametrize("item", ["../secret", "/etc/passwd", "a/b", "..", "sub/../i0", "i0\x00"])
def test_no_item_id_reaches_outside_the_folder(covers: Path, out: Path, tmp_path: Path, item: str):
    draw(covers, 1)
    draw(tmp_path, 1)
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    report = packed(covers, out, ["i0", item], missing="drop-item")
    assert [(u.item_id, u.reason) for u in report.unusable] == [(item, "missing")]


def test_odd_files_have_an_outcome(covers: Path, out: Path, tmp_path: Path):
    draw(covers, 1)
    (covers / "folder.jpg").mkdir()
    os.mkfifo(covers / "pipe.jpg")
    (covers / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (covers / "linked.JPeG").symlink_to(covers / "i0.png")
    ids = ["i0", "folder", "pipe", "dangling", "linked"]
    report = packed(covers, out, ids, missing="drop-item")
    reasons = {u.item_id: u.reason for u in report.unusable}
    assert reasons == {"folder": "not-a-file", "pipe": "not-a-file", "dangling": "missing"}


def test_a_cover_that_may_not_be_read_is_named(covers: Path, out: Path, monkeypatch):
    ids = draw(covers, 2)
    read = Path.read_bytes

    def forbidden(path: Path) -> bytes:  # tests may run as root, whom no permission stops
        if path.name == "i1.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    (bad,) = packed(covers, out, ids, missing="drop-item").unusable
    assert bad == ("i1", "unreadable", "Permission denied")


def test_of_two_covers_jpg_is_used_and_noted(covers: Path, out: Path):
    covers.mkdir()
    Image.new("RGB", (8, 8), "blue").save(covers / "a.png")
    Image.new("RGB", (8, 8), "white").save(covers / "a.jpg")
    report = packed(covers, out, ["a"])
    assert report.notes == ("item 'a' has two covers: a.jpg is used, a.png is not",)
    assert (PictureStore.open(out).read(["a"]) == 255).all()
    assert CoverFolder(covers, ["a"]).others == ("a.png",)


@pytest.mark.parametrize("changed", [{"size": 8}, {"fit": "crop"}])
def test_other_options_need_overwrite(covers: Path, out: Path, changed: dict):
    ids = draw(covers, 2)
    packed(covers, out, ids)
    with pytest.raises(
        ImageError,
        match="size 16, fit 'stretch'; asked for .*ask for the former, or start again with --overwrite",
    ):
        packed(covers, out, ids, **changed)
    packed(covers, out, ids, overwrite=True, **changed)
    store = PictureStore.open(out)
    assert (store.size, store.fit) == (changed.get("size", SIZE), changed.get("fit", "stretch"))
    assert sorted(p.name for p in out.parent.iterdir()) == ["covers", "store"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_the_size_and_fit_of_a_store_are_kept_unless_others_are_given(
    covers: Path, out: Path, tmp_path: Path, overwrite: bool
):
    ids = draw(covers, 3)
    pack(covers, out, ids[:2], size=SIZE, fit="crop", threads=1)
    report = pack(covers, out, ids, overwrite=overwrite, threads=1)
    assert (report.size, report.fit, report.packed) == (SIZE, "crop", 3 if overwrite else 1)
    report = pack(covers, tmp_path / "draft", ids, draft_of=out, fit="pad", threads=1)
    assert (report.size, report.fit) == (SIZE, "pad")
    assert pack(covers, tmp_path / "new", ids, threads=1).size == 224
    os.truncate(out / "data.mdb", 100)
    with pytest.raises(ImageError, match="its size and fit are unknown: give --size .* and --fit"):
        pack(covers, out, ids, overwrite=True, threads=1)
    assert pack(covers, out, ids, size=8, overwrite=True, threads=1).size == 8


def test_dropped_items_remain_listed(covers: Path, out: Path):
    ids = draw(covers, 2)
    packed(covers, out, [*ids, "=gone()"], missing="drop-item")
    assert list_path(out).read_text("utf-8").splitlines()[1].startswith("'=gone(),missing")
    packed(covers, out, ids, missing="drop-item")
    assert list_path(out).exists()
    packed(covers, out, ids)
    assert not list_path(out).exists()


def test_a_failed_overwrite_leaves_the_old_store(covers: Path, out: Path):
    ids = draw(covers, 2)
    packed(covers, out, ids)
    (covers / "i0.png").write_bytes(b"nonsense")
    with pytest.raises(ImageError, match="1 of 2"):
        packed(covers, out, ids, size=8, overwrite=True)
    assert PictureStore.open(out).size == SIZE


def test_an_overwrite_cut_short_between_its_renames_is_mended(covers: Path, out: Path):
    ids = draw(covers, 2)
    packed(covers, out, ids)
    draft = out.with_name(".store.draft")
    draft.mkdir()
    out.rename(draft / "old")
    assert packed(covers, out, ids).resumed == 2
    assert not draft.exists()


@pytest.mark.parametrize("left", [0, 100, 5000, 20_000])
def test_a_store_cut_short_is_refused_and_overwritten(covers: Path, out: Path, left: int):
    ids = draw(covers, 40)
    packed(covers, out, ids)
    os.truncate(out / "data.mdb", left)
    if left:
        with pytest.raises(ImageError, match="is damaged .cut short"):
            packed(covers, out, ids)
    assert packed(covers, out, ids, overwrite=left > 0).packed == 40
    assert (PictureStore.open(out).read(ids)[:, 0, 0] == [colour(n) for n in range(40)]).all()


@pytest.mark.parametrize("database", [PICTURES, STAMPS])
def test_a_damaged_picture_or_digest_is_packed_again(covers: Path, out: Path, database: bytes):
    ids = draw(covers, 3)
    packed(covers, out, ids)
    with lmdb.open(str(out), max_dbs=2) as env:
        records = env.open_db(database)
        with env.begin(write=True, db=records) as txn:
            txn.put(b"i1", b"?" + bytes(txn.get(b"i1"))[1:])
    with (
        PictureStore.open(out) as store,
        pytest.raises(ImageError, match="of item 'i1' was changed.: `pixelrec images pack` packs that"),
    ):
        store.fingerprint(ids)
        store.read(ids)
    assert packed(covers, out, ids).packed == 1
    with PictureStore.open(out) as store:
        store.fingerprint(ids)
        assert (store.read(["i1"]) == colour(1)).all()


def test_a_store_behind_a_link_is_replaced_where_it_lies(covers: Path, out: Path, tmp_path: Path):
    ids = draw(covers, 2)
    packed(covers, tmp_path / "disk" / "big", ids)
    out.symlink_to(tmp_path / "disk" / "big")
    packed(covers, out, ids, size=8, overwrite=True)
    assert out.is_symlink()
    assert PictureStore.open(tmp_path / "disk" / "big").size == 8
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["big"]


def test_two_processes_do_not_pack_one_store(covers: Path, out: Path):
    ids = draw(covers, 2)
    with in_place(out, ImageError), pytest.raises(ImageError, match="is being written by process .* since"):
        packed(covers, out, ids)
    assert packed(covers, out, ids).packed == 2


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_store_is_read_while_another_process_packs(covers: Path, out: Path, overwrite: bool):
    """It grows far beyond the map it was opened with; a replaced one goes on being read."""
    ids = draw(covers, 200)
    packed(covers, out, ids[:3], size=64)
    store = PictureStore.open(out)
    before = store.read(ids[:3])
    size = 48 if overwrite else 64
    options = {"size": size, "threads": 2, "overwrite": overwrite}
    process = FORKS.Process(target=pack, args=(covers, out, ids), kwargs=options)
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == 0
    assert (store.read(ids[:3]) == before).all()
    assert len(store) == (3 if overwrite else 200)
    again = PictureStore.open(out)
    assert again.size == size and again.read(ids).shape == (200, size, size, 3)


def test_a_killed_overwrite_does_not_stand_in_the_way_of_another(covers: Path, out: Path):
    ids = draw(covers, 3)
    packed(covers, out, ids)
    (covers / "i0.png").write_bytes(b"nonsense")
    for size in (8, 4):
        with pytest.raises(ImageError, match="1 of 3"):
            packed(covers, out, ids, size=size, overwrite=True)
    assert packed(covers, out, ids, size=4, overwrite=True, missing="drop-item").resumed == 2
    assert PictureStore.open(out).size == 4


def test_other_files_are_left_alone(covers: Path, out: Path):
    ids = draw(covers, 1)
    out.mkdir()
    (out / "thesis.txt").write_text("mine", "utf-8")
    for overwrite in (False, True):
        with pytest.raises(ImageError, match="not a picture store .*thesis.txt"):
            packed(covers, out, ids, overwrite=overwrite)
    assert (out / "thesis.txt").exists()


def test_packing_into_an_open_store_is_refused(covers: Path, out: Path):
    ids = draw(covers, 1)
    packed(covers, out, ids)
    with PictureStore.open(out), pytest.raises(ImageError, match="open in this process"):
        packed(covers, out, ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"fit": "strech"}, "unknown fit 'strech': did you mean 'stretch'"),
        ({"missing": "drop"}, "unknown missing 'drop'"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_wrong_options_are_named(covers: Path, out: Path, options: dict, message: str):
    ids = draw(covers, 1)
    with pytest.raises(ImageError, match=message):
        packed(covers, out, ids, **options)


def test_no_folder_of_covers(tmp_path: Path, out: Path):
    with pytest.raises(ImageError, match="no folder of covers"):
        packed(tmp_path / "nowhere", out, ["a"])
    (tmp_path / "file").touch()
    with pytest.raises(ImageError, match="is a file"):
        packed(tmp_path / "file", out, ["a"])


def test_the_map_grows_when_it_is_full(covers: Path, out: Path, monkeypatch):
    monkeypatch.setattr(writing, "_SPARE", 1 << 16)
    monkeypatch.setattr(packing.StoreWriter, "begin", lambda *_: None)  # no room made in advance
    ids = draw(covers, 60)
    packed(covers, out, ids, size=64)
    store = PictureStore.open(out)
    assert (store.read(ids)[:, 0, 0] == [colour(n) for n in range(60)]).all()


def test_a_small_disk_is_noticed_before_any_work(covers: Path, out: Path, monkeypatch):
    ids = draw(covers, 3)
    monkeypatch.setattr(writing.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(ImageError, match="has 1 kB free, 3 pictures need 16.8 MB"):
        packed(covers, out, ids)


_PACK = """
import sys
from pathlib import Path
import pixelrec.images.writer as writing
writing._BATCH_BYTES = 5 * {size} * {size} * 3
{before}
from pixelrec.images.pack import pack
folder = Path(sys.argv[1])
ids = sorted(p.stem for p in (folder / "covers").iterdir())
print("packing", flush=True)
pack(folder / "covers", folder / "store", ids, size={size}, threads=2)
print("done", flush=True)
"""


def started(folder: Path, before: str) -> subprocess.Popen:
    """A real packing in a process of its own, with small batches."""
    code = _PACK.format(before=before.format(size=SIZE), size=SIZE)
    return subprocess.Popen(
        [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


SLOW = """
import time, pixelrec.images.folder as packing
quick = packing.read_cover
def slow(path):
    time.sleep(0.002)
    return quick(path)
packing.read_cover = slow
"""


KILLED = """
import os, signal
from pixelrec.images.manifest import Manifest
from pixelrec.images.pack import pack
folder = Path(sys.argv[1])
ids = sorted(p.stem for p in (folder / "covers").iterdir())
pack(folder / "covers", folder / "warm", ids[:2], size={size}, threads=1)
write, writes = writing.StoreWriter._write, 0

def mortal(self, change):
    "Is killed in the midst of a transaction, a later one in every turn."
    global writes
    writes += 1
    dying = writes == 8 * (turn + 1)
    write(self, (lambda txn: (change(txn), os.kill(os.getpid(), signal.SIGKILL))) if dying else change)

for turn in range(3):
    child = os.fork()  # of a process that has everything imported
    if not child:
        writing.StoreWriter._write = mortal
        pack(folder / "covers", folder / "store", ids, size={size}, threads=2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with writing.StoreWriter(folder / "store", Manifest({size}, "stretch", 400, False, "covers")) as writer:
        print(writer.count())
sys.exit()
"""


def test_disk_full_is_one_line_and_what_is_packed_is_kept(covers: Path, out: Path, monkeypatch):
    ids = draw(covers, 200)
    with monkeypatch.context() as patch, files_of(1 << 20):
        patch.setattr(writing, "_BATCH_BYTES", 5 * 64 * 64 * 3)
        with pytest.raises(ImageError, match="cannot write the picture store .*run the same command again"):
            packed(covers, out, ids, size=64)
    report = packed(covers, out, ids, size=64)
    assert report.resumed > 0 and report.packed > 0
    assert len(PictureStore.open(out)) == 200


def test_killed_within_a_batch_it_continues_to_the_same_store(covers: Path, out: Path, tmp_path: Path):
    ids = draw(covers, 400)
    packed(covers, tmp_path / "whole", ids)
    with started(tmp_path, KILLED) as process:
        output, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, error
    progress = [int(line) for line in output.splitlines()]
    assert progress == sorted({*progress}) and progress[0] > 0 and progress[-1] < 400
    report = packed(covers, out, ids)
    assert report.resumed == progress[-1]
    assert contents(out) == contents(tmp_path / "whole")


def test_interrupted_it_keeps_what_is_decoded(covers: Path, out: Path, monkeypatch):
    ids = draw(covers, 50)
    add = packing.StoreWriter.add

    def interrupted(self, item_id, *made, **size):
        add(self, item_id, *made, **size)
        if item_id == "i20":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(packing.StoreWriter, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            packed(covers, out, ids)
    report = packed(covers, out, ids)
    assert (report.resumed, report.packed) == (21, 29)


def test_ctrl_c_in_a_real_process(covers: Path, out: Path, tmp_path: Path):
    ids = draw(covers, 400)
    process = started(tmp_path, SLOW)
    process.stdout.readline()
    deadline = time.monotonic() + PATIENCE
    while not (out / "data.mdb").exists() or (out / "data.mdb").stat().st_size < 1 << 16:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=PATIENCE)
    assert error.splitlines()[-1].startswith("KeyboardInterrupt")
    assert packed(covers, out, ids).resumed > 0
    assert len(PictureStore.open(out)) == 400


def test_results_come_in_order_and_do_not_pile_up():
    begun = []

    def work(n: int) -> int:
        begun.append(n)
        return n * n

    results = in_threads(work, range(5000), threads=2)
    assert [next(results) for _ in range(10)] == [n * n for n in range(10)]
    time.sleep(0.05)
    assert len(begun) <= 300
    results.close()


def test_a_bad_cover_causes_no_warning(covers: Path, out: Path, recwarn):
    covers.mkdir()
    image = Image.new("P", (8, 8))
    image.save(covers / "a.png", transparency=bytes(range(256)))
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff" + bytes(20)
    Image.new("RGB", (8, 8)).save(covers / "b.jpg", exif=exif)
    packed(covers, out, ["a", "b"])
    assert not recwarn.list


def test_pixels_equal_a_plain_decode(covers: Path, out: Path):
    covers.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(covers / "a.png")
    packed(covers, out, ["a"])
    assert (PictureStore.open(out).read(["a"])[0] == noise).all()


def test_the_lock_file_has_its_room_before_it_is_mapped(covers: Path, out: Path) -> None:
    packed(covers, out, draw(covers, 2))
    lock = (out / "lock.mdb").stat()
    assert lock.st_blocks * 512 >= lock.st_size > 64 * 1024


def test_without_room_for_the_lock_file_nothing_is_left(out: Path) -> None:
    with files_of(1_000), pytest.raises(ImageError, match="File too large; make room"):
        StoreWriter(out, Manifest(SIZE, "stretch", 1, False, "covers"))
    assert not out.exists()


@contextmanager
def files_of(largest: int) -> Iterator[None]:
    """No file grows beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("entries", [0, 1])
def test_only_a_store_is_replaced(covers: Path, out: Path, entries: int) -> None:
    ids = draw(covers, 1)
    with lmdb.open(str(out)) as env, env.begin(write=True) as txn:
        for n in range(entries):
            txn.put(b"%d" % n, b"of another program")
    before = (out / "data.mdb").read_bytes()
    if not entries:
        assert packed(covers, out, ids, overwrite=True).packed == 1
        return
    with pytest.raises(ImageError, match="is an LMDB but not a picture store: move it away"):
        packed(covers, out, ids, overwrite=True)
    assert (out / "data.mdb").read_bytes() == before
