"""The device of a recommender."""

from __future__ import annotations

from typing import Literal

import torch


def device_of(choice: Literal["auto", "cpu"]) -> torch.device:
    """`auto` is the machine's accelerator if it supports float64, which ranks need; Apple's does not."""
    found = torch.accelerator.current_accelerator(check_available=True) if choice == "auto" else None
    return torch.device("cpu") if found is None or found.type == "mps" else found
