"""The command group, and what all commands share."""

from __future__ import annotations

import gc
import importlib
import logging
import sys
from pathlib import Path

import click

from dodeca.kernel import memory
from dodeca.kernel.errors import DodecaError
from dodeca.kernel.settings import Config

COMMANDS = {
    "serve": "dodeca.cli.serve:serve",
    "worker": "dodeca.cli.serve:worker",
    "migrate": "dodeca.cli.schema:migrate",
    "import": "dodeca.cli.data:import_",
    "export": "dodeca.cli.data:export",
    "admin": "dodeca.cli.admin:admin",
    "backup": "dodeca.cli.backup:backup",
    "restore": "dodeca.cli.backup:restore",
    "doctor": "dodeca.cli.doctor:doctor",
    "bench": "dodeca.cli.bench:bench",
    "capacity": "dodeca.cli.capacity:capacity",
    "payments": "dodeca.cli.payments:payments",
}
"""Name → where it lives. The order is the order of the help page."""


class LazyGroup(click.Group):
    """Imports a command only when it is called or its help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dodeca")
def dodeca() -> None:
    """Twelve internet products on one platform that you own.

    Start with `dodeca serve`. Settings come from DODECA_* variables or from dodeca.toml in the folder that you are in.
    Exit codes: 0 done, 1 a problem was found or the work failed, 2 wrong usage.
    """


def collect_rarely() -> None:
    """Have the garbage collector look seldom. All that is imported stays, and searching it again and again is a fifth
    of a start. Later it would stop all answers meanwhile; requests leave few cycles behind, and caches are large."""
    gc.set_threshold(20_000, 20, 100)


def main() -> None:
    """Run the command; expected errors end with one line and exit code 1."""
    collect_rarely()
    memory.return_large_pieces()
    try:
        dodeca.main(prog_name="dodeca", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except DodecaError as error:
        click.echo(f"dodeca: {error.message}", err=True)
        sys.exit(1)
    except OSError as error:  # a folder that cannot be written, a port that is taken, a full disk
        click.echo(f"dodeca: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        from sqlalchemy.exc import DBAPIError  # loaded already, where it is raised

        if not isinstance(error, DBAPIError):
            raise
        click.echo(f"dodeca: The database cannot be used: {str(error.orig).splitlines()[0]}", err=True)
        sys.exit(1)


def config_of(data: Path | None, **overrides: object) -> Config:
    """The configuration of one command: its options, the environment, dodeca.toml."""
    from dodeca.kernel import telemetry

    file = Path("dodeca.toml")
    if data is not None and not file.exists():
        file = data / "dodeca.toml"
    config = Config(file=file, overrides={"data": data, **overrides})
    telemetry.configure_logging(json=config.settings.log_json, level=config.settings.log_level)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return config


data_option = click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Folder of database, media and journals."
)
