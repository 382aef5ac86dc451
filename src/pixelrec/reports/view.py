"""The contents of a report as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, final

import numpy as np

from pixelrec.evaluation.significance import Verdict

Role = Literal["model", "baseline", "ceiling", "other"]


@final
@dataclass(frozen=True)
class Cover:
    """An item; without a picture, its id is shown on a coloured tile."""

    item_id: str
    title: str | None = None
    picture: np.ndarray | None = None  # uint8[H, W, 3]
    note: str | None = None  # a few words under the title, such as "12 events"
    aspect: float | None = None  # width / height to show it at; None: those of the picture


@final
@dataclass(frozen=True)
class OtherList:
    """The recommendations of another run for the same user."""

    model: str
    recommended: Sequence[Cover]
    rank: int  # of the item that the user chose next


@final
@dataclass(frozen=True)
class UserStory:
    """The history of a user, the recommendations, and the item that the user chose next."""

    user_id: str
    history: Sequence[Cover]  # the latest is the last
    recommended: Sequence[Cover]  # the best is the first
    answer: Cover
    rank: int  # of the answer, from 1
    ranked: int  # number of ranked items: all but those of the history
    events: int | None = None  # of the whole history, if `history` is only its end
    others: Sequence[OtherList] = ()


@final
@dataclass(frozen=True)
class MetricRow:
    """One line of the table of metrics. `values` are fractions by metric name, such as `Recall@10`."""

    model: str
    values: Mapping[str, float]
    role: Role = "baseline"  # "model": this run, "ceiling": the best possible, "other": another run
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # 95 %, over users
    median_rank: float | None = None


@final
@dataclass(frozen=True)
class Tile:
    """A metric of the trained model in large print. `against` and its verdict: beside the best baseline."""

    metric: str
    value: float
    interval: tuple[float, float] | None = None
    against: str = ""  # "0.93 × item-kNN"
    verdict: Verdict | None = None
    validation: float | None = None  # the same metric in the best epoch


@final
@dataclass(frozen=True)
class Curves:
    """The epochs of a run, as in its journal: epoch, loss, seconds, and validation metrics."""

    model: str
    epochs: Sequence[Mapping[str, float]]
    best_epoch: int | None = None


@final
@dataclass(frozen=True)
class Spread:
    """How a model spreads its recommendations over the catalogue."""

    model: str
    users: int
    shown: int  # items in the list of at least one of these users
    items: int
    gini: float
    most: Sequence[Cover] = ()  # the most recommended items


@final
@dataclass(frozen=True)
class Standing:
    """The verdict on the trained model beside the best baseline or another run."""

    verdict: Verdict
    sentence: str


@final
@dataclass(frozen=True)
class SlicePart:
    """Metrics of all models on the cases of one slice: long-tail items, or all others."""

    name: str  # "long-tail items"
    where: str  # "items with < 5 training events (n = 123)"
    cases: int
    metrics: Sequence[MetricRow]  # in the order of the table
    standings: Sequence[Standing] = ()


@final
@dataclass(frozen=True)
class Report:
    """The contents of the page; any sequence may be empty and any array absent."""

    name: str
    when: str
    split: str = "test"
    data: str = ""  # name of the data set
    origin: Sequence[str] = ()  # folder and seed, as other runs may have the same name
    tiles: Sequence[Tile] = ()
    metrics: Sequence[MetricRow] = ()  # in the order of the table
    standing: Standing | None = None
    beside: Sequence[Standing] = ()  # beside other runs
    slices: Sequence[SlicePart] = ()  # a table compares two or more
    left_out: str = ""  # a sentence about users that no figure is about
    baselines: Sequence[tuple[str, str]] = ()  # name, and its hyperparameters or why it is left out
    summary: Sequence[tuple[str, str]] = ()  # label, value: beside the headline numbers
    trained: bool = True  # a blend has no epochs
    epochs: Sequence[Mapping[str, float]] = ()  # of the journal: epoch, loss, seconds, and validation metrics
    best_epoch: int | None = None
    curves_beside: Sequence[Curves] = ()  # of other runs
    spread: Sequence[Spread] = ()  # of this run, then of others
    watched: str = "NDCG@10"  # the validation metric that chose the best epoch
    ranks: np.ndarray | None = None  # int[users]: ranks of the test targets, from 1
    catalogue: int | None = None  # items in all
    stories: Sequence[UserStory] = ()
    dataset: Sequence[tuple[str, str]] = ()
    configuration: Mapping[str, object] | None = None  # the resolved recipe
    origins: Sequence[tuple[str, str]] = ()  # label, value: data, versions, machine, command


@final
@dataclass(frozen=True)
class Alike:
    """An item or a picture, and named lists of the items most like it, the most alike first."""

    query: Cover
    lists: Sequence[tuple[str, Sequence[Cover]]]

    @property
    def covers(self) -> list[Cover]:
        return [self.query, *(cover for _, found in self.lists for cover in found)]


@final
@dataclass(frozen=True)
class ContactSheet:
    """Items beside those most like them."""

    name: str
    when: str
    rows: Sequence[Alike]
    origin: str = ""
    unseen: str = ""  # why pictures are missing
