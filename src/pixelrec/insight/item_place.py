"""The place of an item, known or new, in the lists of users; and the users it would be recommended to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import polars as pl

from pixelrec.insight.audience import Audience

CUTOFFS = (10, 50)


@final
@dataclass(frozen=True, eq=False)
class ItemPlace:
    """The exact ranks of an item in the lists of users, among all items that each has not seen."""

    item_id: str
    users: pl.DataFrame  # `user_id`, `rank`, `score`: who may get it, the best rank first
    asked: int  # users looked at
    owners: int  # of them, those who have it already: it is never recommended to them
    catalogue: int  # items

    @property
    def ranks(self) -> np.ndarray:
        """int64: ascending."""
        return self.users["rank"].to_numpy()

    @property
    def median(self) -> float | None:
        """None where nobody may get it."""
        return float(np.median(self.ranks)) if len(self.users) else None

    def share(self, k: int) -> float | None:
        """The fraction of the users who may get it whose k best items it is among."""
        return float((self.ranks <= k).mean()) if len(self.users) else None

    def likely(self, k: int = 20) -> pl.DataFrame:
        """The k users in whose lists it stands highest."""
        return self.users.head(k)

    def to_dict(self, k: int = 20) -> dict[str, Any]:
        """For JSON: the figures, and the k most likely users."""
        shares = {f"top_{cutoff}": self.share(cutoff) for cutoff in CUTOFFS}
        about = {"item_id": self.item_id, "median_rank": self.median, **shares}
        counts = {"users": len(self.users), "owners": self.owners, "items": self.catalogue}
        return {**about, **counts, "likely": self.likely(k).to_dicts()}


def place_of(audience: Audience, item_ids: Sequence[str], *, rivals: int | None = None) -> list[ItemPlace]:
    """The places of items of the service, also of added ones, in the lists of all users of an audience.

    Exact: as many users at a time as are ranked in evaluation, by the same rule of ties.

    Args:
        audience: of a service.
        item_ids: T items.
        rivals: rank each beside the first `rivals` items only: new covers beside the catalogue, and not
            beside each other.

    Raises:
        RequestError: an item is unknown.
    """
    service = audience.service
    numbers = service.numbering.demand("item", item_ids)
    users, ranks, scores, have = places(audience, numbers, rivals=rivals)
    ids, found = service.user_events().dataset.user_ids, []
    for column, item_id in enumerate(item_ids):
        may = ~have[:, column]
        table = pl.DataFrame(
            {
                "user_id": ids.gather(users[may] - 1),
                "rank": ranks[may, column],
                "score": scores[may, column],
            }
        )
        table = table.sort("rank", "score", descending=[False, True], maintain_order=True)
        kept = rivals or len(service.items)
        found.append(ItemPlace(item_id, table, len(users), int(have[:, column].sum()), kept))
    return found


def places(
    audience: Audience,
    items: Sequence[int] | np.ndarray,
    *,
    rivals: int | None = None,
    without: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """User numbers int64[U], and of T items: ranks int64[U, T], scores, and bool: they have it already.

    without: item numbers beside which none is ranked.
    """
    items = [int(item) for item in items]
    parts: list[tuple[np.ndarray, ...]] = [_no_users(len(items))]
    for block in audience.blocks():
        hidden, owners = block.without(without)
        found = audience.service.ranker.ranks_of(items, *block.asked, hidden, owners, rivals=rivals)
        have = np.stack([block.have(item) for item in items], axis=1)
        parts.append((block.users, *found, have))
    users, ranks, scores, have = (np.concatenate(each) for each in zip(*parts, strict=True))
    return users, ranks, scores, have


def _no_users(items: int) -> tuple[np.ndarray, ...]:
    shape = (0, items)
    return np.zeros(0, np.int64), np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, bool)
