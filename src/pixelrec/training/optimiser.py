"""AdamW with a group for each part of a recommender, and `row_adamw` for embedding tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

import torch
from torch import Tensor, nn

from pixelrec.blocks.embedding_table import EmbeddingTable
from pixelrec.errors import RecipeError, RunError, nearest
from pixelrec.training.config import GroupConfig, OptimiserConfig
from pixelrec.training.row_adamw import EPSILON, RowAdamW


@final
class Optimiser:
    """Steps all parameters of a recommender; its state is named after them.

    Parameters below `items.` belong to the item encoder, and below a `backbone` there to a picture network.
    """

    def __init__(self, model: nn.Module, config: OptimiserConfig, lazy: bool) -> None:
        self.names = {p: name for name, p in model.named_parameters() if p.requires_grad}
        _demand_members(self.names.values(), config.groups or {})
        betas = (config.beta1, config.beta2)
        tables = [m for m in model.modules() if lazy and isinstance(m, EmbeddingTable)]
        tables = [table for table in tables if table.weight in self.names]
        self.lazy = {table.weight for table in tables}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter, name in self.names.items():
            if parameter not in self.lazy:
                groups.setdefault(_rate_and_decay(name, config), []).append(parameter)
        fused = all(p.is_floating_point() for p in self.names)
        dense = [
            {"params": some, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), some in groups.items()
        ]
        self.dense = torch.optim.AdamW(dense, betas=betas, eps=EPSILON, fused=fused) if dense else None
        self.rows = [
            RowAdamW(table, *_rate_and_decay(self.names[table.weight], config), betas) for table in tables
        ]
        self.steps = 0

    def step(self, factor: float) -> None:
        """One step at `factor` times the peak learning rates; gradients are consumed."""
        self.steps += 1
        if self.dense is not None:
            for group in self.dense.param_groups:
                group["lr"] = group["peak"] * factor
            self.dense.step()
        for table in self.rows:
            table.step(factor)
        for parameter in self.names:
            parameter.grad = None

    def clip(self, limit: float) -> Tensor:
        """Scales all gradients so that their joint norm is at most `limit`; returns the norm before."""
        gradients = []
        for parameter in self.names:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
                gradients.append(parameter.grad.values())
            elif parameter.grad is not None:
                gradients.append(parameter.grad)
        norm = nn.utils.get_total_norm(gradients)
        for gradient in gradients:  # by 1 if it is small enough: a test of the norm would wait for the device
            gradient.mul_((limit / norm).clamp(max=1))
        return norm

    def catch_up(self) -> None:
        """Brings every row of every table to this step."""
        for table in self.rows:
            table.catch_up_all()

    def state(self) -> dict[str, Tensor]:
        """Moments by parameter name, `mean.<name>` and `square.<name>`, and the steps to replay."""
        state: dict[str, Tensor] = {}
        for table in self.rows:
            state |= {f"{key}.{self.names[table.weight]}": value for key, value in table.state().items()}
        moments = {} if self.dense is None else self.dense.state
        for parameter, name in self.names.items():
            if parameter in moments:
                state[f"mean.{name}"] = moments[parameter]["exp_avg"]
                state[f"square.{name}"] = moments[parameter]["exp_avg_sq"]
        return state

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Continues from a state that was saved after `steps` steps; only a lazy optimiser replays some."""
        self.steps = steps
        for table in self.rows:
            table.load(state, self.names[table.weight], steps)
        for parameter, name in self.names.items():
            if parameter in self.lazy or f"mean.{name}" not in state or self.dense is None:
                continue
            if f"upto.{name}" in state and int(state[f"upto.{name}"].min()) < steps:
                raise RunError(
                    f"the run was stopped within an epoch that updates {name} lazily; resume it where it was "
                    "trained (a CPU), with optimiser.rows lazy"
                )
            self.dense.state[parameter] = {
                "step": torch.tensor(float(steps), device=parameter.device),
                "exp_avg": state[f"mean.{name}"].to(parameter.device).clone(),
                "exp_avg_sq": state[f"square.{name}"].to(parameter.device).clone(),
            }


def _rate_and_decay(name: str, config: OptimiserConfig) -> tuple[float, float]:
    """The peak rate and the weight decay of a parameter, by the part of the recommender it belongs to."""
    path = name.split(".")
    if path[0] == "scoring":  # a temperature is not a weight: decay would pull it to 1
        return config.learning_rate, 0.0
    rate, decay = config.learning_rate, config.weight_decay
    if path[0] == "items":
        rate, decay = _or(config.items_learning_rate, rate), _or(config.items_weight_decay, decay)
        if "backbone" in path:
            rate, decay = _or(config.backbone_learning_rate, rate), _or(config.backbone_weight_decay, decay)
    groups = config.groups or {}
    if fitting := [start for start in groups if f"{name}.".startswith(f"{start}.")]:
        group = groups[max(fitting, key=len)]
        rate, decay = group.get("learning_rate", rate), group.get("weight_decay", decay)
    return rate, decay


def _demand_members(names: Iterable[str], groups: Mapping[str, GroupConfig]) -> None:
    """Raises `RecipeError` for a group without parameters."""
    names = list(names)
    for start in groups:
        if not any(f"{name}.".startswith(f"{start}.") for name in names):
            paths = [name.split(".") for name in names]
            known = sorted({".".join(path[:depth]) for path in paths for depth in range(1, len(path) + 1)})
            raise RecipeError(
                f"optimiser.groups: no trained parameter is below {start!r}; {nearest(start, known)}"
            )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
