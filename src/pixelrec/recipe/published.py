"""The figures that a paper reports for a recipe (its key `published`), shown beside ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pixelrec.errors import RecipeError

METRIC = re.compile(r"(Recall|NDCG|MRR)@[1-9]\d*")
PUBLISHED_SCHEMA = {
    "type": "object",
    "properties": {"data": {"type": "string", "pattern": r"\S", "description": "data set of the figures"}},
    "patternProperties": {f"^{METRIC.pattern}$": {"type": "number", "minimum": 0, "maximum": 100}},
    "additionalProperties": False,
    "required": ["data"],
}


def check_published(values: Any) -> dict[str, Any]:
    """The data set of the figures, and the figures in %: `{data: Pixel200K, Recall@10: 2.5}`, or nothing."""
    if values is None:
        return {}
    expected = "expected published: {data: NAME, Recall@10: PER CENT, …}"
    if not isinstance(values, Mapping):
        raise RecipeError(f"{expected}, got {values!r}")
    figures = dict(values)
    data = figures.pop("data", None)
    if not isinstance(data, str) or not data.strip():
        raise RecipeError(f"{expected}, got data: {data!r}; name the data set that the figures are of")
    for metric, value in figures.items():
        if not METRIC.fullmatch(str(metric)):
            raise RecipeError(f"{expected}, got {metric!r}; metrics are Recall@k, NDCG@k and MRR@k")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise RecipeError(f"{expected}, got {metric}: {value!r}; give a number from 0 to 100")
    return {"data": data, **figures}
