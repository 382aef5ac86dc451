"""Calls of many requests, collected into one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from pixelrec.errors import ExhaustedError

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@final
@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    future: asyncio.Future[Answer]


@final
class Batcher(Generic[Asked, Answer]):
    """Whatever arrives during one computation is answered by the next: nothing waits for company.

    The computations are done one after the other, in a thread of their own.

    Args:
        compute: an answer, or the exception that is its answer, for each call.
        most: calls in one computation.
        waiting: calls that wait at most; further ones raise `ExhaustedError`.
        on_batch: called with the number of calls of each computation.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Asked]], Sequence[Answer | Exception]],
        *,
        most: int,
        waiting: int = 1024,
        on_batch: Callable[[int], object] = lambda _calls: None,
    ) -> None:
        self._compute, self._most, self._limit, self._on_batch = compute, most, waiting, on_batch
        self._queue: deque[_Waiting[Asked, Answer]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batcher")
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Calls that wait."""
        return len(self._queue)

    async def ask(self, asked: Asked) -> Answer:
        """The answer to a call; raises what it raises."""
        if len(self._queue) >= self._limit:
            raise ExhaustedError("the server is busy: too many requests wait; try again in a moment")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(asked, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while batch := self._next():
            self._on_batch(len(batch))
            asked = [each.asked for each in batch]
            try:
                loop = asyncio.get_running_loop()
                answers = await loop.run_in_executor(self._thread, self._compute, asked)
            except Exception as error:  # of all of them alike
                answers = [error] * len(batch)
            for each, answer in zip(batch, answers, strict=True):
                if each.future.done():  # whoever asked has given up
                    continue
                if isinstance(answer, Exception):
                    each.future.set_exception(answer)
                else:
                    each.future.set_result(answer)

    def _next(self) -> list[_Waiting[Asked, Answer]]:
        batch: list[_Waiting[Asked, Answer]] = []
        while self._queue and len(batch) < self._most:
            each = self._queue.popleft()
            if not each.future.done():
                batch.append(each)
        return batch
