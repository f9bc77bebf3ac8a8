"""`dodeca admin`: accounts from the command line."""

from __future__ import annotations

from pathlib import Path

import click

from dodeca.cli.main import config_of, data_option


@click.group()
def admin() -> None:
    """Make administrators, and tokens for scripts."""


@admin.command()
@data_option
@click.argument("name")
@click.option("--password", help="Password. Default: one is made and printed.")
def create(data: Path | None, name: str, password: str | None) -> None:
    """Make the account NAME if needed and give it the role admin."""
    from dodeca import app, catalogue
    from dodeca.kernel.db import migrations

    platform = app.compose(config_of(data))
    try:
        migrations.ensure(platform.db)
        made = catalogue.create_admin(platform, name, password)
        click.echo(f"{name} is an administrator." + (f" Password: {made}" if made else ""))
    finally:
        platform.close()


@admin.command()
@data_option
@click.argument("name")
@click.option("--days", default=30, show_default=True, help="How long the token is good.")
def token(data: Path | None, name: str, days: int) -> None:
    """Print a bearer token for the account NAME (last line)."""
    from dodeca import app, catalogue
    from dodeca.kernel.db import migrations

    platform = app.compose(config_of(data))
    try:
        migrations.ensure(platform.db)
        click.echo(catalogue.issue_token(platform, name, days))
    finally:
        platform.close()
