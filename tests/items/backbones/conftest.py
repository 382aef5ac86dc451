"""Tiny networks of every family, with weights that make every part matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from pixelrec.items.backbones.families import FAMILIES

TRANSFORMER = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "intermediate_size": 24,
    "image_size": 32,
    "patch_size": 8,
}
MAPS = {"hidden_sizes": [8, 12, 16], "depths": [2, 1, 2]}

TINY: Mapping[str, Mapping[str, Any]] = {
    "beit": TRANSFORMER | {"use_relative_position_bias": True, "use_mask_token": True, "drop_path_rate": 0.0},
    "clip": TRANSFORMER,
    "convnext": MAPS | {"num_stages": 3, "patch_size": 4, "image_size": 32},
    "dinov2": {k: v for k, v in TRANSFORMER.items() if k != "intermediate_size"},
    "mobilenet_v2": {"depth_multiplier": 0.35, "image_size": 32},
    "resnet": MAPS | {"embedding_size": 8},
    "siglip": TRANSFORMER,
    "swin": {
        "embed_dim": 8,
        "depths": [2, 1, 2],
        "num_heads": [1, 2, 2],
        "window_size": 4,
        "image_size": 32,
        "patch_size": 2,
        "drop_path_rate": 0.0,
    },
    "vit": TRANSFORMER,
    "vit_mae": TRANSFORMER | {"mask_ratio": 0.0},
}

MakeModel = Callable[..., Any]
Save = Callable[[Any], Path]


@pytest.fixture
def make_model() -> MakeModel:
    """`make_model(family, **sizes)`: transformers' model, random weights and statistics, eval mode."""

    def make(family: str, **sizes: Any) -> Any:
        kind = FAMILIES[family].model_class()
        model = kind(kind.config_class(**{**TINY[family], **sizes})).eval()
        shake(model)
        return model

    return make


def shake(model: torch.nn.Module) -> None:
    """No weight stays at a zero or a one behind which a mistake could hide."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a model as a checkpoint folder and names it."""

    def written(model: Any) -> Path:
        model.save_pretrained(tmp_path / "checkpoint")
        return tmp_path / "checkpoint"

    return written


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.randn(3, 3, 32, 32, dtype=torch.float64)
