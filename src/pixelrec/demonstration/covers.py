"""Covers of the generated world, drawn from looks: one bold shape on a quiet ground.

Every shape is one function, its outline in polar coordinates; every texture is one function of the place on
the shape. Edges are smoothed by their distance in pixels, so that a cover is sharp at any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.floating[Any]]  # H, W
Colour = NDArray[np.floating[Any]]  # 3: red, green and blue, 0 … 255
Canvas = NDArray[np.floating[Any]]  # H, W, 3, or one colour
Picture = NDArray[np.uint8]  # H, W, 3
Outline = Callable[[Plane], Plane]  # angle from the top → radius

PALETTE = np.array(
    [
        (229, 62, 66),  # red
        (243, 121, 45),  # orange
        (246, 184, 34),  # amber
        (157, 196, 46),  # lime
        (48, 158, 84),  # green
        (20, 166, 156),  # teal
        (56, 160, 228),  # sky
        (66, 88, 205),  # indigo
        (139, 72, 196),  # violet
        (226, 80, 156),  # pink
    ],
    dtype=np.float32,
)
PAPER = np.array((255, 251, 243), dtype=np.float32)
INK = np.array((24, 22, 38), dtype=np.float32)
RIM = 0.86  # the pattern ends there, so that the outline of the shape stays whole
QUALITY = 90  # of the JPEG


def _polygon(corners: int) -> Outline:
    wedge = 2 * np.pi / corners
    return lambda angle: np.cos(wedge / 2) / np.cos(angle % wedge - wedge / 2)


def _star(angle: Plane) -> Plane:
    half, inner = np.pi / 5, 0.46
    away = np.abs((angle + half) % (2 * half) - half)  # from the nearest tip
    return inner * np.sin(half) / (np.sin(away) + inner * np.sin(half - away))


def _flower(angle: Plane) -> Plane:
    return 0.62 + 0.38 * np.abs(np.cos(3 * angle)) ** 0.8


def _heart(angle: Plane) -> Plane:
    up, aside = np.cos(angle), np.abs(np.sin(angle))
    return 0.36 * (2 - 2 * up + up * np.sqrt(aside) / (up + 1.4))


def _cross(angle: Plane) -> Plane:
    up, aside = np.abs(np.cos(angle)) + 1e-6, np.abs(np.sin(angle)) + 1e-6
    arm = 0.38
    return np.maximum(np.minimum(1 / up, arm / aside), np.minimum(arm / up, 1 / aside))


@final
@dataclass(frozen=True)
class _Shape:
    outline: Outline
    size: float  # makes all shapes look equally large
    drop: float = 0.0  # lowers the outline, to bring its middle to the middle of the cover


SHAPES = {
    "circle": _Shape(np.ones_like, 0.92),
    "triangle": _Shape(_polygon(3), 1.22, drop=0.14),
    "diamond": _Shape(_polygon(4), 1.1),
    "hexagon": _Shape(_polygon(6), 1.0),
    "star": _Shape(_star, 1.22, drop=0.05),
    "flower": _Shape(_flower, 1.04),
    "heart": _Shape(_heart, 1.16, drop=-0.56),
    "cross": _Shape(_cross, 1.0),
}
TEXTURES: dict[str, Callable[[Plane, Plane], Plane]] = {  # place on the shape → positive where the pattern is
    "plain": lambda x, _: np.full_like(x, -1.0),
    "stripes": lambda x, y: np.sin(10.5 * (x + y)),
    "dots": lambda x, y: np.cos(11.0 * x) + np.cos(11.0 * y) - 0.4,
    "rings": lambda x, y: -np.cos(15.0 * np.hypot(x, y)),
    "checks": lambda x, y: np.sin(8.0 * x) * np.sin(8.0 * y),
    "waves": lambda x, y: np.sin(11.5 * y + 1.9 * np.sin(5.0 * x)),
}


def write_covers(folder: Path, looks: NDArray[np.int64], rng: np.random.Generator, *, size: int) -> None:
    """Draws the cover of every item as `<folder>/i<number>.jpg`, `size` pixels square."""
    folder.mkdir()
    for number, look in enumerate(looks):
        picture = draw_cover(look, rng, size=size)
        Image.fromarray(picture).save(folder / f"i{number}.jpg", quality=QUALITY, subsampling=0)


def draw_cover(look: NDArray[np.int64], rng: np.random.Generator, *, size: int) -> Picture:
    """size, size, 3: a hue, shape and texture; place, size, turn and ground vary a little by `rng`."""
    hue = PALETTE[look[0]]
    shape, texture = list(SHAPES.values())[look[1]], list(TEXTURES.values())[look[2]]
    radius = shape.size * rng.uniform(0.58, 0.70)
    x, y = _axes(size, radius, centre=rng.uniform(-0.07, 0.07, 2), turn=rng.normal(0, 0.09))
    ground, pattern = _colours(hue, rng)
    shadow = 0.45 * _inside(shape, x - 0.05, y - 0.10, blur=size / 14)
    picture = _mix(_ground(size, ground, hue, rng), ground * 0.35, shadow)
    patterned = _smooth(texture(shape.size * x, shape.size * y)) * _inside(shape, x / RIM, y / RIM)
    height = np.linspace(0.10, -0.12, size, dtype=np.float32)[:, None, None]
    faded = np.broadcast_to(hue + 255 * height, (size, size, 3))  # a little lighter above than below
    figure = _mix(faded, pattern, patterned)
    picture = _mix(picture, figure, _inside(shape, x, y))
    return np.clip(picture.round(), 0, 255).astype(np.uint8)


def _axes(size: int, radius: float, *, centre: NDArray[np.float64], turn: float) -> tuple[Plane, Plane]:
    """Coordinates on the shape: x to the right, y down, 1 at its outline."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(line - np.float32(centre[0]), line - np.float32(centre[1]))
    cosine, sine = np.float32(np.cos(turn) / radius), np.float32(np.sin(turn) / radius)
    return cosine * x + sine * y, cosine * y - sine * x


def _colours(hue: Colour, rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Of the ground and of the pattern: mostly a pale tint of the hue, at times a deep shade of it."""
    if rng.random() < 0.3:
        return _mix(hue, INK, rng.uniform(0.72, 0.86)), _mix(hue, INK, 0.62)
    return _mix(PAPER, hue, rng.uniform(0.10, 0.30)), _mix(hue, PAPER, 0.78)


def _ground(size: int, colour: Colour, hue: Colour, rng: np.random.Generator) -> Canvas:
    """A plain ground with a large pale sun that peeps in from a corner."""
    corner = rng.choice((-0.9, 0.9), 2) * rng.uniform(0.8, 1.1, 2)
    x, y = _axes(size, rng.uniform(0.7, 1.1), centre=corner, turn=0.0)
    canvas = np.broadcast_to(colour, (size, size, 3))
    return _mix(canvas, hue, 0.16 * _smooth(1 - np.hypot(x, y)))


def _inside(shape: _Shape, x: Plane, y: Plane, *, blur: float = 1.0) -> Plane:
    y = y - shape.drop
    return _smooth(shape.outline(np.arctan2(x, -y)) - np.hypot(x, y), blur)


def _smooth(field: Plane, blur: float = 1.0) -> Plane:
    """1 where the field is positive, 0 where negative; the edge is `blur` pixels wide."""
    down, right = np.gradient(field)
    distance = field / (np.hypot(down, right) + 1e-6)
    return np.clip(distance / blur + 0.5, 0, 1)


def _mix(first: Canvas, second: Canvas, weight: Plane | float) -> Canvas:
    """`weight` of the second colour; a plane of weights applies to all three channels."""
    factor = weight[..., None] if isinstance(weight, np.ndarray) else np.float32(weight)
    return first + (second - first) * factor
