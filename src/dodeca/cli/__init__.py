"""The `dodeca` command. Subcommands are loaded when they are called, so that `--help` answers at once."""

from dodeca.cli.main import main

__all__ = ["main"]
