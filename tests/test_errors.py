"""Out-of-memory errors, and how options are written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pixelrec.errors import ExhaustedError, memory_explained, option


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.11 PiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has 79 GiB. And more."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("std::bad_alloc"),
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


def test_an_option_is_written_for_the_command_line_and_python() -> None:
    assert option("time_unit", "ms") == "--time-unit ms (time_unit='ms' in Python)"
    assert option("overwrite") == "--overwrite (overwrite=True in Python)"


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("x"), ExhaustedError("x")])
def test_others_pass_as_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as found, memory_explained("use less"):
        raise error
    assert found.value is error
