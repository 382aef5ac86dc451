"""The processes that train together: one, or several that average their gradients after every step."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal, Self, TypeVar, final

import torch
from torch import Tensor, nn

from pixelrec.numerics.precision import device_of
from pixelrec.training.launch import launched

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")


@final
class Processes:
    """The device of this process, and its communication with the others if there are any.

    A single process does without Accelerate, whose state is global with one device for the life of a Python
    process: a notebook may train on a GPU and then on the CPU.
    """

    def __init__(self, device: torch.device, accelerator: Accelerator | None = None) -> None:
        self.device, self._accelerator = device, accelerator
        self.index = accelerator.process_index if accelerator else 0
        self.count = accelerator.num_processes if accelerator else 1

    @classmethod
    def launched(cls, device: Literal["auto", "cpu"]) -> Self:
        """Those that `torchrun` or `accelerate launch` started, on the device that a recipe chooses."""
        if launched().count == 1:
            return cls(device_of(device))
        from accelerate import Accelerator
        from accelerate.utils import GradientAccumulationPlugin

        # Processes on a machine without an accelerator find each other only if they are told to use the CPU.
        on_cpu = device_of(device).type == "cpu"
        # Precision and accumulation are the recipe's, whatever a launcher has put into the environment.
        once = GradientAccumulationPlugin(num_steps=1)
        accelerator = Accelerator(cpu=on_cpu, mixed_precision="no", gradient_accumulation_plugin=once)
        atexit.register(accelerator.end_training)  # not before: a script may train several recipes
        return cls(accelerator.device, accelerator)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.index == 0

    def wrapped(self, model: nn.Module) -> nn.Module:
        """`model` as it must be called in training, so that gradients are averaged."""
        return self._accelerator.prepare_model(model) if self._accelerator else model

    def without_averaging(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """Within it, a backward pass leaves gradients local; a later one averages their sum."""
        return self._accelerator.no_sync(wrapped) if self._accelerator else nullcontext()

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in order; each gives equally many."""
        return self._accelerator.gather(rows) if self._accelerator else rows

    def gather_objects(self, value: T) -> list[T]:
        """The values of all processes in order."""
        if not self._accelerator:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])

    def from_leader(self, make: Callable[[], T]) -> T:
        """The result of `make`, which only the leading process calls."""
        if not self._accelerator:
            return make()
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([make() if self.leads else None])[0]

    def share_buffers(self, model: nn.Module) -> None:
        """Gives all processes the leader's buffers: batch norms follow the batches of their own process."""
        if self._accelerator:
            from accelerate.utils import broadcast

            for buffer in model.buffers():
                buffer.copy_(broadcast(buffer))

    def maxima(self, values: list[int]) -> list[int]:
        """The element-wise maximum over processes."""
        if not self._accelerator:
            return values
        found = torch.tensor(values, device=self.device)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return found.tolist()

    def wait(self) -> None:
        """Returns once all processes have called it."""
        if self._accelerator:
            self._accelerator.wait_for_everyone()
