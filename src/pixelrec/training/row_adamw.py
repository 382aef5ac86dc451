"""AdamW for embedding tables, whose cost grows with the rows that have a gradient.

Dense AdamW moves every row of a table at every step: momentum and weight decay act without a gradient, too.
Those steps have a closed form, so `RowAdamW` skips them and replays them when a row is next read. Both follow
the same trajectory and write the same state, so one can continue from the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import final

import numpy as np
import torch
from torch import Tensor

from pixelrec.blocks.embedding_table import EmbeddingTable

EPSILON = 1e-8
CHUNK = 2048  # rows at a time, so that they stay in the processor's cache


@final
class RowAdamW:
    """AdamW for one `EmbeddingTable`, which updates the rows that have a gradient.

    For a row last updated at step s, with moments m and v, the dense steps s+1 … t without a gradient are

        p ← p · Π(1 − lr·wd) − m / (√v + ε_s) · G(s, t),
        G(s, t) = Σ_τ lr_τ · β1^(τ−s) / (1 − β1^τ) · √(1 − β2^τ) / β2^((τ−s)/2) · Π_{τ'>τ}(1 − lr_τ'·wd),

    because m and v only shrink by β1 and β2. G depends on s and t alone, so it is a number per step, not per
    row. The one approximation is ε, which is taken from the first skipped step (where nearly all of the
    movement is). Reading a row (`forward` of the table) brings it up to date.

    The gradient of the table becomes sparse; `rate` is the peak rate.
    """

    def __init__(self, table: EmbeddingTable, rate: float, decay: float, betas: tuple[float, float]) -> None:
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
        """Continues from the state of a `RowAdamW`, or of a dense AdamW, all of whose rows are up to date."""
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
        for rows in late.unique().split(CHUNK) if len(late) else ():
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

    def catch_up_all(self) -> None:
        """Brings every row to the present step, and drops the steps before it."""
        self.catch_up(torch.arange(len(self.weight), device=self.weight.device))
        self.replay = Replay(self.replay.now, (self.beta1, self.beta2))

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One AdamW step at `factor` times the peak rate, on the rows that have a gradient."""
        rate, gradient = self.peak * factor, self.weight.grad
        if gradient is not None and gradient.is_sparse:
            gradient = gradient.coalesce()
            self.catch_up(gradient.indices())
        self.replay.advance(rate, self.decay)
        if gradient is None:
            return
        if gradient.is_sparse:
            rows, values = gradient.indices()[0].split(CHUNK), gradient.values().split(CHUNK)
            for some, g in zip(rows, values, strict=True):
                weight, mean, square = self.weight[some], self.mean[some], self.square[some]
                self._move(weight, mean, square, g, rate)
                self.weight[some], self.mean[some], self.square[some] = weight, mean, square
                self.upto[some] = self.replay.now
            return
        # Only a table that was read as a whole has a dense gradient, and reading brought its rows up to date.
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
    """The effect of the steps since `start` on a row without a gradient: a few float64 numbers per step."""

    def __init__(self, start: int, betas: tuple[float, float]) -> None:
        self.start = self.now = start
        self.beta1, self.beta2 = betas
        self.ratio = self.beta1 / math.sqrt(self.beta2)
        # Older momentum moves less than float64 resolves.
        self.memory = math.ceil(math.log(1e-18) / math.log(self.ratio)) if self.ratio > 0 else 1
        self.log_shrink = np.zeros(1)  # by step − start: Σ log(1 − lr·wd) up to it
        self.move = np.zeros(1)  # by step − start: G / shrinkage, summed so far
        self.epsilon = np.full(1, self._epsilon(start))

    def advance(self, rate: float, decay: float) -> None:
        """Records a step at this learning rate."""
        self.now += 1
        bias1, bias2 = self.biases()
        n = self.now - self.start
        if n >= len(self.move):
            room = np.zeros(max(1024, len(self.move)))
            kept = (self.log_shrink, self.move, self.epsilon)
            self.log_shrink, self.move, self.epsilon = (np.concatenate([x, room]) for x in kept)
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
        """The steps since `start` for a checkpoint: float64[3, steps + 1]."""
        return np.stack([self.log_shrink, self.move, self.epsilon])[:, : self.now - self.start + 1]

    def restore(self, record: np.ndarray) -> None:
        """Continues from a `record` of the steps before `now`."""
        self.start = self.now - record.shape[1] + 1
        self.log_shrink, self.move, self.epsilon = (row.copy() for row in record)

    def biases(self) -> tuple[float, float]:
        return 1 - self.beta1**self.now, 1 - self.beta2**self.now

    def _epsilon(self, step: int) -> float:
        return EPSILON * math.sqrt((1 - self.beta2 ** (step + 1)) / self.beta2)
