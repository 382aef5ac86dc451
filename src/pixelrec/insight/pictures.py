"""The picture of an item, and vectors of the item with other pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pixelrec.errors import RequestError
from pixelrec.images.store import PictureStore
from pixelrec.runs.recommend import RecommendationService

_SAMPLE = 256  # pictures whose mean colour is that of the catalogue


def number_of(service: RecommendationService, item_id: str) -> int:
    """The number of an item; a `RequestError` names the nearest if it is unknown."""
    return int(service.numbering.demand("item", [item_id])[0])


def picture_of(service: RecommendationService, item_id: str) -> np.ndarray:
    """The packed cover of an item, in the form that the model takes: uint8[S, S, 3].

    Raises:
        RequestError: the model does not take pictures, the item is unknown, or its cover is not there.
    """
    form = service.encoder.items.picture_form()
    number_of(service, item_id)
    store = _store(service)
    if store is None or item_id not in store or (store.size, store.fit) != (form.size, form.fit):
        raise RequestError(
            f"the cover of {item_id!r} is not there in {form.size} pixels, {form.fit}: give the data set of "
            f"{service.run.folder} with --data, with its covers packed"
        )
    return store.read([item_id])[0]


def vectors_with(service: RecommendationService, item_id: str | None, pictures: np.ndarray) -> Tensor:
    """Vectors (n, D) of an item of the catalogue with each of some pictures, uint8[n, S, S, 3].

    item_id: none for a new item, of which only the picture is known.
    """
    loaded = torch.from_numpy(np.ascontiguousarray(pictures))
    if item_id is None or (number := number_of(service, item_id)) > service.encoder.spec.items:
        return service.encoder.unseen(loaded)
    return service.encoder.pictured(number, loaded)


def mean_colour(service: RecommendationService) -> np.ndarray | None:
    """uint8[3]: of the covers of the catalogue, or of some spread over it; none if they are not there."""
    store = _store(service)
    if store is None:
        return None
    ids = service.items["item_id"].gather_every(max(1, len(service.items) // _SAMPLE)).to_list()
    absent = set(store.missing(ids))
    pictures = store.read([each for each in ids if each not in absent])
    return pictures.mean((0, 1, 2)).round().astype(np.uint8) if len(pictures) else None


def _store(service: RecommendationService) -> PictureStore | None:
    events = service.events
    for dataset in (service.own, None if events is None else events.dataset):
        if dataset is not None and dataset.covers.exists():
            return PictureStore.open(dataset.covers)
    return None
