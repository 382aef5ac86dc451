"""The published way of training SASRec over pictures (arXiv 2309.06789), as its code does it.

Every slot of every window is loaded and encoded, padding and negatives included: 22 a window of 10 + 1, the
negative of the first event among them, which nothing reads. The network is transformers' CLIPVisionModel as
it comes, in fp32 and one piece, the frozen blocks computed at every step without a gradient. Loading a slot
is uint8 → float, normalised, stacked; the published code also unpickles and goes through PIL: left out here.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import Batch

LENGTH, WIDTH, SIZE = 10, 512, 224


@final
class PublishedSASRec(nn.Module):
    """Whole network, Linear and ReLU per token, mean over tokens; two post-norm layers over the window.

    Args:
        pictures: uint8 P, S, S, 3; item n looks like picture n modulo P.
    """

    def __init__(self, pictures: np.ndarray) -> None:
        from transformers import CLIPVisionConfig, CLIPVisionModel

        super().__init__()
        self.pictures = pictures
        self.network: Any = CLIPVisionModel(CLIPVisionConfig(image_size=SIZE, patch_size=32))
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(".layers.10." in name or ".layers.11." in name)
        self.project = nn.Linear(768, WIDTH)
        self.positions = nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.1, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)

    def load(self, numbers: np.ndarray) -> Tensor:
        """Normalised pictures n, 3, S, S, one by one; padding is a picture of zeros."""
        loaded = []
        for number in numbers.tolist():
            pixels = torch.from_numpy(self.pictures[number % len(self.pictures)]).permute(2, 0, 1)
            picture = (pixels.float() / 255 - 0.5) / 0.5 if number else torch.zeros(3, SIZE, SIZE)
            loaded.append(picture)
        return torch.stack(loaded)

    def encode(self, pixels: Tensor) -> Tensor:
        """n, 3, S, S → n, D."""
        return F.relu(self.project(self.network(pixels).last_hidden_state)).mean(1)

    def forward(self, slots: Tensor, real: Tensor) -> Tensor:
        """The loss, from the pictures of 11 events and 11 negatives a window, and where targets are."""
        vectors = self.encode(slots).view(len(real), 2, LENGTH + 1, WIDTH)
        events, negatives = vectors[:, 0], vectors[:, 1, 1:]
        mask = self.mask.to(slots.device)
        states = self.layers(events[:, :-1] + self.positions.weight, mask=mask, is_causal=True)
        margin = (states * (events[:, 1:] - negatives)).sum(-1)[real]
        return -torch.log(torch.sigmoid(margin) + 1e-8).sum() / len(real)


def slots_of(batch: Batch) -> tuple[np.ndarray, Tensor]:
    """Item numbers of all slots, B · 22, and B, L: which targets are real."""
    assert batch.negative is not None
    ids, target = batch.items.ids, batch.target
    events = torch.cat([ids[batch.events.history], ids[target[:, -1:]]], dim=1)  # B, L + 1
    negatives = F.pad(ids[batch.negative[..., 0]], (1, 0))  # B, L + 1
    return torch.stack([events, negatives], dim=1).flatten().numpy(), target != 0
