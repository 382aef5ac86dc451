"""The class token of the last block computed alone, against the whole layer of transformers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.first_token import FirstTokenBlock
from pixelrec.items.backbones.load import BackboneOptions, random_backbone
from pixelrec.items.backbones.vision_transformers import Unmasked
from pixelrec.items.lora import add_lora

from .conftest import TINY, shake

OF_CLASS_TOKEN = [
    (family, pooling)
    for family in ("clip", "dinov2", "vit", "vit_mae")
    for pooling in ("cls", "pooler")
    if pooling in FAMILIES[family].poolings
]


class FirstOfAll(nn.Module):
    """The whole layer, then its first token."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, attention_mask=None)[:, :1]


def tiny(family: str, pooling: Any = "cls", seed: int = 3, **sizes: Any) -> AbstractBackbone:
    """Eager, with large queries and keys, so that attention weights differ."""
    torch.manual_seed(seed)
    options = BackboneOptions(pooling, 32, attention="eager")
    backbone = random_backbone(family, sizes={**TINY[family], **sizes}, options=options)
    shake(backbone)
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                parameter.mul_(2)
    return backbone


@pytest.fixture
def exact_softmax(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transformers' eager attention takes its softmax in float32 even of float64."""
    softmax = nn.functional.softmax

    def exact(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Tensor:
        return softmax(x, dim, dtype=x.dtype if x.dtype == torch.float64 else dtype)

    monkeypatch.setattr(nn.functional, "softmax", exact)


def whole(backbone: AbstractBackbone) -> AbstractBackbone:
    """The same network with the whole last layer."""
    plain = deepcopy(backbone)
    plain.blocks[-1] = FirstOfAll(plain.blocks[-1].layer)  # type: ignore[arg-type]
    return plain


def learned(
    backbone: AbstractBackbone, boundary: int, dtype: torch.dtype, bf16: bool = False
) -> dict[str, Tensor]:
    """Features of seven pictures, and all gradients: of the state and of parameters."""
    generator = torch.Generator().manual_seed(5)
    state = torch.randn(7, *backbone.state_shape(boundary), generator=generator).to(dtype)
    state.requires_grad_(boundary == 0)
    backbone.freeze("all" if boundary == 0 else "2")
    backbone.train()
    backbone.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        features = backbone.upper(state, boundary)
    features.backward(torch.randn(features.shape, generator=generator).to(features.dtype))
    gradients = {name: p.grad for name, p in backbone.named_parameters() if p.grad is not None}
    found = {"features": features.detach(), **({"state": state.grad} if boundary == 0 else {}), **gradients}
    return {name: tensor.clone() for name, tensor in found.items()}  # type: ignore[union-attr]


def assert_alike(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-9) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        error = (found[name] - tensor).abs().max() / tensor.abs().max().clamp_min(1)
        assert error < tolerance, name


@pytest.mark.parametrize(("family", "pooling"), OF_CLASS_TOKEN)
@pytest.mark.parametrize("boundary", [0, 2])
@pytest.mark.usefixtures("exact_softmax")
def test_features_and_gradients_are_those_of_the_whole_layer(
    family: str, pooling: str, boundary: int
) -> None:
    backbone = tiny(family, pooling).double()
    assert isinstance(backbone.blocks[-1], FirstTokenBlock)
    wanted = learned(whole(backbone), boundary, torch.float64)
    assert_alike(learned(backbone, boundary, torch.float64), wanted)


@pytest.mark.parametrize("activation", ["gelu", "gelu_pytorch_tanh", "quick_gelu"])
@pytest.mark.usefixtures("exact_softmax")
def test_every_activation(activation: str) -> None:
    backbone = tiny("clip", hidden_act=activation).double()
    assert_alike(learned(backbone, 0, torch.float64), learned(whole(backbone), 0, torch.float64))


@pytest.mark.usefixtures("exact_softmax")
def test_a_gated_mlp() -> None:
    backbone = tiny("dinov2", use_swiglu_ffn=True).double()
    assert_alike(learned(backbone, 0, torch.float64), learned(whole(backbone), 0, torch.float64))


@pytest.mark.parametrize("family", ["clip", "dinov2"])
def test_bf16_is_on_average_as_precise_as_the_whole_layer(family: str) -> None:
    far = torch.tensor([distances(tiny(family, seed=seed)) for seed in range(4)]).mean(0)
    assert far[0] < 1.1 * far[1]


def distances(backbone: AbstractBackbone) -> tuple[float, float]:
    """From float64: of the class token alone, and of the whole layer."""
    plain = whole(backbone)
    truth = learned(deepcopy(plain).double(), 0, torch.float64)
    alone, layer = (learned(network, 0, torch.float32, bf16=True) for network in (backbone, plain))
    return distance(alone, truth), distance(layer, truth)


def distance(found: dict[str, Tensor], truth: dict[str, Tensor]) -> float:
    """The mean relative error of all tensors but the biases of keys, which have no effect."""
    errors = [
        float((found[name].double() - tensor).norm() / tensor.norm())
        for name, tensor in truth.items()
        if not name.endswith("k_proj.bias")
    ]
    return sum(errors) / len(errors)


@pytest.mark.parametrize("change", [{"hidden_dropout_prob": 0.1}, {"qkv_bias": False}])
def test_dropout_and_missing_biases_use_the_whole_layer(change: dict[str, Any], pixels: Tensor) -> None:
    backbone = tiny("vit", **change)
    assert torch.equal(backbone(pixels.float()), whole(backbone)(pixels.float()))


def test_lora_has_an_effect_on_every_linear_layer(pixels: Tensor) -> None:
    backbone = tiny("clip")
    backbone.freeze("head")
    plain = backbone(pixels.float())
    add_lora(backbone, 2)
    for name, parameter in backbone.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    changed = backbone(pixels.float())
    assert (changed - plain).abs().max() > 1e-2
    changed.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for n, p in backbone.named_parameters() if "lora" in n)


def test_the_last_block_costs_next_to_nothing_for_the_class_token() -> None:
    tokens, first = tiny("vit", "tokens"), tiny("vit", "cls")
    assert isinstance(tokens.blocks[-1], Unmasked)
    assert first.measurement.operations[-2] < tokens.measurement.operations[-2] / 5
    assert first.measurement.shapes[-2] == (1, 16)
