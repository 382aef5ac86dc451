"""A plain reading of arXiv 2103.00020's ResNet with attention pool, in float64, and weights to read."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from pixelrec.items.backbones.clip_resnet import Architecture, CLIPResNet, CLIPResNetConfig, ModifiedResNet

TINY = Architecture(
    blocks=(2, 1, 3, 1), width=4, output=5, native=96
)  # 3 × 3 places of 128 channels, 2 heads
NATIVE = CLIPResNetConfig(size=TINY.native)
Weights = dict[str, torch.Tensor]


def random_weights(seed: int = 0) -> Weights:
    """A state dict of TINY under OpenAI's names, in float64; no statistic is at its default."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in ModifiedResNet(TINY, TINY.native).state_dict().items():
        draw = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        if name.endswith("num_batches_tracked"):
            weights[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            weights[name] = 0.5 + draw**2
        elif tensor.dim() > 1:
            weights[name] = draw * 1.5 * tensor[0].numel() ** -0.5
        else:
            weights[name] = 0.3 * draw + (1.0 if name.endswith("weight") else 0.0)
    # The last map is of size 20: positions must show beside it, and attention not choose one place alone.
    weights["attnpool.positional_embedding"] *= 100
    for part in "qk":
        weights[f"attnpool.{part}_proj.weight"] *= 0.02
    return weights


def network_of(weights: Weights, config: CLIPResNetConfig = NATIVE) -> CLIPResNet:
    network = ModifiedResNet(TINY, config.size).double()
    network.load_state_dict(weights)
    return CLIPResNet(network, config).eval()


def normed(x: np.ndarray, w: Weights, name: str) -> np.ndarray:
    weight, bias, mean, var = (
        w[f"{name}.{part}"].numpy()[:, None, None]
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(var + 1e-5) * weight + bias


def convolved(x: np.ndarray, w: Weights, name: str, stride: int = 1, padding: int = 0) -> np.ndarray:
    return F.conv2d(torch.from_numpy(x), w[f"{name}.weight"], None, stride, padding).numpy()


def halved(x: np.ndarray) -> np.ndarray:
    """The mean of every 2 × 2 places."""
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def bottleneck(x: np.ndarray, w: Weights, name: str, halves: bool, fitted: bool) -> np.ndarray:
    y = relu(normed(convolved(x, w, f"{name}.conv1"), w, f"{name}.bn1"))
    y = relu(normed(convolved(y, w, f"{name}.conv2", padding=1), w, f"{name}.bn2"))
    y = normed(convolved(halved(y) if halves else y, w, f"{name}.conv3"), w, f"{name}.bn3")
    if fitted:
        x = halved(x) if halves else x
        x = normed(convolved(x, w, f"{name}.downsample.0"), w, f"{name}.downsample.1")
    return relu(x + y)


def attention_pool(x: np.ndarray, w: Weights, heads: int) -> np.ndarray:
    """Full self-attention of the mean and all places; the output is that of the mean."""
    answers = []
    for picture in x:
        places = picture.reshape(len(picture), -1).T  # row by row
        tokens = np.concatenate([places.mean(0, keepdims=True), places])
        tokens = tokens + w["attnpool.positional_embedding"].numpy()
        q, k, v = (
            tokens @ w[f"attnpool.{part}_proj.weight"].numpy().T + w[f"attnpool.{part}_proj.bias"].numpy()
            for part in "qkv"
        )
        mixed = []
        for head in np.split(np.arange(tokens.shape[1]), heads):
            scores = q[:, head] @ k[:, head].T / np.sqrt(len(head))
            share = np.exp(scores - scores.max(1, keepdims=True))
            mixed.append(share / share.sum(1, keepdims=True) @ v[:, head])
        out = (
            np.concatenate(mixed, 1) @ w["attnpool.c_proj.weight"].numpy().T
            + w["attnpool.c_proj.bias"].numpy()
        )
        answers.append(out[0])
    return np.stack(answers)


def last_map(x: np.ndarray, w: Weights) -> np.ndarray:
    x = relu(normed(convolved(x, w, "conv1", stride=2, padding=1), w, "bn1"))
    x = relu(normed(convolved(x, w, "conv2", padding=1), w, "bn2"))
    x = halved(relu(normed(convolved(x, w, "conv3", padding=1), w, "bn3")))
    for layer, blocks in enumerate(TINY.blocks, 1):
        for block in range(blocks):
            first = block == 0
            x = bottleneck(x, w, f"layer{layer}.{block}", halves=first and layer > 1, fitted=first)
    return x


def pictures(size: int = TINY.native, count: int = 2) -> torch.Tensor:
    return torch.randn(count, 3, size, size, dtype=torch.float64)


def close(found: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-9, atol=1e-10)
