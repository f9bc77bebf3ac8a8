"""`dodeca doctor`: is this installation sound?"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dodeca.cli.main import config_of, data_option
from dodeca.kernel.health import Check, examine


@click.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(data: Path | None, as_json: bool) -> None:
    """Check settings, schema, invariants, disk and clocks. Exit code 1 if anything is wrong.

    Safe while the server runs: it only reads.
    """
    from dodeca import app

    platform = app.compose(config_of(data))
    try:
        checks = [*examine(platform)]
    finally:
        platform.close()
    if as_json:
        click.echo(msgspec.json.encode(checks))
    else:
        _print(checks)
    sys.exit(1 if any(check.problems for check in checks) else 0)


def _print(checks: list[Check]) -> None:
    table = Table(show_header=False, box=None)
    for check in checks:
        sign = "[red]✗" if check.problems else "[green]✓"
        table.add_row(sign, check.name, Text("; ".join(check.problems[:5])))
    Console().print(table)
    bad = sum(1 for check in checks if check.problems)
    click.echo("All is well." if not bad else f"{bad} of {len(checks)} checks found problems.")
