"""Published recipes over pixels: what is trained, how it is read and stepped is what the benchmark says.

Networks are tiny ones of the same families, with as many stages and more blocks than are trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from end_to_end.pixel_runs import checkpoint
from safetensors.torch import save_file

from pixelrec.batch import DatasetSpec
from pixelrec.data.dataset import Dataset
from pixelrec.data.split import training_events
from pixelrec.items.backbones.clip_resnet import Architecture, ModifiedResNet
from pixelrec.items.backbones.pooling import MapToTokens
from pixelrec.items.pixels import PixelEncoder
from pixelrec.recipe.build import build_recommender
from pixelrec.recipe.recipe import Recipe, read_recipe, recipes
from pixelrec.recommender import Recommender
from pixelrec.training.config import OptimiserConfig
from pixelrec.training.optimiser import Optimiser

SIZE = 32
FOUR = {"depths": [1, 2, 3, 1]}
OVER_PIXELS = [
    name
    for name in recipes()
    if name.startswith("published/") and read_recipe(name)["items"]["name"] == "pixels"
]
over_pixels = pytest.mark.parametrize("name", OVER_PIXELS)


@dataclass(frozen=True)
class Published:
    """What PROTOCOL §6 says of a network."""

    family: str
    source: str
    trained: tuple[int, ...]  # blocks of the tiny network
    frozen: tuple[int, ...]
    decay: float
    width: int  # of the tiny network's features
    tokens: bool = False


NETWORKS = {
    "vit": Published("clip", "openai/clip-vit-base-patch32", (2, 3), (0, 1), 0.0, 16, tokens=True),
    "beit": Published("beit", "microsoft/beit-base-patch16-224", (2, 3), (0, 1), 0.0, 16),
    "swin-t": Published("swin", "microsoft/swin-tiny-patch4-window7-224", (3, 4, 5, 6), (0, 1, 2), 0.0, 32),
    "swin-b": Published("swin", "microsoft/swin-base-patch4-window7-224", (3, 4, 5, 6), (0, 1, 2), 0.0, 32),
    "rn50": Published("clip_resnet", "RN50.safetensors", (3, 4, 5, 6), (0, 1, 2), 0.01, 24),
    "rn50x4": Published("clip_resnet", "RN50x4.safetensors", (6,), (0, 1, 2, 3, 4, 5), 0.01, 24),
    "rn50x16": Published("clip_resnet", "RN50x16.safetensors", (6,), (0, 1, 2, 3, 4, 5), 0.01, 24),
    "rn50x64": Published("clip_resnet", "RN50x64.safetensors", (6,), (0, 1, 2, 3, 4, 5), 0.01, 24),
    "resnet50": Published("resnet", "microsoft/resnet-50", (3, 4, 5, 6), (0, 1, 2), 0.01, 24),
}
SIZES = {
    "clip": {"num_hidden_layers": 4},
    "beit": {"num_hidden_layers": 4},
    "swin": {**FOUR, "num_heads": [1, 2, 2, 4], "embed_dim": 4, "window_size": 2},
    "resnet": {**FOUR, "hidden_sizes": [8, 12, 16, 24]},
}


def published(name: str) -> Published:
    return NETWORKS[name.partition("-")[2]]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny checkpoint of every family."""
    folder = tmp_path_factory.mktemp("sources")
    found = {family: checkpoint(folder / family, family, **sizes) for family, sizes in SIZES.items()}
    weights = ModifiedResNet(Architecture((1, 2, 3, 1), width=16, output=24, native=SIZE), SIZE).state_dict()
    found["clip_resnet"] = folder / "RN.safetensors"
    save_file({f"visual.{key}": tensor for key, tensor in weights.items()}, found["clip_resnet"])
    return found


@pytest.fixture(scope="module")
def spec(dataset: Dataset) -> DatasetSpec:
    return dataset.spec(10, training_events(dataset))


Built = Callable[[str], tuple[Recipe, Recommender, PixelEncoder]]


@pytest.fixture(scope="module")
def built(sources: dict[str, Path], spec: DatasetSpec) -> Built:
    """A recipe over a tiny network, built once."""

    @cache
    def build(name: str) -> tuple[Recipe, Recommender, PixelEncoder]:
        source = str(sources[published(name).family])
        recipe = read_recipe(name, {"items.source": source, "items.size": SIZE, "items.width": 16})
        recommender = build_recommender(recipe, spec)
        assert isinstance(recommender.items, PixelEncoder)
        return recipe, recommender, recommender.items

    return build


def test_all_of_them_are_known_here() -> None:
    users = ["sasrec", "bert4rec", "dssm", "fm", "gru4rec", "lightsans", "mf", "nextitnet", "srgnn"]
    expected = {f"{model}-{network}" for model in users for network in ("vit", "rn50")}
    expected |= {f"sasrec-{network}" for network in NETWORKS}
    assert set(OVER_PIXELS) == {f"published/{name}" for name in expected}


@over_pixels
def test_choices_are_the_published_ones(name: str) -> None:
    items, network = read_recipe(name)["items"], published(name)
    assert items["source"] == network.source
    assert (items["size"], items["statistics"], items["norm"]) == (224, "half", "none")
    assert items["pooling"] == ("tokens" if network.tokens else "pooler")
    assert (items["activation"], items["lora"]) == ("relu", 0)
    assert items["frozen_pool"] == (network.family == "clip_resnet")
    assert items["pretrained"] is True


@over_pixels
def test_what_is_trained(name: str, built: Built) -> None:
    _, _, encoder = built(name)
    backbone, network = encoder.backbone.train(), published(name)
    assert len(backbone.blocks) == len(network.trained) + len(network.frozen)
    for block in network.frozen:
        assert not any(p.requires_grad for p in backbone.blocks[block].parameters())
        assert not any(m.training for m in backbone.blocks[block].modules()), "batch norms stay as they are"
    for block in network.trained:
        assert all(p.requires_grad for p in backbone.blocks[block].parameters())
        assert all(m.training for m in backbone.blocks[block].modules()), "batch norms follow the batch"
    assert not any(p.requires_grad for p in backbone.stem.parameters())
    in_head = list(backbone.head.parameters())
    if network.family == "clip_resnet":
        assert len(in_head) == 9 and not any(p.requires_grad for p in in_head), "the attention pool is frozen"
    elif network.tokens:
        assert in_head == [], "the layer norm after the blocks is left out"
    else:
        assert all(p.requires_grad for p in in_head)
    assert all(p.requires_grad for p in encoder.project.parameters())


@over_pixels
def test_how_pictures_are_read_and_pooled(name: str, built: Built) -> None:
    _, _, encoder = built(name)
    backbone, network = encoder.backbone.eval(), published(name)
    assert (backbone.input.size, backbone.input.mean, backbone.input.std) == (SIZE, (0.5,) * 3, (0.5,) * 3)
    pictures = torch.tensor([0, 255], dtype=torch.uint8).repeat(2, SIZE, SIZE * 3 // 2).view(2, SIZE, SIZE, 3)
    assert set(backbone.input.normalise(pictures).unique().tolist()) == {-1.0, 1.0}
    features = backbone(torch.randn(2, 3, SIZE, SIZE))
    if network.tokens:
        assert features.shape == (2, 1 + (SIZE // 8) ** 2, network.width)
        vectors = encoder.project(features)
        by_hand = (features @ encoder.project.linear.weight.T + encoder.project.linear.bias).relu().mean(1)
        torch.testing.assert_close(vectors, by_hand)
    else:
        assert features.shape == (2, network.width)
    if network.family == "resnet":
        places = MapToTokens()(backbone._run(torch.ones(2, 3, SIZE, SIZE), 0, len(backbone.blocks) + 1))
        torch.testing.assert_close(backbone(torch.ones(2, 3, SIZE, SIZE)), places.mean(1))
    assert not encoder.project.linear.bias.any()


@over_pixels
def test_backbones_have_rates_and_decays_of_their_own(name: str, built: Built) -> None:
    recipe, recommender, encoder = built(name)
    optimiser = Optimiser(recommender, OptimiserConfig(**recipe["optimiser"]), lazy=False)
    assert optimiser.dense is not None
    settings = {
        id(parameter): (group["peak"], group["weight_decay"])
        for group in optimiser.dense.param_groups
        for parameter in group["params"]
    }
    of_backbone = {id(p) for p in encoder.backbone.parameters() if p.requires_grad}
    of_others = {id(p) for p in recommender.parameters() if p.requires_grad} - of_backbone
    assert settings.keys() == of_backbone | of_others and of_backbone
    assert {settings[key] for key in of_backbone} == {(1e-4, published(name).decay)}
    others = (recipe["optimiser"]["learning_rate"], recipe["optimiser"]["weight_decay"])
    assert {settings[key] for key in of_others} == {others}
    assert id(encoder.project.linear.weight) in of_others


@over_pixels
def test_saved_it_is_built_again(name: str, built: Built, spec: DatasetSpec, tmp_path: Path) -> None:
    _, recommender, encoder = built(name)
    recommender.save(tmp_path / "best")
    loaded = Recommender.from_pretrained(tmp_path / "best", data=spec)
    assert isinstance(loaded.items, PixelEncoder)
    assert loaded.items.describe() == encoder.describe()
    assert loaded.items.backbone.boundary == encoder.backbone.boundary
    trained = [{n for n, p in made.named_parameters() if p.requires_grad} for made in (recommender, loaded)]
    assert trained[0] == trained[1]
    for key, tensor in recommender.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], tensor), key
