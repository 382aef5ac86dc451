"""Gradient checkpointing (Chen et al., arXiv 1604.06174) of a block, or of more; and what it would save."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recomputed(block: nn.Module, x: Tensor, run: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """`block(x)`, keeping only `x`: what lies inside is computed again when its gradient is wanted.

    run: called instead of the block, for what passes through more than it; its batch norms lie in `block`.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), statistics_kept(block)

    return checkpoint(run or block, x, use_reentrant=False, context_fn=contexts)


@contextmanager
def statistics_kept(block: nn.Module) -> Iterator[None]:
    """Batch norms go on as they are, but learn nothing of what they see: it does not count, or did before."""
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
    """Batch norms that normalise by the batch now, and have seen none: in evaluation they say anything."""
    norms = (m for m in block.modules() if isinstance(m, _BatchNorm))
    return [norm for norm in norms if norm.training and norm.num_batches_tracked == 0]


@contextmanager
def first_statistics(block: nn.Module) -> Iterator[None]:
    """Batch norms without any take the mean of what they see as theirs; others are kept as they are."""
    norms = without_statistics(block)
    momenta, counts = [norm.momentum for norm in norms], [norm.num_batches_tracked for norm in norms]
    with statistics_kept(block):
        for norm, count in zip(norms, counts, strict=True):
            norm.momentum, norm.num_batches_tracked = None, count
        yield
    for norm, momentum, count in zip(norms, momenta, counts, strict=True):
        norm.momentum, norm.num_batches_tracked = momentum, count


@contextmanager
def saved_memory(apart: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Pieces of memory that are kept for gradients of what happens within: bytes by address.

    apart: tensors that would be there anyway.
    """
    known = {tensor.untyped_storage().data_ptr() for tensor in apart}
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # itself, it would hold what holds it

    with saved_tensors_hooks(note, lambda tensor: tensor):
        yield sizes
