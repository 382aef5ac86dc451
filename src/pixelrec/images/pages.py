"""The pages of a picture store's file, checked before LMDB follows them.

LMDB trusts its file: a page that points outside it, or an odd count, is a signal instead of an error. So all
pages of its B-trees are checked, but not those of pictures, which have checksums of their own. The format is
that of LMDB 0.9; files of other versions are left to LMDB.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_META = struct.Struct("=16xIIQQ48s48sQQ")  # of a page: magic, version, …, free list, main tree, last page, id
_TREE = struct.Struct("=IHHQQQQQ")  # size of a page (of the free list), flags, depth, …, entries, root
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_HEADER, _NODE = 16, 8  # bytes of the headers of a page and of an entry
_BRANCH, _LEAF = 1, 2  # flags of pages
_OUTSIDE, _SUBTREE = 1, 2  # flags of entries: the value lies in pages of its own, or is a tree
_INTEGER_KEYS = 8  # the only flag that a tree of a store has, namely its free list
_ONE_FILE = 0x4000  # of the environment, beside the flags of the free list: the LMDB has no folder
_NONE = (1 << 64) - 1  # root of an empty tree
_DEEPEST = 32  # of LMDB's cursors
_BLOCK = 2048  # pages checked together


class PageDamage(Exception):
    """The first damage that was found."""


class Tree(NamedTuple):
    """The root of a B-tree."""

    flags: int
    depth: int
    entries: int
    root: int

    @classmethod
    def of(cls, written: bytes) -> Tree:
        _, flags, depth, _, _, _, entries, root = _TREE.unpack(written)
        return cls(flags, depth, entries, root)


class Meta(NamedTuple):
    """A commit: one of the first two pages of the file."""

    page: int  # bytes
    free: Tree
    main: Tree
    last: int  # number of the last page
    transaction: int


class _Entries(NamedTuple):
    """Entries of some pages, an element each."""

    at: np.ndarray  # of the header, in bytes from the first page
    low: np.ndarray  # length of a leaf's value, or number of a branch's child (without its highest bits)
    flags: np.ndarray
    key: np.ndarray  # length


def read_metas(file: Path) -> list[Meta]:
    """The two last commits; none if they are of another version of LMDB. `PageDamage` if they are damaged."""
    with file.open("rb") as opened:
        first = _read_meta(opened.read(_META.size))
        if first is None:
            return []
        opened.seek(first.page)
        second = _read_meta(opened.read(_META.size))
    if second is None or second.page != first.page:
        raise PageDamage("its first two pages disagree")
    return [first, second]


def check_pages(file: Path, meta: Meta) -> None:
    """Checks all trees of a commit, which must stay while they are read; `PageDamage` if one is damaged."""
    whole = file.stat().st_size // meta.page
    pages = np.memmap(file, np.uint8, "r", shape=(whole, meta.page))
    expected = min(whole, meta.last + 1)
    try:
        free = meta.free._replace(flags=meta.free.flags & ~_ONE_FILE)
        list(_subtrees(pages[:expected], free, _INTEGER_KEYS))
        for tree in _subtrees(pages[:expected], meta.main, 0):
            list(_subtrees(pages[:expected], tree, 0))
    except PageDamage:
        if whole <= meta.last:
            expected_bytes = (meta.last + 1) * meta.page
            raise PageDamage(f"cut short: {file.stat().st_size:,} of {expected_bytes:,} bytes") from None
        raise


def _read_meta(written: bytes) -> Meta | None:
    if len(written) < _META.size:
        raise PageDamage("cut short within its first two pages")
    magic, version, _, _, free, main, last, transaction = _META.unpack(written)
    if magic != _MAGIC:
        raise PageDamage("its first two pages are not LMDB's")
    if version != _VERSION:
        return None
    page = _TREE.unpack(free)[0]
    if page not in {1 << bits for bits in range(9, 16)}:
        raise PageDamage("its first two pages were changed")
    return Meta(page, Tree.of(free), Tree.of(main), last, transaction)


def _subtrees(pages: np.ndarray, tree: Tree, flags: int) -> Iterator[Tree]:
    """Checks a tree from its root to its leaves; the trees that are values in it."""
    if tree.flags != flags or tree.depth > _DEEPEST or (tree.root == _NONE) != (tree.entries == 0):
        raise PageDamage("the root of a tree was changed")
    level, found = np.array([tree.root] if tree.entries else [], np.uint64), 0
    for height in range(tree.depth, 0, -1):
        _demand(level < len(pages), level)
        if len(level) > len(pages) or len(np.unique(level)) < len(level):
            raise PageDamage("a page is in a tree twice")
        below = []
        for numbers in np.array_split(level, -(-len(level) // _BLOCK)) if len(level) else ():
            some = pages[numbers.astype(np.int64)]
            entries = _entries(some, numbers, _LEAF if height == 1 else _BRANCH)
            if height > 1:
                below.append(entries.low | entries.flags << np.uint64(32))
                continue
            found += len(entries.at)
            yield from map(Tree.of, _values(some, entries, numbers, len(pages)))
        level = np.concatenate(below) if below else level[:0]
    if found != tree.entries:
        raise PageDamage(f"a tree has {found:,} of {tree.entries:,} entries")


def _entries(some: np.ndarray, numbers: np.ndarray, kind: int) -> _Entries:
    """The entries of pages of one kind, whose headers and keys lie within their page."""
    size, words = some.shape[1], some.view("=u2")
    flags, lower, upper = words[:, 5], words[:, 6].astype(int), words[:, 7].astype(int)
    count = (lower - _HEADER) // 2
    least = 1 if kind == _LEAF else 2
    sound = (some[:, :8].view("=u8")[:, 0] == numbers) & (flags == kind) & (lower <= upper) & (upper <= size)
    _demand(sound & (lower % 2 == 0) & (count >= least), numbers)
    row, place = np.nonzero(np.arange(count.max())[None] < count[:, None])
    within = words[row, _HEADER // 2 + place].astype(int)
    _demand((within >= upper[row]) & (within <= size - _NODE) & (within % 2 == 0), numbers[row])
    at = row * size + within
    header = words.reshape(-1)[at[:, None] // 2 + np.arange(4)].astype(np.uint64)
    _demand(within + _NODE + header[:, 3].astype(int) <= size, numbers[row])
    return _Entries(at, header[:, 0] | header[:, 1] << np.uint64(16), header[:, 2], header[:, 3].astype(int))


def _values(some: np.ndarray, entries: _Entries, numbers: np.ndarray, pages: int) -> Iterator[bytes]:
    """Checks that values of leaves lie within the file; yields those that are trees."""
    size, content = some.shape[1], some.reshape(-1)
    row, start = entries.at // size, entries.at + _NODE + entries.key
    stop = row * size + size  # of the page
    outside, subtree = entries.flags == _OUTSIDE, entries.flags == _SUBTREE
    length = entries.low.astype(int)
    here = np.where(outside, 8, length)
    sound = (outside | subtree | (entries.flags == 0)) & (start + here <= stop)
    _demand(sound & (~subtree | (length == _TREE.size)), numbers[row])
    first = content[start[outside][:, None] + np.arange(8)].view("=u8")[:, 0]
    needed = (_HEADER + length[outside] - 1) // size + 1
    _demand(
        (first >= 2) & (first < pages) & (first + needed.astype(np.uint64) <= pages), numbers[row[outside]]
    )
    for begin in start[subtree]:
        yield content[begin : begin + _TREE.size].tobytes()


def _demand(sound: np.ndarray, numbers: np.ndarray) -> None:
    if not sound.all():
        raise PageDamage(f"page {int(numbers[np.argmin(sound)]):,} was changed")
