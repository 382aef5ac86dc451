"""Choices that rule out each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixelrec.errors import RecipeError


def check_together(config: Mapping[str, Any]) -> None:
    """Checks complete options, by section, against each other.

    Raises:
        RecipeError: two of them contradict each other.
    """
    optimiser, negatives = config["optimiser"], config["negatives"]
    rate, decay = (
        max(optimiser[f"{room}{option}"] or 0 for room in ("", "items_", "backbone_"))
        for option in ("learning_rate", "weight_decay")
    )
    if rate * decay >= 1:
        raise RecipeError(
            f"learning_rate {rate:g} times weight_decay {decay:g} is {rate * decay:g}: a step would shrink "
            "weights past zero; expected less than 1"
        )
    if config["users"].get("towers") and config["training"]["batch_size"] < 2:
        raise RecipeError(
            "training.batch_size is 1, but users.towers normalise over a batch; expected at least 2"
        )
    overlap, length = config["windowing"]["overlap"], config["length"]
    if not 0 <= overlap <= length or (overlap >= 1 and overlap != int(overlap)):
        raise RecipeError(
            f"windowing.overlap is {overlap}; expected a whole number from 0 to length, {length}, or a "
            "fraction below 1"
        )
    adjustment, softmax = negatives.get("logit_adjustment"), config["loss"]["name"] == "softmax"
    if adjustment and not (softmax and negatives["correct"]):
        raise RecipeError(
            f"negatives.logit_adjustment is {adjustment:g}, which needs loss.name softmax and "
            "negatives.correct true; set those, or negatives.logit_adjustment 0"
        )
