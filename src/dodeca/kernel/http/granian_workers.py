"""How granian hands requests over: lanes that wait for nothing are asked in its own thread.

By itself granian calls an application in the event loop only: a wake-up of another thread, a task, and two threads that
want the interpreter's lock for each request. For an answer out of memory that is more than all the rest. granian lets
its user bring along how a worker is started (`spawn_target`); the two ways here differ from its own in the scheduler
alone, which asks `RsgiApplication.at_once` first.

granian 2.8: `granian/server/embed.py`, `granian/server/mp.py`, `granian/_futures.py`.
"""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from granian import _granian, _signals
from granian.server.common import WORKERS_METHODS
from granian.server.embed import AsyncWorker
from granian.server.mp import MPServer, WorkerProcess

from dodeca.kernel.processor import patient

_RSGIWorker: Any = _granian.RSGIWorker  # its stub tells of another version
_set_loop_signals: Any = _signals.set_loop_signals
_wrap_embedded: Any = AsyncWorker.wrap_target
_wrap_process: Any = WorkerProcess.wrap_target
_STOP = (signal.SIGINT, signal.SIGTERM)


class Application(Protocol):
    """What is served."""

    def at_once(self, scope: Any, protocol: Any) -> bool:
        """See `RsgiApplication.at_once`."""
        ...

    @property
    def later(self) -> Callable[[Any, Any], Awaitable[None]]:
        """See `RsgiApplication.later`."""
        ...


class ProcessApplication(Application, Protocol):
    """What one process of several serves: it is started and stopped with its loop."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None: ...

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None: ...

    def hang_up(self) -> None:
        """End answers that go on for ever: granian waits for all of them."""
        ...


def scheduler(loop: asyncio.AbstractEventLoop, application: Application) -> Any:
    """Granian's scheduler of calls, which leaves to the loop what is not answered at once."""
    at_once, later, context = application.at_once, application.later, contextvars.copy_context()

    async def answered(watcher: Any) -> None:
        try:
            await later(watcher.scope, watcher.proto)
        except BaseException as error:  # noqa: BLE001 - granian ends the connection
            watcher.err(error)
        else:
            watcher.done()

    def begin(watcher: Any) -> None:
        watcher.taskref(loop.create_task(answered(watcher)))

    def schedule(watcher: Any) -> None:
        if at_once(watcher.scope, watcher.proto):
            watcher.done()
        else:
            loop.call_soon_threadsafe(begin, watcher, context=context)

    entering, leaving = partial(asyncio.tasks._enter_task, loop), partial(asyncio.tasks._leave_task, loop)
    return _Scheduler(loop, schedule, None, entering, leaving)


class _Scheduler(_granian.CallbackScheduler):
    """What granian takes for a scheduler: it calls `schedule` for each request, in its own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, schedule: Callable[[Any], None], *_: Any) -> None:
        super().__init__()
        self._schedule_fn = schedule


def _worker(worker_id: int, sock: Any, ipc: Any, given: Sequence[Any], metrics: Any) -> Any:
    """A worker of granian's. `given` is what its server hands over to each way of starting one, in its order."""
    *threads, _task_impl, http, http1, http2, websockets, static_path, _log_format, tls, _scope_options = given
    return _RSGIWorker(worker_id, sock, ipc, *threads, http, http1, http2, websockets, static_path, *tls, metrics)


async def _embedded(
    worker_id: int, stopped: Any, application: Application, sock: Any, loop: asyncio.AbstractEventLoop, *given: Any
) -> None:
    ended = loop.create_future()
    stopped.add_cb(lambda: loop.call_soon_threadsafe(ended.set_result, None))
    worker = _worker(worker_id, sock, None, given, (None, None))
    with patient():  # they wake each other for each request: two thirds of the processor time this way
        worker.serve_async(scheduler(loop, application), loop, stopped)
    await ended


def _process(
    worker_id: int,
    application: ProcessApplication,
    sock: Any,
    ipc: Any,
    loop: asyncio.AbstractEventLoop,
    runtime_mode: Any,
    *given: Any,
) -> None:
    stopped = _set_loop_signals(loop)

    def stop() -> None:
        application.hang_up()
        stopped.set()

    for number in _STOP:
        loop.add_signal_handler(number, stop)
    _when_parent_ends(loop, stop)
    ended = loop.create_future()
    stopped.add_cb(lambda: loop.call_soon_threadsafe(ended.set_result, None))
    application.__rsgi_init__(loop)
    *others, metrics = given
    worker = _worker(worker_id, sock, ipc, others, metrics)
    serve = getattr(worker, WORKERS_METHODS[runtime_mode][False])
    with patient():  # they wake each other for each request: two thirds of the processor time this way
        serve(scheduler(loop, application), loop, stopped)
    loop.run_until_complete(ended)
    application.__rsgi_del__(loop)


def _when_parent_ends(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    """Stop when the process that watches over this one was killed: the next server to be started would share its port
    with whoever is left, which may be of another version."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def ended() -> None:
        loop.remove_reader(sentinel)
        stop()

    loop.add_reader(sentinel, ended)


def process_worker(*given: Any) -> None:
    """For `Processes.serve`. It is looked up by name in the new process.

    Until it serves, a process ends at once when it is asked to. By itself it inherits what its parent does then, which
    is to set a mark that nobody looks at here: it would be waited for for ever.
    """
    for number in _STOP:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
    _served(*given)


class Processes(MPServer):
    """granian's server of several processes. Each of them can be asked to stop from its first moment on."""

    def _spawn_workers(self, *given: Any) -> None:
        spawn: Any = super()._spawn_workers
        with _held():
            spawn(*given)

    def _respawn_workers(self, *given: Any, **named: Any) -> None:
        with _held():
            super()._respawn_workers(*given, **named)


@contextmanager
def _held() -> Iterator[None]:
    """Keep the wish to stop until later, here and in the processes that are made meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


embedded_worker: Callable[..., Any] = _wrap_embedded(_embedded)
"""For `granian.server.embed.Server.serve`."""
_served: Callable[..., Any] = _wrap_process(_process)
