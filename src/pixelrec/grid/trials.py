"""Trials of the rungs of a ladder: as many settings of each, compared on validation before any other run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from rich.console import Console

from pixelrec.choices import Rung
from pixelrec.console.numbers import percent
from pixelrec.console.terminal import say
from pixelrec.errors import RequestError
from pixelrec.evaluation.comparison import METRIC
from pixelrec.grid.ladder import Ladder, plan_recipes
from pixelrec.grid.outcome import run_grid
from pixelrec.grid.plan import Grid
from pixelrec.recipe.recipe import resolve
from pixelrec.runs.results import EvaluationResult

Settings: TypeAlias = Mapping[str, Any]
NATURAL = {"negatives.logit_adjustment": 0.0}
STRONG = {"users.dropout": 0.4, "users.attention_dropout": 0.2}
SLOW = {"optimiser.learning_rate": 0.001}
LONG = {"fit.rows": 15}
FAST = {"optimiser.backbone_learning_rate": 5e-4}
SETTINGS: Mapping[Rung, Sequence[Settings]] = {
    "fitted": ({}, NATURAL, LONG, {**STRONG, **LONG}),
    "top": ({}, NATURAL, FAST, {**STRONG, **FAST}),
    "all": ({}, NATURAL, FAST, {**STRONG, **FAST}),
}
OTHERS: Sequence[Settings] = ({}, NATURAL, STRONG, SLOW)  # of rungs whose network does not change
MOST = len(OTHERS)


def plan_trials(ladder: Ladder, rungs: Sequence[Rung], trials: int, overrides: Settings) -> Grid:
    """One run of each setting, with seed 0, on validation; overrides come after the settings."""
    if trials > MOST:
        raise RequestError(f"trials is {trials}; each rung has {MOST} settings to try")
    own = [
        replace(resolve(recipe.name, recipe.values, options), name=f"{recipe.name}-{number}")
        for recipe in ladder.recipes(rungs)
        for number, options in enumerate(_settings(recipe.name)[:trials], 1)
    ]
    place = replace(ladder, out=ladder.out / "trials")
    return plan_recipes(place, own, seeds=1, split="validation", overrides=overrides)


def best_settings(trials: Grid, jobs: int, console: Console) -> dict[str, Settings]:
    """Runs the trials; the settings with the best METRIC by rung, whose trials that failed do not count."""
    run_grid(trials, jobs, console)
    found: dict[str, list[tuple[float, Settings]]] = {}
    for (cell,) in trials.cells:
        rung, _, number = cell.recipe.name.rpartition("-")
        if cell.state("validation") == "done":
            value = EvaluationResult.read(cell.folder, "validation").own_metrics[METRIC]
            found.setdefault(rung, []).append((value, _settings(rung)[int(number) - 1]))
    best = {rung: max(values, key=lambda each: each[0]) for rung, values in found.items()}
    for rung, (value, settings) in best.items():
        told = ", ".join(f"{key} {each}" for key, each in settings.items()) or "as in the ladder"
        others = ", ".join(percent(other) for other, _ in found[rung])
        say(f"chosen     {rung:<9} {told}: {percent(value)} % on validation of {others}", console)
    return {rung: settings for rung, (_, settings) in best.items()}


def _settings(rung: str) -> Sequence[Settings]:
    return next((found for known, found in SETTINGS.items() if known == rung), OTHERS)
