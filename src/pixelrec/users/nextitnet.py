"""NextItNet: dilated causal convolutions over the history (Yuan et al., arXiv 1808.05163)."""

from __future__ import annotations

from typing import Annotated, final

from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional as F

from pixelrec.batch import DatasetSpec, Events
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.packing import Packing
from pixelrec.errors import RecipeError
from pixelrec.hyperparameters import DropoutRate, Layers
from pixelrec.users.causal_convolution import CausalConvolution, Followers, followers
from pixelrec.users.user_model import AbstractUserModel

EPSILON = 1e-8  # of every layer norm
FARTHEST = 1_000_000  # distance of a dilation: more than any history has


@final
class NextItNet(AbstractUserModel):
    """Item → dropout → residual blocks of two causal convolutions; a vector after every event.

    Args:
        facts: what the data dictates.
        width: D.
        blocks: how often the dilations are gone through.
        kernel: events that a convolution looks at.
        dilations: a residual block each; its second convolution has twice the dilation.
        dropout: on the items that are read.
        norm: layer norm on the items that are read and on the vectors that come out, which attention models
            have by their structure; the published model has none.
    """

    view = "next_item"

    def __init__(
        self,
        spec: DatasetSpec,  # noqa: ARG002
        width: int,
        *,
        blocks: Layers = 3,
        kernel: Annotated[int, Interval(ge=1, le=1000)] = 3,
        dilations: tuple[int, ...] = (1, 4),
        dropout: DropoutRate = 0.0,
        norm: bool = False,
    ) -> None:
        super().__init__()
        if not dilations or not all(1 <= dilation <= FARTHEST for dilation in dilations):
            raise RecipeError(
                f"users.dilations is {list(dilations)}; expected distances from 1 to {FARTHEST:,}, such as "
                "[1, 4]"
            )
        self.dropout = Dropout(dropout)
        self.norm_in = nn.LayerNorm(width) if norm else nn.Identity()
        self.norm_out = nn.LayerNorm(width) if norm else nn.Identity()
        self.blocks = nn.ModuleList(
            ResidualBlock(width, kernel, dilation) for _ in range(blocks) for dilation in dilations
        )
        self.distances = {k * d * twice for k in range(1, kernel) for d in dilations for twice in (1, 2)}

    def forward(self, table: Tensor, events: Events) -> Tensor:
        # deviation: padding stays zero; the published convolutions put their bias there, which then leaks
        # into the first events of short histories.
        packing = Packing.of(events.history != 0)
        known = followers(packing, self.distances)
        x = self.dropout(self.norm_in(F.embedding(packing.pack(events.history), table)))  # P, D
        for block in self.blocks:
            x = block(x, known)
        return packing.pick(self.norm_out(x), events.target_mask)


@final
class ResidualBlock(nn.Module):
    """Causal convolution → layer norm → ReLU, twice, the second with twice the dilation; plus the input."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.near = CausalConvolution(width, kernel, dilation)
        self.near_norm = nn.LayerNorm(width, eps=EPSILON)
        self.far = CausalConvolution(width, kernel, 2 * dilation)
        self.far_norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor, known: Followers) -> Tensor:
        """`x` is P, D, packed."""
        y = F.relu(self.near_norm(self.near(x, known)))
        return x + F.relu(self.far_norm(self.far(y, known)))
