"""Waiting for several connections in one thread.

Threads that each wait for a database fight for the one interpreter whenever an answer comes. A `Task` has a stack of
its own but no thread: where code in it waits for a socket by `wait`, however deep in its calls, the thread's other
tasks go on (greenlets, https://greenlet.readthedocs.io). Anywhere else `wait` just waits. Nobody may hold a lock
meanwhile: another task that wants it would hold up its thread, and with it whoever has the lock.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class Task(greenlet):
    """Work that lets others go on while it waits."""


def wait(fileno: int, events: int) -> int:
    """Wait until a socket is ready for some of `events` (`select.POLLIN`, `POLLOUT`), or lost; which they are."""
    current = getcurrent()
    if isinstance(current, Task) and current.parent is not None:
        ready: int = current.parent.switch(fileno, events)
        return ready
    return wait_alone(fileno, events)


def wait_alone(fileno: int, events: int) -> int:
    """The same while the thread's other tasks wait too."""
    poll = select.poll()
    poll.register(fileno, events)
    return poll.poll()[0][1]


def drive(steps: Generator[int, int, T], fileno: int) -> T:
    """Take the steps of an operation of psycopg. They yield what they wait for (1 to read, 2 to write, 3 for both) and
    are sent what the socket is ready for, as psycopg.waiting does it."""
    try:
        wanted = next(steps)
        while True:
            ready = wait(fileno, (wanted & 1) * select.POLLIN | (wanted >> 1) * select.POLLOUT)
            lost = ready & (select.POLLERR | select.POLLHUP)
            wanted = steps.send(3 if lost else (ready & select.POLLIN > 0) | (ready & select.POLLOUT > 0) << 1)
    except StopIteration as end:
        found: T = end.value
        return found


class Hub:
    """One thread's tasks. All but `ring` is called by that thread."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}
        self._poll = select.poll()
        self._ear, self._bell = socket.socketpair()
        self._ear.setblocking(False)
        self._bell.setblocking(False)
        self._poll.register(self._ear, select.POLLIN)
        self._listens = False

    def start(self, work: Callable[[], None]) -> None:
        """Run `work`, which raises nothing, until it waits for the first time or is done."""
        self._go_on(Task(work))

    def turn(self, is_needed: Callable[[], bool]) -> None:
        """Go on with the tasks whose sockets are ready. Waits for one, or for the bell, unless the thread `is_needed`
        for something else."""
        self._listens = True
        ready = self._poll.poll(0 if is_needed() else None)
        self._listens = False
        for fileno, events in ready:
            task = self._tasks.pop(fileno, None)
            if task is None:
                self._hear()
            else:
                self._poll.unregister(fileno)
                self._go_on(task, events)

    def ring(self) -> None:
        """Have `turn` return. From any thread, which has done first what the thread is needed for."""
        if self._listens:
            with suppress(BlockingIOError):  # it has been rung often enough
                self._bell.send(b"!")

    def close(self) -> None:
        """After the last task."""
        self._ear.close()
        self._bell.close()

    def _go_on(self, task: Task, *events: int) -> None:
        asked = task.switch(*events)
        if not task.dead:
            fileno, wanted = asked
            self._tasks[fileno] = task
            self._poll.register(fileno, wanted)

    def _hear(self) -> None:
        with suppress(BlockingIOError):
            self._ear.recv(4096)
