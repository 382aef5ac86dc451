"""Building batches: view → negatives → distinct items → payload → `Batch`, by array operations.

Batch k of an epoch is a pure function of (seed, epoch, k, process), so batches may be built ahead on threads,
and a run stopped in the middle of an epoch resumes with the next batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np
import torch

from pixelrec.batch import Batch, Events, Items, LoadRegions, Moves, Payload, Regions
from pixelrec.data.sampling import AbstractNegatives
from pixelrec.data.views import Reader

T = TypeVar("T", bound=Moves)


@final
@dataclass(frozen=True)
class Batching:
    """How the rows of an epoch are divided into batches, and how these are built."""

    batch_size: int  # B, rows per batch and process
    seed: int = 0
    threads: int = 1  # batches built ahead; 0 builds each on demand
    spare: int = 1  # finished batches that may wait besides, so that a slow one delays no step
    pinned: bool = False  # whether batches lie in page-locked memory
    process: int = 0  # this process takes every `processes`-th row
    processes: int = 1


class AbstractBatcher(ABC, Generic[T]):
    """Batches of the shuffled rows of an epoch, the same for the same seed."""

    def __init__(self, rows: int, batching: Batching) -> None:
        self.rows, self.batching = rows, batching

    @abstractmethod
    def build(self, epoch: int, number: int, index: np.ndarray) -> T:
        """Batch `number` of an epoch, from the rows of `index` (B)."""

    def __len__(self) -> int:
        """Batches per epoch, the same in every process. A single leftover row joins the batch before it.

        A batch of one has no variance, which batch norm needs.
        """
        rows = -(-self.rows // self.batching.processes)
        return max(min(rows, 1), -(-(rows - 1) // self.batching.batch_size))

    def epoch(self, epoch: int, first: int = 0) -> Iterator[T]:
        """The batches of an epoch in order, from number `first` on."""
        order = self._order(epoch)
        threads, spare = self.batching.threads, self.batching.spare
        cuts = [k * self.batching.batch_size for k in range(len(self))] + [len(order)]
        tasks = ((epoch, k, order[cuts[k] : cuts[k + 1]]) for k in range(first, len(self)))
        if threads == 0:
            yield from (self.build(*task) for task in tasks)
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="batcher") as pool:
            ahead: deque[Future[T]] = deque()
            try:
                for task in tasks:
                    ahead.append(pool.submit(self.build, *task))
                    if len(ahead) > threads + spare:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()

    def _order(self, epoch: int) -> np.ndarray:
        """The rows of this process. All get the same number: a remainder is filled up with repeated rows."""
        process, processes = self.batching.process, self.batching.processes
        order = np.random.default_rng((self.batching.seed, epoch)).permutation(self.rows)
        even = -(-len(order) // processes) * processes
        return np.resize(order, even)[process::processes]


@final
class Batcher(AbstractBatcher[Batch]):
    """Batches of training events.

    Args:
        load: of the item encoder: item numbers U → payload.
        load_regions: of the item encoder, if the user model needs the regions of histories.
        items: N, the size of the catalogue.
        whole_catalogue: the table of every batch holds all items (a model that propagates over all of them).
    """

    def __init__(
        self,
        reader: Reader,
        negatives: AbstractNegatives,
        load: Callable[[np.ndarray], Payload],
        items: int,
        batching: Batching,
        *,
        whole_catalogue: bool = False,
        load_regions: LoadRegions | None = None,
    ) -> None:
        super().__init__(len(reader), batching)
        self.reader, self.negatives, self.load, self.items = reader, negatives, load, items
        self.load_regions = load_regions
        self.whole_catalogue = whole_catalogue or negatives.whole_catalogue

    def _generator(self, epoch: int, number: int) -> np.random.Generator:
        # From 1: (seed, epoch, 0, 0) would repeat the stream of (seed, epoch), which shuffles the rows.
        return np.random.default_rng((self.batching.seed, epoch, number + 1, self.batching.process))

    def build(self, epoch: int, number: int, index: np.ndarray) -> Batch:
        rng = self._generator(epoch, number)
        rows = self.reader.read(index, rng)
        drawn = self.negatives.draw(rows, rng)
        events = (rows.history, rows.target)
        negatives = () if drawn.items is None else (drawn.items,)
        ids, stale, weights = self._table(events, negatives, rng)
        history, target, *negative = self._as_rows((*events, *negatives), ids, stale)
        batch = Batch(
            items=Items(
                torch.from_numpy(ids),
                self.load(ids),
                None if stale is None else torch.from_numpy(stale),
                None if weights is None else torch.from_numpy(weights),
            ),
            events=Events(
                users=torch.from_numpy(rows.users),
                history=torch.from_numpy(history),
                times=torch.from_numpy(rows.times),
                target_mask=torch.from_numpy(rows.target != 0),
                regions=None if self.load_regions is None else Regions.of(rows.history, self.load_regions),
            ),
            target=torch.from_numpy(target),
            negative=torch.from_numpy(negative[0]) if negative else None,
            log_q=None if drawn.log_q is None else torch.from_numpy(drawn.log_q),
            adjustment=None if drawn.adjustment is None else torch.from_numpy(drawn.adjustment),
        )
        return batch.pinned() if self.batching.pinned else batch

    def _table(
        self, events: Sequence[np.ndarray], negatives: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """The distinct item numbers, 0 first; those from the bank; and the weights of gradients."""
        if self.whole_catalogue:
            return np.arange(self.items + 1), None, None
        if not self.negatives.bank:
            return np.flatnonzero(self._distinct((*events, *negatives))), None, None
        encoded = self._distinct(events)
        others = np.flatnonzero(self._distinct(negatives) & ~encoded)
        reencoded = np.zeros_like(encoded)
        count = min(self.negatives.reencoded, len(others))
        if count:
            reencoded[rng.choice(others, count, replace=False)] = True
        ids = np.flatnonzero(encoded | reencoded)
        # Re-encoded items stand for all others: the expected gradient is as if all had been encoded.
        weights = np.where(reencoded[ids], len(others) / count, 1.0).astype(np.float32) if count else None
        return ids, others[~reencoded[others]], weights

    def _as_rows(
        self, numbers: Sequence[np.ndarray], ids: np.ndarray, stale: np.ndarray | None
    ) -> list[np.ndarray]:
        """Item numbers as rows of the table: encoded items, then those of the bank."""
        table = ids if stale is None else np.concatenate([ids, stale])
        row = np.empty(self.items + 1, np.int64)
        row[table] = np.arange(len(table))
        return [row[some] for some in numbers]

    def _distinct(self, numbers: Sequence[np.ndarray]) -> np.ndarray:
        """bool[N + 1]: the items that occur, and the padding. A pass over N marks is cheaper than sorting."""
        present = np.zeros(self.items + 1, bool)
        present[0] = True
        for some in numbers:
            present[some] = True
        return present
