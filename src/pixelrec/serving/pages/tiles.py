"""A cover in a page, with what stands below it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

from pixelrec.errors import ImageError
from pixelrec.reports import thumbnails
from pixelrec.serving.shop import Shop

HUES = 12  # classes of the style sheet


@final
@dataclass(frozen=True)
class Tile:
    """An item as `tile` of `parts.html` shows it."""

    item_id: str
    title: str | None
    aspect: float | None  # width / height of its cover; none: it has no cover, and its id is shown
    whole: bool = False  # shown with margins, as too much would be cut off
    note: str = ""  # a few words below the title
    mark: str = ""  # in the corner, such as a rank
    right: bool = False  # framed: the item that the user chose next

    @classmethod
    def of(
        cls,
        shop: Shop,
        item_id: str | int,
        title: str | None = None,
        *,
        note: str = "",
        mark: str | int = "",
        right: bool = False,
    ) -> Self:
        item, aspect = str(item_id), None
        if shop.covers is not None and shop.covers.store is not None:
            try:
                aspect = float(shop.covers.store.aspects([item])[0])
            except ImageError:  # it has none
                aspect = None
        whole = aspect is not None and not thumbnails.fills(aspect, shop.aspect)
        return cls(item, title, aspect, whole, note, str(mark), right)

    @property
    def name(self) -> str:
        return self.title or self.item_id

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its thumbnail, as far as the layout needs them."""
        assert self.aspect is not None, "it has a cover"
        area = thumbnails.AREA
        return round(math.sqrt(area * self.aspect)), round(math.sqrt(area / self.aspect))

    @property
    def hue(self) -> int:
        """The class of colour of its tile without a cover: 0 … 11."""
        return thumbnails.hue(self.item_id) * HUES // 360
