"""Blocks taken apart against the layers of transformers, step by step: every family that has such blocks."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelrec.items.backbones import prenorm_function
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.draft import BackboneOptions
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.families.blocks import Unmasked
from pixelrec.items.backbones.first_token import FirstTokenBlock
from pixelrec.items.backbones.load import random_backbone
from pixelrec.items.lora import add_lora

from .conftest import TINY, shake

APART = ("clip", "dinov2", "siglip", "vit", "vit_mae")
EVERY = pytest.mark.parametrize("family", APART)
OF_CLASS_TOKEN = [
    (family, pooling)
    for family in APART
    for pooling in ("cls", "pooler")
    if pooling in FAMILIES[family].poolings and family != "siglip"
]
ACTIVATIONS = ["gelu", "gelu_pytorch_tanh", "quick_gelu"]


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prenorm_function, "ROWS", 40)  # two pictures of 17 tokens


def tiny(family: str, pooling: Any = "tokens", seed: int = 3, **sizes: Any) -> AbstractBackbone:
    """Eager, with weights that give attention something to choose."""
    torch.manual_seed(seed)
    config = BackboneOptions(pooling, 32, attention="eager")
    backbone = random_backbone(family, sizes={**TINY[family], **sizes}, options=config)
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


def step_by_step(backbone: AbstractBackbone) -> AbstractBackbone:
    """The same network with the layers of transformers as they are."""
    plain = deepcopy(backbone)
    for i, block in enumerate(plain.blocks):
        plain.blocks[i] = Unmasked(block.layer, lambda _: None)
    return plain


def learned(
    backbone: AbstractBackbone, boundary: int, dtype: torch.dtype, bf16: bool = False
) -> dict[str, Tensor]:
    """Features of seven pictures, and the gradients of all that learns, state and parameters."""
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


def assert_alike(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        error = (found[name] - tensor).abs().max() / tensor.abs().max().clamp_min(1)
        assert error < tolerance, name


@EVERY
@pytest.mark.parametrize("boundary", [0, 2])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.usefixtures("exact_softmax")
def test_features_and_gradients_are_those_of_the_layers(
    family: str, boundary: int, dtype: torch.dtype, tolerance: float
) -> None:
    backbone = tiny(family).to(dtype)
    wanted = learned(step_by_step(backbone), boundary, dtype)
    assert_alike(learned(backbone, boundary, dtype), wanted, tolerance)
    assert all(bool(tensor.any()) for tensor in wanted.values())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.usefixtures("exact_softmax")
def test_every_activation(activation: str) -> None:
    backbone = tiny("clip", hidden_act=activation).double()
    wanted = learned(step_by_step(backbone), 0, torch.float64)
    assert_alike(learned(backbone, 0, torch.float64), wanted, 1e-9)


@pytest.mark.parametrize(("family", "pooling"), [*((family, "tokens") for family in APART), *OF_CLASS_TOKEN])
def test_bf16_is_no_further_from_the_truth_than_autocast(family: str, pooling: str) -> None:
    """Both round at random, so on average."""
    far = torch.tensor([distances(tiny(family, pooling, seed)) for seed in range(8)]).mean(0)
    assert far[0] < 1.1 * far[1]


def distances(backbone: AbstractBackbone) -> tuple[float, float]:
    """From the truth: of blocks taken apart, and step by step."""
    plain = step_by_step(backbone)
    truth = learned(deepcopy(plain).double(), 0, torch.float64)
    ways = (learned(network, 0, torch.float32, bf16=True) for network in (backbone, plain))
    apart, steps = (distance(found, truth) for found in ways)
    return apart, steps


def distance(found: dict[str, Tensor], truth: dict[str, Tensor]) -> float:
    """The mean over tensors of their relative errors; keys' biases change nothing, so theirs is all noise."""
    errors = [
        float((found[name].double() - tensor).norm() / tensor.norm())
        for name, tensor in truth.items()
        if not name.endswith("k_proj.bias")
    ]
    return sum(errors) / len(errors)


@EVERY
def test_recomputed_blocks_learn_the_same(family: str) -> None:
    backbone = tiny(family).double()
    wanted = learned(backbone, 0, torch.float64)
    backbone.recompute = True
    assert_alike(learned(backbone, 0, torch.float64), wanted, 1e-12)


def test_nothing_is_kept_where_nothing_learns() -> None:
    backbone = tiny("clip")
    assert kept(backbone, "none") == 0
    assert kept(backbone, "2") > 0
    with torch.no_grad():
        assert kept(backbone, "2") == 0


@pytest.mark.parametrize(("learns", "graph"), [(False, True), (True, False)])
def test_room_is_made_for_few_pictures_where_nothing_learns(
    learns: bool, graph: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[int] = []
    original = prenorm_function._room

    def counted(x: Tensor, folded: Any, form: Any, n: int) -> Any:
        rooms.append(n)
        return original(x, folded, form, n)

    monkeypatch.setattr(prenorm_function, "_room", counted)
    backbone = tiny("clip").requires_grad_(learns)
    rooms.clear()
    with torch.set_grad_enabled(graph):
        backbone.upper(torch.randn(7, 17, 16), 2)
    assert rooms == [2, 2]


def test_less_is_kept_than_step_by_step() -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 256}
    backbone = tiny("clip", **sizes)
    plain = step_by_step(backbone)
    assert kept(backbone, "2") < kept(plain, "2") / 1.8


def kept(backbone: AbstractBackbone, word: str) -> int:
    """Numbers that the graph holds beside parameters."""
    backbone.freeze(word)
    backbone.train()
    own = {parameter.data_ptr() for parameter in backbone.parameters()}
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            seen[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        backbone.upper(torch.randn(4, 17, backbone.state_shape(2)[-1]), 2)
    return sum(seen.values())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the block that is taken apart was asked."""
    made: list[str] = []
    original = prenorm_function.attend_and_transform

    def counted(x: Tensor, parts: Any, dtype: torch.dtype) -> Tensor:
        made.append(str(dtype))
        return original(x, parts, dtype)

    monkeypatch.setattr("pixelrec.items.backbones.families.blocks.attend_and_transform", counted)
    yield made


def test_what_is_not_plain_is_left_to_the_layer(calls: list[str], pixels: Tensor) -> None:
    sdpa = random_backbone("clip", sizes=TINY["clip"], options=BackboneOptions(attention="sdpa"))
    for backbone in (sdpa, tiny("vit", hidden_dropout_prob=0.1), tiny("vit", qkv_bias=False)):
        backbone(pixels.float())
    assert not calls
    backbone = tiny("clip")
    calls.clear()
    backbone(pixels.float())
    with torch.autocast("cpu", torch.bfloat16):
        backbone(pixels.float())
    assert calls == ["torch.float32"] * 3 + ["torch.bfloat16"] * 3


def test_lora_is_not_passed_over(calls: list[str], pixels: Tensor) -> None:
    backbone = tiny("clip", "cls")
    backbone.freeze("head")
    plain = backbone(pixels.float())
    add_lora(backbone, 2)
    for name, parameter in backbone.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter)
    calls.clear()
    changed = backbone(pixels.float())
    assert not calls
    assert (changed - plain).abs().max() > 1e-2
    changed.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for n, p in backbone.named_parameters() if "lora" in n)


@pytest.mark.parametrize(("family", "pooling"), OF_CLASS_TOKEN)
@pytest.mark.parametrize("boundary", [0, 2])
@pytest.mark.usefixtures("exact_softmax")
def test_the_class_token_alone_is_what_it_was_among_all(family: str, pooling: str, boundary: int) -> None:
    backbone = tiny(family, pooling).double()
    assert isinstance(backbone.blocks[-1], FirstTokenBlock)
    wanted = learned(step_by_step(backbone), boundary, torch.float64)
    assert_alike(learned(backbone, boundary, torch.float64), wanted, 1e-9)


def test_a_gated_inner_layer_still_gives_its_class_token(pixels: Tensor) -> None:
    backbone = tiny("dinov2", "cls", use_swiglu_ffn=True)
    assert torch.equal(backbone(pixels.float()), step_by_step(backbone)(pixels.float()))


def test_the_last_block_costs_next_to_nothing_for_the_class_token() -> None:
    tokens, first = tiny("vit", "tokens").measurement, tiny("vit", "cls").measurement
    assert first.operations[-2] < tokens.operations[-2] / 5
    assert first.shapes[-2] == (1, 16)
