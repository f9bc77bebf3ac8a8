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
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from signal import SIGINT, SIGTERM
from typing import Any, Protocol

from granian import _granian, _signals
from granian.server.common import WORKERS_METHODS
from granian.server.embed import AsyncWorker
from granian.server.mp import WorkerProcess

from dodeca.kernel.processor import patient

_RSGIWorker: Any = _granian.RSGIWorker  # its stub tells of another version
_set_loop_signals: Any = _signals.set_loop_signals
_wrap_embedded: Any = AsyncWorker.wrap_target
_wrap_process: Any = WorkerProcess.wrap_target


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
    worker_id: int, signal: Any, application: Application, sock: Any, loop: asyncio.AbstractEventLoop, *given: Any
) -> None:
    ended = loop.create_future()
    signal.add_cb(lambda: loop.call_soon_threadsafe(ended.set_result, None))
    worker = _worker(worker_id, sock, None, given, (None, None))
    with patient():  # they wake each other for each request: two thirds of the processor time this way
        worker.serve_async(scheduler(loop, application), loop, signal)
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
    signal = _set_loop_signals(loop)

    def stop() -> None:
        application.hang_up()
        signal.set()

    for number in (SIGINT, SIGTERM):
        loop.add_signal_handler(number, stop)
    ended = loop.create_future()
    signal.add_cb(lambda: loop.call_soon_threadsafe(ended.set_result, None))
    application.__rsgi_init__(loop)
    *others, metrics = given
    worker = _worker(worker_id, sock, ipc, others, metrics)
    serve = getattr(worker, WORKERS_METHODS[runtime_mode][False])
    with patient():  # they wake each other for each request: two thirds of the processor time this way
        serve(scheduler(loop, application), loop, signal)
    loop.run_until_complete(ended)
    application.__rsgi_del__(loop)


embedded_worker: Callable[..., Any] = _wrap_embedded(_embedded)
"""For `granian.server.embed.Server.serve`."""
process_worker: Callable[..., Any] = _wrap_process(_process)
"""For `granian.Granian.serve`. It is looked up by name in the new process."""
