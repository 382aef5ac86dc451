"""The users that one or two runs were evaluated on, with the ranks of the item that each chose next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, final

import numpy as np
import polars as pl

from pixelrec.choices import Split
from pixelrec.evaluation.comparison import LISTED, METRIC
from pixelrec.evaluation.metrics import per_user
from pixelrec.evaluation.slices import LONG_TAIL, NEW
from pixelrec.serving.compared_runs import same_cases
from pixelrec.serving.served_run import SPLITS, ServedRun

Shown: TypeAlias = Literal["all", "wins", "losses", "hits", "misses", "new", "rare", "long"]
Order: TypeAlias = Literal["best", "worst", "gain", "loss", "history", "data"]
LONG = 0.8  # of the users have a shorter history than one that is called long


FILTERS: Mapping[Shown, Callable[[pl.DataFrame], pl.Series]] = {
    "all": lambda table: pl.repeat(True, len(table), eager=True),
    "wins": lambda table: table["gain"] > 0,
    "losses": lambda table: table["gain"] < 0,
    "hits": lambda table: table["rank"] <= LISTED,
    "misses": lambda table: table["rank"] > LISTED,
    "new": lambda table: table["item_training_events"] < NEW.below,
    "rare": lambda table: table["item_training_events"] < LONG_TAIL.below,
    "long": lambda table: table["history_length"] >= table["history_length"].quantile(LONG, "higher"),
}
"""bool[Q] of a table of `EvaluatedUsers`."""
ORDERS: Mapping[Order, tuple[str, bool]] = {  # column, descending
    "best": ("rank", False),
    "worst": ("rank", True),
    "gain": ("gain", True),
    "loss": ("gain", False),
    "history": ("history_length", True),
    "data": ("place", False),
}


@final
@dataclass(frozen=True)
class EvaluatedUsers:
    """A row per user: `user_id`, `item_id` chosen next, `rank`, `history_length`, `item_training_events`, …

    … and, beside another run, its rank `other` and `gain`, NDCG@10 of the run minus that of the other.
    """

    split: Split
    run: ServedRun
    beside: ServedRun | None
    table: pl.DataFrame

    @classmethod
    def of(cls, run: ServedRun, beside: ServedRun | None = None) -> Self | None:
        """None where they were not evaluated on the users that the pages show, or not on the same ones."""
        split = common_split(run, beside)
        if split is None or run.service.own is None or run.service.own is not run.dataset:
            return None
        cases = run.cases[split]
        lengths = cases.histories.stops[cases.users] - cases.histories.starts[cases.users]
        table = run.ranks[split].table.with_columns(pl.col("user_id", "item_id").cast(pl.String))
        table = table.with_columns(history_length=lengths)
        if beside is not None:
            other = beside.ranks[split].table["rank"]
            gain = _gains(table["rank"]) - _gains(other)
            table = table.with_columns(other.alias("other"), gain=gain)
        return cls(split, run, beside, table.with_row_index("place"))

    def only(self, users: frozenset[str]) -> Self:
        return replace(self, table=self.table.filter(pl.col("user_id").is_in(list(users))))

    @property
    def filters(self) -> list[Shown]:
        """Those that hold for at least one user."""
        return [name for name in FILTERS if self.has(name) and (name == "all" or self.mask(name).any())]

    @property
    def orders(self) -> list[Order]:
        return [name for name, (column, _) in ORDERS.items() if column in self.table.columns]

    def has(self, shown: Shown) -> bool:
        """Whether a filter is one of this table: wins and losses are beside another run."""
        return self.beside is not None or shown not in ("wins", "losses")

    def mask(self, shown: Shown) -> pl.Series:
        return FILTERS[shown](self.table)

    def sorted(self, shown: Shown, order: Order) -> pl.DataFrame:
        """The users that a filter keeps, in an order; without the other run, as if it were not asked for."""
        kept = self.table.filter(self.mask(shown)) if self.has(shown) else self.table
        column, descending = ORDERS[order]
        if column not in kept.columns:
            return kept
        return kept.sort(column, descending=descending, maintain_order=True)

    def row(self, user: str) -> dict[str, int | str] | None:
        """That of a user; None if it was not evaluated."""
        found = self.table.filter(pl.col("user_id") == user)
        return found.row(0, named=True) if len(found) else None


def common_split(run: ServedRun, beside: ServedRun | None) -> Split | None:
    """The first split that both were evaluated on, on the same users."""
    if beside is None:
        return run.split
    return next((split for split in SPLITS if same_cases(run, beside, split)), None)


def _gains(ranks: pl.Series) -> np.ndarray:
    gains: np.ndarray = per_user(ranks.to_numpy(), cutoffs=(LISTED,))[METRIC]
    return gains
