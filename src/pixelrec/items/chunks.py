"""How many pictures pass a network together, and how many of them leave behind what a gradient needs.

On a CPU so many pass together that what lies between two blocks stays in the cache.

Batch norms that follow the batch are the exception: their chunk is the same everywhere.

MobileNetV2 at 224 pixels, one core, bf16: 99 pictures a second by 8, 68 by 32; in fp32 37 by 16 and 22 by 64.
"""

from __future__ import annotations

import torch

from pixelrec.items.backbones.backbone import AbstractBackbone

CPU_BYTES = 8 << 20  # of the largest state between two blocks, in fp32
LEAST, MOST = 8, 128
ON_ACCELERATOR = 256
KEPT_BYTES = 3 << 29  # for gradients
KEPT_SHARE = 1 / 3  # of what is free of a GPU's memory, instead


def pictures_at_once(backbone: AbstractBackbone, start: int, stop: int, device: torch.device) -> int:
    """For the parts between two boundaries."""
    if device.type != "cpu":
        return ON_ACCELERATOR
    boundaries = range(max(start, 1), max(start, stop, 1) + 1)
    largest = max(backbone.state_bytes(boundary) for boundary in boundaries)
    return min(MOST, max(LEAST, CPU_BYTES // largest))


def bytes_to_keep(device: torch.device) -> int:
    """What the inner values of pictures may take until their gradients are computed."""
    if device.type != "cuda":
        return KEPT_BYTES
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(KEPT_SHARE * (free + unused))
