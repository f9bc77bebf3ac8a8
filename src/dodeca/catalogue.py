"""What is installed: the commons modules and the products, in the order in which pages show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dodeca.commons import accounts, shell
from dodeca.kernel.http.access import Authenticator
from dodeca.kernel.manifest import Manifest

if TYPE_CHECKING:
    from dodeca.kernel.db import ReadSession
    from dodeca.kernel.http.context import Call
    from dodeca.kernel.platform import Platform
    from dodeca.kernel.web.shell import ShellAccount


def commons() -> list[Manifest]:
    """Modules that are always there."""
    return [shell.manifest, accounts.manifest]


def products() -> list[Manifest]:
    """The products."""
    return []


def authenticator(platform: Platform) -> Authenticator:
    """Who finds out who is calling."""
    return accounts.authenticator(platform)


def shell_account(platform: Platform) -> Callable[[ReadSession, Call], tuple[ShellAccount | None, int]]:
    """Who tells the header about the signed-in person."""
    return accounts.shell_account(platform)
