"""Extraction: each layer's vectors are those of a plain pass, and only new pictures are encoded."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pixelrec.batch import DatasetSpec
from pixelrec.errors import FeatureError, ImageError, RecipeError
from pixelrec.images.pack import pack
from pixelrec.items.backbones.backbone import AbstractBackbone
from pixelrec.items.backbones.load import BackboneOptions
from pixelrec.items.backbones.networks import NetworkConfig, make_network
from pixelrec.items.extraction import Layer, extract
from pixelrec.items.pictures import Pictures
from pixelrec.items.several_pictures import SeveralPictures

IDS = [f"i{number}" for number in range(11)]
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "layer_type": "basic"}
VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "patch_size": 8,
}


def network(family: str = "resnet", seed: int = 0) -> AbstractBackbone:
    torch.manual_seed(seed)
    sizes = RESNET if family == "resnet" else VIT
    pooling = None if family == "resnet" else "mean"
    options = BackboneOptions(pooling, 32)  # type: ignore[arg-type]
    return make_network(NetworkConfig(None, family, False, None, sizes, options)).eval()


def covers(folder: Path, seeds: list[int]) -> Path:
    from PIL import Image

    folder.mkdir(exist_ok=True)
    for item, seed in zip(IDS, seeds, strict=True):
        pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{item}.png")
    return folder


def packed(folder: Path, seeds: list[int], *, overwrite: bool = False) -> Pictures:
    store = folder / "covers.lmdb"
    pack(covers(folder / "covers", seeds), store, IDS, size=32, overwrite=overwrite)
    return Pictures(DatasetSpec(1, len(IDS), 3, folder, item_ids=IDS, covers=store))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return packed(tmp_path, list(range(11)))


def pixels(pictures: Pictures, net: AbstractBackbone) -> torch.Tensor:
    return net.input.normalise(pictures.read(np.arange(1, 12)), torch.float32)


@pytest.mark.parametrize("chunk", [1, 4, 64])
@pytest.mark.parametrize(
    ("layer", "regions"),
    [("features", False), ("stem", False), ("block 1", True), ("stage 2", False), ("stage 2", True)],
)
def test_maps(tmp_path: Path, pictures: Pictures, layer: str, regions: bool, chunk: int) -> None:
    net = network()
    found = extract(Layer(net, layer, regions), pictures, tmp_path / "f", chunk=chunk).features
    depth = {"features": 5, "stem": 1, "block 1": 2, "stage 2": 4}[layer]
    with torch.no_grad():
        expected = net.lower(pixels(pictures, net), depth)
    if expected.dim() == 4:
        expected = expected.flatten(2).mT if regions else expected.mean((2, 3))
    assert found.ids.to_list() == IDS
    assert np.allclose(found.vectors, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("regions", [True, False])
def test_tokens_are_those_of_patches(tmp_path: Path, pictures: Pictures, regions: bool) -> None:
    net = network("vit")
    found = extract(Layer(net, "block 2", regions), pictures, tmp_path / "f").features
    with torch.no_grad():
        tokens = net.lower(pixels(pictures, net), 3)[:, 1:]
    expected = tokens if regions else tokens.mean(1)
    assert tokens.shape[1] == 16
    assert np.allclose(found.vectors, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(("chunk", "regions"), [(1, False), (5, True)])
def test_the_vector_of_several_pictures_is_their_mean(
    tmp_path: Path, pictures: Pictures, chunk: int, regions: bool
) -> None:
    layer, folder = Layer(network(), "stage 2", regions), tmp_path / "covers"
    single = extract(layer, pictures, tmp_path / "one").features.vectors
    for number, item in enumerate(IDS):  # item n has the pictures of all items up to n
        (tmp_path / "all" / item).mkdir(parents=True)
        for other in IDS[: number + 1]:
            shutil.copy(folder / f"{other}.png", tmp_path / "all" / item / f"{other[1:]}.png")
    by_folder = SeveralPictures.of(tmp_path / "all", IDS, "stretch").extract(
        layer, tmp_path / "f", chunk=chunk
    )
    named = {item: [f"{other}.png" for other in IDS[: number + 1]] for number, item in enumerate(IDS)}
    by_name = SeveralPictures.of(folder, IDS, "stretch", named).extract(layer, tmp_path / "g", chunk=chunk)
    assert by_folder.features.origin == by_name.features.origin
    for found in (by_folder.features, by_name.features):
        for number in range(11):
            assert np.allclose(found.vectors[number], single[: number + 1].mean(0), atol=1e-5)


def test_several_pictures_continue_where_they_were_interrupted(tmp_path: Path, pictures: Pictures) -> None:
    layer, folder = Layer(network()), tmp_path / "covers"
    several = SeveralPictures.of(folder, IDS, "stretch")
    (folder / "i7.png").rename(folder / "hidden")
    with pytest.raises(ImageError, match="i7.png"):
        several.extract(layer, tmp_path / "f", chunk=2)
    assert not (tmp_path / "f").exists()
    (folder / "hidden").rename(folder / "i7.png")
    again = several.extract(layer, tmp_path / "f", chunk=2)
    assert (again.computed, again.reused) == (5, 6)
    assert np.allclose(again.features.vectors, extract(layer, pictures, tmp_path / "g").features.vectors)
    with pytest.raises(ImageError, match=r"has no picture of 1 of 12 items: 'none'"):
        SeveralPictures.of(folder, [*IDS, "none"], "stretch")


def test_only_new_and_changed_pictures_are_encoded(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = Layer(network())
    first = extract(layer, pictures, tmp_path / "f")
    again = extract(layer, pictures, tmp_path / "f")
    assert (first.computed, again.computed, again.reused) == (11, 0, 11)
    pictures.store.close()
    changed = packed(tmp_path, [0, 1, 99, 3, 4, 5, 6, 98, 8, 9, 10], overwrite=True)
    seen: list[int] = []
    call = Layer.__call__
    monkeypatch.setattr(Layer, "__call__", lambda self, x: (seen.append(len(x)), call(self, x))[1])
    third = extract(layer, changed, tmp_path / "f", chunk=4)
    assert (third.computed, sum(seen)) == (2, 2)
    monkeypatch.undo()
    whole = extract(layer, changed, tmp_path / "g").features
    assert np.allclose(third.features.vectors, whole.vectors, atol=1e-6)


def test_an_interruption_costs_one_chunk(
    tmp_path: Path, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, call, seen = Layer(network()), Layer.__call__, []

    def interrupted(self: Layer, given: torch.Tensor) -> np.ndarray:
        seen.append(len(given))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return call(self, given)

    monkeypatch.setattr(Layer, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(layer, pictures, tmp_path / "f", chunk=4)
    assert not (tmp_path / "f").exists()
    found = extract(layer, pictures, tmp_path / "f", chunk=4)
    assert seen == [4, 4, 3, 3]
    monkeypatch.undo()
    whole = extract(layer, pictures, tmp_path / "g", chunk=4).features
    assert np.array_equal(found.features.vectors, whole.vectors)


def test_another_network_replaces_features_only_when_told(tmp_path: Path, pictures: Pictures) -> None:
    extract(Layer(network()), pictures, tmp_path / "f")
    other = Layer(network(), "stem")
    with pytest.raises(FeatureError, match="--overwrite"):
        extract(other, pictures, tmp_path / "f")
    assert extract(other, pictures, tmp_path / "f", overwrite=True).computed == 11


@pytest.mark.parametrize("name", ["block 0", "block 4", "stage 3", "head", "", "block one"])
def test_unknown_layers_are_one_line(name: str) -> None:
    with pytest.raises(RecipeError, match=r"there is no layer .*; this network has features, stem, block 1"):
        Layer(network(), name)


def test_a_pooled_layer_has_no_regions() -> None:
    with pytest.raises(RecipeError, match="regions need the map of an earlier one, such as 'stage 2'"):
        Layer(network(), "features", regions=True)


def test_a_block_without_tokens_of_patches_is_refused() -> None:
    options = BackboneOptions("cls", 32)
    with pytest.raises(RecipeError, match="choose another one, such as mean"):
        Layer(make_network(NetworkConfig(None, "vit", False, None, VIT, options)), "block 2")


def test_pictures_of_another_size_are_refused(tmp_path: Path, pictures: Pictures) -> None:
    torch.manual_seed(0)
    large = make_network(NetworkConfig(None, "resnet", False, None, RESNET, BackboneOptions(size=64))).eval()
    with pytest.raises(ImageError, match="have 32 pixels a side, and the network takes 64"):
        extract(Layer(large), pictures, tmp_path / "f")


def test_the_origin_names_network_and_layer(tmp_path: Path, pictures: Pictures) -> None:
    origin = extract(Layer(network(), "stage 1"), pictures, tmp_path / "f").features.origin
    assert (origin["kind"], origin["layer"], origin["size"]) == ("network", "stage 1", 32)
    assert origin["network"]["family"] == "resnet"
