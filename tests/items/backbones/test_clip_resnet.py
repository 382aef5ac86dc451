"""CLIP's ResNets against a plain reading of arXiv 2103.00020, at every depth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from items.backbones.clip_reading import (
    TINY,
    attention_pool,
    close,
    last_map,
    network_of,
    pictures,
    random_weights,
)

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.clip_resnet import (
    ARCHITECTURES,
    CLIPResNet,
    CLIPResNetConfig,
    ModifiedResNet,
    fitted_positions,
    random_clip_resnet,
    rebuild_clip_resnet,
)


def test_features_by_hand() -> None:
    weights, pixels = random_weights(), pictures()
    found = network_of(weights)(pixels)
    close(found, attention_pool(last_map(pixels.numpy(), weights), weights, heads=2))
    assert float((found[0] - found[1]).detach().abs().max()) > 0.1, "pictures differ, so must features"


@pytest.mark.parametrize("pooling", ["tokens", "mean"])
def test_places_of_the_last_map(pooling: str) -> None:
    weights, pixels = random_weights(), pictures()
    found = network_of(weights, CLIPResNetConfig(pooling=pooling, size=TINY.native))(pixels)  # type: ignore[arg-type]
    places = last_map(pixels.numpy(), weights).reshape(2, TINY.channels, -1).transpose(0, 2, 1)
    close(found, places if pooling == "tokens" else places.mean(1))


# --- sizes ---

PARAMETERS = {"RN50": 38_316_896, "RN50x4": 87_137_080, "RN50x16": 167_328_912, "RN50x64": 420_380_352}
WIDTHS = {"RN50": 1024, "RN50x4": 640, "RN50x16": 768, "RN50x64": 1024}


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_sizes(name: str) -> None:
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        network = ModifiedResNet(architecture, architecture.native)
        backbone = CLIPResNet(network, CLIPResNetConfig(size=architecture.native))
    assert sum(p.numel() for p in backbone.parameters()) == PARAMETERS[name]
    pixels = torch.empty(1, 3, architecture.native, architecture.native, device="meta")
    assert backbone(pixels).shape == (1, WIDTHS[name])
    assert backbone.stages == architecture.blocks
    assert network.attnpool.q_proj.in_features == 32 * architecture.width


def test_known_by_name() -> None:
    assert set(ARCHITECTURES) == set(PARAMETERS)
    with torch.device("meta"):
        network = random_clip_resnet("RN50x4")
    assert network.input.size == 288, "what it was trained with"
    assert network.state_shape(1) == (80, 72, 72)
    assert network.state_shape(len(network.parts) - 1) == (2560, 9, 9)
    assert network.provenance.revision is None
    with pytest.raises(RecipeError, match="RN50x5.*did you mean 'RN50x4'"):
        random_clip_resnet("RN50x5")


def test_random_weights_are_initialised_as_in_clip() -> None:
    network = ModifiedResNet(TINY, TINY.native)
    for name, parameter in network.attnpool.named_parameters():
        if not name.endswith("bias"):
            assert float(parameter.detach().std()) == pytest.approx(TINY.channels**-0.5, rel=0.1), name
    block = network.layer1[1]
    x = torch.rand(2, 16, 4, 4)
    assert torch.equal(block(x), x), "a bottleneck without shortcut layers adds nothing"
    assert network.layer1[0](x[:, :4]).any()


# --- depth ---


def test_upper_of_lower_is_the_whole() -> None:
    network, pixels = network_of(random_weights()), pictures()
    for boundary in range(len(network.parts) + 1):
        state = network.lower(pixels, boundary)
        assert state.shape[1:] == network.state_shape(boundary)
        assert torch.equal(network.upper(state, boundary), network(pixels))


@pytest.mark.parametrize("frozen_pool", [True, False])
@pytest.mark.parametrize(
    ("word", "blocks"), [("all", 7), ("stages 3-4", 4), ("1", 1), ("head", 0), ("none", 0)]
)
def test_trained_parameters_of_every_depth(word: str, blocks: int, frozen_pool: bool) -> None:
    network = network_of(random_weights(), CLIPResNetConfig(size=TINY.native, frozen_pool=frozen_pool))
    network.freeze(word)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trained = {name.rsplit(".", 1)[0] for name, p in network.named_parameters() if p.requires_grad}
    expected = {f"blocks.{i}" for i in range(7 - blocks, 7)} | ({"stem"} if word == "all" else set())
    expected |= {"head"} if word != "none" and not frozen_pool else set()
    assert {part_of(name) for name in trained} == expected
    features = network(pictures())
    if trained:
        features.sum().backward()
        for name, parameter in network.named_parameters():
            assert (parameter.grad is not None) == parameter.requires_grad, name
    moved = {
        part_of(name)
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert moved == {part for part in expected if part != "head"}, "batch norms learn where parts do"


def part_of(name: str) -> str:
    return ".".join(name.split(".")[:2]) if name.startswith("blocks") else name.split(".")[0]


# --- positions ---


def cubic(distance: float) -> float:
    """Keys' kernel with a = −3/4, as bicubic interpolation of pictures has it."""
    a, x = -0.75, abs(distance)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def resampled(old: int, new: int) -> np.ndarray:
    """new, old: how much of each old place a new one is, along one side; beyond the edge the edge goes on."""
    shares = np.zeros((new, old))
    for i in range(new):
        centre = (i + 0.5) * old / new - 0.5
        for j in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
            shares[i, min(max(j, 0), old - 1)] += cubic(centre - j)
    return shares


@pytest.mark.parametrize(("old", "new"), [(9, 7), (14, 7), (3, 5), (2, 1)])
def test_positions_of_another_grid(old: int, new: int) -> None:
    positions = torch.randn(1 + old**2, 6, dtype=torch.float64)
    side = resampled(old, new)
    square = np.einsum("ia,jb,abc->ijc", side, side, positions[1:].numpy().reshape(old, old, 6))
    expected = np.concatenate([positions[:1].numpy(), square.reshape(-1, 6)])
    close(fitted_positions(positions, new), expected)


def test_positions_of_the_native_grid_stay() -> None:
    for dtype in (torch.float16, torch.float32, torch.float64):
        positions = torch.randn(1 + 7**2, 6).to(dtype)
        assert fitted_positions(positions, 7) is positions


def test_rebuilt_from_its_description() -> None:
    config = CLIPResNetConfig(size=64, frozen_pool=False, mean=(0.5,) * 3, std=(0.25,) * 3)
    network = CLIPResNet(ModifiedResNet(TINY, 64), config)
    again = rebuild_clip_resnet(json.loads(json.dumps(network.describe())))
    assert (again.describe(), again.input) == (network.describe(), network.input)
    assert (again.input.size, again.input.mean, again.input.std) == (64, (0.5,) * 3, (0.25,) * 3)
    again.load_state_dict(network.state_dict())
    pixels = torch.randn(1, 3, 64, 64)
    assert torch.equal(again.eval()(pixels), network.eval()(pixels))
