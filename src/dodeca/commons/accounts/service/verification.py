"""Proof of a mail address: whoever holds the link that was sent there reads that mailbox."""

from __future__ import annotations

from collections.abc import Callable

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.events import EmailProven
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import audit, people, text
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock, outbox
from dodeca.kernel.crypto import BadSignature
from dodeca.kernel.db import WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid


def ask_again(session: WriteSession, account: Account, limit: Callable[[str], None]) -> None:
    """Send the link once more. `limit` counts the mail. Raises Conflict when there is nothing to prove."""
    address = account.pending_email or (None if account.email_verified_at else account.email)
    if address is None:
        raise Conflict("Your mail address is confirmed." if account.email else "You have given no mail address.")
    limit(address)
    letters.ask_to_verify(session, account, address)


def verify(session: WriteSession, token: str, vault: Vault, origin: Origin = NOWHERE) -> Account:
    """Take the token of a link; repeating it changes nothing. Raises BadSignature, Expired, Conflict, EmailTaken."""
    account, address = _read(session, token, vault)
    key = text.email_key(address)
    if account.pending_email is not None and text.email_key(account.pending_email) == key:
        with claiming(session, Account, otherwise=people.EmailTaken("Another account has this email.", field="email")):
            account.email, account.email_key, account.pending_email = address, key, None
            account.email_verified_at = clock.now()
    elif account.email_key != key:
        raise Conflict("The address was changed since this link was sent.")
    elif account.email_verified_at is not None:
        return account
    else:
        account.email_verified_at = clock.now()
    audit.record(session, account.id, "email.verified", origin)
    outbox.add(session, EmailProven(account_id=account.id))
    return account


def _read(session: WriteSession, token: str, vault: Vault) -> tuple[Account, str]:
    value = vault.mail_links.read(token)
    if not isinstance(value, list) or len(value) != 3 or value[0] != "verify":
        raise BadSignature("This link is not valid.")
    account = people.account_by_id(session, value[1])
    if account is None:
        raise Invalid("This account is gone.")
    return account, value[2]
