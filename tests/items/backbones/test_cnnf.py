"""CNN-F against a reading of table 1 of arXiv 1405.3531, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pixelrec.errors import RecipeError
from pixelrec.items.backbones.cnnf import CNNF

Weights = dict[str, torch.Tensor]


def normalised(x: np.ndarray) -> np.ndarray:
    """Local response normalisation (Krizhevsky et al. 2012): k = 2, n = 5, α = 1e-4, β = 0.75."""
    out = np.empty_like(x)
    for channel in range(x.shape[1]):
        near = x[:, max(0, channel - 2) : channel + 3]
        out[:, channel] = x[:, channel] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    return out


def halved(x: np.ndarray) -> np.ndarray:
    """The largest of 3 × 3 places, every second place; windows may hang over the lower right edge."""
    side = (x.shape[-1] - 2) // 2 + 1 if x.shape[-1] % 2 == 0 else (x.shape[-1] - 1) // 2
    out = np.empty((*x.shape[:2], side, side))
    for i in range(side):
        for j in range(side):
            out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((2, 3))
    return out


def convolved(x: np.ndarray, w: Weights, name: str, stride: int, padding: int) -> np.ndarray:
    weight, bias = w[f"{name}.conv.weight"], w[f"{name}.conv.bias"]
    return np.maximum(F.conv2d(torch.from_numpy(x), weight, bias, stride, padding).numpy(), 0)


def connected(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    return np.maximum(x @ w[f"{name}.linear.weight"].numpy().T + w[f"{name}.linear.bias"].numpy(), 0)


def reading(x: np.ndarray, w: Weights) -> np.ndarray:
    x = halved(normalised(convolved(x, w, "stem", 4, 0)))
    x = halved(normalised(convolved(x, w, "blocks.0", 1, 2)))
    x = convolved(x, w, "blocks.1", 1, 1)
    x = convolved(x, w, "blocks.2", 1, 1)
    x = halved(convolved(x, w, "blocks.3", 1, 1))
    return connected(connected(x.reshape(len(x), -1), w, "blocks.4"), w, "blocks.5")


def tiny(size: int = 75) -> CNNF:
    """Weights large enough for normalisation to matter."""
    network = CNNF(size=size, width=7).double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.normal_(std=0.5 if name.endswith("bias") else 6 * parameter[0].numel() ** -0.5)
    return network


@pytest.mark.parametrize("size", [39, 75, 90])
def test_features_are_those_of_the_table(size: int) -> None:
    network = tiny(size)
    pixels = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        found = network(pixels)
    expected = reading(pixels.numpy(), {name: p.detach() for name, p in network.named_parameters()})
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-9)


def test_sizes_are_those_of_the_table() -> None:
    with torch.device("meta"):
        network = CNNF()
    assert [tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")] == [
        (64, 3, 11, 11),
        (256, 64, 5, 5),
        (256, 256, 3, 3),
        (256, 256, 3, 3),
        (256, 256, 3, 3),
        (4096, 256 * 6 * 6),
        (4096, 4096),
    ]
    shapes = [network.state_shape(boundary) for boundary in range(len(network.parts) + 1)]
    assert shapes == [
        (3, 224, 224),
        (64, 27, 27),
        (256, 13, 13),
        (256, 13, 13),
        (256, 13, 13),
        (256, 6, 6),
        (4096,),
        (4096,),
        (4096,),
    ]
    assert network.width == 4096
    assert (network.input.size, network.input.mean, network.input.std) == (224, (0.5,) * 3, (0.5,) * 3)


def test_upper_of_lower_is_the_whole() -> None:
    network = tiny()
    pixels = torch.randn(2, 3, 75, 75, dtype=torch.float64)
    for boundary in range(len(network.parts) + 1):
        assert torch.equal(network.upper(network.lower(pixels, boundary), boundary), network(pixels))


def test_random_weights_are_xaviers_and_biases_zero() -> None:
    network = CNNF(size=75, width=64)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        else:
            place = parameter[0, 0].numel()
            bound = (6 / ((parameter.shape[0] + parameter.shape[1]) * place)) ** 0.5
            assert float(parameter.detach().abs().max()) == pytest.approx(bound, rel=0.02), name
            assert float(parameter.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.02), name


def test_dropout_is_active_only_in_training() -> None:
    network = CNNF(size=39, width=512, dropout=0.5)
    pixels = torch.randn(4, 3, 39, 39)
    assert torch.equal(network.eval()(pixels), network(pixels))
    trained, constant = network.train()(pixels), network.eval()(pixels)
    dropped = (trained == 0) & (constant > 0)
    assert 0.3 < float(dropped.sum() / (constant > 0).sum()) < 0.7


def test_every_parameter_has_a_gradient() -> None:
    network = CNNF(size=39, width=16, dropout=0.0)
    network.freeze("all")
    network(torch.randn(2, 3, 39, 39)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_describes_itself() -> None:
    network = CNNF(size=40, width=16, dropout=0.2)
    description = network.describe()
    assert description == {"family": "cnnf", "size": 40, "width": 16, "dropout": 0.2}
    del description["family"]
    again = CNNF(**description)
    assert again.describe() == network.describe()
    again.load_state_dict(network.state_dict())


def test_too_small_pictures_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"38 pixels do not fit CNN-F.*39"):
        CNNF(size=38)
