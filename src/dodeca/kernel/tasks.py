"""What loops in tasks of the event loop must know."""

from __future__ import annotations

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 0.05


def being_cancelled() -> bool:
    """Whether the running task was asked to end.

    A loop that catches errors and goes on asks this first: closing a connection on the way out may fail too, and that
    error then stands in place of the `CancelledError`.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks that loop for ever, and wait until they are over; what they raise is dropped.

    They are asked until they obey: `asyncio.wait_for` of Python 3.11, which libraries use too, forgets that its task
    was cancelled when what it waits for is done at that moment (CPython issue 86296). Own code waits within
    `asyncio.timeout`, which does not.
    """
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
