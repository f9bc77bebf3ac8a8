"""`dodeca migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from dodeca.cli.main import config_of, data_option


@click.command()
@data_option
@click.option("--check", is_flag=True, help="Only say whether the schema is up to date (exit code 1 if not).")
def migrate(data: Path | None, check: bool) -> None:
    """Bring the database's schema up to date.

    On SQLite `serve` does this by itself. On PostgreSQL run it once before starting new code.
    """
    from dodeca import app
    from dodeca.kernel.db import migrations

    platform = app.compose(config_of(data))
    try:
        missing = migrations.pending(platform.db)
        if check:
            click.echo("The schema is up to date." if not missing else f"Missing: {', '.join(missing)}")
            raise SystemExit(1 if missing else 0)
        migrations.upgrade(platform.db)
        click.echo(f"Applied {len(missing)} migrations." if missing else "The schema is up to date.")
    finally:
        platform.close()
