"""The items whose vectors are nearest to that of an item or a new cover: what the model takes it for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, final

import numpy as np
import polars as pl
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pixelrec.data.sampling import item_counts
from pixelrec.errors import RequestError
from pixelrec.numerics.tiles import norm_bounds
from pixelrec.numerics.top_k import top_k
from pixelrec.runs.recommend import RecommendationService

Source: TypeAlias = Literal["pictures", "features", "ids", "blend"]


@final
@dataclass(frozen=True, eq=False)
class UnitVectors:
    """Vectors of length 1 of the items that a model was trained with, for many questions by cosine."""

    table: Tensor  # N + 1, D: zeros for padding
    norms: Tensor  # float64[N + 1]: upper bounds of their lengths

    @classmethod
    def of(cls, service: RecommendationService) -> Self:
        """Raises `RequestError` for a blend, which has none."""
        table = unit_vectors(service)
        return cls(table, norm_bounds(table, "vectors of items"))


def nearest_by_vector(
    service: RecommendationService,
    item_ids: Sequence[str],
    k: int = 20,
    *,
    counts: np.ndarray | None = None,
    least: int = 0,
    among: UnitVectors | None = None,
) -> pl.DataFrame:
    """A row for each of the k nearest trained items of each item: `query`, `rank`, `item_id`, `cosine`, …

    … `events`, the number of training events of the neighbour, if there are counts, and `title` if there are
    titles. By the cosine of the vectors that users are compared with. The model was trained with the
    neighbours, so these are the items that a new cover borrows its behaviour from.

    Args:
        service: of a trained run.
        item_ids: items of the service, also added ones; none is its own neighbour.
        k: neighbours of each.
        counts: int64[N + 1], of `training_counts`.
        least: only neighbours with at least this many training events.
        among: the unit vectors of the trained items, if they are known.

    Raises:
        RequestError: an item is unknown, or the run is a blend, which has no item vectors.
    """
    vectors, known = _demand_vectors(service), among or UnitVectors.of(service)
    numbers = torch.from_numpy(service.numbering.demand("item", item_ids))
    asked, table = _unit(vectors[numbers]), known.table
    hidden, owners = (each.to(table.device) for each in _hidden(numbers, len(table), counts, least))
    best = top_k(asked, table, min(k, len(table) - 1), hidden, owners, table_norms=known.norms)
    cosines, found = (each.cpu() for each in best)
    query, rank = (found > 0).nonzero(as_tuple=True)
    return pl.DataFrame(
        {
            "query": pl.Series(item_ids, dtype=pl.String).gather(query.numpy()),
            "rank": rank.numpy() + 1,
            **about_items(service, found[query, rank].numpy(), counts, cosine=cosines[query, rank].numpy()),
        }
    )


def item_vectors(service: RecommendationService, item_ids: Sequence[str]) -> Tensor:
    """The vectors (n, D) of items that those of users are compared with; errors as above."""
    vectors = _demand_vectors(service)
    return vectors[torch.from_numpy(service.numbering.demand("item", item_ids)).to(vectors.device)]


def about_items(
    service: RecommendationService, numbers: np.ndarray, counts: np.ndarray | None, **closeness: np.ndarray
) -> dict[str, pl.Series | np.ndarray]:
    """Columns of neighbours: `item_id`, how close each is, and perhaps `events` and `title`."""
    columns: dict[str, pl.Series | np.ndarray] = {"item_id": service.items["item_id"].gather(numbers - 1)}
    columns.update(closeness)
    if counts is not None:
        columns["events"] = counts[numbers]
    if "title" in service.items.columns:
        columns["title"] = service.items["title"].gather(numbers - 1)
    return columns


def _hidden(numbers: Tensor, rows: int, counts: np.ndarray | None, least: int) -> tuple[Tensor, Tensor]:
    """The items themselves, and those with fewer than `least` training events; and whose each is."""
    few = np.zeros(0, np.int64) if counts is None else np.flatnonzero(counts[1:] < least) + 1
    owners, rare = torch.arange(len(numbers)), torch.from_numpy(few)
    hidden = torch.cat([torch.where(numbers < rows, numbers, 0), rare.repeat(len(numbers))])
    return hidden, torch.cat([owners, owners.repeat_interleave(len(rare))])


def unit_vectors(service: RecommendationService) -> Tensor:
    """Vectors (N + 1, D) of length 1 of the items that the model was trained with; zeros for padding."""
    vectors = _demand_vectors(service)
    assert service.trained is not None, "it has vectors"
    return _unit(vectors[: service.trained.recommender.spec.items + 1])


def source_of_vectors(service: RecommendationService) -> Source:
    """The information that item vectors come from; joined ones count by their content, if they have any."""
    if service.trained is None:
        return "blend"
    if service.run.about.get("pictures_fingerprint"):
        return "pictures"
    return "ids" if service.trained.recommender.recipe["items"]["name"] == "id_table" else "features"


def training_counts(service: RecommendationService) -> np.ndarray | None:
    """int64[N + 1]: training events of the items that the model was trained with; none without its data."""
    if service.own is None:
        return None
    return item_counts(service.run.training_events(service.own), service.own.items)


def _demand_vectors(service: RecommendationService) -> Tensor:
    if service.trained is None:
        raise RequestError(
            f"{service.run.folder} is a blend, which has no item vectors; ask one of its parts"
        )
    return service.trained.catalogue.candidates


def _unit(vectors: Tensor) -> Tensor:
    return normalize(vectors.float(), dim=1)
