"""`dodeca bench`."""

from __future__ import annotations

import importlib
import os
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from dodeca.kernel.errors import Invalid

BENCHES = Path(__file__).parents[1] / "bench"


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("product", default="platform")
@click.option("--runs", default=3, show_default=True, help="How often each load runs; medians are reported.")
@click.option("--seconds", default=5.0, show_default=True, help="How long one load lasts.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.pass_context
def bench(context: click.Context, product: str, runs: int, seconds: float, as_json: bool) -> None:
    """Measure PRODUCT (or the platform) on this machine, beside a reference in the same minute.

    Servers are started on loopback with data of their own, and ended. Further options are the product's:

    \b
    dodeca bench
    dodeca bench shortener --links 1000000 --peer nginx
    """
    known = sorted(path.stem for path in BENCHES.glob("*.py") if path.stem not in ("__init__", "harness"))
    if product not in known:
        raise Invalid(f"There is no benchmark {product}. Known: {', '.join(known)}.")
    module = importlib.import_module(f"dodeca.bench.{product}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an exit ends the servers too
    options = read_options(context.args)
    # Rates of the same code differ by half between builds of Python: whose they are belongs to them.
    python = f"Python {platform.python_version()} ({Path(sys.executable).resolve()})"
    click.echo(f"{python}, {os.cpu_count()} processors", err=True)
    results = module.run(runs=runs, seconds=seconds, options=options, say=lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(msgspec.json.encode(results))
        sys.exit(0)
    for result in results:
        click.echo(result.line())


def read_options(arguments: Sequence[str]) -> dict[str, str]:
    """`--name value` and `--name=value` as a dictionary. Raises UsageError for anything else."""
    options: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        name, given, value = waiting.pop(0).partition("=")
        if not name.startswith("--") or (not given and not waiting):
            raise click.UsageError(f"Further options are written --name value, not {name}.")
        options[name.removeprefix("--").replace("-", "_")] = value if given else waiting.pop(0)
    return options
