"""`dodeca doctor`: is this installation sound?"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from dodeca.cli.main import config_of, data_option
from dodeca.kernel.db import migrations
from dodeca.kernel.platform import Platform
from dodeca.kernel.settings import Settings, SettingsGroup

FREE_BYTES = 500_000_000
CLOCK_SECONDS = 5


class Check(msgspec.Struct):
    """One thing that was looked at. `problems` is empty when all is well."""

    name: str
    problems: list[str]


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


def examine(platform: Platform) -> Iterator[Check]:
    """All checks of this installation."""
    yield Check("settings", _settings(platform))
    schema = _schema(platform)
    yield Check("schema", schema)
    yield Check("disk", _disk(platform.data))
    yield Check("clocks", _clocks(platform))
    yield Check("database file", _database(platform))
    if schema:
        return
    for manifest in platform.manifests:
        for name, invariant in manifest.invariants.items():
            yield Check(f"{manifest.name}: {name}", [str(row) for row in platform.db.read(invariant)][:50])
        for further in manifest.doctor:
            yield Check(f"{manifest.name}: {_title(further)}", list(further(platform)))


def _title(function: Callable[..., object]) -> str:
    return function.__name__.replace("_", " ")


def _settings(platform: Platform) -> list[str]:
    groups: list[type[SettingsGroup]] = [Settings, *(m.settings for m in platform.manifests if m.settings)]
    problems = [f"{name} is no setting" for name in platform.config.unknown(groups)]
    settings = platform.settings
    if (
        settings.public_url
        and not settings.public_url.startswith("https://")
        and "localhost" not in settings.public_url
    ):
        problems.append("public_url is not https: cookies and passkeys need it anywhere but on this machine")
    key = platform.data / "secret.key"
    if key.exists() and key.stat().st_mode & 0o077:
        problems.append("secret.key can be read by others: chmod 600 it")
    if settings.test_clock:
        problems.append("test_clock is on: anybody with the role admin can move the time")
    return problems


def _schema(platform: Platform) -> list[str]:
    return [f"migration {revision} is missing" for revision in migrations.pending(platform.db)]


def _disk(data: Path) -> list[str]:
    free = shutil.disk_usage(data).free
    problems = [] if free > FREE_BYTES else [f"only {free / 1e6:.0f} MB free"]
    if not os.access(data, os.W_OK):
        problems.append(f"{data} cannot be written")
    return problems


def _clocks(platform: Platform) -> list[str]:
    if platform.db.dialect == "sqlite":
        probe = platform.data / ".clock"
        probe.touch()
        difference = abs(probe.stat().st_mtime - time.time())
        probe.unlink()
        return [] if difference < CLOCK_SECONDS else [f"the file system's clock is {difference:.0f} s off"]
    theirs = platform.db.read(lambda s: s.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
    difference = abs(float(theirs) - time.time())
    return [] if difference < CLOCK_SECONDS else [f"the database's clock is {difference:.0f} s off"]


def _database(platform: Platform) -> list[str]:
    if platform.db.dialect != "sqlite":
        return []
    rows = platform.db.read(lambda s: [str(row[0]) for row in s.execute(text("PRAGMA quick_check"))])
    broken = platform.db.read(
        lambda s: [f"foreign key {tuple(r)}" for r in s.execute(text("PRAGMA foreign_key_check"))]
    )
    return [row for row in rows if row != "ok"] + broken[:20]


def _print(checks: list[Check]) -> None:
    table = Table(show_header=False, box=None)
    for check in checks:
        sign = "[red]✗" if check.problems else "[green]✓"
        table.add_row(sign, check.name, "; ".join(check.problems[:5]))
    Console().print(table)
    bad = sum(1 for check in checks if check.problems)
    click.echo("All is well." if not bad else f"{bad} of {len(checks)} checks found problems.")
