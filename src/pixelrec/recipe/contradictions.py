"""Choices that rule out each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pixelrec.errors import RecipeError


def check_together(recipe: str, config: Mapping[str, Any]) -> None:
    """Checks complete choices, by section, against each other.

    Raises:
        RecipeError: two of them contradict each other.
    """
    _check_steps(recipe, config["optimiser"])
    _check_towers(recipe, config)
    _check_overlap(recipe, config)
    _check_adjustment(recipe, config["negatives"], config["loss"])


def _check_steps(recipe: str, optimiser: Mapping[str, Any]) -> None:
    rate, decay = (
        max(optimiser[f"{room}{word}"] or 0 for room in ("", "items_", "backbone_"))
        for word in ("learning_rate", "weight_decay")
    )
    if rate * decay >= 1:
        raise RecipeError(
            f"recipe {recipe}: learning_rate {rate:g} times weight_decay {decay:g} is {rate * decay:g}: "
            "a step would shrink weights past zero; expected less than 1"
        )


def _check_towers(recipe: str, config: Mapping[str, Any]) -> None:
    if config["users"].get("towers") and config["training"]["batch_size"] < 2:
        raise RecipeError(
            f"recipe {recipe}: training.batch_size is 1; users.towers normalise over a batch: expected "
            "at least 2"
        )


def _check_overlap(recipe: str, config: Mapping[str, Any]) -> None:
    overlap, length = config["windowing"]["overlap"], config["length"]
    if not 0 <= overlap <= length or (overlap >= 1 and overlap != int(overlap)):
        raise RecipeError(
            f"recipe {recipe}: windowing.overlap is {overlap}; expected a whole number from 0 to length, "
            f"{length}, or a fraction below 1"
        )


def _check_adjustment(recipe: str, negatives: Mapping[str, Any], loss: Mapping[str, Any]) -> None:
    if negatives.get("logit_adjustment") and (loss["name"] != "softmax" or not negatives["correct"]):
        raise RecipeError(
            f"recipe {recipe}: negatives.logit_adjustment is {negatives['logit_adjustment']:g}, "
            "which needs loss.name softmax and negatives.correct true; set those, "
            "or negatives.logit_adjustment 0"
        )
