"""Mail about an account. Links are signed where they are written, so that no queue holds them."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

import msgspec

from dodeca.commons.accounts.models import Account
from dodeca.kernel import mail
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, job
from dodeca.kernel.platform import Platform

VERIFY_SECONDS = 3 * 86_400
RESET_SECONDS = 3600

SUBJECTS = {
    "verify": "Confirm your mail address",
    "reset": "Set a new password",
    "reset_unknown": "Somebody asked for a new password",
    "email_changing": "Your mail address is about to change",
    "password_changed": "Your password was changed",
    "security_changed": "How you sign in has changed",
    "deletion_requested": "Your account will be deleted",
    "deleted": "Your account is deleted",
}


class AccountLetter(msgspec.Struct):
    """A letter to one address: which one, to whom, and what it says beyond its text."""

    kind: str
    to: str
    account_id: str | None = None
    details: dict[str, Any] = {}


def ask_to_verify(session: WriteSession, account: Account, address: str) -> None:
    """Send the link that proves an address."""
    key = f"verify:{account.id}:{address.lower()}"
    send_mail.enqueue(session, AccountLetter("verify", address, account.id), key=key)


def tell(session: WriteSession, account: Account, kind: str, *, to: str | None = None, **details: Any) -> None:
    """Send a letter to the account's address, if it has one."""
    address = to or account.email
    if address is not None:
        send_mail.enqueue(session, AccountLetter(kind, address, account.id, details))


def tell_stranger(session: WriteSession, address: str, kind: str) -> None:
    """Send a letter to an address without an account."""
    send_mail.enqueue(session, AccountLetter(kind, address), key=f"{kind}:{address.lower()}")


@job("accounts.send_mail", payload=AccountLetter)
def send_mail(session: WriteSession, job: JobContext, letter: AccountLetter) -> None:
    """Write the letter and hand it to the platform's mail."""
    platform = job.platform
    account = session.get(Account, letter.account_id) if letter.account_id else None
    if letter.account_id and account is None:
        return
    context: dict[str, object] = {
        "name": account.name if account else "",
        "username": account.username if account else "",
        "site": platform.public_url,
        "address": letter.to,
        "link": link_of(platform, letter, account),
        "security_link": platform.url("/account/security"),
        **letter.details,
    }
    body = platform.renderer.render(f"accounts/mail/{letter.kind}.txt", context)
    mail.send(session, to=letter.to, subject=SUBJECTS[letter.kind], text=body)


def link_of(platform: Platform, letter: AccountLetter, account: Account | None) -> str:
    """The signed link of a letter that has one."""
    from dodeca.commons.accounts.vault import vault_of

    links = vault_of(platform).mail_links
    if account is None:
        return platform.url("/register")
    if letter.kind == "verify":
        token = links.sign(["verify", account.id, letter.to], seconds=VERIFY_SECONDS)
        return platform.url(f"/verify?token={quote(token)}")
    if letter.kind == "reset":
        token = links.sign(["reset", account.id, fingerprint(account)], seconds=RESET_SECONDS)
        return platform.url(f"/reset/confirm?token={quote(token)}")
    if letter.kind == "deletion_requested":
        return platform.url("/login")
    return platform.url("/account")


def fingerprint(account: Account) -> str:
    """What changes with the password and the address: a link that names it works once."""
    state = f"{account.id}|{account.password_hash}|{account.email_key}|{account.password_changed_at}"
    return hashlib.sha256(state.encode()).hexdigest()[:16]
