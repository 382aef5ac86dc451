"""Whether a cache pays for networks of published sizes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.clip_resnet import random_clip_resnet
from pixelrec.items.backbones.load import random_backbone
from pixelrec.items.cache.policy import Verdict, verdict_on

ITEMS = 96_282
SWIN_B = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 7}
DINOV2_B = {"patch_size": 14, "image_size": 518}
VERDICT = Verdict(fraction=0.8, state_bytes=100, picture_bytes=100, items=10)


def network(name: str) -> AbstractBackbone:
    """Of the published sizes, without weights."""
    with torch.device("meta"):
        if name == "RN50":
            return random_clip_resnet(name)
        sizes = {"swin": SWIN_B, "dinov2": DINOV2_B}.get(name, {})
        return random_backbone(name, sizes=sizes)


def verdict(name: str, trainable: str) -> Verdict:
    backbone = network(name)
    backbone.freeze(trainable)
    return verdict_on(backbone, backbone.boundary, "fp16", items=ITEMS)


# Where the class token is all that is pooled, the last block hardly costs anything.
@pytest.mark.parametrize(
    ("family", "share"), [("clip", 10 / 12), ("vit", 10 / 11), ("beit", 10 / 12), ("dinov2", 10 / 11)]
)
def test_transformers_with_two_blocks_trained_are_worth_a_cache(family: str, share: float) -> None:
    found = verdict(family, "2")
    assert found.pays
    assert found.fraction == pytest.approx(share, abs=0.01)
    assert found.speed_up == pytest.approx((3 - 2 * found.fraction) / (3 - 3 * found.fraction))


def test_the_log_line_states_speed_up_and_bytes() -> None:
    assert verdict("clip", "2").line == (
        "activation cache: yes, 84 % of the network is frozen: 76.8 kB stored per picture, "
        "7.39 GB in all, steps about 2.7 x as fast"
    )


def test_networks_of_maps_with_two_stages_trained_are_not() -> None:
    swin, clip = verdict("swin", "stages 3-4"), verdict("RN50", "stages 3-4")
    assert not swin.pays
    assert "steps would be 1.0" in swin.line
    assert not clip.pays
    assert "41 % of the network is frozen: steps would be 1.24 x as fast, expected at least 1.25" in clip.line


def test_nothing_frozen_is_no_and_everything_frozen_is_yes() -> None:
    nothing, everything = replace(VERDICT, fraction=0.0), replace(VERDICT, fraction=1.0)
    assert not nothing.pays
    assert nothing.line == "activation cache: no, nothing of the network is frozen"
    assert everything.pays
    assert math.isinf(everything.speed_up)
    assert everything.line.endswith("stored per picture, 1 kB in all")


def test_the_limits() -> None:
    just = 0.75 / 1.75  # where (3 − 2 f) / (3 − 3 f) is 1.25
    assert replace(VERDICT, fraction=just + 1e-6).pays
    assert not replace(VERDICT, fraction=just - 1e-6).pays
    assert replace(VERDICT, state_bytes=400).pays
    too_large = replace(VERDICT, state_bytes=401)
    assert not too_large.pays
    assert too_large.line.endswith(
        "no, 80 % of the network is frozen, but 401 B per picture is more than 4 x its pixels"
    )
