"""`dodeca serve` and `dodeca worker`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import click

from dodeca.cli.main import config_of, data_option
from dodeca.kernel.settings import Config


@click.command()
@data_option
@click.option("--only", help="Products to serve, separated by commas. Default: all.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--demo/--no-demo", default=None, help="Fill an empty platform with demo data. Default: no.")
@click.option("--workers", default=1, show_default=True, help="Server processes. With several, set DODECA_REDIS_URL.")
@click.option("--test-clock", is_flag=True, default=None, help="Let POST /api/admin/clock move the time. For tests.")
def serve(
    data: Path | None, only: str | None, host: str, port: int, demo: bool | None, workers: int, test_clock: bool | None
) -> None:
    """Serve the products.

    Embedded by default: one process, SQLite and local files in the data folder.
    """
    from dodeca.cli import server

    port = port or server.free_port(host)
    config = config_of(data, only=only, demo=demo, test_clock=test_clock)
    server.prepare(config, f"http://{host}:{port}")
    if workers > 1:
        server.serve_processes(config, host, port, workers)
    else:
        run(server.serve_here(config, host, port))


@click.command()
@data_option
def worker(data: Path | None) -> None:
    """Work the job queue, beside servers that run with DODECA_WORKERS_INLINE=0."""
    run(_work(config_of(data)))


async def _work(config: Config) -> None:
    from dodeca import app

    platform = app.compose(config)
    await platform.start()
    runner = app.runner(platform)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, runner.stop)
    click.echo("Working the queue. Stop with Ctrl+C.")
    await runner.run()
    await platform.stop()
    platform.close()


def run(coroutine: Any) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)
