"""Out-of-memory errors, and how options are written."""

from __future__ import annotations

import resource
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from pixelrec.errors import ExhaustedError, demand_address_space, memory_explained, option


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.11 PiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has 79 GiB. And more."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
        SystemError("error return without exception set"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
        ImportError("libXau.so.6: failed to map segment from shared object"),
        MemoryError(),
    ],
)
def test_memory_has_a_remedy(error: Exception) -> None:
    with (
        pytest.raises(ExhaustedError, match=r"^out of memory( \(.+\))?: use less$") as found,
        memory_explained("use less"),
    ):
        raise error
    assert found.value.__cause__ is error
    assert "79 GiB" not in str(found.value), "only two sentences are shown"


def test_an_out_of_memory_error_of_numpy() -> None:
    with pytest.raises(ExhaustedError, match="Unable to allocate"), memory_explained("use less"):
        np.empty(1 << 58)


@pytest.mark.parametrize(
    ("limit", "least", "says"),
    [
        (10**9, 15 * 10**8, r"limited to 1.0 GB, and this needs 1.5 GB; raise the limit with `ulimit -v`"),
        (2 * 10**9, 15 * 10**8, None),
        (resource.RLIM_INFINITY, 15 * 10**8, None),
    ],
)
def test_a_limit_that_libraries_abort_at(
    limit: int, least: int, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (limit, limit))
    with pytest.raises(ExhaustedError, match=says) if says else nullcontext():
        demand_address_space(least)


def test_an_option_is_written_for_the_command_line_and_python() -> None:
    assert option("time_unit", "ms") == "--time-unit ms (time_unit='ms' in Python)"
    assert option("format", "my own") == "--format 'my own' (format='my own' in Python)"
    assert option("overwrite") == "--overwrite (overwrite=True in Python)"


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("x"), ExhaustedError("x")])
def test_others_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as found, memory_explained("use less"):
        raise error
    assert found.value is error
