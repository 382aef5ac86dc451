"""The values that the rooms hand to each other, and nothing else.

One alphabet of shapes, used in every docstring and trailing comment:

| letter | counts |
|---|---|
| B | users, or windows of users, in a batch |
| L | events of a history (left padded: the latest is the last) |
| T | positions with a vector and perhaps a target: L, or 1 |
| K | negatives of one target |
| S | negatives that all targets of a batch share |
| U | rows of a table |
| N | items in the catalogue |
| H | distinct items of the histories of a batch |
| R | regions of the picture of an item |
| C | channels of a region, as a network computes them |
| M | real targets of a batch, or users: one vector each |
| D | width of a vector |

The **table** is `Float[U, D]`: row r is the vector of the r-th item in play, row 0 is padding and is zero.
Histories, targets and negatives are *row numbers into the table*. In training the table holds the distinct
items of the batch, in evaluation the whole catalogue (then a row number is an item number).

A user model may also need the **regions** of what a user has seen. They are loaded for the items of histories
only, never for a catalogue.

Item and user numbers are dense and start at 1; 0 is padding, and an unknown user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

Move: TypeAlias = "Callable[[Tensor], Tensor]"
Payload = Mapping[str, "Tensor"]
"""The tensors that an item encoder loads for some items, by name, and that its own `forward` reads."""
LoadRegions: TypeAlias = "Callable[[np.ndarray], Tensor]"
"""Item numbers n → regions n, R, C."""


@dataclass(frozen=True)
class DatasetSpec:
    """Properties of the data set that a model depends on; recipes do not choose them.

    All but the counts are absent if a model is only loaded to recommend.
    """

    users: int  # users are numbered 1 … users
    items: int  # N; items are numbered 1 … N
    length: int  # L: latest events a user model sees
    folder: Path | None = None  # the prepared data set
    history: Histories | None = None  # training events
    item_ids: Sequence[str] | None = None  # N: the id of item number r + 1 is item_ids[r]
    covers: Path | None = None  # the picture store of the items, if covers were packed


@dataclass(frozen=True)
class Histories:
    """Time-ordered events of all users, as flat arrays that may be memory-mapped.

    The events of user u are `items[starts[u]:stops[u]]`, oldest first; user 0 has none.
    """

    items: np.ndarray  # int32[events]
    times: np.ndarray  # int64[events]
    starts: np.ndarray  # int64[users + 1]
    stops: np.ndarray  # int64[users + 1]

    @classmethod
    def of_stops(cls, items: np.ndarray, times: np.ndarray, stops: np.ndarray) -> Self:
        """Of users who follow each other without a gap; stops: int64[users]."""
        import numpy as np

        return cls(items, times, np.r_[0, 0, stops[:-1]], np.r_[0, stops])


class Moves:
    """A dataclass whose tensors can be moved together; other fields stay as they are."""

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._moved(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pinned(self) -> Self:
        """In page-locked memory, from which a GPU copies without the CPU waiting."""
        return self._moved(lambda tensor: tensor.pin_memory())

    def _moved(self, move: Move) -> Self:
        return type(self)(**{f.name: _moved(getattr(self, f.name), move) for f in fields(self)})  # type: ignore[arg-type]


def _moved(value: Any, move: Move) -> Any:
    if isinstance(value, Moves):
        return value._moved(move)
    if isinstance(value, Mapping):
        return {name: _moved(v, move) for name, v in value.items()}
    return value if value is None or isinstance(value, int) else move(value)


@dataclass(frozen=True)
class Items(Moves):
    """The distinct items of a batch. `ids[0]` is 0, the padding.

    The vectors of `banked` items are not computed but taken from the bank, as the catalogue was last encoded;
    they are the rows of the table after those of `ids`. If a few of them are re-encoded nevertheless, these
    are in `ids`, and `weights` lets their gradients stand for all.
    """

    ids: Tensor  # U: item numbers
    payload: Payload  # what the item encoder loads
    banked: Tensor | None = None  # V: item numbers, none of them in `ids`
    weights: Tensor | None = None  # U: factors of their gradients; none: 1

    @property
    def rows(self) -> int:
        """Rows of the table: U, and V from the bank."""
        return len(self.ids) + (0 if self.banked is None else len(self.banked))


@dataclass(frozen=True)
class Regions(Moves):
    """Regions of the H distinct items of some histories, each item once."""

    vectors: Tensor  # H, R, C as loaded; H, R, D after the item encoder
    rows: Tensor  # B, L: the row in `vectors` of each event

    @classmethod
    def of(cls, history: np.ndarray, load: LoadRegions) -> Self:
        """Of histories of item numbers (B, L)."""
        import numpy as np
        import torch

        ids, rows = np.unique(history, return_inverse=True)
        return cls(load(ids), torch.from_numpy(rows.reshape(history.shape)))


@dataclass(frozen=True)
class Events(Moves):
    """Histories of B users, as rows of a table, and the positions whose vectors are needed."""

    users: Tensor  # B: user numbers; 0 for an unknown user
    history: Tensor  # B, L: rows, left padded with 0
    times: Tensor  # B, L: unix seconds, 0 where padded
    target_mask: Tensor | None = None  # B, T: true at targets; none: only the vector after the history
    regions: Regions | None = None  # of the histories' items, for user models that need them

    @classmethod
    def of_numbers(
        cls, users: np.ndarray, history: np.ndarray, times: np.ndarray, device: torch.device | str = "cpu"
    ) -> Self:
        """Histories as rows of the catalogue's table, from arrays B, (B, L) and (B, L) of item numbers."""
        import numpy as np
        import torch

        who, what, when = (torch.from_numpy(array.astype(np.int64)) for array in (users, history, times))
        return cls(who, what, when).to(device)

    def split(self, size: int) -> list[Events]:
        """`size` users at a time, without regions."""
        users, history, times = (x.split(size) for x in (self.users, self.history, self.times))
        masks = [None] * len(users) if self.target_mask is None else self.target_mask.split(size)
        return [Events(*some) for some in zip(users, history, times, masks, strict=True)]

    def latest(self, length: int) -> Events:
        """The histories cut to their latest `length` events."""
        return Events(self.users, self.history[:, -length:], self.times[:, -length:])


@dataclass(frozen=True)
class Batch(Moves):
    """One training batch. *Where `target` is 0 there is nothing to predict.*

    `negative` is `B, T, K` (each target has its own), `S` (all share them) or none (every row competes).
    `log_q` belongs to shared negatives that a softmax corrects: the log of how often each was expected.
    `adjustment` (logit adjustment) is added to the scores of targets to correct for popularity.
    """

    items: Items
    events: Events
    target: Tensor  # B, T: rows
    negative: Tensor | None  # B, T, K or S: rows; 0 is no negative
    log_q: Tensor | None = None  # S
    adjustment: Tensor | None = None  # B, T

    @property
    def size(self) -> int:
        """B."""
        return len(self.target)


@dataclass(frozen=True)
class Scores(Moves):
    """Scores of M real targets and of their negatives; −inf where there is none."""

    positive: Tensor  # M
    negative: Tensor  # M, K
    windows: int  # B: windows that the targets come from
    catalogue: int  # N
