"""New covers in a run: what is near them, their places in the lists of users, and lists with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Self, final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.data.numbering import look_up
from pixelrec.errors import RequestError, RunError
from pixelrec.images.covers import decode_named
from pixelrec.insight.audience import Audience
from pixelrec.insight.item_place import ItemPlace, place_of
from pixelrec.insight.neighbours import nearest_by_vector, source_of_vectors
from pixelrec.recommender import Recommender
from pixelrec.runs.recommend import RecommendationService
from pixelrec.runs.recommendations import Recommendation
from pixelrec.serving.item_facts import Missing, users_looked_at
from pixelrec.serving.served_run import ServedRun
from pixelrec.serving.shelf import Picture

ESTABLISHED = 20  # training events of an item that new covers lean on
_NAME = 100  # characters of a name, at most


def refusal(run: ServedRun) -> str | None:
    """Why a run takes no pictures of new items; None if it does."""
    trained = run.service.trained
    reads = source_of_vectors(run.service) == "pictures" and run.run.has_encoder
    if trained is not None and reads and not trained.recommender.users.needs_catalogue:
        return None  # without loading its network
    try:
        _demand_new_items(run.encoder())
    except (RequestError, RunError) as error:
        return str(error)
    return None


def _demand_new_items(encoder: Recommender) -> None:
    side = encoder.items.picture_form().size
    encoder.unseen(torch.zeros(1, side, side, 3, dtype=torch.uint8))


def vectors_of(run: ServedRun, pictures: Sequence[Picture], most: int) -> Tensor:
    """Vectors (n, D) of pictures of at most `most` pixels, which keep them.

    Raises `RequestError` or `RunError` where the run takes no pictures, and `ImageError`.
    """
    encoder = run.encoder()
    form = encoder.items.picture_form()
    new = [each for each in pictures if run.name not in each.vectors]
    if new:
        squares = [decode_named(p.name, p.data, size=form.size, fit=form.fit, most=most).pixels for p in new]
        for picture, vector in zip(new, encoder.unseen(torch.from_numpy(np.stack(squares))), strict=True):
            picture.vectors[run.name] = vector
    return torch.stack([each.vectors[run.name] for each in pictures])


def squares_of(run: ServedRun, files: Sequence[tuple[str, bytes]], most: int) -> Tensor:
    """Named pictures as the encoder of a run takes them, uint8[n, S, S, 3]; errors as above."""
    if why := refusal(run):
        raise RequestError(why)
    form = run.encoder().items.picture_form()
    squares = [decode_named(*file, size=form.size, fit=form.fit, most=most).pixels for file in files]
    return torch.from_numpy(np.stack(squares))


def pictures_by_name(run: ServedRun, files: Sequence[tuple[str, bytes]], most: int) -> dict[str, np.ndarray]:
    """The same by different names, which are those of no item; none of no files."""
    names = item_names([name for name, _ in files], run.service.items["item_id"])
    return dict(zip(names, squares_of(run, files, most).numpy(), strict=True)) if files else {}


@final
@dataclass(frozen=True, eq=False)
class NewCovers:
    run: ServedRun
    names: list[str]  # ids of the new items
    service: RecommendationService  # that ranks them, too

    @classmethod
    def of(cls, run: ServedRun, pictures: Sequence[Picture], most: int) -> Self:
        """Errors as of `vectors_of`."""
        return cls.with_vectors(run, [each.name for each in pictures], vectors_of(run, pictures, most))

    @classmethod
    def with_vectors(cls, run: ServedRun, files: Sequence[str], vectors: Tensor) -> Self:
        """Of pictures that are encoded already: the names of their files, and n, D."""
        items = run.service.items
        names = item_names(files, items["item_id"])
        more = pl.concat([items, pl.DataFrame({"item_id": names})], how="diagonal")
        return cls(run, names, run.service.extended(vectors, more))

    @cached_property
    def places(self) -> list[ItemPlace] | Missing:
        """Each beside the catalogue that the run was trained with, as `recommend(alone=True)` ranks it."""
        service = self.service
        assert service.trained is not None, "it takes pictures"
        try:
            audience = Audience.of(service, users_looked_at(service, len(self.names)))
            return place_of(audience, self.names, rivals=service.trained.recommender.spec.items)
        except RequestError as error:
            return str(error)

    def near(self, k: int) -> pl.DataFrame:
        """The trained items nearest to each, as of `nearest_by_vector`."""
        return self._near(k, 0)

    def leaned_on(self, k: int) -> pl.DataFrame:
        """Of the items with enough training events: the model expects of the cover what it knows of them."""
        return self._near(k, ESTABLISHED)

    def _near(self, k: int, least: int) -> pl.DataFrame:
        counts = None
        if self.run.service.own is not None:
            counts = self.run.counts[: self.run.service.own.items + 1]
        among = self.run.indices.unit_vectors()
        return nearest_by_vector(self.service, self.names, k, counts=counts, least=least, among=among)

    def in_list(self, user: str, history: Sequence[str], k: int) -> ListWithCovers:
        """The list of a user, or of a history; errors as of `recommend`."""
        users, histories = ([user], []) if user else ([], [list(history)])
        best = self.service.recommend(users=users, histories=histories, k=k)
        alone = self.service.recommend(users=users, histories=histories, alone=True)
        ranks = {str(each.item_id): each.rank for each in alone[0]}
        return ListWithCovers(best[0], ranks, list(best.notes))


@final
@dataclass(frozen=True)
class ListWithCovers:
    best: list[Recommendation]  # of the catalogue and all new covers together
    ranks: dict[str, int]  # of each new cover, beside the catalogue alone
    notes: list[str]


def item_names(files: Sequence[str], taken: pl.Series) -> list[str]:
    """Ids for new items: the names of their files, numbered where that is an item already, or another's."""
    found = list[str]()
    for number, file in enumerate(files, 1):
        name = PurePath(file.replace("\\", "/")).name.strip()[-_NAME:] or f"picture {number}"
        stem, suffix = PurePath(name).stem, PurePath(name).suffix
        count = 1
        while name in found or look_up([name], taken)[0]:
            count += 1
            name = f"{stem} ({count}){suffix}"
        found.append(name)
    return found
