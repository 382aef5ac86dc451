"""The sum of several item encoders, such as of an item's number and of its picture."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from typing import Any, Self, cast, final

import numpy as np
import torch
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.errors import RecipeError, RequestError, nearest
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import ITEM_ENCODERS, AbstractItemEncoder, Log, PictureForm

# Attributes of `ModuleDict`, and the name by which the optimiser recognises picture networks.
RESERVED = {*dir(nn.ModuleDict()), "backbone"}


@final
class Joined(AbstractItemEncoder):
    """The sum of the tables of other encoders of the same width.

    Args:
        described: the result of `describe` for each part; none: parts read their sources.
        parts: the parts by any name; each has the `name` of an encoder and its hyperparameters.
        width: D, the width of parts that do not set their own; by default the default of each.

    Raises:
        RecipeError: there is no part, a part has an unknown or a joined encoder, or the widths differ.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        parts: Mapping[str, Mapping[str, Any]],
        width: Width | None = None,
    ) -> None:
        super().__init__()
        shared = {} if width is None else {"width": width}
        made = {}
        for part, config in parts.items():
            encoder = _encoder(part, config)
            own = {**shared, **{key: value for key, value in config.items() if key != "name"}}
            built = encoder(spec, **own) if described is None else encoder.rebuild(spec, described[part], own)
            made[part] = built
        self.width = _common_width(made, width)
        self.parts = nn.ModuleDict(made)

    @property
    def encoders(self) -> Mapping[str, AbstractItemEncoder]:
        """The parts by name."""
        return cast("Mapping[str, AbstractItemEncoder]", self.parts)

    def prepare(self, log: Log) -> None:
        for name, part in self.encoders.items():
            part.prepare(lambda line, name=name: log(f"{name}: {line}"))  # type: ignore[misc]

    def load(self, ids: np.ndarray) -> Payload:
        """The payloads of all parts, with keys such as `pixels/rows`."""
        return {
            f"{name}/{key}": tensor
            for name, part in self.encoders.items()
            for key, tensor in part.load(ids).items()
        }

    def forward(self, items: Items) -> Tensor:
        tables = []
        for name, part in self.encoders.items():
            own = f"{name}/"
            payload = {key.removeprefix(own): t for key, t in items.payload.items() if key.startswith(own)}
            tables.append(part(replace(items, payload=payload)))
        return reduce(torch.add, tables)

    def picture_form(self) -> PictureForm:
        """The form of pictures that all parts with pictures share; `RequestError` if there is none."""
        forms = self._forms()
        if not forms:
            return super().picture_form()
        first, *others = forms.items()
        for name, form in others:
            if form != first[1]:
                raise RequestError(
                    f"part {first[0]} takes pictures of {first[1]} and part {name} of {form}: no picture of "
                    "a new item suits both; train them with the same size"
                )
        return first[1]

    def unseen(self, pictures: Tensor) -> Tensor:
        """As of an encoder. Only parts with pictures contribute: an id table has no vector for a new item."""
        self.picture_form()
        return reduce(torch.add, (self.encoders[name].unseen(pictures) for name in self._forms()))

    def _forms(self) -> dict[str, PictureForm]:
        """The form of pictures of each part that uses pictures."""
        forms = {}
        for name, part in self.encoders.items():
            with suppress(RequestError):
                forms[name] = part.picture_form()
        return forms

    @property
    def rows_at_once(self) -> int:
        return min(part.rows_at_once for part in self.encoders.values())

    @property
    def expensive(self) -> bool:
        return any(part.expensive for part in self.encoders.values())

    @property
    def reads(self) -> str:
        return " ".join(dict.fromkeys(part.reads for part in self.encoders.values() if part.reads))

    def describe(self) -> dict[str, Any]:
        return {name: part.describe() for name, part in self.encoders.items()}

    @classmethod
    def rebuild(cls, spec: DatasetSpec, described: Mapping[str, Any], config: Mapping[str, Any]) -> Self:
        return cls(spec, described, **config)


def _encoder(part: str, config: Mapping[str, Any]) -> type[AbstractItemEncoder]:
    if part in RESERVED:
        raise RecipeError(f"items.parts has a part called {part!r}, a reserved name; choose another")
    name = str(config.get("name"))
    if name not in ITEM_ENCODERS or ITEM_ENCODERS[name] is Joined:
        hint = nearest(name, ITEM_ENCODERS)
        raise RecipeError(
            f"items.parts.{part}.name is {name!r}; expected an encoder other than joined; {hint}, or "
            "pixelrec.register a class of your own"
        )
    return ITEM_ENCODERS[name]


def _common_width(parts: Mapping[str, AbstractItemEncoder], width: int | None) -> int:
    if not parts:
        raise RecipeError("items.parts is empty; expected parts such as ids: {name: id_table}")
    shared = {} if width is None else {"items.width": width}
    widths = shared | {f"items.parts.{name}.width": part.width for name, part in parts.items()}
    first, *others = widths.items()
    for key, other in others:
        if other != first[1]:
            raise RecipeError(
                f"{first[0]} is {first[1]} and {key} is {other}, but vectors are added: expected the same "
                "width; items.width alone sets it for all parts"
            )
    return first[1]
