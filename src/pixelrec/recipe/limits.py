"""What types cannot say of a recipe's choices: limits of numbers, and choices that rule out each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixelrec.errors import RecipeError

# The least and the most of a number, both allowed; for a word of a section, and for that of its parts.
LIMITS: Mapping[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "length": (1, 100_000),
    "items.width": (1, 1_000_000),
    "items.size": (1, 10_000),
    "items.lora": (0, 10_000),
    "items.chunk": (1, 1_000_000),
    "items.keep_activations": (0, 1_000_000_000),
    "users.layers": (1, 1000),
    "users.heads": (1, 10_000),
    "users.steps": (1, 1000),
    "users.interests": (1, 10_000),
    "users.init_std": (1e-6, 100),
    "users.expansion": (0.01, 1000),
    "users.hidden": (0.01, 1000),
    "users.blocks": (1, 1000),
    "users.kernel": (1, 1000),
    "users.time_buckets": (1, 1000),
    "users.dropout": (0, 0.99),
    "users.attention_dropout": (0, 0.99),
    "scoring.temperature": (1e-4, 1e4),
    "windowing.hide": (0, 1),
    "negatives.count": (1, 1_000_000),
    "negatives.drawn": (0, 10_000_000),
    "negatives.reencoded": (0, 10_000_000),
    "negatives.logit_adjustment": (0, 1),
    "negatives.alpha": (0, 10),
    "loss.epsilon": (0, 1),
    "loss.calibration": (0, 1),
    "optimiser.learning_rate": (0, 1e6),
    "optimiser.items_learning_rate": (0, 1e6),
    "optimiser.backbone_learning_rate": (0, 1e6),
    "optimiser.weight_decay": (0, 100),
    "optimiser.items_weight_decay": (0, 100),
    "optimiser.backbone_weight_decay": (0, 100),
    "optimiser.beta1": (0, 0.9999),
    "optimiser.beta2": (0.1, 0.999999),
    "training.epochs": (1, 1_000_000),
    "training.batch_size": (1, 100_000_000),
    "training.patience": (0, 1_000_000),
    "training.accumulate": (1, 1_000_000),
    "training.clip": (0, 1e9),
    "training.warmup": (0, 1e9),
    "training.save_minutes": (0, 1e6),
    "training.loader_threads": (0, 1000),
}


def check_limits(recipe: str, config: Mapping[str, Any]) -> None:
    """Holds complete choices, by section, against `LIMITS` and against each other.

    Raises:
        RecipeError: a number is too small or too large, or contradicts another.
    """
    for key in LIMITS:
        section, _, word = key.rpartition(".")
        chosen = config[section] if section else config
        _check_number(recipe, key, chosen.get(word))
        for part, own in chosen.get("parts", {}).items():
            _check_number(recipe, f"{section}.parts.{part}.{word}", own.get(word))
    _check_steps(recipe, config["optimiser"])
    _check_towers(recipe, config)
    _check_overlap(recipe, config)
    _check_adjustment(recipe, config["negatives"], config["loss"])


def limits_of(key: str) -> tuple[float, float] | None:
    """The least and the most of the number under a dotted key, be it of a part; none where there are none."""
    section, within, rest = key.partition(".parts.")
    return LIMITS.get(f"{section}.{rest.partition('.')[2]}" if within else key)


def _check_number(recipe: str, key: str, value: float | None) -> None:
    least, most = limits_of(key) or (-math.inf, math.inf)
    if value is not None and not least <= value <= most:
        raise RecipeError(f"recipe {recipe}: {key} is {value}; expected a number from {least:g} to {most:g}")


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
            f"recipe {recipe}: windowing.overlap is {overlap}; expected 0 to length, "
            f"{length}: a whole number, or a share below 1"
        )


def _check_adjustment(recipe: str, negatives: Mapping[str, Any], loss: Mapping[str, Any]) -> None:
    if negatives.get("logit_adjustment") and (loss["name"] != "softmax" or not negatives["correct"]):
        raise RecipeError(
            f"recipe {recipe}: negatives.logit_adjustment is {negatives['logit_adjustment']:g}, "
            "which needs loss.name softmax and negatives.correct true; set those, "
            "or negatives.logit_adjustment 0"
        )
