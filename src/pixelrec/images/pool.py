"""A thread pool with results in order and a bounded number of them in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pixelrec.errors import ImageError

T = TypeVar("T")
R = TypeVar("R")
_CHUNK = 8  # tasks submitted together: submitting one costs a fraction of decoding a small picture
_AHEAD = 32  # chunks in flight, or two per thread: the work of the pool while the consumer waits for a disk


def in_threads(work: Callable[[T], R], tasks: Sequence[T], *, threads: int) -> Generator[R, None, None]:
    """`work` of every task, in order, by `threads` threads.

    At most 256 results, or 16 per thread, wait to be consumed. Closing the generator cancels tasks that have
    not started and waits for the others.
    """
    flying: deque[Future[list[R]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
    try:
        for start in range(0, len(tasks), _CHUNK):
            chunk = tasks[start : start + _CHUNK]
            flying.append(pool.submit(list, map(work, chunk)))
            if len(flying) >= max(_AHEAD, 2 * threads):
                yield from flying.popleft().result()
        while flying:
            yield from flying.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def thread_count(threads: int | None) -> int:
    """The number of threads: `threads`, or one per core that this process may use."""
    if threads is None:
        mine = getattr(os, "sched_getaffinity", None)  # on Linux only
        return len(mine(0)) if mine else os.cpu_count() or 1
    if threads < 1:
        raise ImageError(f"threads is {threads}, expected at least 1, or nothing for one per core")
    return threads
