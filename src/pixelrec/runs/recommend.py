"""A trained recommender kept in memory, which recommends by ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self, TypeAlias, final

import numpy as np
import polars as pl
import torch
from torch import Tensor

from pixelrec.choices import as_flag, as_ids, as_list, as_path, as_whole
from pixelrec.console.progress import OnProgress, ignore
from pixelrec.data.dataset import Dataset
from pixelrec.data.id_types import IdTypes
from pixelrec.data.numbering import Numbering
from pixelrec.data.views import seen_items
from pixelrec.errors import RequestError, RunError
from pixelrec.evaluation.ranker import USERS, AbstractRanker
from pixelrec.evaluation.trained_ranker import TrainedRanker
from pixelrec.files.checkpoint import read_description
from pixelrec.recommender import Recommender
from pixelrec.runs.candidates import Candidates
from pixelrec.runs.histories import Requests, UserEvents, given_histories
from pixelrec.runs.item_vectors import read_vectors
from pixelrec.runs.new_items import (
    extended,
    ranked_new_items,
    unknown_with_covers,
    vectors_of_covers,
    vectors_of_pictures,
)
from pixelrec.runs.queries import Query, Ranked, joined, of_one_kind, parted
from pixelrec.runs.recommendations import Recommendations
from pixelrec.runs.request_files import read_histories, read_ids
from pixelrec.runs.run import EVENTS, Run

_NO_PICTURES = "{} is a blend, which does not take pictures of new items; add them to a part of it that does"

Ids: TypeAlias = Iterable[str | int]
"""Ids in a list, an array or a column of a data frame."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class RecommendationService:
    """A recommender in memory: the vectors of all items, and the events of a data set if there is one.

    It never changes, so several threads may use it at once.
    """

    run: Run
    ranker: AbstractRanker
    trained: TrainedRanker | None  # the same, unless it is a blend; may lack the network of its item encoder
    items: pl.DataFrame  # `item_id` and perhaps `title`; a row for every item, added ones last
    own: Dataset | None  # the data set that the run was trained on
    events: UserEvents | None  # of `own`, or of another data set
    notes: tuple[str, ...] = ()  # lines about the data set

    def __repr__(self) -> str:
        users = "no users" if self.events is None else f"{self.events.dataset.users:,} users"
        about = f"{self.run.name}, {len(self.items):,} items, {users}"
        return f"RecommendationService({str(self.run.folder)!r}: {about})"

    @classmethod
    def open(
        cls,
        run: Run,
        data: Dataset | None = None,
        covers: Sequence[Path] = (),
        on_progress: OnProgress = ignore,
    ) -> Self:
        """Loads the best checkpoint of a run, and its item vectors, which are encoded if necessary.

        Args:
            run: any run with a finished epoch.
            data: whose users and events are known; by default those of the run, if they are still there.
            covers: as in `add`; they are read before items are encoded.
            on_progress: called with a line of text as items are encoded.

        Raises:
            RunError: the run is damaged, or its item encoder needs pictures that have changed since.
            DataError: the data set is damaged.
        """
        own, events = _data_sets(run, data)
        items = run.vocabulary.select(pl.col("item_id"), pl.col("^title$").cast(pl.String))
        added, trained = extended(items, covers) if covers else items, None
        if run.is_blend:
            if covers:
                raise RequestError(_NO_PICTURES.format(run.folder))
            from pixelrec.runs.blend import Blend  # with the baselines, and SciPy for them

            ranker: AbstractRanker = Blend.open(run, own or run.dataset(), on_progress)
        else:
            ranker = trained = _trained(run, own, covers, on_progress)
        service = cls(run, ranker, trained, added, own, None)
        if events is None:
            return service
        events.verify()
        if events is own:
            return replace(service, events=UserEvents(events))
        return service._over(events, on_progress)

    @property
    def id_types(self) -> IdTypes:
        """Of the run's items, and of the users of the data set."""
        own = IdTypes.of(self.run.about)
        return own if self.events is None else IdTypes(self.events.dataset.id_types.user, own.item)

    def add(self, covers: Sequence[Path | str]) -> Self:
        """A service that also ranks new items, from their pictures; their ids are the names of the files.

        Raises:
            RequestError: the model does not take pictures, or two items would have the same id.
            ImageError: a file is no usable picture.
        """
        paths = [as_path(cover, "covers") for cover in as_list(covers, "covers")]
        return self.extended(vectors_of_pictures(paths, self.encoder), extended(self.items, paths))

    @cached_property
    def encoder(self) -> Recommender:
        """The recommender with its item encoder, for pictures; loaded when it is first needed.

        Raises:
            RequestError: it is a blend.
            RunError: it was published without its item encoder, or has other weights since it was loaded.
        """
        if self.trained is None:
            raise RequestError(_NO_PICTURES.format(self.run.folder))
        encoder = self.run.recommender(self.own)
        if encoder.digests != self.trained.recommender.digests:
            raise RunError(f"{self.run.folder} has other weights since it was loaded; load it again")
        return encoder

    def extended(self, unseen: Tensor, items: pl.DataFrame) -> Self:
        """With vectors (n, D), of `encoder.unseen`, of the n last of `items`: `item_id`, perhaps `title`."""
        assert self.trained is not None, "only a trained recommender has vectors"
        known = self.trained.catalogue
        more = self.trained.recommender.catalogue(encoded=known.encoded[:1], unseen=unseen)
        ranker = replace(self.trained, catalogue=known.extended(more))
        return replace(self, ranker=ranker, trained=ranker, items=items)

    def _over(self, dataset: Dataset, on_progress: OnProgress) -> Self:
        """For users of another data set, whose new items get vectors of their covers, if the model can."""
        service: Self = self
        told, new = "", unknown_with_covers(dataset, self.items["item_id"])
        if self.trained is not None and len(new) and self.run.has_encoder:
            ids, encoder = new["item_id"].to_list(), self.run.recommender(self.own)
            found = vectors_of_covers(dataset, ids, encoder, on_progress)
            if isinstance(found, str):
                told = found
            else:
                service = self.extended(found, pl.concat([self.items, new], how="diagonal"))
                told = f"{len(ids):,} new items have vectors of their covers, and are recommended"
        events = UserEvents.foreign(dataset, service.items["item_id"])
        return replace(service, events=events, notes=tuple(filter(None, (events.difference(self.run), told))))

    def recommend(
        self,
        *,
        users: Ids = (),
        histories: Iterable[Ids] | Mapping[str, Ids] | Path = (),
        k: int = 10,
        among: Ids | Path | None = None,
        exclude: Ids | Iterable[Ids] | Path = (),
        seen: bool = False,
        alone: bool = False,
    ) -> Recommendations:
        """The k best items for each user, or for each history.

        Args:
            users: ids of users of the data set, whose events are all known.
            histories: item ids, oldest first, of others: a list of lists, lists by name, or a file.
            k: number of items.
            among: ids of the only items to recommend, such as those in stock, or a file; by default all.
            exclude: ids of items not to recommend: a list for all requests, a list of lists, one for each, or
                a file.
            seen: recommend items of the history again, for repeat purchases.
            alone: only the added items, all of them, with the ranks they would have in the catalogue.

        Raises:
            RequestError: an id is unknown or of a wrong type, not exactly one of users and histories is
                given, or the model cannot recommend for them. Unknown items beside known ones are left out,
                and counted in a line of `notes`.
        """
        return self.answer(self.query(users, histories, k, among, exclude, seen, alone))

    def query(
        self,
        users: Ids = (),
        histories: Iterable[Ids] | Mapping[str, Ids] | Path = (),
        k: int = 10,
        among: Ids | Path | None = None,
        exclude: Ids | Iterable[Ids] | Path = (),
        seen: bool = False,
        alone: bool = False,
    ) -> Query:
        """What `recommend` asks, checked and in item numbers; arguments and errors as there."""
        k = as_whole(k, "k")
        as_flag(seen, "seen")
        as_flag(alone, "alone")
        if alone and (not self._added or among is not None):
            raise RequestError("alone lists the items that were added, all of them: add some, without among")
        given = read_histories(histories) if isinstance(histories, Path) else histories
        requests = self._requests(users, given)
        return Query(requests, self._candidates(among, exclude, requests), k, seen, alone)

    def answer(self, query: Query) -> Recommendations:
        return self.answers([query])[0]

    def answers(self, queries: Sequence[Query]) -> list[Recommendations]:
        """The lists of each query, as of `answer`; queries over the same candidates are ranked at once."""
        found: dict[int, Recommendations] = {}
        for places in of_one_kind(queries):
            some = [queries[place] for place in places]
            for place, query, part in zip(
                places, some, parted(self._ranked(joined(some)), some), strict=True
            ):
                found[place] = self._recommended(query.requests, *part)
        return [found[place] for place in range(len(queries))]

    def for_all_users(
        self, *, k: int = 10, among: Ids | Path | None = None, exclude: Ids | Path = (), seen: bool = False
    ) -> Iterator[Recommendations]:
        """As `recommend` for every user of the data set, some at a time."""
        k = as_whole(k, "k")
        as_flag(seen, "seen")
        events, candidates = self.user_events(), None
        for start in range(0, events.dataset.users, USERS):
            numbers = np.arange(start, min(start + USERS, events.dataset.users)) + 1
            requests = events.requests(numbers, events.dataset.user_ids[numbers - 1].to_list())
            candidates = candidates or self._candidates(among, exclude, requests)
            yield self.answer(Query(requests, candidates, k, seen))

    def _candidates(
        self, among: Ids | Path | None, exclude: Ids | Iterable[Ids] | Path, requests: Requests
    ) -> Candidates:
        chosen = read_ids(among) if isinstance(among, Path) else among
        refused = read_ids(exclude) if isinstance(exclude, Path) else exclude
        return Candidates.of(self.ranker, self.numbering, self.run, chosen, refused, requests)

    @cached_property
    def numbering(self) -> Numbering:
        """Of the items."""
        return Numbering(self.items["item_id"])

    def _requests(self, users: Ids, histories: Iterable[Ids] | Mapping[str, Ids]) -> Requests:
        ids = as_ids(users, "users")
        given = histories if isinstance(histories, Mapping) else as_list(histories, "histories")
        if bool(ids) == bool(given):
            raise RequestError("give users, or histories of item ids: exactly one of the two")
        if ids:
            events = self.user_events()
            return events.requests(events.users.demand("user", ids), ids)
        if self.ranker.needs_known_user:
            raise RequestError(
                f"{self.ranker.needs_known_user} has a vector for each user that it was trained with and "
                "cannot recommend for a history; give a user, or train a recipe such as sasrec-id"
            )
        return given_histories(given, self.numbering, self.run)

    def user_events(self) -> UserEvents:
        """Raises `RequestError` where there are none, or the model knows other users."""
        if self.events is None and self.run.is_published:
            raise RequestError(
                f"{self.run.folder} is a published run, which holds nothing about users; give histories of "
                "item ids, or a data set with --data (data in Python)"
            )
        if self.events is None:
            raise RequestError(
                f"the events of users are in a data set, and that of {self.run.folder} is no longer at "
                f"{self.run.about['data']}; give one with --data (data in Python), or histories of item ids"
            )
        if self.events.numbers is not None and self.ranker.needs_known_user:
            raise RequestError(
                f"{self.ranker.needs_known_user} has a vector for each user that it was trained with, and "
                f"{self.events.dataset.folder} is other data; give the data set that {self.run.folder} was "
                "trained on, or train a recipe such as sasrec-id"
            )
        return self.events

    @property
    def _added(self) -> bool:
        return self.trained is not None and len(self.items) > self.trained.recommender.spec.items

    def _ranked(self, query: Query) -> Ranked:
        requests, candidates, parts = query.requests, query.candidates, []
        for start in range(0, len(requests), self.ranker.at_once):
            rows = np.arange(start, min(start + self.ranker.at_once, len(requests)))
            hidden = candidates.excluded_by(rows)
            if not query.seen:
                past = seen_items(requests.histories, rows + 1)
                hidden = torch.cat([hidden[0], past[0]]), torch.cat([hidden[1], past[1]])
            if query.alone:
                assert self.trained is not None, "only a trained recommender has added items"
                parts.append(ranked_new_items(self.trained, requests, rows, *hidden))
            else:
                parts.append(self._best(requests, rows, *hidden, query.k, candidates))
        scores, items, ranks = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return scores, items, ranks

    def _recommended(
        self, requests: Requests, scores: np.ndarray, items: np.ndarray, ranks: np.ndarray
    ) -> Recommendations:
        notes = list(dict.fromkeys(requests.notes))
        if not self.ranker.needs_known_user and requests.empty.any():
            items[requests.empty] = 0
            notes.append(
                f"{int(requests.empty.sum()):,} of {len(requests):,} histories hold no item that "
                f"{self.run.folder} knows: nothing is recommended for them"
            )
        notes = [*self.notes, *notes]
        return Recommendations(self.items, requests.names, scores, items, ranks, tuple(notes), self.id_types)

    def _best(
        self, requests: Requests, rows: np.ndarray, hidden: Tensor, owners: Tensor, k: int, among: Candidates
    ) -> Ranked:
        asked = requests.histories, rows + 1, requests.users[rows]
        scores, places = among.ranker.best(*asked, among.rows(hidden), owners, k)
        items = among.numbers(places)
        return scores, items, np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)


def _data_sets(run: Run, given: Dataset | None) -> tuple[Dataset | None, Dataset | None]:
    """The data set that a run was trained on, and the one whose users are known: the given or the same one.

    Raises:
        RunError: the run reads pictures, and the data set has other pictures now.
    """
    there = [Dataset.open(place) for place in run.data_folders]
    candidates = there if given is None else [given, *there]
    differences = {place: run.difference(found) for place, found in enumerate(candidates)}
    own = next((found for place, found in enumerate(candidates) if differences[place] is None), None)
    known = given if given is not None else own or next(iter(there), None)
    if known is not None and own is not known and run.difference(known) != EVENTS:
        run.dataset(known.folder)
    return own, known


def _trained(run: Run, own: Dataset | None, covers: Sequence[Path], on_progress: OnProgress) -> TrainedRanker:
    """The best checkpoint of a run, and its catalogue, to which pictures are added."""
    recommender, encoded = (run.recommender(own), None) if covers else _without_encoder(run, own)
    unseen = vectors_of_pictures(covers, recommender) if covers else None
    if encoded is None:
        encoded = run.encoded(recommender, on_progress)
    return TrainedRanker(recommender, recommender.catalogue(encoded=encoded, unseen=unseen))


def _without_encoder(run: Run, own: Dataset | None) -> tuple[Recommender, Tensor | None]:
    """The recommender and its item vectors, if they are kept: its item encoder is not loaded then."""
    if run.is_published:
        return run.recommender(vectors=run.published_vectors), run.published_vectors.to(run.device)
    best = run.demand_best()
    digest = read_description(best)["weights"].get("items", "")
    vectors = read_vectors(best, digest, run.about.get("pictures_fingerprint", ""))
    recommender = run.recommender(own, vectors=vectors)
    if vectors is None or recommender.digests["items"] == digest:
        return recommender, None if vectors is None else vectors.to(recommender.device)
    return run.recommender(own), None  # training has replaced the checkpoint meanwhile
