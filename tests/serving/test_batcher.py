"""What arrives during one computation is answered by the next, each call with its own answer or error."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, TypeVar

import pytest

from pixelrec.errors import ExhaustedError, RequestError
from pixelrec.serving.batcher import Batcher

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: Playwright keeps an event loop running in that of the tests."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, work).result()


def test_waiting_calls_are_answered_together_and_in_their_order() -> None:
    begun, may_go, sizes = Event(), Event(), list[int]()

    def halves(asked: Sequence[int]) -> list[int | Exception]:
        begun.set()
        assert may_go.wait(60)
        return [RequestError(f"{each} is odd") if each % 2 else each // 2 for each in asked]

    async def many() -> list[int | BaseException]:
        batcher = Batcher(halves, most=4, waiting=6, on_batch=sizes.append)
        calls = [asyncio.create_task(batcher.ask(0))]
        await asyncio.to_thread(begun.wait, 60)
        calls += [asyncio.create_task(batcher.ask(number)) for number in range(1, 7)]
        await asyncio.sleep(0)
        with pytest.raises(ExhaustedError, match="too many requests wait"):
            await batcher.ask(7)
        calls[1].cancel()  # whoever has gone is not computed for
        await asyncio.sleep(0)
        may_go.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = run(many())
    assert sizes == [1, 4, 1]
    assert isinstance(found[1], asyncio.CancelledError)
    assert [each for each in found if isinstance(each, int)] == [0, 1, 2, 3]
    assert [str(each) for each in found if isinstance(each, RequestError)] == ["3 is odd", "5 is odd"]


def test_a_failure_of_all_is_that_of_each() -> None:
    def broken(_: Sequence[int]) -> list[int | Exception]:
        raise ExhaustedError("out of memory")

    async def both() -> list[int | BaseException]:
        batcher = Batcher(broken, most=4)
        return await asyncio.gather(batcher.ask(1), batcher.ask(2), return_exceptions=True)

    assert [str(each) for each in run(both())] == ["out of memory"] * 2
