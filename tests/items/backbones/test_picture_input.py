"""The input of a network, read from the files of old and new checkpoints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.picture_input import (
    CLIP_MEAN,
    CLIP_STD,
    PictureInput,
    PictureSizes,
    Preprocessing,
)

COLOURS = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ({"size": 224}, 224),
        ({"size": {"height": 384, "width": 384}}, 384),
        ({"size": {"shortest_edge": 256}}, 256),
        (
            {
                "size": {"shortest_edge": 256},
                "crop_size": {"height": 224, "width": 224},
                "do_center_crop": True,
            },
            224,
        ),
        ({"size": 256, "crop_size": 224, "do_center_crop": True}, 224),
        ({"size": 256, "crop_size": 224, "do_center_crop": False}, 256),
        ({"size": 256, "crop_size": 224}, 224),
        ({"size": [224, 224]}, 224),
        ({}, None),
    ],
)
def test_size(written: dict[str, Any], size: int | None) -> None:
    assert Preprocessing.of(written).size == size


@pytest.mark.parametrize(
    "written",
    [
        {"size": "big"},
        {"size": 32.5},
        {"size": [32]},
        {"size": 0},
        {"size": {"height": "32", "width": "32"}},
        {"image_mean": ["a", "b", "c"]},
        {"image_mean": [0.1, 0.2]},
        {"image_mean": [0.1, 0.2, math.nan]},
        {"image_std": [0.1, 0.0, 0.1]},
        {"rescale_factor": "x"},
        {"rescale_factor": 0},
    ],
    ids=str,
)
def test_values_that_are_no_numbers_are_refused(written: dict[str, Any]) -> None:
    (name,) = written
    with pytest.raises(RecipeError, match=f"preprocessor_config.json: {name} is .*correct the file"):
        Preprocessing.of(written)


def test_colours() -> None:
    assert Preprocessing.of({}).mean is None
    found = Preprocessing.of(COLOURS)
    assert (found.mean, found.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    "scaling",
    [
        {},
        {"do_rescale": True, "rescale_factor": 1 / 255},
        {"do_rescale": True, "rescale_factor": 1 / 127.5},
        {"do_rescale": False},
        {"do_normalize": False},
    ],
    ids=str,
)
def test_any_scaling_becomes_mean_and_std(scaling: dict[str, Any]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    factor = scaling.get("rescale_factor", 1 / 255) if scaling.get("do_rescale", True) else 1.0
    wanted = pictures.astype(np.float64) * factor
    if scaling.get("do_normalize", True):
        wanted = (wanted - np.array(COLOURS["image_mean"])) / np.array(COLOURS["image_std"])
    found = Preprocessing.of(COLOURS | scaling)
    assert found.mean is not None
    assert found.std is not None
    pixels = PictureInput(4, found.mean, found.std).normalise(torch.from_numpy(pictures), torch.float64)
    np.testing.assert_allclose(pixels.numpy(), wanted.transpose(0, 3, 1, 2), rtol=1e-12, atol=1e-12)


def test_normalised_as_transformers_does() -> None:
    from transformers import CLIPImageProcessorPil

    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    processor = CLIPImageProcessorPil(do_resize=False, do_center_crop=False)
    wanted = np.stack([np.asarray(x) for x in processor(list(pictures))["pixel_values"]])
    pixels = PictureInput(32, CLIP_MEAN, CLIP_STD).normalise(torch.from_numpy(pictures))
    np.testing.assert_allclose(pixels.numpy(), wanted, atol=1e-5)
    assert pixels.is_contiguous(memory_format=torch.channels_last)


def test_bad_files() -> None:
    with pytest.raises(RecipeError, match="224 × 448 pixels; expected a square"):
        Preprocessing.of({"size": {"height": 224, "width": 448}})
    with pytest.raises(RecipeError, match="image_mean is 0.5, expected three numbers"):
        Preprocessing.of({"image_mean": 0.5})


@pytest.mark.parametrize("size", [16, 32, 224])
def test_sizes_that_fit(size: int) -> None:
    PictureSizes(step=16, least=16).check(size, "this network")
    PictureSizes(step=1, least=16).check(size, "this network")


@pytest.mark.parametrize(
    ("sizes", "size", "said"),
    [
        (PictureSizes(16, 16), 100, "multiples of 16 from 16 on; choose 96 or 112"),
        (PictureSizes(16, 16), 8, "choose 16"),
        (PictureSizes(32, 224), 200, "multiples of 32 from 224 on; choose 224"),
        (PictureSizes(32, 224), 240, "choose 224 or 256"),
        (PictureSizes(1, 32), 20, "32 and more; choose 32"),
        (PictureSizes(16, 16), 0, "choose 16"),
        (PictureSizes(16, 16), -16, "choose 16"),
    ],
)
def test_sizes_that_do_not(sizes: PictureSizes, size: int, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        sizes.check(size, "this network")
    assert said in str(error.value)
    assert f"pictures of {size} pixels do not fit this network" in str(error.value)
