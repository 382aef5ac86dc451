"""Vectors of items and users whose dot products are the scores of a run, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from torch import Tensor

from pixelrec.choices import Tower
from pixelrec.errors import RequestError
from pixelrec.evaluation.ranker import USERS
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.files.atomic import new_file
from pixelrec.files.table_file import write_parts
from pixelrec.runs.recommend import RecommendationService


def demand_dot_products(service: RecommendationService) -> TrainedRanker:
    """The ranker of a trained run; a `RequestError` if its scores are no dot products of two vectors."""
    trained = service.trained
    assert trained is not None, "only a blend has none"
    if trained.recommender.users.looks_at_candidates:
        raise RequestError(
            f"{trained.recommender.recipe['users']['name']} looks at the events of a user together with each "
            "candidate, so no vector stands for the user; export a model such as sasrec-id"
        )
    return trained


def export_vectors(service: RecommendationService, tower: Tower, out: Path) -> int:
    """Writes Parquet: `item_id` or `user_id`, and `vector`, float32 of fixed length.

    Returns:
        The number of vectors; users without an event of a known item have none.

    Raises:
        RequestError: the model compares no vectors, there are no users, or the file cannot be written.
    """
    trained, written = demand_dot_products(service), 0

    def counted() -> Iterator[pl.DataFrame]:
        nonlocal written
        for part in _items(service, trained) if tower == "items" else _users(service, trained):
            written += len(part)
            yield service.id_types.restored(part)

    if tower == "users":
        service.user_events()
    out.parent.mkdir(parents=True, exist_ok=True)
    with new_file(out, RequestError) as draft:
        write_parts(counted(), draft)
    return written


def _items(service: RecommendationService, trained: TrainedRanker) -> Iterator[pl.DataFrame]:
    vectors = _column(trained.catalogue.candidates[1:])
    yield pl.DataFrame({"item_id": service.items["item_id"], "vector": vectors})


def _users(service: RecommendationService, trained: TrainedRanker) -> Iterator[pl.DataFrame]:
    events = service.user_events()
    for start in range(0, events.dataset.users, USERS):
        numbers = np.arange(start, min(start + USERS, events.dataset.users)) + 1
        ids = events.dataset.user_ids[numbers - 1]
        requests = events.requests(numbers, ids.to_list())
        rows = np.arange(len(requests))
        if not trained.needs_known_user:
            rows = rows[~requests.empty]
        vectors = trained.vectors(requests.histories, rows + 1, requests.users[rows])
        yield pl.DataFrame({"user_id": ids[rows], "vector": _column(vectors)})


def _column(vectors: Tensor) -> pl.Series:
    return pl.Series(vectors.float().cpu().numpy(), dtype=pl.Array(pl.Float32, vectors.shape[1]))
