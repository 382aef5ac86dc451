"""What another cover of an item would change: its exact rank in the list of every user, before and after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import polars as pl

from pixelrec.console.numbers import plural
from pixelrec.errors import RequestError
from pixelrec.evaluation.significance import paired
from pixelrec.images.covers import read_loose
from pixelrec.images.edits import Edit
from pixelrec.insight.audience import MOST, Audience
from pixelrec.insight.item_place import CUTOFFS, places
from pixelrec.insight.pictures import number_of, picture_of, vectors_with
from pixelrec.runs.recommend import RecommendationService

AS_IS = "as it is"
CHANGES = 32  # at once, at most


@final
@dataclass(frozen=True, eq=False)
class WhatIf:
    """The ranks of an item among the items that each user has not seen, with its cover and with others.

    Users who have the item already are left out: it is never recommended to them. That the item has another
    vector in their histories, too, changes nothing for the others.
    """

    item_id: str
    pictures: Mapping[str, np.ndarray]  # uint8[S, S, 3] by name of the change
    frame: pl.DataFrame  # a row per change, see `summary`
    users: pl.DataFrame  # `user_id`, then ranks: `as it is`, and a column for each change
    owners: int  # further users, who have the item already

    @property
    def note(self) -> str:
        """Whose lists were looked at, in a line."""
        return (
            f"in the lists of {plural(len(self.users), 'user')}; {self.owners:,} more have {self.item_id!r} "
            "already, so that it is not recommended to them"
        )

    def movers(self, change: str, k: int = 10) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The users in whose lists the item rises most with a change, and those in whose it falls most.

        Columns `user_id`, `rank_before`, `rank_after`, `rise`.
        """
        table = self.by_user([change]).drop("change")
        up, down = table.filter(pl.col("rise") > 0), table.filter(pl.col("rise") < 0)
        return (
            up.sort("rise", descending=True, maintain_order=True).head(k),
            down.sort("rise", maintain_order=True).head(k),
        )

    def by_user(self, changes: Sequence[str] | None = None) -> pl.DataFrame:
        """A row per change and user: `change`, `user_id`, `rank_before`, `rank_after`, `rise`."""
        parts = []
        for change in changes or list(self.pictures):
            ranks = {"rank_before": self.users[AS_IS], "rank_after": self.users[change]}
            table = pl.DataFrame({"user_id": self.users["user_id"], **ranks})
            rise = pl.col("rank_before") - pl.col("rank_after")
            parts.append(table.select(pl.lit(change).alias("change"), pl.all(), rise.alias("rise")))
        return pl.concat(parts)

    def to_dict(self, k: int = 10) -> dict[str, Any]:
        """For JSON: the table, and the users who gain and lose most."""
        named = {
            change: dict(zip(("up", "down"), self.movers(change, k), strict=True)) for change in self.pictures
        }
        movers = {
            change: {way: table.to_dicts() for way, table in both.items()} for change, both in named.items()
        }
        counts = {"users": len(self.users), "owners": self.owners}
        return {"item_id": self.item_id, **counts, "changes": self.frame.to_dicts(), "movers": movers}


def what_if(
    service: RecommendationService,
    item_id: str,
    *,
    edits: Sequence[Edit] = (),
    covers: Sequence[Path] = (),
    pictures: Mapping[str, np.ndarray] | None = None,
    users: int | None = MOST,
    seed: int = 0,
) -> WhatIf:
    """The ranks of an item with changed covers, without training again.

    Each change is made to the packed cover, on its own. The vector of the changed item takes the place of the
    old one among the candidates; its other content, such as its row of an id table, stays.

    Args:
        service: of a run whose item vectors come from pictures, with the events of users.
        item_id: an item of the catalogue.
        edits: changes of its cover.
        covers: files of other covers.
        pictures: other covers by name: uint8[S, S, 3], in the form that the model takes.
        users: that many are drawn with the seed, if there are more; none: all.
        seed: of the draw.

    Raises:
        RequestError: the model does not take pictures, there are no users, the item or its cover is not
            there, or nothing is changed.
        ImageError: a file is no picture.
    """
    service.user_events()  # before anything is loaded
    changed = _changed(service, item_id, edits, covers, pictures or {})
    item, old = number_of(service, item_id), len(service.items)
    vectors = vectors_with(service, item_id, np.stack(list(changed.values())))
    names = pl.DataFrame({"item_id": [f"{item_id} {name}" for name in changed]})
    wider = service.extended(vectors, pl.concat([service.items, names], how="diagonal"))
    audience = Audience.of(wider, users, seed)
    numbers, before, _, have = places(audience, [item], rivals=old)
    _, after, _, _ = places(audience, range(old + 1, old + 1 + len(changed)), rivals=old, without=[item])
    may = ~have[:, 0]
    table = pl.DataFrame(
        {
            "user_id": service.user_events().dataset.user_ids.gather(numbers[may] - 1),
            AS_IS: before[may, 0],
            **{name: after[may, column] for column, name in enumerate(changed)},
        }
    )
    return WhatIf(item_id, changed, summary(table), table, int(have.sum()))


def summary(ranks: pl.DataFrame) -> pl.DataFrame:
    """A row for the cover as it is and for each change, over the same users.

    `change`; `median`, of ranks; `top_10` and `top_50`, the fractions of users among
    whose 10 or 50 best items it is; `rise`, the mean number of places by which it rises, with the 95 %
    interval from `low` to `high` (Student's t, over users; null for fewer than two); `up` and `down`, the
    fractions of users in whose lists it rises and falls.
    """
    names = ranks.columns[1:]
    before = ranks[AS_IS].to_numpy().astype(float)
    return pl.DataFrame(
        [_row(name, before, ranks[name].to_numpy().astype(float)) for name in names], strict=False
    )


def _row(name: str, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    some, moved = len(after) > 0, name != AS_IS
    rise = paired(before, after) if moved and len(after) > 1 else None
    return {
        "change": name,
        "median": float(np.median(after)) if some else None,
        **{f"top_{k}": float((after <= k).mean()) if some else None for k in CUTOFFS},
        "rise": rise.difference if rise else None,
        "low": rise.low if rise else None,
        "high": rise.high if rise else None,
        "up": float((after < before).mean()) if moved and some else None,
        "down": float((after > before).mean()) if moved and some else None,
    }


def _changed(
    service: RecommendationService,
    item_id: str,
    edits: Sequence[Edit],
    covers: Sequence[Path],
    pictures: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """The changed pictures by name."""
    form, found = service.encoder.items.picture_form(), dict[str, np.ndarray]()
    number_of(service, item_id)
    for name, picture in pictures.items():
        found[_free(name, found)] = picture
    if edits:
        cover = picture_of(service, item_id)
        for edit in edits:
            found[_free(edit.name, found)] = edit.apply(cover)
    for path in covers:
        found[_free(path.name, found)] = read_loose([path], size=form.size, fit=form.fit)[0]
    if not 0 < len(found) <= CHANGES:
        raise RequestError(
            f"{len(found)} changes of the cover; expected 1 to {CHANGES}, such as --blur 5, --grey, "
            "--cover FILE"
        )
    return found


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with a number where something else has it."""
    names = (name, *(f"{name} ({number})" for number in range(2, 2 * CHANGES)))
    return next((each for each in names if each not in {AS_IS, "user_id", *taken}), name)
