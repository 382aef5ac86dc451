"""Gradient checkpointing (Chen et al., arXiv 1604.06174), and the memory that it would save."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, x: Tensor, run: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """`block(x)`, keeping only `x`: inner activations are recomputed in the backward pass.

    run: called instead of the block; all its batch norms are in `block`.
    """
    return checkpoint(
        run or block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), fixed_statistics(block))
    )


@contextmanager
def fixed_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms do not update running statistics inside, as in a probe or a recomputation."""
    norms = [m for m in block.modules() if isinstance(m, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    counts = [norm.num_batches_tracked for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        norm.num_batches_tracked = None
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def without_statistics(block: nn.Module) -> list[_BatchNorm]:
    """Batch norms that normalise by the batch and have no running statistics yet."""
    norms = (m for m in block.modules() if isinstance(m, _BatchNorm))
    return [norm for norm in norms if norm.training and norm.num_batches_tracked == 0]


@contextmanager
def first_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms without running statistics take the mean of those inside; others keep theirs."""
    norms = without_statistics(block)
    counts = [norm.num_batches_tracked for norm in norms]
    with fixed_statistics(block):
        for norm, count in zip(norms, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = None, count
        yield


@contextmanager
def saved_memory(apart: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Memory that autograd saves inside for the backward pass: bytes by address.

    apart: tensors that exist anyway.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in apart}
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # the tensor itself would form a reference cycle

    with saved_tensors_hooks(note, lambda tensor: tensor):
        yield sizes
