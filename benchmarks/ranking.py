"""Ranks of 1,024 users in 96,000 items: time against the bare float32 matrix product, and agreement.

    python benchmarks/ranking.py [--users 1024] [--items 96000] [--width 512] [--runs 7] [--device cpu]

Both sides take turns within one run; medians are compared. Users' vectors lean towards their targets by
`lean`: 0 puts targets anywhere, which leaves the most items in doubt; 0.15 ranks them as training does.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from pixelrec.evaluation.ranks import count_ranks
from pixelrec.numerics.top_k import top_k

Case = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def main() -> None:
    options = _options()
    threads = torch.get_num_threads()
    print(f"{platform.machine()}, {options.device}, {threads} threads, torch {torch.__version__}")
    print(f"{options.users:,} users x {options.items:,} items x {options.width}, median of {options.runs}")
    for lean in (0.15, 0.0):
        _report(draw(options, lean), lean, options.runs)


def draw(options: argparse.Namespace, lean: float) -> Case:
    """Vectors, table, targets and histories of 10 to 50 items."""
    made = torch.Generator().manual_seed(0)
    table = torch.randn(options.items + 1, options.width, generator=made)
    targets = torch.randint(1, options.items + 1, (options.users,), generator=made)
    vectors = torch.randn(options.users, options.width, generator=made) + lean * table[targets]
    lengths = torch.randint(10, 51, (options.users,), generator=made)
    owners = torch.arange(options.users).repeat_interleave(lengths)
    seen = torch.randint(1, options.items + 1, (len(owners),), generator=made)
    device = torch.device(options.device)
    return tuple(part.to(device) for part in (vectors, table, targets, seen, owners))  # type: ignore[return-value]


def _report(case: Case, lean: float, runs: int) -> None:
    vectors, table, _, seen, owners = case
    scores = torch.empty(len(vectors), len(table) - 1, device=table.device)
    steps: dict[str, Callable[[], object]] = {
        "product": lambda: torch.mm(vectors, table[1:].T, out=scores),
        "ranks": lambda: count_ranks(*case),
        "top 10": lambda: top_k(vectors, table, 10, seen, owners),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(runs + 1):
        for name, step in steps.items():
            seconds = _seconds(step, table.device)
            if turn:  # the first warms up
                times[name].append(seconds)
    product = median(times["product"])
    middle = int(count_ranks(*case).median())
    print(f"lean {lean}: median rank {middle:,}, {_wrong(case)} of 64 ranks differ from a full sort")
    for name, measured in times.items():
        middling = median(measured)
        print(f"  {name:8} {middling:7.3f} s  {middling / product:5.2f} x  (best {min(measured):.3f} s)")


def _seconds(step: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _wrong(case: Case) -> int:
    """Ranks of 64 users that differ from the place in a full float64 sort."""
    vectors, table, targets, seen, owners = case
    few = owners < 64
    scores = vectors[:64].double() @ table.double().T
    own = scores.gather(1, targets[:64, None])
    scores[owners[few], seen[few]] = -torch.inf
    scores[:, 0] = -torch.inf
    scores.scatter_(1, targets[:64, None], own)
    ordered = scores.sort(dim=1).values
    place = ordered.shape[1] - torch.searchsorted(ordered, own).squeeze(1)
    ranks = count_ranks(vectors[:64], table, targets[:64], seen[few], owners[few])
    known = owners[few][targets[owners[few]] == seen[few]]
    place[known] = len(table) - 1
    return int((ranks != place).sum())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--users", type=int, default=1024)
    parser.add_argument("--items", type=int, default=96_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


if __name__ == "__main__":
    main()
