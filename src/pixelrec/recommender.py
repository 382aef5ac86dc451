"""A recommender is an item encoder and a user model; they meet in the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self, final

import torch
from torch import Tensor, nn

from pixelrec.batch import Batch, DatasetSpec, Events, Items, LoadRegions, Regions, Scores
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.choices import OVER_PICTURES
from pixelrec.errors import RecipeError, RequestError, RunError
from pixelrec.files.checkpoint import read_checkpoint, write_checkpoint
from pixelrec.files.hub import local
from pixelrec.items import ITEM_ENCODERS
from pixelrec.items.encoder import AbstractItemEncoder
from pixelrec.items.stored_vectors import StoredVectors
from pixelrec.numerics.competition import correct_sampling, mask_accidental_hits
from pixelrec.numerics.logsumexp import competing_logsumexp, scored_logsumexp
from pixelrec.numerics.precision import at_least_fp32
from pixelrec.numerics.tiles import norm_bounds
from pixelrec.numerics.top_k import dense_top_k, top_k
from pixelrec.registry import address
from pixelrec.users import USER_MODELS

REGION_EVENTS = 512  # of histories whose regions are held together: 200 MB of 7 × 7 × 2,048 in fp32
ALIKE = 0.01  # deviation of item vectors from their mean, relative to their length
CANDIDATES = 256  # scored together by a model that looks at candidates: all pairs with users are held
Config = Mapping[str, Any]
_MISFITS = (TypeError, RuntimeError, LookupError, ValueError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Catalogue:
    """All items, encoded by a trained recommender. Row r is item r, row 0 is padding."""

    encoded: Tensor  # N + 1, D: output of the item encoder, fp32
    table: Tensor  # N + 1 rows, D, and perhaps more of the user model: histories gather from it
    candidates: Tensor  # N + 1, D: user vectors are compared with them, fp32

    @cached_property
    def norms(self) -> Tensor:
        """Upper bounds of the lengths of the candidates, float64[N + 1]."""
        return norm_bounds(self.candidates, "vectors of items")

    def extended(self, more: Catalogue) -> Catalogue:
        """With the items of another one behind these; its first row is padding, too."""
        encoded = torch.cat([self.encoded, more.encoded[1:]])
        table, candidates = (
            encoded if mine.data_ptr() == self.encoded.data_ptr() else torch.cat([mine, others[1:]])
            for mine, others in ((self.table, more.table), (self.candidates, more.candidates))
        )
        found = Catalogue(encoded, table, candidates)
        vars(found)["norms"] = torch.cat([self.norms, more.norms[1:]])  # not computed again
        return found

    @property
    def alike(self) -> str | None:
        """A warning with the usual causes if the vectors of all items are almost the same; else none."""
        vectors = self.candidates[1:].detach()
        length = vectors.square().mean(0).sum().sqrt()
        spread = float(vectors.std(0, correction=0).norm() / length.clamp(min=1e-30))
        if len(vectors) < 2 or spread >= ALIKE:
            return None
        return (
            f"warning    item vectors are almost identical (they differ by {100 * spread:.1g} % of their "
            "length), so ranks are arbitrary: a frozen network with random weights, items.norm none and too "
            "high a rate do that"
        )


@final
class Recommender(nn.Module):
    """An item encoder, a user model, and the comparison of their vectors, each by its options and `name`.

    Args:
        saved: the saved description of the item encoder; with it, pretrained sources are not read again.
        encoder: of the items, if it is made already.
    """

    def __init__(
        self,
        items: Config,
        users: Config,
        scoring: Config,
        spec: DatasetSpec,
        saved: Config | None = None,
        encoder: AbstractItemEncoder | None = None,
    ) -> None:
        super().__init__()
        self.recipe = {"items": dict(items), "users": dict(users), "scoring": dict(scoring)}
        self.spec = spec
        self.items = _item_encoder(items, spec, saved) if encoder is None else encoder
        self.digests: Config = {}  # SHA-256 of its sections, of the checkpoint that it was loaded from
        self.bank: Tensor | None = None  # N + 1, D: vectors of the catalogue as last encoded; no gradient
        self.users = USER_MODELS[users["name"]](spec, self.items.width, **without_name(users))
        self.scoring = SCORINGS[scoring["name"]](**without_name(scoring))
        if self.users.looks_at_candidates and scoring["name"] != "dot":
            raise RecipeError(
                f"scoring.name is {scoring['name']}, but {users['name']} scores candidates itself; "
                "leave scoring.name at dot"
            )
        _demand_regions(items["name"], users["name"])

    def over(self, encoder: AbstractItemEncoder) -> Self:
        """A recommender with another item encoder of the same width, and this user model and scoring."""
        made = type(self)(**self.recipe, spec=self.spec, encoder=encoder)
        made.users, made.scoring = self.users, self.scoring
        return made.train(self.training)

    def forward(self, batch: Batch) -> Scores:
        """Scores of the batch's real targets and of their negatives.

        If the whole catalogue competes, or a sample with known log-Q, its log-sum-exp is the score of one
        negative, which is all that a softmax needs.
        """
        table = self.users.refine(
            self.scoring.inputs(self._table(batch.items))
        )  # U + V, D and perhaps more rows
        vectors = self.users(table, self._encoded(batch.events))  # M, D
        real = Packing.of(batch.target != 0)
        targets = real.pack(batch.target)  # M
        # Scores differ in late digits, so they are computed in full precision.
        with torch.autocast(targets.device.type, enabled=False):
            candidates = self.scoring.items(at_least_fp32(table[: batch.items.rows]))
            vectors = self.scoring.users(at_least_fp32(vectors))
            positive = self.users.score(vectors, candidates[targets].unsqueeze(1)).squeeze(1)
            negative = self._negative(vectors, candidates, targets, batch, real)
            if batch.adjustment is not None:
                positive = positive + real.pack(batch.adjustment)
        return Scores(positive, negative, len(batch.target), self.spec.items)

    def _encoded(self, events: Events) -> Events:
        """With regions as the user model needs them."""
        if events.regions is None:
            return events
        return replace(
            events, regions=replace(events.regions, vectors=self.items.regions(events.regions.vectors))
        )

    def with_regions(self, events: Events) -> Events:
        """Histories of item numbers, with encoded regions if the user model needs them."""
        if self.load_regions is None:
            return events
        found = Regions.of(events.history.cpu().numpy(), self.load_regions).to(self.device)
        return self._encoded(replace(events, regions=found))

    @property
    def load_regions(self) -> LoadRegions | None:
        """Loads the regions of items, if the user model needs them."""
        return self.items.load_regions if self.users.needs_regions else None

    def _table(self, items: Items) -> Tensor:
        encoded = self.items(items)  # U, D
        if items.weights is not None:
            rest = encoded.detach()  # the weights multiply the rows of its gradient
            encoded = rest + items.weights.to(encoded.dtype)[:, None] * (encoded - rest)
        if items.banked is None:
            return encoded
        if self.bank is None:
            raise RuntimeError("the batch has banked negatives, but the bank is empty: set `bank` first")
        return torch.cat([encoded, self.bank[items.banked].to(encoded.dtype)])

    def _negative(
        self, vectors: Tensor, candidates: Tensor, targets: Tensor, batch: Batch, real: Packing
    ) -> Tensor:
        rows, log_q = batch.negative, batch.log_q
        if not self.users.looks_at_candidates and (rows is None or log_q is not None):
            return competing_logsumexp(vectors, candidates, targets, rows, log_q).unsqueeze(1)
        if rows is None:
            return scored_logsumexp(self.users.score, vectors, candidates, targets).unsqueeze(1)
        if rows.dim() == 3:
            rows = real.pack(rows)  # M, K
        scores = self.users.score(vectors, candidates[rows])  # M, K or S
        if log_q is not None:
            scores = correct_sampling(scores, log_q)
        return mask_accidental_hits(scores, rows, targets)

    @torch.no_grad()
    def encode(self, ids: Tensor, *, chunk: int | None = None) -> Iterator[Tensor]:
        """Vectors (chunk, D) of the items `ids`, fp32 at least; the next chunk is loaded meanwhile.

        chunk: items at a time; by default as the item encoder suggests.
        """
        parts = ids.split(chunk or self.items.rows_at_once)
        with self._evaluating(), ThreadPoolExecutor(1, thread_name_prefix="catalogue") as pool:
            ahead = [pool.submit(self.load, part) for part in parts[:1]]
            for number in range(len(parts)):
                items = ahead.pop().result()
                if number + 1 < len(parts):
                    ahead.append(pool.submit(self.load, parts[number + 1]))
                yield at_least_fp32(self.items(items.to(self.device)))

    @torch.no_grad()
    def encode_all(self, *, chunk: int | None = None) -> Tensor:
        """Vectors (N + 1, D) of the padding and of all items, fp32 at least."""
        return torch.cat(list(self.encode(torch.arange(self.spec.items + 1), chunk=chunk)))

    @torch.no_grad()
    def catalogue(
        self, *, chunk: int | None = None, encoded: Tensor | None = None, unseen: Tensor | None = None
    ) -> Catalogue:
        """The whole catalogue, without gradient, in evaluation mode, fp32 at least.

        Args:
            chunk: as in `encode`.
            encoded: N + 1, D: their vectors, if they are known already.
            unseen: vectors (n, D) of new items, which get the numbers N + 1 … N + n.

        Raises:
            RequestError: there are unseen items, but the user model has a fixed catalogue.
        """
        if encoded is None:
            encoded = self.encode_all(chunk=chunk)
        if unseen is not None:
            self._demand_open()
            encoded = torch.cat([encoded, unseen.to(encoded)])
        with self._evaluating():
            table = self.users.refine(self.scoring.inputs(encoded))
            return Catalogue(encoded, table, at_least_fp32(self.scoring.items(table[: len(encoded)])))

    @torch.no_grad()
    def unseen(self, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of new items from their pictures, uint8 n, S, S, 3.

        Raises:
            RequestError: the item encoder does not take pictures, or the user model has a fixed catalogue.
        """
        self._demand_open()
        with self._evaluating():
            return at_least_fp32(self.items.unseen(pictures.to(self.device)))

    @torch.no_grad()
    def pictured(self, item: int, pictures: Tensor) -> Tensor:
        """Vectors (n, D) of an item of the catalogue, if its picture were each of uint8 n, S, S, 3.

        Other content of the item stays as it is, such as its row of an id table. Errors as of `unseen`.
        """
        self._demand_open()
        ids = torch.full((len(pictures),), item, device=self.device)
        with self._evaluating():
            return at_least_fp32(self.items.pictured(ids, pictures.to(self.device)))

    @torch.no_grad()
    def candidates(self, encoded: Tensor) -> Tensor:
        """Item vectors (n, D) in the form that user vectors are compared with; errors as of `unseen`."""
        self._demand_open()
        padded = torch.cat([torch.zeros_like(encoded[:1]), encoded])
        return self.catalogue(encoded=padded).candidates[1:]

    def _demand_open(self) -> None:
        if self.users.needs_catalogue:
            raise RequestError(
                f"{self.recipe['users']['name']} propagates over the items it was trained with and "
                f"cannot take a new one; train a recipe such as {OVER_PICTURES}"
            )

    @torch.no_grad()
    def vectors(self, catalogue: Catalogue, events: Events) -> Tensor:
        """The vectors (B, D) after histories of item numbers, whose latest L events count; fp32 at least."""
        with self._evaluating():
            events = events.latest(self.spec.length)
            size = (
                REGION_EVENTS // max(1, self.spec.length) if self.users.needs_regions else len(events.users)
            )
            parts = events.split(max(1, size))
            after = [self.users(catalogue.table, self.with_regions(part)) for part in parts]
            return at_least_fp32(self.scoring.users(torch.cat(after)))

    @torch.no_grad()
    def scores(self, catalogue: Catalogue, vectors: Tensor) -> Tensor:
        """Scores (B, N + 1) of every candidate, fp32 at least; for few users, as the matrix is dense."""
        with self._evaluating():
            parts = [self.users.score(vectors, some) for some in catalogue.candidates.split(CANDIDATES)]
            return at_least_fp32(torch.cat(parts, dim=1))

    def recommend(
        self, catalogue: Catalogue, events: Events, seen: Tensor, owners: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """The k best items for each of B histories, without those already seen.

        Args:
            catalogue: from `catalogue`.
            events: rows are item numbers.
            seen: flat item numbers that are not recommended.
            owners: the row of `events` that each belongs to.
            k: how many.

        Returns:
            Scores and item numbers, each B, k, best first; −inf and 0 if fewer are left.
        """
        k = min(k, len(catalogue.candidates) - 1)
        vectors = self.vectors(catalogue, events)
        seen, owners = seen.to(self.device), owners.to(self.device)
        if self.users.looks_at_candidates:
            return dense_top_k(self.scores(catalogue, vectors), k, seen, owners)
        return top_k(vectors, catalogue.candidates, k, seen, owners, table_norms=catalogue.norms)

    def load(self, ids: Tensor) -> Items:
        return Items(ids, self.items.load(ids.numpy()))

    @property
    def device(self) -> torch.device:
        return next(chain(self.parameters(), self.buffers())).device

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        if not self.training:  # several threads may be here at once, and none changes the mode
            yield
            return
        self.eval()
        try:
            yield
        finally:
            self.train()

    def save(self, folder: Path) -> None:
        """Writes a checkpoint into `folder`, to be read by `from_pretrained`."""
        spec = {"users": self.spec.users, "items": self.spec.items, "length": self.spec.length}
        classes = {"items": address(type(self.items)), "users": address(type(self.users))}
        about = {**self.recipe, "classes": classes, "spec": spec, "described": self.items.describe()}
        write_checkpoint(folder, about, self.state_dict())

    @classmethod
    def from_pretrained(
        cls, folder: Path | str, *, data: DatasetSpec | None = None, vectors: Tensor | None = None
    ) -> Self:
        """Loads what `save` wrote, in evaluation mode.

        Args:
            folder: a checkpoint, such as `best` of a run; a published run, or its name on the hub.
            data: properties of the data set, for encoders that read its pictures.
            vectors: N + 1, D: the item vectors of this checkpoint, if they are known; its item encoder is
                not loaded then, and new items cannot be encoded.

        Raises:
            RunError: the folder is not a checkpoint, incomplete, changed, or of another format, or a class of
                it is not registered.
        """
        folder = local(folder)
        saved, weights = read_checkpoint(folder, without="" if vectors is None else "items")
        try:
            _demand_registered(folder, saved)
            spec = data or DatasetSpec(**saved["spec"])
            encoder = None if vectors is None else StoredVectors(vectors)
            described = saved.get("described", {})
            recommender = cls(saved["items"], saved["users"], saved["scoring"], spec, described, encoder)
            recommender.load_state_dict(weights)
        except _MISFITS as error:  # an option or tensor that is missing, unexpected or odd
            classes = " and ".join(map(str, dict(saved.get("classes") or {}).values()))
            raise RunError(
                f"{folder}: does not fit {classes or 'the classes'} as installed here: "
                f"{' '.join(str(error).split())[:200]}; install the version that it was trained with"
            ) from error
        recommender.digests = saved["weights"]
        return recommender.eval()


def _demand_registered(folder: Path, saved: Config) -> None:
    for section, known in (("items", ITEM_ENCODERS), ("users", USER_MODELS)):
        if (name := saved[section]["name"]) not in known:
            raise RunError(
                f"{folder}: its {known.kind} {name!r} is not registered; install the package of "
                f"{saved['classes'][section]}, or pixelrec.register that class as {name!r} first"
            )


def _item_encoder(items: Config, spec: DatasetSpec, saved: Config | None) -> AbstractItemEncoder:
    encoder, options = ITEM_ENCODERS[items["name"]], without_name(items)
    return encoder(spec, **options) if saved is None else encoder.rebuild(spec, saved, options)


def _demand_regions(items: str, users: str) -> None:
    """Raises `RecipeError` if the user model needs regions that items lack, or ignores theirs."""
    needed = USER_MODELS[users].needs_regions
    if ITEM_ENCODERS[items].has_regions != needed:
        able = [name for name, encoder in ITEM_ENCODERS.items() if encoder.has_regions]
        raise RecipeError(
            f"{users} looks at regions, and items.name {items} has none: use items.name {' or '.join(able)}"
            if needed
            else f"items.name {items} has regions of pictures, and {users} does not look at them; use another"
        )


def without_name(section: Config) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "name"}
