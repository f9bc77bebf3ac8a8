"""What is installed: the commons modules and the products, in the order in which pages show them.

Also what the composition root and the command line need of accounts, so that they know no commons module by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dodeca.commons import accounts, admin, notifications, shell
from dodeca.commons.accounts import commands
from dodeca.commons.accounts.service import people
from dodeca.kernel.http.access import Authenticator
from dodeca.kernel.manifest import Manifest
from dodeca.products import music, news, payments, shortener

if TYPE_CHECKING:
    from dodeca.kernel.db import ReadSession
    from dodeca.kernel.http.context import Call
    from dodeca.kernel.platform import Platform
    from dodeca.kernel.web.shell import ShellAccount

DEMO_PEOPLE = (("admin", "Ada Admin"), ("alice", "Alice Archer"), ("bob", "Bob Brewer"))
DEMO_PASSWORD = "dodeca-demo-2026"  # noqa: S105 - printed at start, only ever on a demo installation


def commons() -> list[Manifest]:
    """Modules that are always there."""
    return [shell.manifest, accounts.manifest, notifications.manifest, admin.manifest]


def products() -> list[Manifest]:
    """The products."""
    return [shortener.manifest, payments.manifest(), music.manifest, news.manifest]


def authenticator(platform: Platform) -> Authenticator:
    """Who finds out who is calling."""
    return accounts.authenticator(platform)


def shell_account(platform: Platform) -> Callable[[ReadSession, Call], tuple[ShellAccount | None, int]]:
    """Who tells the header about the signed-in person."""
    return accounts.shell_account(platform)


def unread() -> Callable[[ReadSession, str], int]:
    """Who counts an account's unread notifications."""
    return notifications.unread


def is_empty(platform: Platform) -> bool:
    """Whether nobody has an account yet."""
    return platform.db.read(people.is_empty)


def make_demo_people(platform: Platform) -> list[tuple[str, str]]:
    """The demo's accounts, the first an admin; gives names and passwords."""
    for username, name in DEMO_PEOPLE:
        commands.create_account(platform, username, DEMO_PASSWORD, name=name, email=f"{username}@example.org")
    commands.create_admin(platform, DEMO_PEOPLE[0][0])
    return [(username, DEMO_PASSWORD) for username, _name in DEMO_PEOPLE]


def create_admin(platform: Platform, name: str, password: str | None) -> str | None:
    """Make an admin; gives the password where one was made up."""
    return commands.create_admin(platform, name, password)


def issue_token(platform: Platform, name: str, days: float) -> str:
    """A bearer token for an account. Raises NotFound."""
    return commands.issue_token(platform, name, days)
