"""The choices of a recipe about training and its optimiser; PyTorch is not needed to know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Interval
from typing_extensions import TypedDict  # of typing, pydantic cannot tell optional keys before Python 3.12

from pixelrec.choices import Precision
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import LearningRate, WeightDecay

Schedule = Literal["constant", "cosine", "linear"]
CHANGEABLE = ("training.epochs", "training.patience")  # in a run that goes on
EPOCH = "epoch"  # monitor of a training without validation, whose last epoch is the best


@dataclass(frozen=True)
class TrainingConfig:
    """The choices of a recipe about training.

    Args:
        epochs: the largest number of epochs; with 0 nothing is trained, and the start is the best.
        batch_size: windows (or pairs, or prefixes) per step and process.
        patience: epochs without a better validation metric before training stops; 0 never stops early.
        monitor: the validation metric that picks the best epoch.
        precision: `bf16` computes matrix products in bfloat16 where that is safe, `fast` does so on devices
            that multiply it themselves; scores and ranks stay fp32.
        accumulate: batches whose gradients are summed into one step.
        clip: the largest joint norm of all gradients; 0 never clips.
        schedule: the learning rate after the warm-up.
        warmup: steps over which the learning rate rises.
        save_minutes: minutes between two saves of the state within an epoch; 0 saves at ends of epochs only.
        loader_threads: threads that build batches ahead; 0 builds them in between steps.
        device: `auto` takes an accelerator where there is one.
        warm_start: a run whose best weights training starts from, where they fit, and which are this run's
            best until an epoch is better; `{seed}` in it is the seed.
    """

    epochs: Annotated[int, Interval(ge=0, le=1_000_000)] = 200
    batch_size: Annotated[int, Interval(ge=1, le=100_000_000)] = 128
    patience: Annotated[int, Interval(ge=0, le=1_000_000)] = 20
    monitor: str = "NDCG@10"
    precision: Precision = "fp32"
    accumulate: Annotated[int, Interval(ge=1, le=1_000_000)] = 1
    clip: Annotated[float, Interval(ge=0, le=1e9)] = 0.0
    schedule: Schedule = "constant"
    warmup: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 0
    save_minutes: Annotated[float, Interval(ge=0, le=1e6)] = 10.0
    loader_threads: Annotated[int, Interval(ge=0, le=1000)] = 1
    device: Literal["auto", "cpu"] = "auto"
    warm_start: str | None = None


@dataclass(frozen=True)
class FitConfig:
    """The choices of a recipe that fits its item encoder to the rows of an id table, in three stages.

    First an id table is trained in place of the item encoder. Then the encoder is fitted to its rows, by the
    cosine. Last, the user model is trained over the vectors of the encoder, which stay as they are.

    Args:
        passes: passes of the fit over the items with training events; 0 trains the item encoder together with
            the user model instead.
        rows: epochs of the id table; a run at training.warm_start replaces its rows by its item vectors.
        tables: number of id tables, trained from different seeds, whose rows are averaged.
        epoch_steps: steps that such an epoch counts for at least. Where there are fewer, the epochs of the id
            table and its patience grow in proportion: it needs steps, however few the events are.
        batch_size: items per step and process.
        held_out: fraction of the items that is left out, and whose cosine picks the best pass.
        weight: k of the weight n / (n + k) of an item with n training events.
        learning_rate: peak rate of the fit, which falls to 0; halved, with a new start, if nothing is learnt.
        backbone_learning_rate: peak rate of picture networks.
        weight_decay: decay of all parameters.
        warmup: steps over which the learning rate rises.
        clip: the largest joint norm of all gradients; 0 never clips.
    """

    passes: Annotated[int, Interval(ge=0, le=1_000_000)] = 0
    rows: Annotated[int, Interval(ge=1, le=1_000_000)] = 10
    tables: Annotated[int, Interval(ge=1, le=100)] = 1
    epoch_steps: Annotated[int, Interval(ge=1, le=1_000_000)] = 24
    batch_size: Annotated[int, Interval(ge=2, le=100_000_000)] = 32
    held_out: Annotated[float, Interval(ge=0.001, le=0.9)] = 0.1
    weight: Annotated[float, Interval(ge=0, le=1e9)] = 10.0
    learning_rate: LearningRate = 3e-3
    backbone_learning_rate: LearningRate | None = None
    weight_decay: WeightDecay = 0.1
    warmup: Annotated[int, Interval(ge=0, le=1_000_000_000)] = 30
    clip: Annotated[float, Interval(ge=0, le=1e9)] = 1.0


class GroupConfig(TypedDict, total=False):
    """The rate and the decay of some parameters."""

    learning_rate: LearningRate
    weight_decay: WeightDecay


@dataclass(frozen=True)
class OptimiserConfig:
    """The choices of a recipe about AdamW (Loshchilov and Hutter, arXiv 1711.05101).

    Args:
        learning_rate: peak rate of all parameters, unless the next two differ.
        items_learning_rate: peak rate of the item encoder.
        backbone_learning_rate: peak rate of picture networks inside the item encoder.
        weight_decay: decay of all parameters but a learned temperature, unless the next two differ.
        items_weight_decay: weight decay of the item encoder.
        backbone_weight_decay: weight decay of picture networks inside the item encoder.
        groups: rate and decay of some parameters by the beginning of their name, the longest that fits, such
            as {users.visual: {learning_rate: 1.0e-04, weight_decay: 0.1}}; what is left out is as above.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        rows: the update of embedding tables: `lazy` replays skipped steps in closed form, `dense` updates
            every row at every step, `auto` is `lazy` on a CPU (if beta1 is at most beta2) and `dense`
            elsewhere.
    """

    learning_rate: LearningRate = 1e-3
    items_learning_rate: LearningRate | None = None
    backbone_learning_rate: LearningRate | None = None
    weight_decay: WeightDecay = 0.0
    items_weight_decay: WeightDecay | None = None
    backbone_weight_decay: WeightDecay | None = None
    groups: dict[str, GroupConfig] | None = None
    beta1: Annotated[float, Interval(ge=0, le=0.9999)] = 0.9
    beta2: Annotated[float, Interval(ge=0.1, le=0.999999)] = 0.999
    rows: Literal["auto", "lazy", "dense"] = "auto"

    def is_lazy(self, device: str, processes: int) -> bool:
        """Whether embedding tables are updated lazily on a device of this type, if that is possible."""
        # Momentum must fade at least as fast as the squares: else they reach ε while it still moves weights.
        replayable = self.beta1 <= self.beta2
        if self.rows == "lazy" and not replayable:
            raise RecipeError(
                f"optimiser.rows is lazy and optimiser.beta1 {self.beta1} is above optimiser.beta2 "
                f"{self.beta2}: skipped steps cannot be replayed; use optimiser.rows dense"
            )
        if self.rows == "lazy" and processes > 1:
            raise RecipeError(
                f"optimiser.rows is lazy, and {processes} processes train together: they share dense "
                "gradients only; use optimiser.rows dense"
            )
        return self.rows == "lazy" or (
            self.rows == "auto" and replayable and device == "cpu" and processes == 1
        )
