"""What the rungs of a ladder will cost in passes of pictures, estimated before any of them starts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import final

import numpy as np
import torch

from pixelrec.choices import Rung
from pixelrec.console.numbers import duration, plural
from pixelrec.data.dataset import Dataset
from pixelrec.data.sampling import item_counts
from pixelrec.data.split import training_events
from pixelrec.data.views import Windowing, cut_windows
from pixelrec.grid.ladder import BANK, COMMON, FIT, Ladder
from pixelrec.items.backbones.backbone import AbstractBackbone

PICTURES = 4  # passed twice; the second time is measured


@final
@dataclass(frozen=True)
class Estimate:
    """Pictures of a rung, and the CPU seconds of their passes on this machine, by one run."""

    rung: Rung
    once: float = 0.0  # pictures through the network, forward
    trained: float = 0.0  # forward and backward, a part as its share: in all, or in an epoch
    cpu_seconds: float = 0.0
    by_epoch: bool = False

    @property
    def line(self) -> str:
        if not self.once:
            return f"{self.rung:<9} no pictures"
        trained = f", {self.trained:,.0f} forward and backward" if self.trained else ""
        each = " an epoch" if self.by_epoch else ""
        return f"{self.rung:<9} {self.once:,.0f} pictures{trained}: {duration(self.cpu_seconds)} of CPU{each}"


@final
@dataclass(frozen=True)
class Speed:
    """CPU seconds of a picture, forward, and of the top blocks or all of them forward and backward."""

    forward: float
    top: float
    whole: float
    share: float  # of the operations of a forward pass, in the top blocks

    @classmethod
    def of(cls, ladder: Ladder) -> Speed:
        network = ladder.network
        forward, whole = _seconds(network, "none"), _seconds(network, "all")
        top = _seconds(network, str(ladder.top))
        share = 1 - network.frozen_fraction(network.boundary)
        network.freeze("none")
        return cls(forward, top, whole, share)


def _seconds(network: AbstractBackbone, trainable: str) -> float:
    """Of a picture through the parts above the frozen ones; of all, forward, where nothing is trained."""
    size = network.input.size
    pixels = torch.randn(PICTURES, 3, size, size)
    network.batch_statistics = False
    network.freeze(trainable)
    with torch.no_grad():
        state = pixels if trainable == "none" else network.lower(pixels)
    for _ in range(2):
        started = process_time()
        with torch.set_grad_enabled(trainable != "none"):
            found = network(state) if trainable == "none" else network.upper(state)
            if trainable != "none":
                found.float().square().mean().backward()
        taken = (process_time() - started) / PICTURES
    network.zero_grad()
    return taken


def estimates(ladder: Ladder, rungs: Sequence[Rung]) -> Iterator[Estimate]:
    """In the order of the ladder, for those with recipes."""
    speed, dataset, items = Speed.of(ladder), ladder.dataset, ladder.dataset.items
    counts = item_counts(training_events(dataset), items)
    epoch = _epoch_pictures(dataset, counts)
    fit = FIT["passes"] * int((counts > 0).sum())
    forward = items * speed.forward
    known = {
        "ids": Estimate("ids"),
        "frozen": Estimate("frozen", items, 0, forward),
        "whitened": Estimate("whitened", items, 0, forward),
        "aligned": Estimate("aligned", items, 0, forward),
        "deep": Estimate("deep", items, 0, forward),
        "fitted": Estimate("fitted", items, fit * speed.share, forward + fit * speed.top),
        "top": Estimate("top", items, epoch * speed.share, epoch * speed.top, by_epoch=True),
        "all": Estimate("all", items, epoch, epoch * speed.whole, by_epoch=True),
        "joined": Estimate("joined", items, 0, forward),
    }
    yield from (each for rung, each in known.items() if rung in rungs)


def lines(ladder: Ladder, rungs: Sequence[Rung]) -> list[str]:
    """For people, before a ladder starts."""
    found, size = list(estimates(ladder, rungs)), ladder.network.input.size
    pictures = f"{plural(ladder.dataset.items, 'picture')} of {size} pixels"
    head = f"{pictures}; a run takes, beside its user model:"
    return [head, *(each.line for each in found)]


def _epoch_pictures(dataset: Dataset, counts: np.ndarray) -> float:
    """Distinct items of each batch, as if its events were drawn at random, and those encoded beside them."""
    length, batch = COMMON["length"], COMMON["training"]["batch_size"]
    cuts = cut_windows(training_events(dataset), length + 1, Windowing(**COMMON["windowing"]))
    steps = math.ceil(len(cuts) / batch)
    events = float((cuts.stops - cuts.starts).mean()) * min(batch, len(cuts)) if len(cuts) else 0.0
    shares = counts / max(1, counts.sum())
    distinct = float((1 - (1 - shares) ** events).sum())
    return steps * min(dataset.items, distinct + BANK["reencoded"])
