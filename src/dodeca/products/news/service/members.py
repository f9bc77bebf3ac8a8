"""Members: who looks, who may what, karma, choices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, or_, select, true
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.commons.accounts.public import Account, roles_of
from dodeca.commons.discussion.text import cleaned
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Forbidden, Invalid
from dodeca.products.news.models import Item, Member, TagFilter, Visit
from dodeca.products.news.service.rules import current

LONGEST_ABOUT = 10_000
FIRST_KARMA = 1
KARMA_FOR_TOPCOLOR = 251
_COLOUR = re.compile(r"[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. Without `account_id` a visitor."""

    account_id: str | None = None
    is_moderator: bool = False
    showdead: bool = False


VISITOR = Viewer()
CLOSED = "News takes no new members at present."
_STAFF = frozenset({"moderator", "admin"})


_showdead = Prepared(select(Member.showdead).where(Member.user_id == bindparam("account_id")))


class NotInvited(Forbidden):
    """This account is not a member, and news is not open to everybody."""


class Banned(Forbidden):
    """A moderator banned this account from news."""


def insert_for(session: ReadSession) -> type[sqlite.Insert] | type[postgresql.Insert]:
    """The engine's own INSERT, which knows ON CONFLICT."""
    return sqlite.Insert if session.dialect == "sqlite" else postgresql.Insert


def viewer_of(session: ReadSession, account: Account | None, *, is_moderator: bool = False) -> Viewer:
    """The viewer that an account is."""
    if account is None:
        return VISITOR
    row = _showdead.first(session, account_id=account.id)
    return Viewer(account.id, is_moderator, row is not None and bool(row[0]))


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The one rule of who sees which item, for lists, single reads, search and export alike."""
    if viewer.is_moderator:
        return true()
    shown = ["live", "flagged", "dead"] if viewer.showdead else ["live"]
    if viewer.account_id is None:
        return Item.state.in_(shown)
    return or_(Item.state.in_(shown), and_(Item.author_id == viewer.account_id, Item.state != "deleted"))


def may_see(viewer: Viewer, item: Any) -> bool:
    """The same rule for a row at hand: an Item, or what was read of one."""
    if viewer.is_moderator or item.state == "live":
        return True
    if viewer.account_id is not None and item.author_id == viewer.account_id:
        return bool(item.state != "deleted")
    return viewer.showdead and item.state in ("flagged", "dead")


def member(session: WriteSession, account_id: str) -> Member:
    """The account's row, made where there is none, whether or not news is open to it: for what others do to it."""
    row = session.get(Member, account_id)
    if row is None:
        values = {"user_id": account_id, "joined_at": clock.now()}
        session.execute(insert_for(session)(Member).values(values).on_conflict_do_nothing())
        row = session.get_one(Member, account_id, populate_existing=True)
    return row


def joined(session: WriteSession, account_id: str) -> Member:
    """The member that an account is, or becomes by acting for the first time. Raises NotInvited."""
    row = session.get(Member, account_id)
    if row is not None:
        return row
    check_open(session, account_id)
    return member(session, account_id)


def check_open(session: ReadSession, account_id: str | None = None) -> None:
    """Raise NotInvited where somebody who is no member cannot become one without an invitation."""
    signup = current(session).signup
    if signup == "open" or (account_id is not None and roles_of(session, account_id) & _STAFF):
        return
    if signup == "invite":
        raise NotInvited("News takes new members by invitation: ask one of its members for a link.")
    raise NotInvited(CLOSED)


def acting_member(session: WriteSession, account_id: str) -> Member:
    """The same, for somebody who wants to post, vote or flag. Raises NotInvited, Banned."""
    row = joined(session, account_id)
    check_banned(row.banned_reason)
    return row


def check_banned(reason: str | None) -> None:
    """Raise Banned where a moderator gave a reason."""
    if reason is not None:
        raise Banned(f"This account is banned from news: {reason}")


def need_karma(karma: int, least: int, what: str) -> None:
    """Raise Forbidden below a threshold."""
    if karma < least:
        raise Forbidden(f"You need a karma of {least} to {what}; yours is {karma}.")


def change_profile(session: WriteSession, account_id: str, changes: Mapping[str, object]) -> Member:
    """Set choices: about, showdead, noprocrast, maxvisit, minaway, delay, topcolor, public_votes. Raises Invalid,
    NotInvited."""
    row = joined(session, account_id)
    for name, value in changes.items():
        setattr(row, name, _checked(row, name, value))
    session.flush()
    return row


def _checked(row: Member, name: str, value: object) -> object:
    if name == "about":
        about = cleaned(str(value))
        if len(about) > LONGEST_ABOUT:
            raise Invalid(f"Use at most {LONGEST_ABOUT:,} characters.", field="about")
        return about
    if name in ("showdead", "noprocrast", "public_votes"):
        return bool(value)
    if name in ("maxvisit", "minaway", "delay"):
        most = 10 if name == "delay" else 10_000
        if not isinstance(value, int) or not 0 <= value <= most:
            raise Invalid(f"{name} is a number of minutes from 0 to {most:,}.", field=name)
        return value
    if name == "topcolor":
        colour = str(value).strip().lower().removeprefix("#")
        if colour and row.karma < KARMA_FOR_TOPCOLOR:
            raise Forbidden(f"The colour can be chosen from a karma of {KARMA_FOR_TOPCOLOR}.", field="topcolor")
        if colour and not _COLOUR.fullmatch(colour):
            raise Invalid("Write a colour as six hexadecimal digits, such as ff6600.", field="topcolor")
        return colour
    raise Invalid(f"There is no choice {name}.", field=name)


def filters_of(session: ReadSession, account_id: str) -> list[str]:
    """The tags that a member does not want to see."""
    return list(session.scalars(select(TagFilter.tag).where(TagFilter.user_id == account_id).order_by(TagFilter.tag)))


def set_filters(session: WriteSession, account_id: str, tags: Sequence[str]) -> None:
    """Filter exactly these tags."""
    session.execute(delete(TagFilter).where(TagFilter.user_id == account_id))
    session.add_all(TagFilter(user_id=account_id, tag=tag) for tag in tags)
    session.flush()


def saw(session: WriteSession, account_id: str, root_id: int, until: int) -> None:
    """Note up to which comment a member has seen a thread; it only grows."""
    insert = insert_for(session)(Visit).values(user_id=account_id, root_id=root_id, seen_until=until)
    later = insert.on_conflict_do_update(
        index_elements=["user_id", "root_id"],
        set_={"seen_until": until},
        where=Visit.seen_until < until,
    )
    session.execute(later)


class KeptAway(Forbidden):
    """A member asked to be kept from staying too long."""


def wants_limits(session: ReadSession, account_id: str) -> bool:
    """Whether a member asked to be kept from staying too long (noprocrast)."""
    return bool(session.scalar(select(Member.noprocrast).where(Member.user_id == account_id)))


def visit(session: WriteSession, account_id: str) -> None:
    """Note that a member reads now. Raises KeptAway once `maxvisit` minutes are over, for `minaway` minutes."""
    row = session.get_locked(Member, account_id)
    if row is None or not row.noprocrast:
        return
    now = clock.now()
    began, seen = row.visit_began_at, row.visit_seen_at
    ends = began + timedelta(minutes=row.maxvisit) if began is not None else None
    away = timedelta(minutes=row.minaway)
    over = ends is None or now >= ends + away
    if over or (seen is not None and now - seen >= away):
        row.visit_began_at = now
    elif ends is not None and now >= ends:
        back = ends + away
        raise KeptAway(f"You asked to be kept away until {back:%H:%M} UTC. Your settings on news can change that.")
    row.visit_seen_at = now
    session.flush()
