"""The processes that train together: one, or several that average their gradients after every step."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeVar, final

import torch
from torch import Tensor, nn

from pixelrec.numerics.device import device_of

if TYPE_CHECKING:
    from accelerate import Accelerator

T = TypeVar("T")


class AbstractProcesses(ABC):
    """The device of this process, and its communication with the others."""

    device: torch.device
    index: int
    count: int

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and prints."""
        return self.index == 0

    @abstractmethod
    def wrapped(self, model: nn.Module) -> nn.Module:
        """`model` as it must be called in training, so that gradients are averaged."""

    @abstractmethod
    def without_averaging(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        """Within it, a backward pass leaves gradients local: a later one averages their sum."""

    @abstractmethod
    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in order; each gives equally many."""

    @abstractmethod
    def gather_objects(self, value: T) -> list[T]:
        """The values of all processes in order."""

    @abstractmethod
    def from_leader(self, make: Callable[[], T]) -> T:
        """The result of `make`, which only the leading process calls."""

    @abstractmethod
    def share_buffers(self, model: nn.Module) -> None:
        """Gives all processes the leader's buffers: batch norms follow the batches of their own process."""

    @abstractmethod
    def maxima(self, values: list[int]) -> list[int]:
        """The element-wise maximum over processes."""

    @abstractmethod
    def wait(self) -> None:
        """Returns once all processes have called it."""

    @abstractmethod
    def close(self) -> None:
        """Ends the communication; called by all processes after training."""


@final
class OneProcess(AbstractProcesses):
    """Training in this process alone."""

    index, count = 0, 1

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wrapped(self, model: nn.Module) -> nn.Module:
        return model

    def without_averaging(self, wrapped: nn.Module) -> AbstractContextManager[object]:  # noqa: ARG002
        return nullcontext()

    def gather(self, rows: Tensor) -> Tensor:
        return rows

    def gather_objects(self, value: T) -> list[T]:
        return [value]

    def from_leader(self, make: Callable[[], T]) -> T:
        return make()

    def share_buffers(self, model: nn.Module) -> None:
        pass

    def maxima(self, values: list[int]) -> list[int]:
        return values

    def wait(self) -> None:
        pass

    def close(self) -> None:
        pass


@final
class SeveralProcesses(AbstractProcesses):
    """One of several processes, as `torchrun` or `accelerate launch` starts them."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self.device = accelerator.device
        self.index, self.count = accelerator.process_index, accelerator.num_processes

    def wrapped(self, model: nn.Module) -> nn.Module:
        return self._accelerator.prepare_model(model)

    def without_averaging(self, wrapped: nn.Module) -> AbstractContextManager[object]:
        return self._accelerator.no_sync(wrapped)

    def gather(self, rows: Tensor) -> Tensor:
        return self._accelerator.gather(rows)

    def gather_objects(self, value: T) -> list[T]:
        from accelerate.utils import gather_object

        return gather_object([value])

    def from_leader(self, make: Callable[[], T]) -> T:
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([make() if self.leads else None])[0]

    def share_buffers(self, model: nn.Module) -> None:
        from accelerate.utils import broadcast

        for buffer in model.buffers():
            buffer.copy_(broadcast(buffer))

    def maxima(self, values: list[int]) -> list[int]:
        found = torch.tensor(values, device=self.device)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return found.tolist()

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()

    def close(self) -> None:
        # A process that exits early would break the connection of the others.
        self.wait()
        self._accelerator.end_training()


def processes_of(device: Literal["auto", "cpu"]) -> AbstractProcesses:
    """The processes that the launcher started, each on the device that a recipe chooses.

    Accelerate keeps its state globally, one device for the life of a Python process, so a single process
    does without it: a notebook may train on a GPU and then on the CPU.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return OneProcess(device_of(device))
    from accelerate import Accelerator
    from accelerate.utils import GradientAccumulationPlugin

    # Processes on a machine without an accelerator find each other only if they are told to use the CPU.
    on_cpu = device_of(device).type == "cpu"
    # Precision and accumulation are the recipe's, whatever a launcher has put into the environment.
    once = GradientAccumulationPlugin(num_steps=1)
    accelerator = Accelerator(cpu=on_cpu, mixed_precision="no", gradient_accumulation_plugin=once)
    return SeveralProcesses(accelerator)
