"""`dodeca import` and `dodeca export`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dodeca.cli.main import config_of, data_option
from dodeca.kernel.errors import Invalid
from dodeca.kernel.manifest import Manifest
from dodeca.kernel.platform import Platform
from dodeca.kernel.transfer import ImportReport

SWITCH_SECONDS = 0.0005
"""How long the thread that prepares rows may keep the interpreter from the one that waits for it between two statements
of SQLite. Python's own 5 ms are as long as many a statement."""


class Bar:
    """A progress bar on standard error; nothing where that is no terminal and `--json` was asked for."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: Any = None

    def start(self, label: str, total: int | None) -> None:
        """A new bar."""
        self._task = self._progress.add_task(label, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the present bar."""
        if self._task is not None:
            self._progress.advance(self._task, steps)


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Bar]:
    """Show bars while the block runs."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        yield Bar(progress)


@contextmanager
def opened(data: Path | None, product: str) -> Iterator[tuple[Platform, Manifest]]:
    """The platform with its schema up to date, and the product's manifest."""
    from dodeca import app
    from dodeca.kernel.db import migrations

    platform = app.compose(config_of(data))
    try:
        migrations.ensure(platform.db)
        manifest = platform.product(product)
        if manifest is None:
            names = ", ".join(m.name for m in platform.manifests if m.tagline)
            raise Invalid(f"There is no product {product}. Installed: {names}.")
        yield platform, manifest
    finally:
        platform.close()


@click.command("import")
@data_option
@click.argument("product")
@click.argument("file", type=click.Path(exists=True, dir_okay=True, path_type=Path))
@click.option("--format", "kind", default="", help="Format of the file. Default: found out from its content.")
@click.option("--as", "owner", default="", help="Account that the imported things belong to. Default: the first admin.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def import_(data: Path | None, product: str, file: Path, kind: str, owner: str, as_json: bool) -> None:
    """Bring FILE into PRODUCT.

    Repeatable: what is already there is not added twice. Refused rows are reported with their line; exit code 1 if
    there were any.

    \b
    dodeca import shortener links.csv
    dodeca import news items.jsonl --json
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    with opened(data, product) as (platform, manifest), progress_bar(as_json) as bar:
        importer = manifest.importers.get(kind)
        if importer is None:
            formats = ", ".join(sorted(name for name in manifest.importers if name)) or "none"
            raise Invalid(f"{manifest.title} cannot import {kind or 'files'}. Formats: {formats}.")
        report: ImportReport = importer(platform, file, bar, owner=owner)
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        click.echo(f"{report.read} read: {report.added} added, {report.unchanged} unchanged, {report.refused} refused.")
        for note in report.notes:
            click.echo(note)
        for error in report.errors[:20]:
            click.echo(f"  line {error.line}: {error.message}", err=True)
        if len(report.errors) > 20:
            click.echo(f"  … and {report.refused - 20} more (see --json)", err=True)
    sys.exit(1 if report.refused else 0)


@click.command()
@data_option
@click.argument("product")
@click.option("--format", "kind", default="", help="Format. Default: the product's own.")
@click.option("--as", "owner", default="", help="Only what belongs to this account. Default: everything.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File. Default: standard output.")
def export(data: Path | None, product: str, kind: str, owner: str, output: Path | None) -> None:
    """Write what PRODUCT holds to standard output or a file.

    \b
    dodeca export shortener > links.csv
    dodeca export shortener --format nginx -o links.map
    """
    with opened(data, product) as (platform, manifest), progress_bar(quiet=output is None) as bar:
        exporter = manifest.exporters.get(kind)
        if exporter is None:
            formats = ", ".join(sorted(name for name in manifest.exporters if name)) or "none"
            raise Invalid(f"{manifest.title} cannot export {kind or 'this'}. Formats: {formats}.")
        bar.start(f"Exporting {manifest.title}", None)
        stream = output.open("wb") if output is not None else sys.stdout.buffer
        try:
            for chunk in exporter(platform, owner=owner):
                stream.write(chunk)
                bar.advance(1)
            stream.flush()
        finally:
            if output is not None:
                stream.close()
