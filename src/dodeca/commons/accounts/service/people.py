"""Accounts themselves: finding, creating, changing, suspending them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, func, insert, or_, select

from dodeca.commons.accounts import letters
from dodeca.commons.accounts.events import EmailProven
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit, roles, sessions, text
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.kernel import clock, ids, outbox
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.http import Slice, page_of

ALTERNATIVES = 20
"""Names that are tried when one is made for somebody."""


class UsernameTaken(Conflict):
    """Somebody has this name already, in whatever case."""


class EmailTaken(Conflict):
    """Another account holds this mail address."""


def create(
    session: WriteSession,
    username: str,
    *,
    password_hash: str | None,
    email: str | None = None,
    name: str | None = None,
    email_verified: bool = False,
    origin: Origin = NOWHERE,
    reserved_too: bool = False,
) -> Account:
    """Make an account and ask for proof of its address. Raises Invalid, UsernameTaken, EmailTaken."""
    username = text.username(username, reserved_too=reserved_too)
    address = text.email(email) if email else None
    if _by_key(session, username) is not None:
        raise UsernameTaken("Username already exists.", field="username")
    if address and session.scalar(select(Account.id).where(Account.email_key == text.email_key(address))):
        raise EmailTaken("An account with this email already exists.", field="email")
    account = Account(
        id=ids.new_id(),
        username=username,
        username_key=username.lower(),
        name=text.line(name, "name") if name and name.strip() else username,
        email=address,
        email_key=text.email_key(address) if address else None,
        email_verified_at=clock.now() if email_verified and address else None,
        password_hash=password_hash,
        password_changed_at=clock.now() if password_hash else None,
    )
    # The check above words the usual case; the constraints decide when two come at once.
    with claiming(session, Account, otherwise=UsernameTaken("Just taken. Choose another.", field="username")):
        session.add(account)
    audit.record(session, account.id, "account.registered", origin)
    if address and email_verified:
        outbox.add(session, EmailProven(account_id=account.id))
    elif address:
        letters.ask_to_verify(session, account, address)
    return account


def create_many(
    session: WriteSession, wishes: Sequence[str], since: Mapping[str, datetime] | None = None
) -> dict[str, str]:
    """Accounts that nobody can sign in to, for the authors of an import: wish → account id.

    `since` says of some how long they have been there. A wish that is a username and free is taken as it is, and such
    accounts are made in one statement."""
    usable = (wish for wish in wishes if text.USERNAME.fullmatch(wish) and wish.lower() not in text.RESERVED)
    keys = {wish: wish.lower() for wish in usable}
    taken = set(session.scalars(select(Account.username_key).where(Account.username_key.in_(sorted(keys.values())))))
    made: dict[str, str] = {}
    rows, now = [], clock.now()
    for wish, key in keys.items():
        if key in taken:
            continue
        taken.add(key)
        made[wish] = ids.new_id()
        begun = since.get(wish, now) if since is not None else now
        rows.append({"id": made[wish], "username": wish, "username_key": key, "name": wish, "created_at": begun})
    if rows:
        session.execute(insert(Account), rows)
    for wish in wishes:
        if wish not in made:
            made[wish] = create(session, free_username(session, wish), password_hash=None).id
    return made


def free_username(session: ReadSession, wish: str) -> str:
    """A name that nobody has, as near to `wish` (a person's name, the start of an address) as the rules allow."""
    plain = "".join(c for c in _ascii(wish.strip()) if c.isascii() and (c.isalnum() or c in "_-"))[:24]
    if len(plain) < 2 or plain.lower() in text.RESERVED:
        plain = "member"
    candidates = [plain, *(f"{plain}{number}" for number in range(2, ALTERNATIVES))]
    keys = [candidate.lower() for candidate in candidates]
    taken = set(session.scalars(select(Account.username_key).where(Account.username_key.in_(keys))))
    free = next((candidate for candidate in candidates if candidate.lower() not in taken), None)
    return free or f"{plain}-{ids.random_base62(6)}"


def _ascii(wish: str) -> str:
    import unicodedata

    spaced = "_".join(wish.split())
    return unicodedata.normalize("NFKD", spaced)


def _by_key(session: ReadSession, username: str) -> Account | None:
    return session.scalar(select(Account).where(Account.username_key == username.lower()))


def account_by_id(session: ReadSession, account_id: str) -> Account | None:
    """The account of this id, unless it is deleted."""
    account = session.get(Account, account_id)
    return account if account is not None and account.deleted_at is None else None


def account_by_name(session: ReadSession, username: str) -> Account | None:
    """The account of this username, in whatever case, unless it is deleted."""
    account = _by_key(session, username) if text.USERNAME.fullmatch(username) else None
    return account if account is not None and account.deleted_at is None else None


def account_by_login(session: ReadSession, login: str) -> Account | None:
    """The account of a username or mail address."""
    if "@" not in login:
        return account_by_name(session, login.strip())
    return account_by_email(session, login)


def account_by_email(session: ReadSession, address: str) -> Account | None:
    """The account that holds a mail address, proven or not."""
    if len(address) > text.LONGEST_EMAIL or not address.isprintable():
        return None
    account = session.scalar(select(Account).where(Account.email_key == text.email_key(address)))
    return account if account is not None and account.deleted_at is None else None


def accounts_by_ids(session: ReadSession, account_ids: Sequence[str]) -> dict[str, Account]:
    """Accounts by id, deleted ones included: pages still name whoever wrote something once."""
    return session.get_many(Account, account_ids)


def search(
    session: ReadSession, words: str = "", *, role: str = "", limit: int | None = None, cursor: str | None = None
) -> Slice[Account]:
    """Accounts for staff, newest first: by part of name, username or address, and by role."""
    statement: Select[Account] = select(Account).where(Account.deleted_at.is_(None))
    if words.strip():
        part = words.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        columns = (Account.username_key, func.lower(Account.name), Account.email_key)
        statement = statement.where(or_(*(column.like(f"%{part}%", escape="\\") for column in columns)))
    if role:
        statement = statement.where(Account.id.in_(roles.holders(role)))
    return page_of(session, statement, order=[Account.created_at, Account.id], limit=limit, cursor=cursor)


def is_empty(session: ReadSession) -> bool:
    """Whether nobody has an account yet."""
    return session.scalar(select(Account.id).limit(1)) is None


def change(
    session: WriteSession,
    account: Account,
    origin: Origin = NOWHERE,
    *,
    name: str | None = None,
    email: str | None = None,
) -> None:
    """Change what is given; where the old address is proven, the new one waits for that. Raises Invalid, EmailTaken."""
    if name is not None:
        account.name = text.line(name, "name") if name.strip() else account.username
        audit.record(session, account.id, "account.changed", origin)
        forget_principal(session, account.id)
    if email is not None:
        _change_email(session, account, email, origin)


def _change_email(session: WriteSession, account: Account, email: str, origin: Origin) -> None:
    if not email.strip():
        if account.password_hash is None:
            raise Invalid("Set a password first: without it the address is your way back in.", field="email")
        account.email = account.email_key = account.email_verified_at = account.pending_email = None
        audit.record(session, account.id, "email.changed", origin, removed=True)
        return
    address = text.email(email)
    if account.email is not None and text.email_key(address) == account.email_key:
        account.email, account.pending_email = address, None
        return
    holder = session.scalar(select(Account.id).where(Account.email_key == text.email_key(address)))
    if holder is not None:
        raise EmailTaken("Another account has this email.", field="email")
    if account.email_verified_at is not None:
        account.pending_email = address
        letters.tell(session, account, "email_changing", address=address)
    else:
        with claiming(session, Account, otherwise=EmailTaken("Another account has this email.", field="email")):
            account.email, account.email_key = address, text.email_key(address)
    audit.record(session, account.id, "email.changed", origin)
    letters.ask_to_verify(session, account, address)


def suspend(session: WriteSession, staff: Account, account: Account, origin: Origin = NOWHERE) -> None:
    """Keep an account from acting, until it is reinstated. Raises Conflict for the last admin."""
    roles.keep_an_admin(session, without=account)
    account.suspended_at = clock.now()
    sessions.end_all(session, account)
    audit.record(session, account.id, "account.suspended", origin, actor_id=staff.id)


def reinstate(session: WriteSession, staff: Account, account: Account, origin: Origin = NOWHERE) -> None:
    """End a suspension. Raises NotFound when there is none."""
    if account.suspended_at is None:
        raise NotFound("This account is not suspended.")
    account.suspended_at = None
    audit.record(session, account.id, "account.reinstated", origin, actor_id=staff.id)
    forget_principal(session, account.id)
