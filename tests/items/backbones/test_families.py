"""Every family of picture networks against transformers' own models in float64.

The fused kernel computes in float64 throughout; the eager one takes its softmax in float32.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.load import BackboneOptions, load_backbone, random_backbone, rebuild_backbone

from .conftest import TINY, MakeModel, Save, shake

EVERY = pytest.mark.parametrize("family", FAMILIES)
EVERY_POOLING = pytest.mark.parametrize(
    ("family", "pooling"),
    [(name, pooling) for name, family in FAMILIES.items() for pooling in family.poolings],
)
VARIANTS = [
    ("beit", {"use_relative_position_bias": False, "use_shared_relative_position_bias": True}),
    ("beit", {"use_relative_position_bias": False, "use_absolute_position_embeddings": True}),
    ("beit", {"use_mean_pooling": False, "use_mask_token": True}),
    ("convnext", {"layer_scale_init_value": 0.0}),
    ("dinov2", {"use_swiglu_ffn": True}),
    ("mobilenet_v2", {"tf_padding": False, "first_layer_is_expansion": False}),
    ("resnet", {"layer_type": "basic", "downsample_in_first_stage": True}),
    ("swin", {"use_absolute_embeddings": True}),
    ("vit", {"pooler_output_size": 10}),
]


def tiny(family: str, pooling: str | None = None, **sizes: Any) -> AbstractBackbone:
    backbone = random_backbone(
        family,
        sizes={**TINY[family], **sizes},
        options=BackboneOptions(pooling=pooling, size=32, attention="sdpa"),
    )
    shake(backbone)
    return backbone.double()


def reference(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
    """Tokens and pooled features of transformers' own forward."""
    extra: dict[str, Any] = {}
    if pixels.shape[-1] != 32 and model.config.model_type in {
        "clip_vision_model",
        "siglip_vision_model",
        "vit",
        "vit_mae",
        "swin",
    }:
        extra["interpolate_pos_encoding"] = True
    if model.config.model_type == "vit_mae":
        patches = (pixels.shape[-1] // model.config.patch_size) ** 2
        extra["noise"] = torch.arange(patches).expand(len(pixels), -1)  # keeps every patch, in order
    with torch.no_grad():
        found = model(pixels, **extra)
    tokens = found.last_hidden_state
    tokens = tokens if tokens.ndim == 3 else tokens.flatten(2).mT
    pooled = found.get("pooler_output")
    return tokens, None if pooled is None else pooled.flatten(1)


def expected(model: Any, pixels: Tensor, pooling: str) -> Tensor:
    tokens, pooled = reference(model, pixels)
    return {"tokens": tokens, "mean": tokens.mean(1), "cls": tokens[:, 0], "pooler": pooled}[pooling]


def test_every_family_has_a_tiny_network() -> None:
    assert TINY.keys() == FAMILIES.keys()


@EVERY_POOLING
@pytest.mark.parametrize("size", [32, 48])
def test_features_are_transformers_own(
    family: str, pooling: Any, size: int, make_model: MakeModel, save: Save
) -> None:
    model = make_model(family)
    config = BackboneOptions(pooling=pooling, size=size, attention="sdpa")
    backbone = load_backbone(str(save(model)), options=config).double()
    pixels = torch.randn(2, 3, size, size, dtype=torch.float64)
    wanted = expected(model.double(), pixels, pooling)
    torch.testing.assert_close(backbone(pixels), wanted, rtol=0, atol=1e-6 if size == 48 else 1e-9)
    assert wanted.std() > 1e-3
    assert backbone.width == wanted.shape[-1]


@pytest.mark.parametrize(("family", "sizes"), VARIANTS, ids=str)
def test_variants_are_transformers_own(
    family: str, sizes: dict[str, Any], make_model: MakeModel, save: Save, pixels: Tensor
) -> None:
    model = make_model(family, **sizes)
    config = BackboneOptions(pooling="pooler", size=32, attention="sdpa")
    backbone = load_backbone(str(save(model)), options=config).double()
    wanted = expected(model.double(), pixels, "pooler")
    torch.testing.assert_close(backbone(pixels), wanted, rtol=0, atol=1e-9)


@EVERY_POOLING
def test_a_cut_at_any_depth_changes_nothing(family: str, pooling: Any, pixels: Tensor) -> None:
    backbone = tiny(family, pooling)
    whole = backbone(pixels)
    assert len(backbone.parts) == len(backbone.blocks) + 2
    for boundary in range(len(backbone.parts) + 1):
        state = backbone.lower(pixels, boundary)
        assert state.shape == (3, *backbone.state_shape(boundary))
        assert backbone.state_bytes(boundary, torch.float64) * 3 == state.numel() * 8
        assert torch.equal(backbone.upper(state, boundary), whole)
    assert torch.equal(backbone.lower(pixels, 0), pixels)


@EVERY
def test_features_do_not_depend_on_other_pictures(family: str, pixels: Tensor) -> None:
    backbone = tiny(family)
    torch.testing.assert_close(backbone(pixels)[1:2], backbone(pixels[1:2]), rtol=0, atol=1e-9)


WORDS = ["none", "head", "1", "2", "all", "stages 2-3", "stage 3"]


@EVERY
@pytest.mark.parametrize("word", WORDS)
def test_frozen_parts_are_constants_and_trained_ones_learn(family: str, word: str, pixels: Tensor) -> None:
    backbone = tiny(family, "pooler" if "pooler" in FAMILIES[family].poolings else "mean")
    if not backbone.stages and "stage" in word:
        pytest.skip("a network without stages")
    word = word.replace("3", str(len(backbone.stages))) if backbone.stages else word
    before = deepcopy(backbone.state_dict())
    backbone.freeze(word)
    backbone.train()
    features = backbone(pixels)
    assert features.requires_grad is any(p.requires_grad for p in backbone.parameters())
    if features.requires_grad:
        features.square().sum().backward()
    after = backbone.state_dict()
    for i, (name, part) in enumerate(zip(part_names(backbone), backbone.parts, strict=True)):
        trained = i >= backbone.boundary
        assert all(module.training is trained for module in part.modules()), name
        for key, parameter in part.named_parameters():
            learns = trained and not (family == "vit_mae" and key == "embeddings.position_embeddings")
            assert parameter.requires_grad is learns, (name, key)
            assert (parameter.grad is not None and bool(parameter.grad.any())) is learns, (name, key)
        for key, _ in part.named_buffers():
            if key.endswith("running_mean"):
                assert torch.equal(before[f"{name}.{key}"], after[f"{name}.{key}"]) is not trained, name


def part_names(backbone: AbstractBackbone) -> list[str]:
    return ["stem", *(f"blocks.{i}" for i in range(len(backbone.blocks))), "head"]


@EVERY
def test_depth_may_be_changed(family: str) -> None:
    backbone = tiny(family)
    by_design = {name for name, p in backbone.named_parameters() if p.requires_grad}
    backbone.freeze("none")
    assert not any(p.requires_grad for p in backbone.parameters())
    backbone.freeze("all")
    assert {name for name, p in backbone.named_parameters() if p.requires_grad} == by_design
    assert not backbone.training, "freezing does not start training"


@EVERY
def test_recomputation_changes_nothing_but_memory(family: str, pixels: Tensor) -> None:
    backbones = [tiny(family)]
    backbones.append(deepcopy(backbones[0]))
    saved: list[int] = []
    for backbone, recompute in zip(backbones, (False, True), strict=True):
        backbone.recompute = recompute
        backbone.freeze("2")
        backbone.train()
        kept = [0]

        def pack(tensor: Tensor, kept: list[int] = kept) -> Tensor:
            kept[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            features = backbone(pixels)
        features.square().sum().backward()
        saved.append(kept[0])
    plain, again = backbones
    for (name, one), other in zip(plain.named_parameters(), again.parameters(), strict=True):
        if one.requires_grad:
            torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-9, msg=name)
    for (name, one), other in zip(plain.named_buffers(), again.buffers(), strict=True):
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(one, other), name
    assert saved[1] < saved[0] / 2


@EVERY
def test_described_and_rebuilt(family: str, pixels: Tensor) -> None:
    backbone = tiny(family, "tokens")
    description = json.loads(json.dumps(backbone.describe()))
    again = rebuild_backbone(description, attention="sdpa").double()
    again.load_state_dict(backbone.state_dict())
    assert torch.equal(again(pixels), backbone(pixels))
    assert again.input == backbone.input
    assert again.describe() == backbone.describe()


@EVERY
def test_cost_counts_from_the_bottom(family: str) -> None:
    backbone = tiny(family)
    top = len(backbone.parts)
    shares = [backbone.frozen_fraction(b) for b in range(top + 1)]
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    assert 0 < shares[1] < 1


def test_operations_are_those_of_the_formula() -> None:
    """Linear layers and attention of a transformer block, counted by hand."""
    backbone = tiny("vit", "tokens")
    T, W, inner = 17, 16, 24
    block = 2 * (4 * T * W * W + 2 * T * T * W + 2 * T * W * inner)
    stem = 2 * 16 * W * 3 * 8 * 8
    assert backbone.frozen_fraction(2) == pytest.approx((stem + block) / (stem + 3 * block))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_both_attention_kernels_agree(attention: Any, pixels: Tensor) -> None:
    torch.manual_seed(1)
    plain = random_backbone("vit", sizes=TINY["vit"], options=BackboneOptions(attention="eager"))
    chosen = random_backbone("vit", sizes=TINY["vit"], options=BackboneOptions(attention=attention))
    chosen.load_state_dict(plain.state_dict())
    calls: list[str] = []
    original = nn.functional.scaled_dot_product_attention

    def counted(*args: Any, **kwargs: Any) -> Tensor:
        calls.append("fused")
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.functional, "scaled_dot_product_attention", counted)
        features = chosen(pixels.float())
    torch.testing.assert_close(features, plain(pixels.float()), rtol=0, atol=1e-5)
    assert bool(calls) is (attention == "sdpa")


def test_mobilenet_batch_norms_average_over_batches(pixels: Tensor) -> None:
    backbone = tiny("mobilenet_v2")
    norm = next(m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d))
    before = norm.running_mean.clone()
    backbone.train()
    backbone(pixels)
    moved = (norm.running_mean - before).norm() / before.norm()
    assert 0 < moved < 0.5


@pytest.mark.parametrize(("accelerated", "kernel"), [(False, "eager"), (True, "sdpa")])
def test_auto_attention_depends_on_the_device(
    accelerated: bool, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.accelerator.is_available", lambda: accelerated)
    backbone = random_backbone("vit", sizes=TINY["vit"])
    assert backbone.blocks[0].layer.attention.config._attn_implementation == kernel


def test_a_shared_bias_becomes_one_per_block(pixels: Tensor) -> None:
    """BEiT's pre-training checkpoints have one bias for all blocks."""
    backbone = tiny("beit", use_relative_position_bias=False, use_shared_relative_position_bias=True)
    backbone.freeze("1")
    backbone.train()
    backbone(pixels).square().sum().backward()
    biases = [p for name, p in backbone.named_parameters() if "relative_position_bias" in name]
    assert [bool(p.requires_grad) for p in biases] == [False, False, True]
    assert [p.grad is not None for p in biases] == [False, False, True]
