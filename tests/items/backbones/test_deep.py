"""Rows of many depths: those that hooks on the networks' own modules read, whatever the cut and the batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.clip_resnet import Architecture, CLIPResNet, CLIPResNetConfig, ModifiedResNet
from pixelrec.items.backbones.cnnf import CNNF
from pixelrec.items.backbones.deep import Deep
from pixelrec.items.backbones.families import FAMILIES
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network, rebuild_network

from .conftest import TINY, MakeModel, Save, shake
from .test_families import reference

Read = Callable[[Any], list[nn.Module]]


def merged(model: Any) -> list[nn.Module]:
    """Of Swin: the last block of a stage is followed by the merging of patches, if there is one."""
    found = []
    for stage in model.encoder.layers:
        *lower, last = stage.blocks
        found += [*lower, stage.downsample or last]
    return found


# The modules of transformers' models whose outputs are the depths: the stem, then the blocks.
MODULES: Mapping[str, Read] = {
    "beit": lambda m: [m.embeddings, *m.layers],
    "clip": lambda m: [m.pre_layrnorm, *m.encoder.layers],
    "convnext": lambda m: [m.embeddings, *chain(*(stage.layers for stage in m.encoder.stages))],
    "dinov2": lambda m: [m.embeddings, *m.encoder.layer],
    "mobilenet_v2": lambda m: [m.conv_stem, *m.layer],
    "resnet": lambda m: [m.embedder, *chain(*(stage.layers for stage in m.encoder.stages))],
    "siglip": lambda m: [m.embeddings, *m.encoder.layers],
    "swin": lambda m: [m.embeddings, *merged(m)],
    "vit": lambda m: [m.embeddings, *m.layers],
    "vit_mae": lambda m: [m.embeddings, *m.layers],
}
TOKENS_IN_FRONT = {"beit": 1, "clip": 1, "dinov2": 1, "vit": 1, "vit_mae": 1}


def read_by_hooks(modules: list[nn.Module], run: Callable[[], object]) -> list[np.ndarray]:
    """What each module gave."""
    found: list[np.ndarray] = []

    def keep(_module: nn.Module, _inputs: object, output: Any) -> None:
        state = output[0] if isinstance(output, tuple) else output
        found.append(state.detach().numpy())

    hooks = [module.register_forward_hook(keep) for module in modules]
    run()
    for hook in hooks:
        hook.remove()
    assert len(found) == len(modules)
    return found


def row_of(states: list[np.ndarray], in_front: int = 0) -> np.ndarray:
    """Means and deviations over positions, depth by depth."""
    numbers = []
    for state in states:
        if state.ndim == 2:
            numbers.append(state)
        else:
            flat = (
                state.reshape(*state.shape[:2], -1) if state.ndim == 4 else state[:, in_front:].swapaxes(1, 2)
            )
            numbers += [flat.mean(-1), flat.std(-1)]
    return np.concatenate(numbers, 1)


def deep(family: str, depths: Any = "all", **words: Any) -> AbstractBackbone:
    options = BackboneOptions(words.pop("pooling", None), 32, attention="sdpa")
    config = NetworkConfig(
        None, family, False, None, TINY[family], options, depths=depths, spread=words.pop("spread", True)
    )
    network = make_network(config)
    shake(network)
    return network.double()


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_those_of_hooks_on_the_networks_own_modules(
    family: str, make_model: MakeModel, save: Save, pixels: Tensor
) -> None:
    model = make_model(family)
    options = BackboneOptions(size=32, attention="sdpa")
    network = make_network(NetworkConfig(str(save(model)), options=options, depths="blocks")).double()
    states = read_by_hooks(MODULES[family](model), lambda: reference(model.double(), pixels))
    expected = row_of(states, TOKENS_IN_FRONT.get(family, 0))
    found = network(pixels).detach().numpy()
    assert found.shape == expected.shape and network.width == sum(network.widths) == expected.shape[1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert len(network.widths) == len(network.blocks) + 1 and expected.std(0).max() > 1e-3


@pytest.mark.parametrize("kind", ["clip_resnet", "cnnf"])
def test_rows_of_networks_of_our_own(kind: str) -> None:
    size = 32 if kind == "clip_resnet" else 39
    if kind == "cnnf":
        inner: AbstractBackbone = CNNF(size=size, width=16, dropout=0.0).eval()
    else:
        layers = ModifiedResNet(Architecture((1, 2, 1, 1), width=16, output=24, native=size), size)
        inner = CLIPResNet(layers, CLIPResNetConfig(size=size)).eval()
    shake(inner)
    inner.double()
    pixels = torch.randn(2, 3, size, size, dtype=torch.float64)
    states = read_by_hooks([inner.stem, *inner.blocks], lambda: inner(pixels))
    network = Deep(inner, "blocks")
    np.testing.assert_allclose(network(pixels).detach().numpy(), row_of(states), rtol=0, atol=2e-6)


@pytest.mark.parametrize("depths", ["all", "blocks", ["stem", 2, "last"], [1], "2,last"])
@pytest.mark.parametrize("family", ["clip", "resnet", "swin"])
def test_a_cut_at_any_depth_changes_nothing(family: str, depths: Any, pixels: Tensor) -> None:
    network = deep(family, depths)
    whole = network(pixels)
    for boundary in range(len(network.parts) + 1):
        state = network.lower(pixels, boundary)
        assert state.shape == (3, *network.state_shape(boundary))
        assert torch.equal(network.upper(state, boundary), whole)
    network.freeze("none")
    frozen = network.lower(pixels)
    assert frozen.shape == whole.shape, "frozen, the cached state is the row"
    torch.testing.assert_close(frozen, whole, rtol=0, atol=1e-9)
    torch.testing.assert_close(network(pixels[1:2]), whole[1:2], rtol=0, atol=1e-9)
    again = rebuild_network(network.describe()).double()
    again.load_state_dict(network.state_dict())
    assert again.describe() == network.describe()
    torch.testing.assert_close(again(pixels), whole, rtol=0, atol=1e-6)


def test_a_few_depths_are_their_part_of_the_row(pixels: Tensor) -> None:
    whole = deep("mobilenet_v2")
    few = deep("mobilenet_v2", [7, 3], spread=False)
    few.load_state_dict(whole.state_dict(), strict=False)
    parts = dict(zip(range(18), whole(pixels).split(whole.widths, 1), strict=True))
    expected = torch.cat([parts[n][:, : parts[n].shape[1] // 2] for n in (3, 7)], 1)
    torch.testing.assert_close(few(pixels), expected)
    assert len(few.blocks) == 7, "higher ones are dropped"
    assert parts[17].shape[1] == whole.widths[-1], "of one vector, the spread is left out"
    blocks = deep("mobilenet_v2", "blocks")
    blocks.load_state_dict(whole.state_dict(), strict=False)
    torch.testing.assert_close(blocks(pixels), torch.cat([parts[n] for n in range(17)], 1))


def test_a_channel_that_does_not_vary_has_a_gradient() -> None:
    network = deep("resnet")
    network.freeze("all")
    state = torch.ones(2, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    row = network._pooled(state)  # type: ignore[operator]
    row.sum().backward()
    assert state.grad is not None and torch.equal(state.grad, torch.full_like(state, 1 / 16))


@pytest.mark.parametrize(
    ("family", "depths", "pooling", "says"),
    [
        (
            "resnet",
            ["7"],
            None,
            "items.depths has '7'; expected all, blocks, or some of stem, 1 to 5 and last",
        ),
        ("resnet", "lst", None, "did you mean 'last'"),
        ("resnet", [], None, "items.depths is empty"),
        ("resnet", [True], None, "items.depths has True"),
        (
            "vit",
            "blocks",
            "cls",
            "items.pooling is 'cls', and would have no effect: items.depths has no last",
        ),
        ("vit", ["last", 3], "cls", "block 3 is computed for the class token alone"),
    ],
)
def test_unsuitable_depths_are_one_line(family: str, depths: Any, pooling: Any, says: str) -> None:
    with pytest.raises(RecipeError) as error:
        deep(family, depths, pooling=pooling)
    assert says in str(error.value) and "\n" not in str(error.value)
