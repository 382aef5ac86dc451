"""A real network looks at real covers; skipped where they are not at hand.

They are looked for in the folder that `PIXELREC_SHARED` names, or in `shared` beside the repository.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pixelrec.images.decode import decode
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.load import BackboneOptions, load_backbone
from pixelrec.items.backbones.picture_input import HALF

SHARED = Path(os.environ.get("PIXELREC_SHARED", Path(__file__).parents[4] / "shared"))
NETWORK = SHARED / "weights" / "mobilenet-v2-imagenet"
COVERS = SHARED / "data" / "hm_products" / "covers"

pytestmark = pytest.mark.skipif(
    not (NETWORK.is_dir() and COVERS.is_dir()), reason="no pretrained network or no covers at hand"
)


@pytest.fixture(scope="module")
def backbone() -> AbstractBackbone:
    return load_backbone(str(NETWORK), family="mobilenet_v2")


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    paths = sorted(COVERS.iterdir())[:16]
    return torch.stack(
        [torch.from_numpy(decode(p.read_bytes(), size=224, fit="stretch").pixels) for p in paths]
    )


def test_input_and_width_are_those_of_the_checkpoint(backbone: AbstractBackbone) -> None:
    assert (backbone.input.size, backbone.input.mean, backbone.input.std) == (224, HALF, HALF)
    assert backbone.width == 1280
    assert (backbone.stages, len(backbone.blocks)) == ((2, 3, 7, 4), 16)
    assert backbone.provenance.revision is not None
    # 0.3 thousand million multiply-adds, Table 4 of arXiv 1801.04381.
    assert sum(backbone.measurement.operations) / 2 == pytest.approx(300e6, rel=0.05)


def test_a_mirrored_cover_is_most_like_itself(backbone: AbstractBackbone, pictures: Tensor) -> None:
    """Random weights, wrong colours or wrong padding would fail here."""
    with torch.inference_mode():
        features = backbone(backbone.input.normalise(pictures))  # 16, 1280
        mirrored = backbone(backbone.input.normalise(pictures.flip(2)))
    assert features.isfinite().all()
    centre = features.mean(0)
    likeness = normalize(features - centre) @ normalize(mirrored - centre).T  # 16, 16
    assert torch.equal(likeness.argmax(1), torch.arange(len(pictures)))
    assert likeness.diagonal().min() > 0.6
    assert (likeness - torch.diag(likeness.diagonal())).max() < likeness.diagonal().mean()


def test_its_lower_part_can_be_cached(backbone: AbstractBackbone, pictures: Tensor) -> None:
    backbone.freeze("stages 3-4")
    assert backbone.state_shape(backbone.boundary) == (32, 28, 28)
    pixels = backbone.input.normalise(pictures[:4])
    with torch.inference_mode():
        assert torch.equal(backbone.upper(backbone.lower(pixels)), backbone(pixels))


def test_smaller_pictures(pictures: Tensor) -> None:
    small = load_backbone(str(NETWORK), options=BackboneOptions(size=112, pooling="tokens"))
    with torch.inference_mode():
        tokens = small(small.input.normalise(pictures[:2, ::2, ::2]))
    assert tokens.shape == (2, 16, 1280)
