"""What accounts tell the other parts of the platform."""

from __future__ import annotations

from dodeca.kernel import outbox


class EmailProven(outbox.Event):
    """An account has an address that its owner has just proven to read. Whoever reacts asks for it again: it may have
    changed since."""

    account_id: str
