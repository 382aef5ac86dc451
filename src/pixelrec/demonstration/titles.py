"""Title, tags and description of the items of the generated world, from their looks."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HUES = {
    "red": ("Coral", "Scarlet", "Cherry", "Poppy"),
    "orange": ("Tangerine", "Apricot", "Ember", "Papaya"),
    "amber": ("Amber", "Honey", "Saffron", "Sunlit"),
    "lime": ("Lime", "Pistachio", "Meadow", "Matcha"),
    "green": ("Fern", "Emerald", "Moss", "Juniper"),
    "teal": ("Teal", "Lagoon", "Jade", "Seaglass"),
    "sky": ("Sky", "Azure", "Glacier", "Cornflower"),
    "indigo": ("Indigo", "Cobalt", "Midnight", "Denim"),
    "violet": ("Violet", "Plum", "Iris", "Amethyst"),
    "pink": ("Peony", "Fuchsia", "Rose", "Sorbet"),
}
SHAPES = {
    "circle": ("Moon", "Orb", "Circle", "Coin"),
    "triangle": ("Peak", "Sail", "Triangle", "Tent"),
    "diamond": ("Kite", "Diamond", "Gem", "Harlequin"),
    "hexagon": ("Hexagon", "Honeycomb", "Nut", "Cell"),
    "star": ("Star", "Comet", "North Star", "Spark"),
    "flower": ("Blossom", "Flower", "Daisy", "Bloom"),
    "heart": ("Heart", "Valentine", "Sweetheart", "Locket"),
    "cross": ("Cross", "Plus", "Crossing", "Junction"),
}
TEXTURES = {
    "plain": ("Plain", "Quiet", "Pure"),
    "stripes": ("Striped", "Pinstriped", "Ribboned"),
    "dots": ("Dotted", "Polka-Dot", "Speckled"),
    "rings": ("Ringed", "Rippling", "Echoing"),
    "checks": ("Checked", "Chequered", "Gingham"),
    "waves": ("Wavy", "Tidal", "Drifting"),
}
FILLED = {
    "plain": "left plain",
    "stripes": "crossed by slanting stripes",
    "dots": "set with dots",
    "rings": "ringed like a target",
    "checks": "in checks",
    "waves": "washed by waves",
}
PATTERNS = (
    "{texture} {hue} {shape}",
    "The {texture} {shape} in {hue}",
    "{hue} {shape}, {texture}",
    "{shape} in {texture} {hue}",
    "{hue} Study: {texture} {shape}",
    "One {hue} {shape}, {texture}",
)


class Label(NamedTuple):
    """The texts of one item."""

    title: str
    tag: str
    description: str


def label(looks: NDArray[np.int64], rng: np.random.Generator) -> list[Label]:
    """Labels of the items with these looks (N, 3); titles are distinct."""
    used: Counter[str] = Counter()
    return [_label(hue, shape, texture, rng, used) for hue, shape, texture in looks.tolist()]


def _label(hue: int, shape: int, texture: int, rng: np.random.Generator, used: Counter[str]) -> Label:
    names = [list(words)[number] for words, number in ((HUES, hue), (SHAPES, shape), (TEXTURES, texture))]
    title = str(rng.choice(PATTERNS)).format(
        hue=rng.choice(HUES[names[0]]),
        shape=rng.choice(SHAPES[names[1]]),
        texture=rng.choice(TEXTURES[names[2]]),
    )
    used[title] += 1
    if used[title] > 1:
        title = f"{title}, No. {used[title]}"
    description = f"Art print on heavy paper: {names[1]} in {names[0]}, {FILLED[names[2]]}."
    return Label(title, "|".join(names), description)
