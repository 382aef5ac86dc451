"""The key of the activations of a frozen network: everything that they depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

import torch

from pixelrec.files.json_object import digest_of
from pixelrec.files.tensors import bytes_of
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.picture_input import Colour

Dtype = Literal["fp16", "bf16", "fp32"]
DTYPES: Mapping[Dtype, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
# Configuration entries without influence on any state: origin of a checkpoint, initialisation, settings of
# training or of other tasks. Frozen parts have no dropout.
_NEVER_MATTERS = """
    _name_or_path _commit_hash transformers_version architectures id2label label2id problem_type dtype
    torch_dtype torchscript initializer_range initializer_factor return_dict use_cache output_attentions
    output_hidden_states hidden_dropout_prob attention_probs_dropout_prob attention_dropout drop_path_rate
"""
_MATTERS_ABOVE = ("pooling", "frozen_pool")  # only in the head


@dataclass(frozen=True)
class ActivationKey:
    """Everything that the states of a catalogue's pictures depend on; `digest` names it."""

    weights: str  # sha256 over names and bytes of all parameters and buffers below the boundary
    architecture: str  # sha256 over the description of the network up to the boundary
    boundary: int
    size: int  # of the pictures, pixels along a side
    mean: Colour
    std: Colour
    pictures: str  # fingerprint of the pictures of exactly these items, in this order
    items: int  # N
    shape: tuple[int, ...]  # of one state
    dtype: Dtype  # of the stored states
    bf16: bool  # whether matrix products were computed in bfloat16

    @property
    def digest(self) -> str:
        """Hexadecimal digest of the whole key."""
        return digest_of(asdict(self))

    @property
    def state_bytes(self) -> int:
        """Bytes of one state."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize

    @property
    def file_bytes(self) -> int:
        """Bytes of the states of all items and of the zeros of number 0."""
        return (self.items + 1) * self.state_bytes


def key_of(
    backbone: AbstractBackbone, boundary: int, dtype: Dtype, *, bf16: bool, pictures: str, items: int
) -> ActivationKey:
    """The key of a network's states at a boundary. Reads all weights below it, at about 1 GB/s."""
    weights = sha256()
    for i, part in enumerate(backbone.parts[:boundary]):
        for name, tensor in sorted([*part.named_parameters(), *part.named_buffers()]):
            weights.update(f"{i}.{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
            weights.update(bytes_of(tensor))
    ignored = [*_NEVER_MATTERS.split(), *(_MATTERS_ABOVE if boundary < len(backbone.parts) else ())]
    return ActivationKey(
        weights=weights.hexdigest(),
        architecture=digest_of(_without(backbone.describe(), ignored)),
        boundary=boundary,
        size=backbone.input.size,
        mean=backbone.input.mean,
        std=backbone.input.std,
        pictures=pictures,
        items=items,
        shape=backbone.state_shape(boundary),
        dtype=dtype,
        bf16=bf16,
    )


def _without(value: Any, words: Sequence[str]) -> Any:
    """A description without some of its entries, at any depth."""
    if isinstance(value, Mapping):
        return {word: _without(v, words) for word, v in value.items() if word not in words}
    return value
