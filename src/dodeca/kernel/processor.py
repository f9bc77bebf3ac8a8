"""When a thread gets its turn on a busy processor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def patient() -> Iterator[None]:
    """This thread, and the threads and programs begun inside, interrupt nobody when they are woken (Linux).

    Whoever waits for messages is woken by each one. On a busy processor the woken thread takes over at once by itself,
    to find a single message, and goes back to sleep. Under SCHED_BATCH it waits for its turn, and finds them all. An
    idle processor begins at once either way. sched(7).
    """
    if not hasattr(os, "SCHED_BATCH"):
        yield
        return
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with contextlib.suppress(OSError):  # forbidden by a sandbox: then as ever
        os.sched_setscheduler(0, os.SCHED_BATCH, parameters)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, before, parameters)
