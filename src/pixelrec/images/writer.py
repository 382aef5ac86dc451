"""The only writer of a picture store: batches, each committed whole or not at all.

LMDB writes a batch to new pages and then the page that points to them. If the process is killed, the store is
as after the last batch. Packing does not wait for the disk, which would cost a quarter of the speed: after a
*power cut* within a minute of packing, pack again with --overwrite.

The LMDB environment holds the manifest, as JSON and its CRC-32, in the main database and, in a database each,
the pictures (raw uint8, height × width × 3, followed by a `TRAILER`) and the stamps of their covers, each
followed by a digest of its bytes and a CRC-32. A picture without a stamp is grey or unreliable: packing makes
it again.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Self, final

import lmdb
import numpy as np

from pixelrec.choices import Fit
from pixelrec.console.numbers import with_prefix
from pixelrec.console.progress import progress_line
from pixelrec.errors import ImageError, option
from pixelrec.files.regular import demand_regular
from pixelrec.images.covers import Stamp
from pixelrec.images.pages import Meta, PageDamage, check_pages, read_metas

FORMAT = "pixelrec pictures"
VERSION = 2
DATA, LOCK = "data.mdb", "lock.mdb"  # LMDB's names of the files
KEY = b"manifest"
PICTURES = b"pictures"
STAMPS = b"stamps"
STAMP = struct.Struct(">Qq")  # of a cover: bytes, modified
_SEAL = 4  # bytes of a CRC-32
TRAILER = struct.Struct("<III")  # of a picture: width and height of its cover in pixels, and a checksum
_LONGEST_KEY = 511  # of LMDB as it is built everywhere
_HASHED = b"\xff"  # no UTF-8 text starts with this byte
_BATCH_BYTES = 32 << 20
_SPARE = 16 << 20  # for the manifest, the tree and the free list
DAMAGE = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.InvalidError,
    lmdb.CursorFullError,
    lmdb.VersionMismatchError,
)
MAX_READERS = 1024  # threads and processes that read at once; the first to open the store decides for all
_LOCK_BYTES = MAX_READERS * 64 + 4096  # of the lock file, at least


@dataclass(frozen=True)
class Manifest:
    """The options of a store and its state."""

    size: int  # height and width of every picture, pixels
    fit: Fit
    expected: int  # pictures requested by the last packing
    complete: bool  # false during packing, and after an interruption
    source: str  # name of the folder of covers
    count: int = 0  # pictures when it was completed
    grey: dict[str, str] = field(default_factory=dict)  # item id → why it has a grey picture
    decoders: dict[str, str] = field(default_factory=dict)  # name → version
    channels: str = "RGB"
    filter: str = "bilinear, antialiased"
    format: str = FORMAT
    version: int = VERSION

    @property
    def picture_bytes(self) -> int:
        return self.size * self.size * len(self.channels)

    def to_bytes(self) -> bytes:
        text = json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
        return text + b"\n%08x" % zlib.crc32(text)

    @classmethod
    def from_bytes(cls, written: bytes, path: Path) -> Manifest:
        """Raises `ImageError` if this is another program's, another version's or a damaged manifest."""
        text, _, checksum = written.partition(b"\n")
        try:
            values = json.loads(text.decode("utf-8", "surrogatepass"))
            version = values["version"] if values["format"] == FORMAT else None
        except (ValueError, KeyError, TypeError, RecursionError):
            version = None
        if version is None:
            raise not_a_store(path)
        if version != VERSION:
            raise ImageError(
                f"the picture store {path} has format version {version!r}, this pixelrec reads {VERSION}: "
                "pack the covers again, with --overwrite"
            )
        if checksum != b"%08x" % zlib.crc32(text):
            raise damage(path, "its manifest was changed")
        return cls(**values)


def not_a_store(path: Path) -> ImageError:
    """The error for a folder that holds something else."""
    return ImageError(f"{path} is not a picture store: pack one with `pixelrec images pack`")


def foreign(path: Path) -> ImageError:
    """The error for an LMDB of another program."""
    return ImageError(f"{path} is an LMDB but not a picture store: move it away")


def damage(path: Path, what: str) -> ImageError:
    """The error for a damaged store."""
    return ImageError(
        f"the picture store {path} is damaged ({what}): pack the covers again at their size, with `pixelrec "
        f"images pack` and {option('overwrite')}"
    )


def cover_digest(key: bytes, origin: bytes) -> bytes | None:
    """The digest of a cover's bytes in the record of its stamp; none if that is damaged."""
    body = origin[:-_SEAL]
    return body[STAMP.size :] if _sealed(key, body) == origin else None


def _sealed(key: bytes, body: bytes) -> bytes:
    return body + zlib.crc32(body, zlib.crc32(key)).to_bytes(_SEAL, "little")


def check_metas(path: Path) -> list[Meta]:
    """The commits of a store that may not exist yet; an `ImageError` if LMDB could not open it safely."""
    file = path / DATA
    try:
        for each in (path / LOCK, file):
            if each.exists():
                demand_regular(each)
        if not file.exists():
            return []
        return read_metas(file) if file.stat().st_size else []
    except PageDamage as found:
        raise damage(path, str(found)) from None
    except OSError as error:
        raise ImageError(f"cannot read the picture store {path}: {error.strerror or error}") from None


def reserve_lock(path: Path) -> None:
    """Takes the room of LMDB's lock file, which it maps: on a full disk, the process would die of a signal.

    Raises:
        OSError: the disk has none.
    """
    with (path / LOCK).open("ab", buffering=0) as file:
        missing = 0 if file.tell() else _LOCK_BYTES
        try:
            while missing:
                missing -= file.write(bytes(missing))
        except OSError:
            (path / LOCK).unlink()
            raise


def check_trees(path: Path, txn: Any) -> None:
    """An `ImageError` if LMDB could not read the pages of this transaction safely."""
    try:
        for meta in check_metas(path):
            if meta.transaction == txn.id():
                check_pages(path / DATA, meta)
    except PageDamage as found:
        raise damage(path, str(found)) from None
    except OSError as error:
        raise ImageError(f"cannot read the picture store {path}: {error.strerror or error}") from None


def cover_size(key: bytes, record: Any, pixels: int) -> tuple[int, int] | None:
    """Width and height of the cover of a picture of so many bytes; none if its record is damaged."""
    if len(record) != pixels + TRAILER.size:
        return None
    width, height, expected = TRAILER.unpack_from(record, pixels)
    return (width, height) if _checksum(key, record[:pixels], width, height) == expected else None


def _checksum(key: bytes, pixels: Any, width: int, height: int) -> int:
    """CRC-32 of a picture, the item it belongs to, and the size of its cover."""
    return zlib.crc32(pixels, zlib.crc32(b"%d %d " % (width, height) + key))


def key_of(item_id: str) -> bytes:
    """The key of an item: its id in UTF-8, or a hash if that is too long for LMDB."""
    key = item_id.encode("utf-8", "surrogatepass")
    return key if 0 < len(key) <= _LONGEST_KEY else _HASHED + sha256(key).digest()


@final
class StoreWriter:
    """A picture store open for writing; leaving its context keeps all committed batches."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """Opens or creates the store; an `ImageError` if `path` holds anything else or has other options."""
        check_place(path)
        self.path = path
        self._waiting: list[tuple[bytes, bytes, bytes | None]] = []
        check_metas(path)
        try:
            reserve_lock(path)
            self._env = lmdb.open(
                str(path), map_size=_SPARE, max_dbs=2, max_readers=MAX_READERS, sync=False, meminit=False
            )
        except DAMAGE as error:
            raise damage(path, str(error)) from None
        except OSError as error:
            with suppress(OSError):  # a folder that was made for it
                path.rmdir()
            raise ImageError(
                f"cannot write the picture store {path}: {error.strerror}; make room or choose another place"
            ) from None
        except lmdb.Error as error:
            raise ImageError(
                f"cannot write the picture store {path}: {error}; close it first if this process has it open"
            ) from None
        try:
            with self._env.begin() as txn:
                check_trees(path, txn)
            self._set_up(manifest)
        except lmdb.Error as error:
            self._env.close()
            raise ImageError(f"cannot write the picture store {path}: {error}; is its disk full?") from None
        except BaseException:
            self._env.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting.clear()
        self._env.close()

    def stamps(self) -> dict[bytes, Stamp]:
        """Key → stamp of every picture that was made from a cover and is sound: all of them are read."""
        found, pixels = {}, self.manifest.picture_bytes
        line = progress_line("checking packed pictures", self.count())
        try:
            with (
                line as advance,
                self._env.begin(buffers=True) as txn,
                closing(txn.cursor(self._stamps)) as all_,
            ):
                for view, origin in all_:
                    advance()
                    key = bytes(view)
                    picture = txn.get(key, b"", self._pictures)
                    if cover_digest(key, bytes(origin)) is not None and cover_size(key, picture, pixels):
                        found[key] = Stamp(*STAMP.unpack_from(origin))
        except DAMAGE as error:
            raise damage(self.path, str(error)) from None
        return found

    def count(self) -> int:
        """Pictures in the store."""
        with self._env.begin() as txn:
            return int(txn.stat(self._pictures)["entries"])

    def begin(self, pictures: int) -> None:
        """Marks the store unfinished and makes room for more; an `ImageError` if the disk has none."""
        page = self._env.stat()["psize"]
        needed = (
            pictures * (-(-(self.manifest.picture_bytes + TRAILER.size + 16) // page) * page + 1024) + _SPARE
        )
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise ImageError(
                f"the disk of {self.path} has {with_prefix(free)} free, {pictures:,} pictures need "
                f"{with_prefix(needed)}: make room, then run the same command again"
            )
        used = (self._env.info()["last_pgno"] + 1) * page
        self._env.set_mapsize(max(self._env.info()["map_size"], used + needed))
        self._save(replace(self.manifest, complete=False))

    def add(
        self,
        item_id: str,
        pixels: np.ndarray,
        stamp: Stamp | None,
        digest: bytes = b"",
        *,
        shape: tuple[int, int] = (1, 1),
    ) -> None:
        """Adds a picture to the batch.

        Args:
            stamp: of the cover; none: the picture was not made from one.
            digest: of the cover's bytes.
            shape: width and height of the cover, in pixels.
        """
        key = key_of(item_id)
        origin = None if stamp is None else _sealed(key, STAMP.pack(*stamp) + digest)
        trailer = TRAILER.pack(*shape, _checksum(key, pixels.data, *shape))
        self._waiting.append((key, pixels.tobytes() + trailer, origin))
        if len(self._waiting) * self.manifest.picture_bytes >= _BATCH_BYTES:
            self.commit()

    def commit(self) -> None:
        """Writes the batch. If interrupted, nothing of it is written, and it can be repeated."""

        def put(txn: Any) -> None:
            for key, picture, origin in self._waiting:
                txn.put(key, picture, db=self._pictures)
                if origin is None:
                    txn.delete(key, db=self._stamps)
                else:
                    txn.put(key, origin, db=self._stamps)

        if self._waiting:
            self._write(put)
            self._waiting.clear()

    def drop(self, item_ids: Iterable[str]) -> None:
        """Removes the pictures of these items, if there are any."""
        keys = [key_of(item_id) for item_id in item_ids]

        def delete(txn: Any) -> None:
            for key in keys:
                txn.delete(key, db=self._pictures)
                txn.delete(key, db=self._stamps)

        if keys:
            self._write(delete)

    def finish(self, *, grey: dict[str, str]) -> None:
        """Marks the store complete."""
        self.commit()
        self._save(replace(self.manifest, complete=True, grey=grey, count=self.count()))

    def _save(self, manifest: Manifest) -> None:
        self._write(lambda txn: txn.put(KEY, manifest.to_bytes()))
        self.manifest = manifest

    def _write(self, change: Any) -> None:
        """Runs `change` in one transaction, with a larger map whenever it needs one."""
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    change(txn)
                return
            except lmdb.MapFullError:
                self._env.set_mapsize(int(self._env.info()["map_size"] * 1.5))
            except DAMAGE as error:
                raise damage(self.path, str(error)) from None
            except lmdb.Error as error:
                raise ImageError(
                    f"cannot write the picture store {self.path}: {error} ({with_prefix(self._free())} free "
                    "on its disk); mend that and run the same command again: what is packed is kept"
                ) from None

    def _set_up(self, manifest: Manifest) -> None:
        """Creates manifest and databases in one transaction: a new store has them all or is empty."""
        with self._env.begin(write=True) as txn:
            text = txn.get(KEY)
            if text is None and txn.stat()["entries"]:
                raise foreign(self.path)
            if text is None:
                txn.put(KEY, manifest.to_bytes())
            self.manifest = manifest if text is None else self._agreed(text, manifest)
            self._pictures = self._env.open_db(PICTURES, txn=txn)
            self._stamps = self._env.open_db(STAMPS, txn=txn)

    def _agreed(self, text: bytes, wanted: Manifest) -> Manifest:
        """The manifest of the store, brought up to date."""
        found = Manifest.from_bytes(text, self.path)
        if (found.size, found.fit) != (wanted.size, wanted.fit):
            raise ImageError(
                f"the store {self.path} holds pictures of size {found.size}, fit {found.fit!r}; asked for "
                f"are size {wanted.size}, fit {wanted.fit!r}: ask for the former, or start again "
                f"with {option('overwrite')}"
            )
        return replace(
            wanted, complete=found.complete, grey=found.grey, decoders=found.decoders | wanted.decoders
        )

    def _free(self) -> int:
        with suppress(OSError):
            return shutil.disk_usage(self.path).free
        return 0


def check_place(path: Path) -> None:
    """Makes the folder of a store; an `ImageError` if it holds files of others or cannot be made."""
    if path.exists() and not path.is_dir():
        raise ImageError(f"{path} is a file, expected a folder for the picture store: move it away")
    if path.is_dir() and (strangers := {p.name for p in path.iterdir()} - {DATA, LOCK}):
        raise ImageError(f"{path} is not a picture store (it holds {sorted(strangers)[0]!r}): move that away")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder {path}: {error.strerror}") from None
