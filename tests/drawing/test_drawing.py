"""Places of values, round ticks, and markup that a browser can read."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pixelrec.drawing import svg
from pixelrec.drawing.scales import Scale, Tick, linear_steps, logarithmic_steps, short_number


def test_scales_map_their_ends_and_middles() -> None:
    assert [Scale(0, 10, 100, 0)(value) for value in (0, 5, 10)] == [100, 50, 0]
    assert [Scale(1, 100, 0, 50, logarithmic=True)(value) for value in (1, 10, 100)] == [0, 25, 50]
    assert Scale(3, 3, 0, 50)(3) == 0
    assert Scale(0, 4, 0, 40).ticks([-1, 0, 2, 4, 5]) == [Tick(0, "0"), Tick(20, "2"), Tick(40, "4")]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.5, 1]),
        (0, 7.3, [0, 5, 10]),
        (2.1, 2.9, [2, 2.5, 3]),
        (4, 4, [4, 6]),
    ],
)
def test_linear_steps_are_round_and_reach_beyond_both_ends(
    low: float, high: float, expected: list[float]
) -> None:
    steps = linear_steps(low, high, most=3)
    assert steps[0] <= low and steps[-1] >= high
    assert steps == pytest.approx(expected)


def test_logarithmic_steps_are_more_where_powers_are_few() -> None:
    assert logarithmic_steps(0.5, 2_000) == [1, 10, 100, 1_000]
    assert logarithmic_steps(3, 40) == [5, 10, 20]
    assert logarithmic_steps(2, 4.5) == [2, 3, 4]


def test_numbers_are_short() -> None:
    assert [short_number(value) for value in (0.05, 1, 2.5, 1e6)] == ["0.05", "1", "2.5", "1,000,000"]


def test_words_are_escaped() -> None:
    name = '<i> & "ä"'
    frame = svg.Frame(10, 90, 10, 90)
    parts = [svg.axes(frame, name, (name, []), (name, [])), svg.curve([(10, 20), (30, 40)], 90, svg.BLUE)]
    picture = ElementTree.fromstring(svg.document(100, 100, name, parts))
    words = [element.text for element in picture.iter() if element.text and element.text.strip()]
    assert words == [name] * 4
