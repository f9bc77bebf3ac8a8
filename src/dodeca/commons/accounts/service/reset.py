"""A new password for who has forgotten it, by a link to the mail address of the account."""

from __future__ import annotations

from sqlalchemy import delete

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.events import EmailProven
from dodeca.commons.accounts.models import Account, ApiKey, Identity, Passkey, RecoveryCode, Totp
from dodeca.commons.accounts.service import audit, passwords, people, text
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.vault import Vault
from dodeca.kernel import clock, outbox
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession, WriteSession


def request(session: WriteSession, address: str, origin: Origin) -> None:
    """Send the link, or tell a stranger's address that it has no account. The caller's answer is the same."""
    address = text.email(address)
    account = people.account_by_email(session, address)
    if account is None or account.email is None:
        letters.tell_stranger(session, address, "reset_unknown")
        return
    # To the address as the account has it, not as it was typed: spellings that look alike may be other mailboxes.
    letters.tell(session, account, "reset", to=account.email)
    audit.record(session, account.id, "password.reset_requested", origin)


def holder(session: ReadSession, token: str, vault: Vault) -> Account:
    """The account of a link that is good. Raises BadSignature, Expired; the latter also once it was used."""
    value = vault.mail_links.read(token)
    if not isinstance(value, list) or len(value) != 3 or value[0] != "reset":
        raise BadSignature("This link is not valid.")
    account = people.account_by_id(session, value[1])
    if account is None or letters.fingerprint(account) != value[2]:
        raise Expired("This link was used already, or the password was changed since.")
    return account


def complete(session: WriteSession, token: str, password_hash: str, vault: Vault, origin: Origin) -> Account:
    """Set the new password and sign out everywhere. Raises BadSignature, Expired.

    Where the address had not been proven before, somebody else may have made the account in its owner's name: what they
    could come back with goes too."""
    account = holder(session, token, vault)
    if account.email_verified_at is None:
        account.email_verified_at = clock.now()
        for table in (ApiKey, Passkey, Identity, Totp, RecoveryCode):
            session.execute(delete(table).where(table.account_id == account.id))
        audit.record(session, account.id, "email.verified", origin)
        outbox.add(session, EmailProven(account_id=account.id))
    passwords.set_password(session, account, password_hash, origin, keep=None, action="password.reset")
    letters.tell(session, account, "password_changed")
    return account
