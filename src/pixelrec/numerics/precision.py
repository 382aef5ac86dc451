"""The device of a recommender, and the precision of its matrix products."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor

from pixelrec.choices import Precision

_CPU_WORDS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, x86 with tiles, ARM


def device_of(choice: Literal["auto", "cpu"]) -> torch.device:
    """`auto` is the machine's accelerator if it supports float64, which ranks need; Apple's does not."""
    found = torch.accelerator.current_accelerator(check_available=True) if choice == "auto" else None
    return torch.device("cpu") if found is None or found.type == "mps" else found


def at_least_fp32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def is_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether products are computed in bfloat16; with `fast`, if the device has bf16 arithmetic."""
    return precision == "bf16" or (precision == "fast" and has_bf16(device))


def has_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 arithmetic: emulation is slower than fp32.

    A product of 768 × 768 matrices on one core with AVX2 only: fp32 11 ms, bf16 870 ms.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    try:
        able = torch.cpu.get_capabilities()
    except AttributeError:  # torch before 2.10, which also reports CPUs with only AVX-512
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return any(able.get(word, False) for word in _CPU_WORDS)


def emulation_line(precision: Precision | Literal["auto"], device: torch.device) -> str | None:
    """A warning if bf16 was chosen on a device that emulates it."""
    if precision != "bf16" or device.type not in {"cpu", "cuda"} or has_bf16(device):
        return None
    return (
        "precision bf16 is emulated here, many times slower than fp32; precision fast uses it only where it "
        "is faster"
    )


@contextmanager
def without_tf32() -> Iterator[None]:
    """fp32 is fp32 on GPUs too, whose convolutions round to TF32 by default."""
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
