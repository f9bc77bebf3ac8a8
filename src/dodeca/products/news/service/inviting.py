"""Who becomes a member, and who let whom in.

The rule `signup` says whether news is open to every account of the platform, to those that a member invites, or to
nobody further. Who is a member already stays one. Who invited whom is public, so that members choose well whom they let
in (as on Lobsters, https://lobste.rs/about#invitations).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import aliased

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.crypto import random_token
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Gone, NotFound
from dodeca.products.news.models import Invitation, Member
from dodeca.products.news.service import members
from dodeca.products.news.service.rules import current

MOST_OPEN: Final = 5
"""Invitations of one member that nobody has used yet."""
MOST_IN_TREE: Final = 2_000


class Branch(NamedTuple):
    """A member in the tree of invitations; `depth` 0 came without one."""

    account: Account
    depth: int


def can_invite(session: ReadSession, account_id: str) -> bool:
    """Whether a member may make invitations now."""
    row = session.get(Member, account_id)
    return row is not None and row.banned_reason is None and current(session).signup != "closed"


def invite(session: WriteSession, account_id: str) -> Invitation:
    """Make an invitation. Raises Forbidden, Conflict where too many wait to be used."""
    members.check_banned(members.joined(session, account_id).banned_reason)
    if current(session).signup == "closed":
        raise members.NotInvited(members.CLOSED)
    session.get_locked(Member, account_id)  # two at once would both find room
    waiting = select(func.count()).where(Invitation.inviter_id == account_id, Invitation.used_by.is_(None))
    if session.execute(waiting).scalar_one() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} of your invitations have not been used yet. Revoke one first.")
    made = Invitation(code=random_token(15), inviter_id=account_id)
    session.add(made)
    session.flush()
    return made


def open_ones(session: ReadSession, account_id: str) -> Sequence[Invitation]:
    """A member's invitations that wait to be used, newest first."""
    mine = select(Invitation).where(Invitation.inviter_id == account_id, Invitation.used_by.is_(None))
    return session.scalars(mine.order_by(Invitation.created_at.desc(), Invitation.code)).all()


def revoke(session: WriteSession, account_id: str, code: str) -> None:
    """Take an unused invitation back. Raises NotFound."""
    mine = delete(Invitation).where(
        Invitation.code == code, Invitation.inviter_id == account_id, Invitation.used_by.is_(None)
    )
    if session.scalar(mine.returning(Invitation.code)) is None:
        raise NotFound("There is no such invitation.")


def find(session: ReadSession, code: str) -> tuple[Invitation, Account]:
    """An invitation that can still be used, and who made it. Raises NotFound, Gone."""
    found = session.get(Invitation, code[:100])
    inviter = session.get(Account, found.inviter_id) if found is not None else None
    if found is None or inviter is None:
        raise NotFound("There is no such invitation.")
    maker = session.get(Member, inviter.id)
    banned = maker is not None and maker.banned_reason is not None
    if found.used_by is not None or banned or not inviter.is_active or current(session).signup == "closed":
        raise Gone("This invitation cannot be used any more.")
    return found, inviter


def accept(session: WriteSession, account_id: str, code: str) -> Member:
    """Become a member by an invitation. Raises NotFound, Gone, Conflict for who is a member already."""
    found, inviter = find(session, code)
    if inviter.id == account_id:
        raise Conflict("This is your own invitation: give it to somebody else.")
    if session.get(Member, account_id) is not None:
        raise Conflict("You are a member already: the invitation stays unused.")
    use = (
        update(Invitation)
        .where(Invitation.code == found.code, Invitation.used_by.is_(None))
        .values(used_by=account_id, used_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    if session.scalar(use.returning(Invitation.code)) is None:  # somebody was faster
        raise Gone("This invitation cannot be used any more.")
    return members.member(session, account_id)


def inviter_of(session: ReadSession, account_id: str) -> Account | None:
    """Who let a member in; None where nobody had to."""
    statement = select(Account).join(Invitation, Invitation.inviter_id == Account.id)
    return session.scalar(statement.where(Invitation.used_by == account_id))


def invited_by(session: ReadSession, account_id: str) -> Sequence[Account]:
    """Whom a member let in, in order."""
    statement = select(Account).join(Invitation, Invitation.used_by == Account.id)
    return session.scalars(statement.where(Invitation.inviter_id == account_id).order_by(Invitation.used_at)).all()


def tree(session: ReadSession) -> list[Branch]:
    """All who came by invitation, below who let them in; at most MOST_IN_TREE, the earliest first."""
    guest, host = aliased(Account), aliased(Account)
    statement = (
        select(host, guest)
        .select_from(Invitation)
        .join(host, host.id == Invitation.inviter_id)
        .join(guest, guest.id == Invitation.used_by)
        .order_by(Invitation.used_at, Invitation.code)
        .limit(MOST_IN_TREE)
    )
    below: dict[str, list[Account]] = {}
    hosts: dict[str, Account] = {}
    guests: set[str] = set()
    for inviter, invited in session.execute(statement):
        hosts.setdefault(inviter.id, inviter)
        below.setdefault(inviter.id, []).append(invited)
        guests.add(invited.id)
    return _branches([account for key, account in hosts.items() if key not in guests], below)


def _branches(roots: Sequence[Account], below: Mapping[str, Sequence[Account]]) -> list[Branch]:
    """Depth first, without recursion: a chain of invitations may be longer than Python's stack."""
    found: list[Branch] = []
    waiting = [Branch(account, 0) for account in reversed(roots)]
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        waiting += [Branch(guest, branch.depth + 1) for guest in reversed(below.get(branch.account.id, ()))]
    return found
