"""The number of pictures that pass through a network together, and the memory for their activations.

On a CPU a chunk is small enough for the states between two blocks to stay in the cache. MobileNetV2 at 224
pixels, one core, pictures per second: bf16 99 in chunks of 8, 68 in chunks of 32; fp32 37 by 16, 22 by 64.
"""

from __future__ import annotations

import torch

from pixelrec.items.backbones.backbone import AbstractBackbone

CPU_BYTES = 8 << 20  # of the largest state between two blocks, in fp32
LEAST, MOST = 8, 128
ON_ACCELERATOR = 256
ACTIVATION_BYTES = 3 << 29
GPU_FRACTION = 1 / 3  # of a GPU's free memory, instead


def pictures_at_once(backbone: AbstractBackbone, start: int, stop: int, device: torch.device) -> int:
    """The chunk for the parts between two boundaries."""
    if device.type != "cpu":
        return ON_ACCELERATOR
    boundaries = range(max(start, 1), max(start, stop, 1) + 1)
    largest = max(backbone.state_bytes(boundary) for boundary in boundaries)
    return min(MOST, max(LEAST, CPU_BYTES // largest))


def bytes_to_keep(device: torch.device) -> int:
    """The memory for the activations of pictures until the backward pass."""
    if device.type != "cuda":
        return ACTIVATION_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(GPU_FRACTION * (free + unused))
