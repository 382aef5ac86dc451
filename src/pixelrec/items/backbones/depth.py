"""The trained depth of a picture network: values of `items.trainable`.

A network is a sequence of parts: stem, block 1 … block n, head. The upper parts are trained, so a value
corresponds to one number, the **boundary**: the number of frozen parts, counted from the pixels.

| value | trained | boundary |
|---|---|---|
| all | everything | 0 |
| 2 | the top two blocks and the head | n − 1 |
| stages 3-4 | the blocks of stages 3 and 4 (of 4), and the head | 1 + blocks below stage 3 |
| head | the head | n + 1 |
| none | nothing | n + 2 |
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pixelrec.errors import RecipeError, nearest


def boundary_of(word: str, *, blocks: int, stages: Sequence[int] = ()) -> int:
    """The number of parts that `word` freezes; `stages` are the blocks of each stage.

    Raises:
        RecipeError: an unknown value, or more blocks or other stages than there are.
    """
    fixed = {"all": 0, "head": blocks + 1, "none": blocks + 2}
    word = word.strip()
    if word in fixed:
        return fixed[word]
    if re.fullmatch(r"\d+", word):
        count = int(word)
        if not 1 <= count <= blocks:
            raise RecipeError(
                f"items.trainable is {count} top blocks, and the network has {blocks}; choose 1 to {blocks}, "
                "or head, none or all"
            )
        return 1 + blocks - count
    if match := re.fullmatch(r"stages? (\d+)(?:-(\d+))?", word):
        first = int(match[1])
        return _top_stages(word, first, int(match[2] or first), stages, blocks)
    top_two = [f"stages {max(1, len(stages) - 1)}-{len(stages)}"] if stages else []
    raise RecipeError(
        f"items.trainable is {word!r}: expected none, head, all, a number of top blocks (1 to {blocks})"
        f"{''.join(f', or top stages such as {some!r}' for some in top_two)}; "
        f"{nearest(word, [*fixed, *top_two])}"
    )


def _top_stages(word: str, first: int, last: int, stages: Sequence[int], blocks: int) -> int:
    if not stages:
        raise RecipeError(
            f"items.trainable is {word!r}, and this network has no stages; give a number of its {blocks} "
            "top blocks, such as 2"
        )
    if not 1 <= first <= last or last > len(stages):
        raise RecipeError(
            f"items.trainable is {word!r}, and the network has stages 1 to {len(stages)}; "
            f"write the lower one first, as in 'stages {max(1, len(stages) - 1)}-{len(stages)}'"
        )
    if last < len(stages):
        raise RecipeError(
            f"items.trainable is {word!r}, without stage {len(stages)}: the trained part must reach the top; "
            f"write 'stages {first}-{len(stages)}'"
        )
    return 1 + sum(stages[: first - 1])
