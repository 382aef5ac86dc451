"""AdamW with a group per room, and for tables of rows an AdamW whose work grows with the rows touched.

Dense AdamW moves every row of a table at every step: momentum carries on and weight decay shrinks also where
the gradient is zero. Those steps have a closed form, so `RowAdamW` skips them and replays them when a row is
next read. Both follow the same trajectory and write the same state, so one can take over from the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor, nn

from pixelrec.blocks.row_table import RowTable
from pixelrec.errors import RecipeError, RunError

EPSILON = 1e-8
CHUNK = 2048  # rows worked on at a time, so that they stay in the processor's cache


@dataclass(frozen=True)
class OptimiserChoices:
    """What a recipe chooses about AdamW (Loshchilov and Hutter, arXiv 1711.05101).

    Args:
        learning_rate: at its peak; of everything unless the next two say otherwise.
        items_learning_rate: of the item encoder.
        backbone_learning_rate: of picture networks inside the item encoder.
        weight_decay: of everything unless the next two say otherwise, but of no learned temperature.
        items_weight_decay: of the item encoder.
        backbone_weight_decay: of picture networks inside the item encoder.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        rows: how tables of rows are updated: `touched` replays skipped steps in closed form, `dense` works on
            every row at every step, `auto` is `touched` on a CPU (where beta1 is at most beta2) and `dense`
            elsewhere.
    """

    learning_rate: float = 1e-3
    items_learning_rate: float | None = None
    backbone_learning_rate: float | None = None
    weight_decay: float = 0.0
    items_weight_decay: float | None = None
    backbone_weight_decay: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999
    rows: Literal["auto", "touched", "dense"] = "auto"

    def touches(self, device: str, processes: int) -> bool:
        """Whether tables are updated by touched rows on a device of this type.

        Raises:
            RecipeError: asked for with several processes, which share dense gradients only, or with decays
                whose skipped steps have no closed form.
        """
        # Momentum must fade at least as fast as the squares below it: else they reach ε while it still moves.
        replayable = self.beta1 <= self.beta2
        if self.rows == "touched" and not replayable:
            raise RecipeError(
                f"optimiser.rows is touched and optimiser.beta1 {self.beta1} is above optimiser.beta2 "
                f"{self.beta2}: skipped steps cannot be replayed; use optimiser.rows dense"
            )
        if self.rows == "touched" and processes > 1:
            raise RecipeError(
                f"optimiser.rows is touched, and {processes} processes train together: they share dense "
                "gradients only; use optimiser.rows dense"
            )
        return self.rows == "touched" or (
            self.rows == "auto" and replayable and device == "cpu" and processes == 1
        )


@final
class Optimiser:
    """Steps all parameters of a recommender; its state is named after them.

    Args:
        model: the recommender; parameters below `items.` belong to the item encoder, and below a `backbone`
            there to a picture network.
        choices: of the recipe.
        touched: whether tables of rows are updated by touched rows.
    """

    def __init__(self, model: nn.Module, choices: OptimiserChoices, touched: bool) -> None:
        self.names = {p: name for name, p in model.named_parameters() if p.requires_grad}
        betas = (choices.beta1, choices.beta2)
        tables = (
            [m for m in model.modules() if isinstance(m, RowTable) and m.weight in self.names]
            if touched
            else []
        )
        owned = {id(table.weight) for table in tables}
        groups = [
            {
                "params": [p for p in some if id(p) not in owned],
                "lr": rate,
                "peak": rate,
                "weight_decay": decay,
            }
            for some, rate, decay in _rooms(self.names, choices)
        ]
        fused = all(p.is_floating_point() for p in self.names)
        groups = [g for g in groups if g["params"]]
        self.dense = torch.optim.AdamW(groups, betas=betas, eps=EPSILON, fused=fused) if groups else None
        settings = {id(p): (rate, decay) for some, rate, decay in _rooms(self.names, choices) for p in some}
        self.rows = [RowAdamW(table, *settings[id(table.weight)], betas) for table in tables]
        self.steps = 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        return list(self.names)

    def step(self, share: float) -> None:
        """One step at `share` of the peak learning rates; gradients are consumed."""
        self.steps += 1
        if self.dense is not None:
            for group in self.dense.param_groups:
                group["lr"] = group["peak"] * share
            self.dense.step()
        for table in self.rows:
            table.step(share)
        for parameter in self.names:
            parameter.grad = None

    def clip(self, most: float) -> Tensor:
        """Scales all gradients so that their joint norm is at most `most`; returns the norm before."""
        gradients = list(self._gradients())
        norm = nn.utils.get_total_norm(gradients)
        for gradient in gradients:  # by 1 where they are short enough: to look at the norm is to wait for it
            gradient.mul_((most / norm).clamp(max=1))
        return norm

    def _gradients(self) -> Iterator[Tensor]:
        for parameter in self.names:
            if parameter.grad is None:
                continue
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
                yield parameter.grad.values()
            else:
                yield parameter.grad

    def catch_up(self) -> None:
        """Brings every row of every table to this step, as before it is saved."""
        for table in self.rows:
            table.catch_up_all()

    def state(self) -> dict[str, Tensor]:
        """Moments by parameter name, `mean.<name>` and `square.<name>`, and what tables must yet replay."""
        state: dict[str, Tensor] = {}
        for table in self.rows:
            state |= {f"{key}.{self.names[table.weight]}": value for key, value in table.state().items()}
        for parameter, moments in self._dense_state().items():
            state[f"mean.{self.names[parameter]}"] = moments["exp_avg"]
            state[f"square.{self.names[parameter]}"] = moments["exp_avg_sq"]
        return state

    def load(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Continues from a state and the number of steps it was saved after.

        Raises:
            RunError: a table has steps to replay, and this optimiser replays none.
        """
        self.steps = steps
        for table in self.rows:
            table.load(state, self.names[table.weight], steps)
        owned = {id(t.weight) for t in self.rows}
        for parameter, name in self.names.items():
            if id(parameter) in owned or f"mean.{name}" not in state or self.dense is None:
                continue
            if f"upto.{name}" in state and int(state[f"upto.{name}"].min()) < steps:
                raise RunError(
                    f"the run was stopped within an epoch that updates {name} by touched rows; resume it "
                    "where it was trained (a CPU), with optimiser.rows touched"
                )
            self.dense.state[parameter] = {
                "step": torch.tensor(float(steps), device=parameter.device),
                "exp_avg": state[f"mean.{name}"].to(parameter.device).clone(),
                "exp_avg_sq": state[f"square.{name}"].to(parameter.device).clone(),
            }

    def _dense_state(self) -> Mapping[Any, Any]:
        return {} if self.dense is None else self.dense.state


def _rooms(
    names: Mapping[nn.Parameter, str], choices: OptimiserChoices
) -> list[tuple[list[nn.Parameter], float, float]]:
    """Parameters of user model, item encoder, networks in it, and scoring: each with rate and decay."""
    rates = _handed_down(choices.learning_rate, choices.items_learning_rate, choices.backbone_learning_rate)
    decays = _handed_down(choices.weight_decay, choices.items_weight_decay, choices.backbone_weight_decay)
    # A temperature is no weight: decay would pull it to 1.
    rates, decays = (*rates, choices.learning_rate), (*decays, 0.0)
    rooms: list[list[nn.Parameter]] = [[], [], [], []]
    for parameter, name in names.items():
        rooms[_room(name.split("."))].append(parameter)
    return list(zip(rooms, rates, decays, strict=True))


def _handed_down(everything: float, items: float | None, backbone: float | None) -> tuple[float, ...]:
    """In the order of `_room`."""
    items = everything if items is None else items
    return everything, items, items if backbone is None else backbone


def _room(path: list[str]) -> int:
    if path[0] == "scoring":
        return 3
    return 0 if path[0] != "items" else 2 if "backbone" in path else 1


@final
class RowAdamW:
    """AdamW for one `RowTable`, working on the rows that a step touches.

    A row last brought up to step s, with moments m and v, takes part in the dense steps s+1 … t without a
    gradient by

        p ← p · Π(1 − lr·wd) − m / (√v + ε_s) · G(s, t),
        G(s, t) = Σ_τ lr_τ · β1^(τ−s) / (1 − β1^τ) · √(1 − β2^τ) / β2^((τ−s)/2) · Π_{τ'>τ}(1 − lr_τ'·wd),

    because m and v only shrink by β1 and β2. G depends on s and t alone, so it is a number per step, not per
    row, kept up to date as steps pass. The one approximation is ε, whose share is taken at the first skipped
    step (where nearly all of the movement is). Reading a row (`forward` of the table) brings it up to date.

    Args:
        table: whose gradient becomes sparse from now on.
        rate: peak learning rate.
        decay: weight decay.
        betas: β1, β2.
    """

    def __init__(self, table: RowTable, rate: float, decay: float, betas: tuple[float, float]) -> None:
        self.weight, self.peak, self.decay = table.weight, rate, decay
        self.beta1, self.beta2 = betas
        self.mean = torch.zeros_like(self.weight)
        self.square = torch.zeros_like(self.weight)
        self.upto = torch.zeros(len(self.weight), dtype=torch.int64, device=self.weight.device)
        self.replay = Replay(0, betas)
        table.sparse_gradient = True
        table.register_forward_pre_hook(lambda _module, inputs: self.catch_up(inputs[0]))

    def state(self) -> dict[str, Tensor]:
        state = {"mean": self.mean, "square": self.square, "upto": self.upto}
        return state | {"replay": torch.from_numpy(self.replay.record())}

    def load(self, state: Mapping[str, Tensor], name: str, steps: int) -> None:
        """Continues from the state of a `RowAdamW`, or of a dense AdamW, whose rows are all up to date."""
        self.mean.copy_(state[f"mean.{name}"])
        self.square.copy_(state[f"square.{name}"])
        self.upto.fill_(steps)
        self.replay = Replay(steps, (self.beta1, self.beta2))
        if f"upto.{name}" in state:
            self.upto.copy_(state[f"upto.{name}"])
            self.replay.restore(state[f"replay.{name}"].numpy())

    @torch.no_grad()
    def catch_up(self, numbers: Tensor) -> None:
        """Brings the rows `numbers` (distinct or not) to the present step."""
        late = numbers.flatten()
        late = late[self.upto[late] < self.replay.now]
        if not len(late):
            return
        for rows in late.unique().split(CHUNK):
            self._replay(rows)

    def catch_up_all(self) -> None:
        """Brings every row to the present step, and forgets the steps before it."""
        self.catch_up(torch.arange(len(self.weight), device=self.weight.device))
        self.replay = Replay(self.replay.now, (self.beta1, self.beta2))

    def _replay(self, rows: Tensor) -> None:
        upto = self.upto[rows]
        shrink, move, epsilon, fade1, fade2 = (
            torch.from_numpy(x).to(self.weight)[:, None] for x in self.replay.since(upto.cpu().numpy())
        )
        mean, square = self.mean[rows], self.square[rows]
        direction = mean / square.sqrt().add_(epsilon)
        self.weight[rows] = self.weight[rows].mul_(shrink).sub_(direction.mul_(move))
        self.mean[rows] = mean.mul_(fade1)
        self.square[rows] = square.mul_(fade2)
        self.upto[rows] = self.replay.now

    @torch.no_grad()
    def step(self, share: float) -> None:
        """One AdamW step on the rows that have a gradient: all of them where it is dense."""
        rate = self.peak * share
        gradient = self.weight.grad
        if gradient is None:
            self.replay.advance(rate, self.decay)
        elif gradient.is_sparse:
            gradient = gradient.coalesce()
            self._step_some(gradient.indices()[0], gradient.values(), rate)
        else:
            self._step_all(gradient, rate)

    def _step_some(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        self.catch_up(rows)
        self.replay.advance(rate, self.decay)
        for some, g in zip(rows.split(CHUNK), gradient.split(CHUNK), strict=True):
            weight, mean, square = self.weight[some], self.mean[some], self.square[some]
            self._move(weight, mean, square, g, rate)
            self.weight[some], self.mean[some], self.square[some] = weight, mean, square
            self.upto[some] = self.replay.now

    def _step_all(self, gradient: Tensor, rate: float) -> None:
        # Only a table that was read whole has such a gradient, and reading brought its rows up to date.
        self.replay.advance(rate, self.decay)
        parts = (x.split(CHUNK) for x in (self.weight, self.mean, self.square, gradient))
        for weight, mean, square, g in zip(*parts, strict=True):
            self._move(weight, mean, square, g, rate)
        self.upto.fill_(self.replay.now)

    def _move(self, weight: Tensor, mean: Tensor, square: Tensor, gradient: Tensor, rate: float) -> None:
        """One step of some rows, in place."""
        bias1, bias2 = self.replay.biases()
        mean.lerp_(gradient, 1 - self.beta1)
        square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        denominator = (square.sqrt() / math.sqrt(bias2)).add_(EPSILON)
        weight.mul_(1 - rate * self.decay).addcdiv_(mean, denominator, value=-rate / bias1)


@final
class Replay:
    """What the steps since `start` do to a row without a gradient; float64, a few numbers per step."""

    def __init__(self, start: int, betas: tuple[float, float]) -> None:
        self.start = self.now = start
        self.beta1, self.beta2 = betas
        self.ratio = self.beta1 / math.sqrt(self.beta2)
        # Momentum older than this moves nothing that float64 could hold.
        self.memory = math.ceil(math.log(1e-18) / math.log(self.ratio)) if self.ratio > 0 else 1
        self.log_shrink = np.zeros(1)  # by step − start: Σ log(1 − lr·wd) up to it
        self.move = np.zeros(1)  # by step − start: G / shrinkage, summed so far
        self.epsilon = np.full(1, self._epsilon(start))

    def advance(self, rate: float, decay: float) -> None:
        """A step was taken at this learning rate."""
        self.now += 1
        bias1, bias2 = self.biases()
        n = self.now - self.start
        self._grow(n)
        self.log_shrink[n] = self.log_shrink[n - 1] + math.log1p(-rate * decay)
        recent = np.arange(max(0, n - self.memory), n)
        regrown = np.exp(self.log_shrink[recent] - self.log_shrink[n])
        self.move[recent] += rate * math.sqrt(bias2) / bias1 * self.ratio ** (n - recent) * regrown
        self.epsilon[n] = self._epsilon(self.now)

    def since(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """For rows last up to date at `steps`: shrinkage, G, ε, and the fading of both moments."""
        n, age = steps - self.start, self.now - steps
        shrink = np.exp(self.log_shrink[self.now - self.start] - self.log_shrink[n])
        return shrink, self.move[n] * shrink, self.epsilon[n], self.beta1**age, self.beta2**age

    def record(self) -> np.ndarray:
        """All that is known of the steps since `start`: float64[3, steps + 1]."""
        return np.stack([self.log_shrink, self.move, self.epsilon])[:, : self.now - self.start + 1]

    def restore(self, record: np.ndarray) -> None:
        """Continues from the `record` of the steps before `now`."""
        self.start = self.now - record.shape[1] + 1
        self.log_shrink, self.move, self.epsilon = (row.copy() for row in record)

    def biases(self) -> tuple[float, float]:
        return 1 - self.beta1**self.now, 1 - self.beta2**self.now

    def _epsilon(self, step: int) -> float:
        return EPSILON * math.sqrt((1 - self.beta2 ** (step + 1)) / self.beta2)

    def _grow(self, n: int) -> None:
        if n >= len(self.move):
            room = max(1024, len(self.move))
            for name in ("log_shrink", "move", "epsilon"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(room)]))
