"""Freed memory is used again, not got from the system page by page."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from pixelrec.numerics.memory import keep_freed_memory

MEGABYTES = 48


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_blocks_are_used_again() -> None:
    keep_freed_memory()
    torch.ones(MEGABYTES << 18)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for less in range(1, 6):  # small objects may take the first bytes of a freed block
        torch.ones((MEGABYTES - less) << 18)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults * resource.getpagesize() < MEGABYTES << 20
