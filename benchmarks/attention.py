"""The fused attention kernel against its steps written out, forward and backward, one thread.

    python benchmarks/attention.py                # a table of ratios, some minutes
    python benchmarks/attention.py --forward      # without gradients, as evaluation runs it

Queries, keys and values come as the transformer makes them, a fused projection of B histories of L events.
Each cell is the fused kernel's time over the time of the steps: above 1 the steps are faster. The rule of
`pixelrec.blocks.attention` is drawn from it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from pixelrec.blocks.attention import attend_in_steps
from pixelrec.blocks.dropout import Dropout
from pixelrec.blocks.transformer import BLOCKED, causal

LENGTHS = (10, 20, 50, 200)
SHAPES = ((64, 2), (64, 4), (128, 2), (512, 4))  # D, heads
NUMBERS = 800_000  # B · L · D of a cell
Kernel = Callable[[Tensor, Tensor, Tensor, Tensor, Dropout], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--forward", action="store_true", help="no gradients")
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("dtype    dropout    D heads " + "".join(f"{f'L {length}':>9}" for length in LENGTHS))
    for dtype, share, (width, heads) in product((torch.float32, torch.bfloat16), (0.0, 0.1), SHAPES):
        row = [
            ratio(width, heads, length, dtype, share, not arguments.forward, arguments.repeats)
            for length in LENGTHS
        ]
        cells = "".join(f"{cell:9.2f}" for cell in row)
        print(f"{str(dtype)[6:]:<9}{share:7.1f}{width:5}{heads:6} {cells}", flush=True)


def ratio(
    width: int, heads: int, length: int, dtype: torch.dtype, share: float, backward: bool, repeats: int
) -> float:
    """The fused kernel's time over that of the steps, in processor time, the best of runs that take turns."""
    B = max(1, NUMBERS // (length * width))
    x = torch.randn(B, length, 3 * width, dtype=dtype, requires_grad=backward)
    real = torch.arange(length) >= torch.randint(0, length // 2, (B, 1))
    mask = torch.zeros(B, 1, length, length).masked_fill(~causal(real)[:, None], BLOCKED)
    dropout = Dropout(share)
    times: dict[Kernel, list[float]] = {fused: [], attend_in_steps: []}
    for _ in range(repeats + 1):
        for kernel, taken in times.items():
            start = time.process_time()
            run(kernel, x, heads, mask, dropout)
            taken.append(time.process_time() - start)
    return min(times[fused][1:]) / min(times[attend_in_steps][1:])


def run(kernel: Kernel, x: Tensor, heads: int, mask: Tensor, dropout: Dropout) -> None:
    q, k, v = x.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    out = kernel(q, k, v, mask, dropout).transpose(1, 2).flatten(2)
    if x.requires_grad:
        out.backward(out.detach())


def fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, dropout: Dropout) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask.to(q.dtype), dropout_p=dropout.p)


if __name__ == "__main__":
    main()
