"""Depth words come down to a boundary, or to one line that says why not."""

from __future__ import annotations

import pytest

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.depth import boundary_of

STAGES = (3, 4, 6, 3)


@pytest.mark.parametrize(
    ("word", "boundary"),
    [
        ("all", 0),
        ("16", 1),
        ("2", 15),
        ("1", 16),
        ("head", 17),
        ("none", 18),
        ("stages 1-4", 1),
        ("stages 3-4", 8),
        ("stage 4", 14),
        ("stages 4-4", 14),
        (" 2 ", 15),
    ],
)
def test_every_depth_has_a_boundary(word: str, boundary: int) -> None:
    assert boundary_of(word, blocks=16, stages=STAGES) == boundary


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("al", "did you mean 'all'"),
        ("stages", "did you mean 'stages 3-4'"),
        ("", "expected none, head, all"),
        ("two", "number of top blocks (1 to 16)"),
        ("-1", "number of top blocks"),
        ("0", "16; choose 1 to 16"),
        ("17", "17 top blocks, and the network has 16"),
        ("stages 2-3", "without stage 4"),
        ("stage 3", "without stage 4: the trained part must reach the top; write 'stages 3-4'"),
        ("stages 3-5", "stages 1 to 4"),
        ("stages 0-4", "stages 1 to 4"),
        ("stages 4-3", "the lower one first"),
    ],
)
def test_unknown_depths_are_refused(word: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        boundary_of(word, blocks=16, stages=STAGES)
    message = str(error.value)
    assert said in message
    assert "items.trainable" in message
    assert "\n" not in message


def test_stages_need_a_network_with_stages() -> None:
    with pytest.raises(RecipeError, match="has no stages; give a number of its 12 top blocks"):
        boundary_of("stages 3-4", blocks=12)
    with pytest.raises(RecipeError) as error:
        boundary_of("some", blocks=12)
    assert "top stages" not in str(error.value)
