"""Item encoders joined: an item is the sum of what each makes of it, such as its number and its picture."""

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
from pixelrec.items.encoder import AbstractItemEncoder, Log, PictureForm
from pixelrec.items.registry import ITEM_ENCODERS

# `ModuleDict` has attributes of its own, and the optimiser takes what lies below a `backbone` for a network.
RESERVED = {*dir(nn.ModuleDict()), "backbone"}


@final
class Joined(AbstractItemEncoder):
    """The sum of the tables of other encoders, all of one width, each with choices of its own.

    Args:
        facts: what the data dictates.
        described: what `describe` told of each part; none: parts read their sources.
        parts: for every part, under a name of its own, the choices of its encoder with their `name`.
        width: D, of every part that does not say its own; by default all say it, or have the same default.

    Raises:
        RecipeError: there is no part, one is of an unknown encoder or joined itself, or their widths differ.
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
        said = {} if width is None else {"width": width}
        made = {}
        for part, config in parts.items():
            encoder, own = _encoder(part, config), {**said, **_own(config)}
            made[part] = (
                encoder(spec, **own) if described is None else encoder.rebuild(spec, described[part], own)
            )
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
        """The payload of every part, each key below the name of its part: `pixels/rows`."""
        return {
            f"{name}/{key}": tensor
            for name, part in self.encoders.items()
            for key, tensor in part.load(ids).items()
        }

    def forward(self, items: Items) -> Tensor:
        return _sum(
            [part(replace(items, payload=_of(name, items.payload))) for name, part in self.encoders.items()]
        )

    def picture_form(self) -> PictureForm:
        """What pictures `unseen` takes: those that its seeing parts take.

        Raises:
            RequestError: no part looks at pictures, or they look at different ones.
        """
        forms = self._forms()
        if not forms:
            return super().picture_form()
        first, *others = forms.items()
        for name, form in others:
            if form != first[1]:
                raise RequestError(
                    f"part {first[0]} takes pictures of {first[1]} and part {name} of {form}: no picture "
                    "of a new item suits both; train them with the same size"
                )
        return first[1]

    def unseen(self, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of items that no data set has: the sum of the parts that see, uint8 n, S, S, 3.

        A part that does not, such as an id table, has nothing to add for an item it never met.

        Raises:
            RequestError: as `picture_form`.
        """
        self.picture_form()
        return _sum([self.encoders[name].unseen(pictures) for name in self._forms()])

    def _forms(self) -> dict[str, PictureForm]:
        """What pictures each part takes, of those that look at pictures."""
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
        raise RecipeError(f"items.parts has one called {part!r}, a name that is taken; choose another")
    name = str(config.get("name"))
    if name not in ITEM_ENCODERS or ITEM_ENCODERS[name] is Joined:
        hint = nearest(name, ITEM_ENCODERS)
        raise RecipeError(
            f"items.parts.{part}.name is {name!r}; expected an encoder that joins no others; {hint}, or "
            "pixelrec.register a class of your own"
        )
    return ITEM_ENCODERS[name]


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != "name"}


def _common_width(parts: Mapping[str, AbstractItemEncoder], width: int | None) -> int:
    if not parts:
        raise RecipeError("items.parts is empty; expected parts such as ids: {name: id_table}")
    said = {} if width is None else {"items.width": width}
    widths = said | {f"items.parts.{name}.width": part.width for name, part in parts.items()}
    first, *others = widths.items()
    for key, other in others:
        if other != first[1]:
            raise RecipeError(
                f"{first[0]} is {first[1]} and {key} is {other}, but vectors are added: expected the same; "
                "items.width alone sets that of all parts"
            )
    return first[1]


def _of(name: str, payload: Payload) -> Payload:
    """The part's own payload."""
    start = f"{name}/"
    return {key.removeprefix(start): tensor for key, tensor in payload.items() if key.startswith(start)}


def _sum(vectors: list[Tensor]) -> Tensor:
    return reduce(torch.add, vectors)
