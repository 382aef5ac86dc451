"""LightSANs: attention of events to a few interests (Fan et al., SIGIR 2021), in PixelRec's variant."""

from __future__ import annotations

from typing import Annotated, cast, final

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.attention import demand_whole_heads
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.blocks.transformer import EPSILON, FeedForward, normal_linear
from pixelrec.hyperparameters import DropoutRate, Expansion, Heads, Layers
from pixelrec.users.user_model import AbstractUserModel, target_places


@final
class LightSANs(AbstractUserModel):
    """Layer norm → dropout → layers of attention to interests; the vector is that of the latest event.

    It is not causal: an event's vector changes with later events, and padding takes part like an event. The
    vector after event t is that of the prefix up to t, padded to L. With one layer all prefixes of a window
    share projections; with more, each prefix is computed by itself, at L times the cost.

    Args:
        layers: layers of attention and feed-forward.
        heads: attention heads; a divisor of D.
        interests: k, the number of interests to which events are pooled.
        expansion: width of the feed-forward layer as a multiple of D.
        dropout: dropout on the input and on the output of each sub-layer.
        attention_dropout: dropout on the weights of interests.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,
        width: int,
        *,
        layers: Layers = 1,
        heads: Heads = 4,
        interests: Annotated[int, Interval(ge=1, le=10_000)] = 3,
        expansion: Expansion = 2.0,
        dropout: DropoutRate = 0.1,
        attention_dropout: DropoutRate = 0.1,
    ) -> None:
        super().__init__()
        demand_whole_heads(width, heads)
        self.positions = nn.Parameter(torch.empty(spec.length, width))
        nn.init.normal_(self.positions, std=0.02)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.dropout = Dropout(dropout)
        inner = max(1, int(expansion * width))
        self.layers = nn.ModuleList(
            LightLayer(width, heads, interests, inner, dropout, attention_dropout) for _ in range(layers)
        )
        self.apply(normal_linear)

    def forward(self, table: Tensor, events: Events) -> Tensor:
        real = events.history != 0  # B, L
        packing = Packing.of(real)
        items = F.embedding(packing.pack(events.history), table)  # P, D
        padding = items.new_zeros(len(real), items.shape[1])  # one for each history
        # deviation: the input's dropout is drawn once per event, and once for all padding of a history,
        # instead of once per prefix of a window.
        x = self.dropout(self.norm(torch.cat([items, padding])))  # P + B, D
        places = Packing.of(target_places(events))
        if len(self.layers) == 1 and len(places.places) > len(real):
            return cast(LightLayer, self.layers[0]).after_every(x, self.positions, packing, places)
        rows: Tensor | None = _prefixes(packing, places, len(self.positions), len(x))  # M, L: a row a prefix
        *lower, last = self.layers
        for layer in lower:
            x, rows = layer(x, self.positions, rows, slice(None)), None
        vectors: Tensor = last(x, self.positions, rows, slice(-1, None)).squeeze(1)
        return vectors * places.pack(real).unsqueeze(1)  # zero without events


@final
class LightLayer(nn.Module):
    """Attention to pooled events, plus attention of positions → dense → residual → layer norm → feed-forward.

    Keys and values are pooled to k `interests` by a softmax over the places of x · θ, each with its own θ.
    All attention weights are a softmax over the queries, not over the keys.
    """

    def __init__(
        self, width: int, heads: int, interests: int, inner: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.heads, self.interests, self.size = heads, interests, width // heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.key_interests = nn.Parameter(torch.randn(width, interests))  # θ
        self.value_interests = nn.Parameter(torch.randn(width, interests))
        self.position_norm = nn.LayerNorm(width, eps=EPSILON)
        self.position_query_key = nn.Linear(width, 2 * width)
        self.weight_dropout = Dropout(attention_dropout)
        self.dense = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.feed_forward = FeedForward(width, inner, dropout)

    def forward(self, x: Tensor, positions: Tensor, rows: Tensor | None, wanted: slice) -> Tensor:
        """M, T, D, for the T `wanted` of L places.

        x: M, L, D; or, with `rows` (M, L), the distinct places, each projected once. positions: L, D.
        """
        projected = self.query_key_value(x)
        if rows is not None:
            projected, x = projected[rows], x[rows[:, wanted]]
        else:
            x = x[:, wanted]
        query, key, value = projected.chunk(3, dim=-1)  # M, L, D
        interests = self._split(_pool(key, key @ self.key_interests))  # M, heads, k, size
        scores = self._split(query) @ interests.transpose(-1, -2) * self.size**-0.5  # M, heads, L, k
        weights = _softmax(scores, dim=-2)[:, :, wanted]
        mixed = self.weight_dropout(weights) @ self._split(_pool(value, value @ self.value_interests))
        mixed = mixed + self._position_weights(positions)[:, wanted] @ self._split(value)
        return self._rest(x, mixed.transpose(1, 2).flatten(2))

    def after_every(self, x: Tensor, positions: Tensor, packing: Packing, places: Packing) -> Tensor:
        """M, D: the same for the last place of every prefix that ends at `places`, without a row per prefix.

        All padding of a prefix is equal, so it is one place with a count: its score gains log count.

        x: P + B, D: packed events, then one padding row per history. positions: L, D.
        """
        projected = self.query_key_value(x)
        B, L = packing.shape
        events = packing.unpack(projected[:-B])  # B, L, 3D
        whole = torch.cat([projected[-B:].unsqueeze(1), events], dim=1)  # B, 1 + L, 3D
        seen, padding = _held_by_prefixes(packing, len(positions))  # B, L, L and B, L
        once = torch.zeros_like(seen, dtype=_full(whole.dtype)).masked_fill(~seen, -torch.inf)
        log_count = torch.cat([padding.unsqueeze(-1).to(once.dtype).log(), once], dim=-1)  # B, L, 1 + L
        mixed = self._mix_interests(whole, log_count) + self._mix_positions(whole, positions, padding)
        return self._rest(packing.pick(x[:-B], _mask(places)), places.pack(mixed.flatten(2)))

    def _mix_interests(self, whole: Tensor, log_count: Tensor) -> Tensor:
        """B, L, heads, size: attention of the last event of each prefix to the prefix's interests."""
        query, key, value = whole.chunk(3, dim=-1)  # B, 1 + L, D
        keys = _pool_prefixes(key, key @ self.key_interests, log_count).flatten(1, 2) * self.size**-0.5
        scores = self._split(keys) @ self._split(query).transpose(-1, -2)  # B, heads, L · k, 1 + L
        scores = scores.unflatten(2, (-1, self.interests)).add_(log_count[:, None, :, None])
        weights = _softmax(scores, dim=-1)[..., 1:].diagonal(dim1=2, dim2=4)  # B, heads, k, L
        weights = self.weight_dropout(weights).permute(0, 3, 2, 1).unsqueeze(-1)  # B, L, k, heads, 1
        values = _pool_prefixes(value, value @ self.value_interests, log_count)  # B, L, k, D
        return (weights * values.unflatten(-1, (self.heads, -1))).sum(2)

    def _mix_positions(self, whole: Tensor, positions: Tensor, padding: Tensor) -> Tensor:
        """B, L, heads, size: the values of each prefix, weighted by position, for its last place."""
        value = self._split(whole[..., -whole.shape[-1] // 3 :])  # B, heads, 1 + L, size
        weights = self._position_weights(positions)[:, -1]  # heads, L
        age = _ages(value.shape[2] - 1, value.device)  # L, L
        inside = (age >= 0) & (age < len(positions))
        by_age = weights.flip(1)[:, age.clamp(0, len(positions) - 1)] * inside  # heads, L, L
        before = F.pad(weights.cumsum(1), (1, 0))[:, padding]  # heads, B, L
        mixed = (by_age @ value[:, :, 1:]).transpose(1, 2)  # B, L, heads, size
        return mixed + before.permute(1, 2, 0).unsqueeze(-1) * value[:, None, :, 0]

    def _position_weights(self, positions: Tensor) -> Tensor:
        """heads, L, L."""
        both = self.position_query_key(self.position_norm(positions))  # L, 2D
        query, key = both.unflatten(-1, (2, self.heads, -1)).permute(1, 2, 0, 3)
        # Scaled twice, as published.
        scores = query * (2 * self.size) ** -0.5 @ key.transpose(-1, -2) * self.size**-0.5
        return _softmax(scores, dim=-2)

    def _split(self, x: Tensor) -> Tensor:
        """B, L, D → B, heads, L, size."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _rest(self, x: Tensor, mixed: Tensor) -> Tensor:
        return self.feed_forward(self.norm(x + self.dropout(self.dense(mixed))))


def _softmax(scores: Tensor, dim: int) -> Tensor:
    """At least in fp32."""
    return scores.softmax(dim, dtype=_full(scores.dtype))


def _full(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _pool(x: Tensor, scores: Tensor) -> Tensor:
    """M, L, D and M, L, k → M, k, D."""
    return _softmax(scores, dim=1).transpose(1, 2).to(x.dtype) @ x


def _pool_prefixes(x: Tensor, scores: Tensor, log_count: Tensor) -> Tensor:
    """The pools of every prefix: B, S, D and B, S, k and B, L, S → B, L, k, D."""
    weights = _softmax(scores.transpose(1, 2).unsqueeze(1) + log_count.unsqueeze(2), dim=-1)  # B, L, k, S
    return (weights.flatten(1, 2).to(x.dtype) @ x).unflatten(1, weights.shape[1:3])


def _ages(length: int, device: torch.device) -> Tensor:
    """L, L: t − s for places t and s."""
    place = torch.arange(length, device=device)
    return place[:, None] - place


def _mask(packing: Packing) -> Tensor:
    """B, L."""
    return packing.unpack(torch.ones_like(packing.places, dtype=torch.bool))


def _held_by_prefixes(packing: Packing, length: int) -> tuple[Tensor, Tensor]:
    """The events in the prefix ending at each place, B, L, L, and its padding up to `length`, B, L."""
    real = _mask(packing)
    age = _ages(real.shape[1], real.device)
    seen = real[:, None] & (age >= 0) & (age < length)
    return seen, length - seen.sum(-1)


def _prefixes(packing: Packing, places: Packing, length: int, rows: int) -> Tensor:
    """M, length: the rows of each prefix's events, padded on the left with the row of its history."""
    B, L = packing.shape
    own = torch.arange(rows - B, rows, device=places.places.device)
    number = own[:, None].expand(B, L).flatten()
    number = number.index_copy(0, packing.places, torch.arange(rows - B, device=own.device)).view(B, L)
    number = torch.cat([own[:, None].expand(B, length - 1), number], dim=1)
    user, last = places.places // L, places.columns
    return number[user[:, None], last[:, None] + torch.arange(length, device=own.device)]
