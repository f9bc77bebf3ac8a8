"""Folding in a process of its own, while clicks come faster than a thread can fold them beside answering.

A thread that counts holds the interpreter for some milliseconds again and again, and each time the redirects wait. The
process is started when many clicks wait and ends when none do: a quiet installation does not pay for it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from dodeca.kernel.settings import Config
    from dodeca.products.shortener.rollups import Progress

log = structlog.get_logger(__name__)
NICENESS = 10
"""Answers come first."""
LINGER_SECONDS = 5.0
"""How long the process waits for more, rather than being started again."""
BREATH_SECONDS = 0.05
MOST_BREATH_SECONDS = 8.0
_LOOK_SECONDS = 0.3


def fold(config: Config, stop: threading.Event, told: Callable[[Progress], None]) -> None:
    """Fold in another process until nothing has waited for a while, or until `stop`.

    `told` receives what was added, in this process. What the other process had begun when it was stopped is
    rolled back, and folded later."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(config, sending), name="dodeca-folder", daemon=True)
    process.start()
    sending.close()
    try:
        while not stop.is_set():
            if receiving.poll(_LOOK_SECONDS):
                told(receiving.recv())
    except EOFError:
        process.join()
        if process.exitcode:
            log.error("shortener.folder_process_failed", exit_code=process.exitcode)
    finally:
        process.terminate()
        process.join()
        receiving.close()


def _breath(took: float, used: float) -> float:
    """How long to let others work: writers that found the database busy, and, where the processor was wanted by others
    for a fifth of the time, whoever wants it. Clicks that wait are safe."""
    return BREATH_SECONDS if took < 1.25 * used else min(MOST_BREATH_SECONDS, 4 * took)


def _work(config: Config, sending: Connection) -> None:
    """What the process does."""
    from dodeca.kernel.platform import Platform
    from dodeca.products.shortener import manifest
    from dodeca.products.shortener.folding import MANY, Folder
    from dodeca.products.shortener.service.installation import Shortener

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the server, which stops this process
    os.nice(NICENESS)
    server = os.getppid()
    platform = Platform(config, [manifest])
    shortener = Shortener(platform)
    # A batch makes ten thousand small objects and no cycles: looking for those took a sixth of the time.
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    try:
        folder = Folder(shortener, sending.send)
        worked = time.monotonic()
        while os.getppid() == server and time.monotonic() - worked < LINGER_SECONDS:
            began, used = time.monotonic(), time.process_time()
            if folder.fold(wait=False, at_most=MANY):
                time.sleep(_breath(time.monotonic() - began, time.process_time() - used))
                worked = time.monotonic()
            else:
                time.sleep(_LOOK_SECONDS)
    except BrokenPipeError:
        pass  # the server has gone; another will fold the rest
    finally:
        shortener.close()
        platform.close()
