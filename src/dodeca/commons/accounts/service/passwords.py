"""Which passwords are good enough."""

from __future__ import annotations

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit, sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.kernel import clock
from dodeca.kernel.crypto import MAX_PASSWORD_CHARACTERS
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid

SHORTEST_PASSWORD = 8
"""NIST SP 800-63B-4, 3.1.1.2, with a second factor at hand. By its advice no rules on kinds of characters."""
GUESSES = 1000
"""What an online attacker is let try before limits stop them: a password found within is refused."""
_LOOKED_AT = 72


class WeakPassword(Invalid):
    """The password is too short, among the first that anybody would try, or made of the person's own names."""


def check_strength(password: str, *about: str) -> None:
    """Raise WeakPassword, or Invalid for one that is too long. `about` are the person's names and address.

    Takes some milliseconds: not for the event loop."""
    if len(password) < SHORTEST_PASSWORD:
        raise WeakPassword(f"Use at least {SHORTEST_PASSWORD} characters.", field="password")
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise Invalid(f"A password has at most {MAX_PASSWORD_CHARACTERS:,} characters.", field="password")
    own = [text.lower() for text in about if text]
    if password.lower() in own:
        raise WeakPassword("The password must not be your own name or address.", field="password")
    from zxcvbn import zxcvbn  # its word lists take 15 MB: only once somebody chooses a password

    found = zxcvbn(password[:_LOOKED_AT], user_inputs=own)
    if found["guesses"] < GUESSES:
        reason = str(found["feedback"]["warning"] or "This password is too easy to guess.").rstrip(".")
        raise WeakPassword(f"{reason}. Choose another.", field="password")


def set_password(
    session: WriteSession, account: Account, password_hash: str, origin: Origin, *, keep: str | None, action: str
) -> None:
    """Store a new hash and sign out everywhere, except the session `keep`. API keys stay: they have own secrets."""
    account.password_hash = password_hash
    account.password_changed_at = clock.now()
    sessions.end_all(session, account, keep=keep)
    audit.record(session, account.id, action, origin)
    forget_principal(session, account.id)
