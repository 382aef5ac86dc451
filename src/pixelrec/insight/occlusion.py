"""An estimate of where on a picture a model looks: how a score changes as parts of the picture are covered.

An estimate only: a covered picture is none that the model was trained with, and the parts of a picture do not
count one by one (Zeiler and Fergus, arXiv 1311.2901, section 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, final

import numpy as np

from pixelrec.errors import RequestError
from pixelrec.images.edits import blurred
from pixelrec.insight.pictures import mean_colour, picture_of, vectors_with
from pixelrec.runs.histories import Requests
from pixelrec.runs.recommend import RecommendationService

CELLS = 7
_BLUR = 12.0  # percent of a side
Fill: TypeAlias = Literal["mean", "blur"]
"""What covers a part: the mean colour of the catalogue, or the picture itself, blurred."""


@final
@dataclass(frozen=True, eq=False)
class OcclusionMap:
    """An estimate of how much each part of a picture speaks for an item, after a history."""

    picture: np.ndarray  # uint8[S, S, 3]
    score: float  # with the whole picture
    changes: np.ndarray  # float64[C, C]: `score` less that without the part; positive: it speaks for the item
    side: int  # pixels of a part; neighbouring parts overlap by half of it
    fill: Fill
    estimate: bool = True

    def to_dict(self) -> dict[str, Any]:
        about = {"estimate": self.estimate, "score": self.score, "fill": self.fill, "part_pixels": self.side}
        return {**about, "score_changes": self.changes.tolist()}


def occlusion_map(
    service: RecommendationService,
    past: Requests,
    item_id: str | None = None,
    *,
    picture: np.ndarray | None = None,
    cells: int = CELLS,
    fill: Fill = "mean",
) -> OcclusionMap:
    """An estimate for the cover of an item, or for a new picture, after a history.

    All parts pass through the item encoder together, in batches of its own size.

    Args:
        service: of a run whose item vectors come from pictures.
        past: one history, of `past_of`.
        item_id: an item of the catalogue; none for a new one.
        picture: uint8[S, S, 3], in the form that the model takes: instead of the item's cover.
        cells: C, parts along each side: 1 to 32.
        fill: what covers a part.

    Raises:
        RequestError: the model does not take pictures, an id is unknown, or the cover is not there.
    """
    if not 1 <= cells <= 32:
        raise RequestError(f"cells is {cells}; expected 1 to 32")
    service.encoder.items.picture_form()
    if picture is None:
        if item_id is None:
            raise RequestError("give an item of the catalogue, or the picture of a new one")
        picture = picture_of(service, item_id)
    assert service.trained is not None, "a blend has no encoder"
    parts = list(_parts(len(picture), cells))
    cover = _cover(service, picture, fill)
    pictures = np.stack([picture, *(_covered(picture, cover, part) for part in parts)])
    candidates = service.encoder.candidates(vectors_with(service, item_id, pictures))
    vector = service.trained.vectors(past.histories, np.array([1]), past.users)
    scores = service.trained.compared(vector, candidates.to(vector.device))[0].cpu().numpy()
    changes = (scores[0] - scores[1:]).reshape(cells, cells)
    side = parts[0][0].stop - parts[0][0].start
    return OcclusionMap(picture, float(scores[0]), changes, side, fill)


def _parts(size: int, cells: int) -> Iterator[tuple[slice, slice]]:
    """Squares in rows, which overlap by half and reach from edge to edge."""
    step = size / (cells + 1)
    side = max(1, round(2 * step))
    starts = [min(round(number * step), size - side) for number in range(cells)]
    for top in starts:
        for left in starts:
            yield slice(top, top + side), slice(left, left + side)


def _cover(service: RecommendationService, picture: np.ndarray, fill: Fill) -> np.ndarray:
    """What lies beneath: uint8[S, S, 3]."""
    if fill == "blur":
        return blurred(picture, _BLUR)
    colour = mean_colour(service)
    return np.broadcast_to(picture.mean((0, 1)).astype(np.uint8) if colour is None else colour, picture.shape)


def _covered(picture: np.ndarray, cover: np.ndarray, part: tuple[slice, slice]) -> np.ndarray:
    found = picture.copy()
    found[part] = cover[part]
    return found
