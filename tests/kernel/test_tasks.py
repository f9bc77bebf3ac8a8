"""Ending tasks that loop for ever."""

from __future__ import annotations

import asyncio

import pytest

from dodeca.kernel.tasks import end


def test_a_task_that_drops_the_first_cancellation_ends_too() -> None:
    async def scenario() -> tuple[int, bool]:
        dropped = 0

        async def loop() -> None:
            nonlocal dropped
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    if dropped:
                        raise
                    dropped += 1

        task = asyncio.create_task(loop())
        await asyncio.sleep(0)
        await end(task)
        return dropped, task.cancelled()

    assert asyncio.run(scenario()) == (1, True)


@pytest.mark.filterwarnings("error")
def test_what_is_over_or_failed_is_no_trouble() -> None:
    async def fail() -> None:
        raise ValueError

    async def scenario() -> None:
        over = asyncio.create_task(asyncio.sleep(0))
        failed = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        await end(over, failed)
        await end()

    asyncio.run(scenario())
