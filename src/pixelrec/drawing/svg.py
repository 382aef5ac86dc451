"""Shapes and diagrams as SVG markup that stands alone, without a style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import final

from pixelrec.drawing.scales import Tick

Point = tuple[float, float]
Attributes = Mapping[str, str | float]
INK, GREY, LIGHT, BLUE, ORANGE = "#1d232b", "#5b6470", "#e4e7eb", "#2563a8", "#d9730d"
_FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


@final
@dataclass(frozen=True)
class Frame:
    """The rectangle that the axes of a diagram enclose, in user units; y points down."""

    left: float
    right: float
    top: float
    bottom: float


def element(name: str, attributes: Attributes, *content: str) -> str:
    """An element; `content` is markup already."""
    words = "".join(f' {key}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{words}>{''.join(content)}</{name}>" if content else f"<{name}{words}/>"


def text(at: Point, words: str, attributes: Attributes) -> str:
    return element("text", {"x": at[0], "y": at[1], **attributes}, escape(words))


def line(start: Point, stop: Point, colour: str, width: float = 1) -> str:
    ends: Attributes = {"x1": start[0], "y1": start[1], "x2": stop[0], "y2": stop[1]}
    return element("line", {**ends, "stroke": colour, "stroke-width": width})


def curve(points: Sequence[Point], bottom: float, colour: str) -> str:
    """A line through the points, above an area of a lighter colour that ends at `bottom`."""
    corners = [(points[0][0], bottom), *points, (points[-1][0], bottom)]
    area: Attributes = {"points": _listed(corners), "fill": colour, "fill-opacity": 0.15}
    stroke: Attributes = {"fill": "none", "stroke": colour, "stroke-width": 2, "stroke-linejoin": "round"}
    return element("polygon", area) + element("polyline", {"points": _listed(points), **stroke})


def axes(frame: Frame, title: str, x: tuple[str, Sequence[Tick]], y: tuple[str, Sequence[Tick]]) -> str:
    """Both axes with their names and ticks, and a title above."""
    small: Attributes = {"fill": GREY, "font-size": 13}
    middle, height, beside = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2, frame.left - 62
    turned: Attributes = {"text-anchor": "middle", "transform": f"rotate(-90 {beside} {height})"}
    parts = [
        text((frame.left, frame.top - 16), title, {"fill": INK, "font-size": 17, "font-weight": 600}),
        *(line((frame.left, tick.at), (frame.right, tick.at), LIGHT) for tick in y[1]),
        *(line((tick.at, frame.bottom), (tick.at, frame.bottom + 5), GREY) for tick in x[1]),
        *(text((frame.left - 8, t.at + 4.5), t.label, {**small, "text-anchor": "end"}) for t in y[1]),
        *(text((t.at, frame.bottom + 21), t.label, {**small, "text-anchor": "middle"}) for t in x[1]),
        line((frame.left, frame.bottom), (frame.right, frame.bottom), GREY),
        line((frame.left, frame.bottom), (frame.left, frame.top), GREY),
        text((middle, frame.bottom + 44), x[0], {**small, "text-anchor": "middle"}),
        text((beside, height), y[0], {**small, **turned}),
    ]
    return "\n".join(parts)


def document(width: int, height: int, description: str, parts: Iterable[str]) -> str:
    """A whole file; `description` is for those who cannot see it."""
    size: Attributes = {"width": width, "height": height}
    about = {"xmlns": "http://www.w3.org/2000/svg", **size, "role": "img"}
    frame: Attributes = {"viewBox": f"0 0 {width} {height}", "font-family": _FONT}
    paper = element("rect", {**size, "fill": "#ffffff"})
    title = element("title", {}, escape(description))
    return element("svg", {**about, **frame}, "\n".join(["", title, paper, *parts, ""])) + "\n"


def _listed(points: Iterable[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)
