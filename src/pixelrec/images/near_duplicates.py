"""Pictures that look alike: a perceptual hash, and groups of those a few bits apart.

The hash is pHash (Zauner, 2010): a bit for each of the 64 lowest frequencies of a 32 × 32 grey picture, set
if it lies above their median. It is blind to colour and to plain surfaces, so the mean colours of 4 × 4
fields must agree too. A single mean would not distinguish products on white that differ in colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 32  # of the square that is hashed
THRESHOLD = 3  # largest number of differing bits of near duplicates, of 64
FIELDS = 4  # per side; their mean colours are compared
_SHADE = 12  # largest difference of the mean colours of a field, of 255, in each channel
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_FLAT = 1e-2  # below this a frequency is rounding, not picture


def perceptual_hash(pixels: np.ndarray) -> int:
    """The 64-bit hash of uint8[32, 32, 3]."""
    waves = _cosines()
    low = (waves @ (pixels @ _LUMA) @ waves.T).ravel()  # 64
    low[np.abs(low) < _FLAT] = 0
    bits = low > np.median(low[1:])
    bits[0] = False  # the mean
    return int(np.packbits(bits).view(">u8")[0])


def field_colours(pixels: np.ndarray) -> np.ndarray:
    """uint8[48]: the mean colours of the 4 × 4 fields of uint8[32, 32, 3]."""
    within = SIDE // FIELDS
    fields = pixels.reshape(FIELDS, within, FIELDS, within, 3).mean((1, 3))
    return fields.round().astype(np.uint8).ravel()


def near_duplicates(
    hashes: np.ndarray, colours: np.ndarray, *, threshold: int = THRESHOLD
) -> list[np.ndarray]:
    """Groups of two or more pictures connected by near duplicates, as ascending positions; largest first.

    `hashes` is uint64[n], `colours` uint8[n, c]. Two pictures at most `threshold` bits apart agree wholly on
    three of `threshold` + 3 bands of the hash (pigeonhole), so only pictures that do are compared.
    """
    kinds, kind = _distinct(hashes, colours)  # copies of one file share every band: merge them first
    hashes, colours = hashes[kinds], colours[kinds]
    edges = [np.empty((2, 0), np.int64)]
    for left, right in _candidates(hashes, threshold):
        shades = np.abs(colours[left].astype(np.int16) - colours[right]).max(1)
        near = (np.bitwise_count(hashes[left] ^ hashes[right]) <= threshold) & (shades <= _SHADE)
        edges.append(np.stack((left[near], right[near])))
    left, right = np.concatenate(edges, 1)
    graph = coo_array((np.ones(len(left), bool), (left, right)), (len(kinds), len(kinds)))
    labels = connected_components(graph, directed=False)[1][kind]
    order = np.argsort(labels, kind="stable")
    borders = np.flatnonzero(np.diff(labels[order])) + 1
    groups = [group for group in np.split(order, borders) if len(group) > 1]
    return sorted(groups, key=lambda group: (-len(group), group[0]))


@cache
def _cosines() -> np.ndarray:
    """The 8 lowest waves of the DCT-II: float32[8, SIDE]."""
    waves = np.cos(np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5))
    return (waves / SIDE).astype(np.float32)


def _distinct(hashes: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One position for each distinct (hash, colours), and the number of its kind for every picture."""
    both = np.hstack((hashes[:, None].view(np.uint8), colours))
    strings = np.ascontiguousarray(both).view(f"S{both.shape[1]}").ravel()  # of one length: compared whole
    _, first, kind = np.unique(strings, return_index=True, return_inverse=True)
    return first, kind


def _candidates(hashes: np.ndarray, threshold: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of positions that share three bands of the hash; a pair may be repeated for other bands.

    Three of more bands instead of one of fewer: keys are longer, and pictures that are partly alike, such as
    products on white, do not all share one.
    """
    bits = np.unpackbits(hashes.astype(">u8").view(np.uint8)).reshape(-1, 64)
    bands = threshold + 3
    powers = np.uint64(1) << np.arange(64, dtype=np.uint64)
    parts = [bits[:, band::bands] @ powers[band::bands] for band in range(bands)]
    for first, second, third in combinations(parts, 3):
        keys = first | second | third
        order = np.argsort(keys, kind="stable")
        keys, here, step = keys[order], np.arange(len(keys)), 1
        while len(here := here[here + step < len(keys)]):  # neighbours first, then next but one, …
            here = here[keys[here] == keys[here + step]]
            yield order[here], order[here + step]
            step += 1
