"""What loops in tasks of the event loop must know."""

from __future__ import annotations

import asyncio


def being_cancelled() -> bool:
    """Whether the running task was asked to end.

    A loop that catches errors and goes on asks this first: closing a connection on the way out may fail too, and that
    error then stands in place of the `CancelledError`.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
