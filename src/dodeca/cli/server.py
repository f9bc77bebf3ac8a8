"""Running the application under granian: in this process, or in several."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
from typing import Any

import click
import structlog
from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from dodeca import app as composition
from dodeca.cli.main import collect_rarely, config_of
from dodeca.kernel import memory
from dodeca.kernel.db import migrations
from dodeca.kernel.http.granian_workers import Processes, embedded_worker, process_worker
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Config

log = structlog.get_logger(__name__)
HTTP1 = HTTP1Settings(header_read_timeout=15_000, max_buffer_size=64 * 1024)
"""A client has 15 seconds to send its headers, and 64 KiB for them."""
BACKLOG = 1024
"""Connections that may wait to be accepted."""
CONNECTIONS = 16_384
"""Those that a process holds at once, most of them streams of live updates that wait. By itself granian holds as many
as may wait to be accepted: one open page more would wait for an answer for ever."""


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def prepare(config: Config, address: str) -> None:
    """Bring the schema up to date and fill in the demo, once, before any process serves."""
    platform = composition.compose(config, address=address)
    try:
        migrations.ensure(platform.db)
        if config.settings.demo:
            accounts = composition.load_demo(platform)
            if accounts:
                click.echo("Demo accounts: " + ", ".join(f"{name} / {password}" for name, password in accounts))
            if composition.demo_is_unfinished(platform):
                rest = " and empty the database" if config.settings.database_url else ""
                click.echo("The demo was interrupted while it was made: a part of it is missing.", err=True)
                click.echo(f"To have all of it, stop, remove {config.settings.data}{rest}, and start again.", err=True)
    finally:
        platform.close()


async def serve_here(config: Config, host: str, port: int) -> None:
    """Serve in this process until a signal ends it."""
    address = f"http://{host}:{port}"
    platform = composition.compose(config, address=address)
    app = composition.application(platform)
    server = Server(
        composition.rsgi(platform, app),
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        http1_settings=HTTP1,
        log_level=LogLevels.error,  # its warning that embedding is experimental says nothing to our users
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        platform.realtime.hang_up()
        server.stop()  # type: ignore[no-untyped-call]  # granian gives no types

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with app.lifespan():
        worker = _start_worker(platform)
        serving = asyncio.create_task(server.serve(spawn_target=embedded_worker))
        await _until_listening(host, port, serving)
        settle_collector()
        memory.keep_in_large_pages()
        click.echo(f"Dodeca is ready: {platform.public_url}/")
        sys.stdout.flush()
        await serving
        await _stop_worker(worker)
    platform.close()


def settle_collector() -> None:
    """What is here now stays, so the garbage collector need not look at it again. Nor does it look before: that is half
    a second of a start, for less than a megabyte."""
    gc.freeze()
    collect_rarely()


def _start_worker(platform: Platform) -> tuple[Any, asyncio.Task[None]] | None:
    if not platform.settings.workers_inline:
        return None
    runner = composition.runner(platform)
    return runner, asyncio.create_task(runner.run())


async def _stop_worker(worker: tuple[Any, asyncio.Task[None]] | None) -> None:
    if worker is not None:
        worker[0].stop()
        await worker[1]


async def _until_listening(host: str, port: int, serving: asyncio.Task[None]) -> None:
    for _ in range(200):
        if serving.done():
            serving.result()
            raise click.ClickException(f"Cannot listen on {host}:{port}.")
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def serve_processes(config: Config, host: str, port: int, workers: int) -> None:
    """Serve with several processes that share port, database and Redis."""
    settings = config.settings
    os.environ["DODECA_DATA"] = str(settings.data)
    os.environ["DODECA_PUBLIC_URL"] = settings.public_url or f"http://{host}:{port}"
    if settings.only:
        os.environ["DODECA_ONLY"] = settings.only
    click.echo(f"Dodeca is ready: {os.environ['DODECA_PUBLIC_URL']}/ ({workers} processes)")
    Processes(
        "dodeca.cli.server:worker_application",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        factory=True,
        http1_settings=HTTP1,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve(spawn_target=process_worker)


class _Process:
    """One server process of several: starts and stops the application with granian's worker."""

    def __init__(self) -> None:
        self.platform = composition.compose(config_of(None))
        self.app = composition.application(self.platform)
        rsgi = composition.rsgi(self.platform, self.app)
        self.at_once, self.later = rsgi.at_once, rsgi.later
        self.started, self.stopping = asyncio.Event(), asyncio.Event()

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.task, started = loop.create_task(self._run()), loop.create_task(self.started.wait())
        loop.run_until_complete(asyncio.wait((self.task, started), return_when=asyncio.FIRST_COMPLETED))
        if self.task.done():
            self.task.result()

    async def _run(self) -> None:
        """One task from the start to the end: what the lifespan opens has to be closed where it was opened."""
        async with self.app.lifespan():
            worker = _start_worker(self.platform)
            settle_collector()
            memory.keep_in_large_pages()
            self.started.set()
            await self.stopping.wait()
            await _stop_worker(worker)

    def hang_up(self) -> None:
        self.platform.realtime.hang_up()

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stopping.set()
        loop.run_until_complete(self.task)
        self.platform.close()


def worker_application() -> _Process:
    """What each granian process loads."""
    return _Process()
