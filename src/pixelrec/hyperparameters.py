"""Types of hyper-parameters that several classes share, with their limits; a recipe is checked against them.

A class with a hyper-parameter of its own writes `Annotated[int, Interval(ge=…, le=…)]` in its signature.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Interval

Width: TypeAlias = Annotated[int, Interval(ge=1, le=1_000_000)]
Layers: TypeAlias = Annotated[int, Interval(ge=1, le=1000)]
"""Layers, blocks or steps that follow each other."""
Heads: TypeAlias = Annotated[int, Interval(ge=1, le=10_000)]
Expansion: TypeAlias = Annotated[float, Interval(ge=0.01, le=1000)]
"""The width of an inner layer, as a multiple of D."""
DropoutRate: TypeAlias = Annotated[float, Interval(ge=0, le=0.99)]
Fraction: TypeAlias = Annotated[float, Interval(ge=0, le=1)]
PopularityExponent: TypeAlias = Annotated[float, Interval(ge=0, le=10)]
LearningRate: TypeAlias = Annotated[float, Interval(ge=0, le=1_000_000)]
WeightDecay: TypeAlias = Annotated[float, Interval(ge=0, le=100)]
