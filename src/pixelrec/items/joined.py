"""Several item encoders together, such as of an item's number and of its picture."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Annotated, Any, Literal, cast, final

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor, nn

from pixelrec.batch import DatasetSpec, Items, Payload
from pixelrec.errors import RecipeError, RequestError, nearest
from pixelrec.features.treatment import items_with_events
from pixelrec.hyperparameters import Width
from pixelrec.items.encoder import ITEM_ENCODERS, AbstractItemEncoder, Log, PictureForm
from pixelrec.items.projection import Activation, Projection, ProjectionInit
from pixelrec.items.work import Work

Combination = Literal["sum", "concat", "delta"]
_NO_PARTS = "items.parts is empty; expected parts such as ids: {name: id_table}"
# Attributes of `ModuleDict`, and the name by which the optimiser recognises picture networks.
RESERVED = {*dir(nn.ModuleDict()), "backbone"}


@final
class Joined(AbstractItemEncoder):
    """The tables of other encoders: added, side by side, projected together, or one held near another.

    Args:
        described: the result of `describe` for each part; none: parts read their sources.
        parts: the parts by any name; each has the `name` of an encoder and its hyperparameters.
        combine: sum adds vectors of one width, concat joins them to one as wide as all together. delta adds a
            second part to the first, cut to a length of at most `bound` times that of the first, and only
            for items with training events: an id table as a correction to pictures (arXiv 2507.19473).
        width: D of a sum or a delta: the width of parts that do not set their own; by default the default of
            each. Concatenated parts set their own widths.
        head: width of a trained linear layer over concatenated vectors, which is then D; none by default.
        head_activation: activation after that layer.
        head_init: initial weights of that layer: small or xavier_normal.
        bound: longest second part of delta, as a multiple of the first.

    Raises:
        RecipeError: there is no part, a part has an unknown or a joined encoder, or the widths do not fit.
    """

    corrected: Tensor  # bool[N + 1]: of delta, items with training events

    def __init__(
        self,
        spec: DatasetSpec,
        described: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        parts: Mapping[str, Mapping[str, Any]],
        combine: Combination = "sum",
        width: Width | None = None,
        head: Width | None = None,
        head_activation: Activation = "none",
        head_init: ProjectionInit = "small",
        bound: Annotated[float, Interval(ge=0, le=1000)] = 0.5,
    ) -> None:
        super().__init__()
        shared = {"width": width} if width is not None and combine in {"sum", "delta"} else {}
        made = {}
        for part, config in parts.items():
            encoder = _encoder(part, config)
            own = {**shared, **{key: value for key, value in config.items() if key != "name"}}
            built = encoder(spec, **own) if described is None else encoder.rebuild(spec, described[part], own)
            made[part] = built
        self.combine, self.bound = combine, bound
        if combine == "delta":
            if len(made) != 2:
                raise RecipeError(
                    f"items.combine is delta, and items.parts are {', '.join(made) or 'none'}; expected two: "
                    "first what is seen, then an id table"
                )
            corrected = np.zeros(spec.items + 1, bool)
            if spec.history is not None:
                corrected = items_with_events(spec.history, spec.items)
            self.register_buffer("corrected", torch.from_numpy(corrected))
        self.parts = nn.ModuleDict(made)
        self.has_content = all(part.has_content for part in made.values())
        inner = sum(part.width for part in made.values())
        if combine in {"sum", "delta"}:
            self.width = _common_width(made, width)
        else:
            self.width = head or _joint_width(made, width)
        if head is not None and combine != "concat":
            raise RecipeError(
                f"items.head is {head}, and items.combine is {combine}; a head goes with concat only"
            )
        self.project = None
        if head is not None:
            self.project = Projection(inner, head, head_activation, "none", head_init)

    @property
    def encoders(self) -> Mapping[str, AbstractItemEncoder]:
        """The parts by name."""
        return cast("Mapping[str, AbstractItemEncoder]", self.parts)

    @property
    def content(self) -> AbstractItemEncoder:
        return next(iter(self.encoders.values())) if self.combine == "delta" else self

    def over(self, stored: AbstractItemEncoder) -> AbstractItemEncoder:
        if self.combine != "delta":
            return stored
        (first, _), (second, delta) = self.encoders.items()
        made = copy(self)
        made._modules = {**self._modules, "parts": nn.ModuleDict({first: stored, second: delta})}
        return made

    def correct(self, rows: Tensor, vectors: Tensor, weights: Tensor) -> None:
        if self.combine == "delta":
            _, delta = self.encoders.values()
            delta.correct(rows, vectors, weights)

    def prepare(self, log: Log) -> None:
        for name, part in self.encoders.items():
            part.prepare(lambda line, name=name: log(f"{name}: {line}"))  # type: ignore[misc]

    def take_work(self) -> Work:
        return reduce(add, (part.take_work() for part in self.encoders.values()))

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
        if self.combine == "delta":
            tables[1] = tables[1] * self.corrected[items.ids][:, None]
        table = self._combined(tables)
        # A projection has biases, and padding is zero.
        return table if self.project is None else table * (items.ids != 0)[:, None]

    def _combined(self, tables: list[Tensor]) -> Tensor:
        if self.combine == "delta":
            return tables[0] + _cut(tables[1], self.bound * tables[0].norm(dim=1, keepdim=True))
        if self.combine == "sum":
            return reduce(torch.add, tables)
        joint = torch.cat(tables, dim=1)
        return joint if self.project is None else self.project(joint)

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
        forms = self._forms()
        seen = {name: self.encoders[name].unseen(pictures) for name in forms}
        first = next(iter(seen.values()))
        return self._combined(
            [
                seen[name] if name in seen else first.new_zeros(len(first), part.width)
                for name, part in self.encoders.items()
            ]
        )

    def pictured(self, ids: Tensor, pictures: Tensor) -> Tensor:
        """As of an encoder. Parts without pictures contribute what they know of the items."""
        self.picture_form()
        forms, tables = self._forms(), []
        for name, part in self.encoders.items():
            items = Items(ids, {} if name in forms else part.load(ids.cpu().numpy())).to(ids.device)
            tables.append(part.pictured(ids, pictures) if name in forms else part(items))
        if self.combine == "delta":
            tables[1] = tables[1] * self.corrected[ids][:, None]
        return self._combined(tables)

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
    if ITEM_ENCODERS[name].has_regions:
        raise RecipeError(
            f"items.parts.{part}.name is {name}, whose regions would not be used; use items.name {name}, or "
            "another encoder for this part"
        )
    return ITEM_ENCODERS[name]


def _cut(vectors: Tensor, longest: Tensor) -> Tensor:
    """Vectors (n, D) scaled down to a length of at most `longest` (n, 1)."""
    lengths = vectors.norm(dim=1, keepdim=True)
    return vectors * (longest / lengths.clamp(min=1e-12)).clamp(max=1)


def _joint_width(parts: Mapping[str, AbstractItemEncoder], width: int | None) -> int:
    if not parts:
        raise RecipeError(_NO_PARTS)
    if width is not None:
        raise RecipeError(
            f"items.width is {width}, and concatenated vectors are as wide as their parts together; leave it "
            "out, and set items.parts.<part>.width"
        )
    return sum(part.width for part in parts.values())


def _common_width(parts: Mapping[str, AbstractItemEncoder], width: int | None) -> int:
    if not parts:
        raise RecipeError(_NO_PARTS)
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
