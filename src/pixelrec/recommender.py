"""A recommender is an item encoder and a user model; they meet in the table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pixelrec.batch import Batch, Events, Facts, Items, Scores
from pixelrec.blocks.competition import correct_sampling, mask_accidental_hits
from pixelrec.blocks.logsumexp import competing_logsumexp, scored_logsumexp
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.scoring import SCORINGS
from pixelrec.blocks.top_k import dense_top_k, top_k
from pixelrec.errors import RecipeError, RunError
from pixelrec.items import ITEM_ENCODERS
from pixelrec.users import USER_MODELS

FORMAT = 1
CANDIDATES = 256  # that a model looks at together: their pairs with the users are all held at once
Choices = Mapping[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """All items, as a trained recommender sees them. Row r is item r, row 0 is padding."""

    table: Tensor  # N + 1, D and perhaps rows of the user model's own: what histories gather from
    candidates: Tensor  # N + 1, D: what user vectors are compared with, fp32


@final
class Recommender(nn.Module):
    """An item encoder, a user model, and how their vectors are compared.

    Args:
        items: choices of the item encoder, with its `name`.
        users: choices of the user model, with its `name`.
        scoring: choices of the comparison, with its `name`.
        facts: what the data dictates.
    """

    def __init__(self, items: Choices, users: Choices, scoring: Choices, facts: Facts) -> None:
        super().__init__()
        self.recipe = {"items": dict(items), "users": dict(users), "scoring": dict(scoring)}
        self.facts = facts
        self.items = ITEM_ENCODERS[items["name"]](facts, **_choices(items))
        self.users = USER_MODELS[users["name"]](facts, self.items.width, **_choices(users))
        self.scoring = SCORINGS[scoring["name"]](**_choices(scoring))
        if self.users.looks_at_candidates and scoring["name"] != "dot":
            raise RecipeError(
                f"scoring.name is {scoring['name']}, but {users['name']} scores candidates itself; "
                "leave scoring.name at dot"
            )

    def forward(self, batch: Batch) -> Scores:
        """Scores of the batch's real targets and of their negatives.

        Where the whole catalogue competes, or a sample whose log-Q is known, it comes as one negative whose
        score is the log-sum-exp of all: what a softmax needs to know of them.
        """
        table = self.users.refine(self.items(batch.items))  # U, D and perhaps more rows
        vectors = self.users(table, batch.events)  # M, D
        real = Packing.of(batch.target != 0)
        targets = real.pack(batch.target)  # M
        # Scores differ in late digits: they are computed in full precision, whatever came before.
        with torch.autocast(targets.device.type, enabled=False):
            candidates = self.scoring.items(_full(table[: len(batch.items.ids)]))
            vectors = self.scoring.users(_full(vectors))
            positive = self.users.score(vectors, candidates[targets].unsqueeze(1)).squeeze(1)
            negative = self._negative(vectors, candidates, targets, batch, real)
        return Scores(positive, negative, len(batch.target), self.facts.items)

    def _negative(
        self, vectors: Tensor, candidates: Tensor, targets: Tensor, batch: Batch, real: Packing
    ) -> Tensor:
        rows, log_q = batch.negative, batch.log_q
        if rows is not None and rows.dim() == 3:
            rows = real.pack(rows)  # M, K
            return mask_accidental_hits(self.users.score(vectors, candidates[rows]), rows, targets)
        if self.users.looks_at_candidates:
            return self._looked_at(vectors, candidates, targets, rows, log_q)
        if rows is None or log_q is not None:
            return competing_logsumexp(vectors, candidates, targets, rows, log_q).unsqueeze(1)
        return mask_accidental_hits(self.users.score(vectors, candidates[rows]), rows, targets)

    def _looked_at(
        self, vectors: Tensor, candidates: Tensor, targets: Tensor, rows: Tensor | None, log_q: Tensor | None
    ) -> Tensor:
        if rows is None:
            return scored_logsumexp(self.users.score, vectors, candidates, targets).unsqueeze(1)
        scores = self.users.score(vectors, candidates[rows])  # M, S
        if log_q is not None:
            scores = correct_sampling(scores, log_q)
        return mask_accidental_hits(scores, rows, targets)

    @torch.no_grad()
    def catalogue(self, *, chunk: int = 8192) -> Catalogue:
        """Encodes every item, `chunk` at a time; no gradient, evaluation mode, fp32 at least."""
        with self._evaluating():
            parts = [_full(self.items(self._items(ids))) for ids in self._numbers().split(chunk)]
            table = self.users.refine(torch.cat(parts))
            return Catalogue(table, _full(self.scoring.items(table[: self.facts.items + 1])))

    @torch.no_grad()
    def vectors(self, catalogue: Catalogue, events: Events) -> Tensor:
        """The vectors (B, D) that follow whole histories, fp32 at least; rows of `events` are items."""
        with self._evaluating():
            return _full(self.scoring.users(self.users(catalogue.table, events)))

    @torch.no_grad()
    def scores(self, catalogue: Catalogue, vectors: Tensor) -> Tensor:
        """Scores (B, N + 1) of every item, fp32 at least: for a few users, where it is no dot product."""
        with self._evaluating():
            parts = [
                _full(self.users.score(vectors, some)) for some in catalogue.candidates.split(CANDIDATES)
            ]
            return torch.cat(parts, dim=1)

    def recommend(
        self, catalogue: Catalogue, events: Events, seen: Tensor, owners: Tensor, k: int
    ) -> tuple[Tensor, Tensor]:
        """The k best items for each of B histories, without those already seen.

        Args:
            catalogue: from `catalogue`.
            events: rows are item numbers.
            seen: flat item numbers that are not recommended …
            owners: … to these rows of `events`.
            k: how many.

        Returns:
            Scores and item numbers, each B, k, best first; −inf and 0 where fewer are left.
        """
        k = min(k, self.facts.items)
        vectors = self.vectors(catalogue, events)
        seen, owners = seen.to(self.device), owners.to(self.device)
        if self.users.looks_at_candidates:
            return dense_top_k(self.scores(catalogue, vectors), k, seen, owners)
        return top_k(vectors, catalogue.candidates, k, seen, owners)

    def _numbers(self) -> Tensor:
        return torch.arange(self.facts.items + 1)

    def _items(self, ids: Tensor) -> Items:
        return Items(ids, self.items.load(ids.numpy())).to(self.device)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        before = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(before)

    def save(self, folder: Path) -> None:
        """Writes `model.safetensors` and `recommender.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, folder / "model.safetensors")
        facts = {"users": self.facts.users, "items": self.facts.items, "length": self.facts.length}
        text = json.dumps({"format": FORMAT, **self.recipe, "facts": facts}, indent=2)
        (folder / "recommender.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: Path | str, *, data: Facts | None = None) -> Self:
        """Loads what `save` wrote, in evaluation mode.

        Args:
            folder: a checkpoint, such as `best` of a run.
            data: facts of the data set, for encoders that read it again (pictures).

        Raises:
            RunError: the folder is no checkpoint, or incomplete, or of another format.
        """
        folder = Path(folder)
        saved = _read_json(folder / "recommender.json")
        if saved.get("format") != FORMAT:
            raise RunError(
                f"{folder}: a checkpoint of format {saved.get('format')!r}, expected {FORMAT}; train again"
            )
        facts = data or Facts(**saved["facts"])
        recommender = cls(saved["items"], saved["users"], saved["scoring"], facts)
        recommender.load_state_dict(read_tensors(folder / "model.safetensors"))
        return recommender.eval()


def _full(x: Tensor) -> Tensor:
    """At least fp32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _choices(section: Choices) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "name"}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; expected a checkpoint folder, such as RUN/best") from None
    except json.JSONDecodeError as error:
        raise RunError(f"{path}: not JSON ({error}); the checkpoint is damaged") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises:
        RunError: missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; the checkpoint is incomplete") from None
    except SafetensorError as error:
        raise RunError(
            f"{path}: not a readable safetensors file ({error}); the checkpoint is damaged"
        ) from None


def latest_events(
    users: np.ndarray, history: np.ndarray, times: np.ndarray, device: torch.device | str = "cpu"
) -> Events:
    """`Events` over the catalogue's table, from arrays B, (B, L) and (B, L) of item numbers."""
    return Events(
        torch.from_numpy(users.astype(np.int64)),
        torch.from_numpy(history.astype(np.int64)),
        torch.from_numpy(times.astype(np.int64)),
    ).to(device)
