"""A thread pool whose results come in order and never pile up."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pixelrec.errors import ImageError

T = TypeVar("T")
R = TypeVar("R")
_CHUNK = 8  # tasks handed over at once: handing over costs as much as a fraction of a small picture
_AHEAD = 32  # chunks in flight, or two for every thread: the pool's work while the consumer waits for a disk


def in_threads(work: Callable[[T], R], tasks: Sequence[T], *, threads: int) -> Generator[R, None, None]:
    """`work` of every task, in order, by `threads` threads.

    At most 256 results, or 16 a thread, wait to be consumed. Closing the generator cancels what has not
    started and waits for what has.
    """
    chunks = (tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK))
    flying: deque[Future[list[R]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pictures")
    try:
        for chunk in chunks:
            flying.append(pool.submit(_all, work, chunk))
            if len(flying) >= max(_AHEAD, 2 * threads):
                yield from flying.popleft().result()
        while flying:
            yield from flying.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def thread_count(threads: int | None) -> int:
    """The threads to use: as asked, or one for every core this process may use."""
    if threads is None:
        mine = getattr(os, "sched_getaffinity", None)  # Linux alone knows it
        return len(mine(0)) if mine else os.cpu_count() or 1
    if threads < 1:
        raise ImageError(f"threads is {threads}, expected at least 1, or nothing for one a core")
    return threads


def _all(work: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    return [work(task) for task in tasks]
