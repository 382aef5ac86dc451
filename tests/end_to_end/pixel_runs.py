"""Words of tiny runs over pixels, for tests that go the whole way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from items.backbones.conftest import TINY

from pixelrec.items.backbones.families import FAMILIES

USERS = {
    "length": 6,
    "items.width": 16,
    "users.heads": 2,
    "users.layers": 1,
    "windowing.overlap": 0,  # few rows
    "training.batch_size": 64,
}
RESNET = {
    **USERS,
    "items.name": "pixels",
    "items.family": "resnet",
    "items.pretrained": False,
    "items.sizes": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "items.trainable": 1,
    "items.chunk": 16,
    "items.keep_activations": 32,
}


def checkpoint(folder: Path, family: str, **sizes: Any) -> Path:
    """A tiny network of a family as transformers saves it."""
    kind = FAMILIES[family].model_class()
    kind(kind.config_class(**{**TINY[family], **sizes})).save_pretrained(folder)
    return folder


def words(overrides: dict[str, Any]) -> list[str]:
    """As the command line takes them."""
    return [f"--{key}={json.dumps(value)}" for key, value in overrides.items()]
