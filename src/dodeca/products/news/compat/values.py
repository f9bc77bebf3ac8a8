"""Items, users and lists in the shape of Hacker News' API (https://github.com/HackerNews/API)."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, select

from dodeca.commons.accounts.public import account_by_id, account_by_name
from dodeca.commons.discussion.text import rendered
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.products.news.models import Item, Member
from dodeca.products.news.service import items, listing, threads
from dodeca.products.news.service.rules import current

PUBLIC: Final = ("live", "flagged", "dead", "deleted")
"""States that Hacker News' API tells of; what waits or is held back is not there at all."""
HIDDEN: Final = {"flagged": "[flagged]", "dead": "[dead]"}
LONG_LIST, SHORT_LIST, UPDATES = 500, 200, 100
SUBMITTED: Final = 10_000
LISTS: Final[dict[str, Callable[[ReadSession], list[int]]]] = {
    "topstories": lambda session: _ids(session, "rank", LONG_LIST),
    "newstories": lambda session: _ids(session, "created_at", LONG_LIST),
    "beststories": lambda session: _ids(session, "heat", LONG_LIST),
    "askstories": lambda session: _ids(session, "rank", SHORT_LIST, "ask"),
    "showstories": lambda session: _ids(session, "rank", SHORT_LIST, "show"),
    "jobstories": lambda session: _ids(session, "rank", SHORT_LIST, "job"),
}


class _Below(NamedTuple):
    """What orders the answers to an item, and tells them from the options of a poll."""

    id: int
    type: str
    state: str
    counted: int
    created_at: datetime


_below = Prepared(
    select(*(getattr(Item, name) for name in _Below._fields)).where(Item.parent_id == bindparam("parent_id"))
)


def _ids(session: ReadSession, order: str, limit: int, kind: str | None = None) -> list[int]:
    statement = select(Item.id).where(Item.state == "live", listing.IS_POST, Item.merged_into.is_(None))
    if kind is not None:
        statement = statement.where(listing.of_kind(kind))
    elif order != "rank":
        statement = statement.where(Item.kind != "job")
    return list(session.scalars(statement.order_by(getattr(Item, order).desc(), Item.id.desc()).limit(limit)))


def item(session: ReadSession, item_id: int) -> dict[str, Any] | None:
    """One item; None where there is none to tell of."""
    row = session.get(Item, item_id) if 0 < item_id < items.LARGEST_ID else None
    if row is None or row.state not in PUBLIC:
        return None
    author = account_by_id(session, row.author_id) if row.author_id is not None else None
    below = [_Below._make(each) for each in _below.rows(session, parent_id=row.id)] if row.type != "pollopt" else []
    answers = [each for each in below if each.type == "comment" and each.state in PUBLIC]
    kids = [each.id for each in threads.ordered(answers, "best", current(session))]
    options = sorted(each.id for each in below if each.type == "pollopt")
    return shaped(row, author.username if author is not None else None, kids, options)


def shaped(row: Item, by: str | None, kids: Sequence[int], parts: Sequence[int] = ()) -> dict[str, Any]:
    """A row in the API's shape; empty members are left out."""
    held: dict[str, Any] = {
        "id": row.id,
        "type": row.type,
        "time": int(row.created_at.timestamp()),
        "parent": row.parent_id if row.type == "comment" else None,
        "deleted": row.state == "deleted" or None,
    }
    if row.state == "deleted":
        return {name: value for name, value in held.items() if value is not None}
    is_post = row.parent_id is None
    held |= {
        "by": by,
        "poll": row.parent_id if row.type == "pollopt" else None,
        "kids": list(kids),
        "parts": list(parts),
        "score": row.score if row.type != "comment" else None,
        "descendants": items.comments_shown(row) if row.type in ("story", "poll") else None,
    }
    if row.state in HIDDEN:
        held |= {"dead": True, ("title" if is_post else "text"): HIDDEN[row.state]}
    else:
        held |= {"title": html.escape(row.title, quote=False), "text": row.html, "url": row.url}
    return {name: value for name, value in held.items() if value not in (None, "", [])}


def user(session: ReadSession, name: str) -> dict[str, Any] | None:
    """A user with public activity, by the exact name; None otherwise."""
    account = account_by_name(session, name)
    if account is None or account.username != name:
        return None
    statement = select(Item.id).where(Item.author_id == account.id, Item.state.in_(("live", "flagged", "dead")))
    submitted = list(session.scalars(statement.order_by(Item.id.desc()).limit(SUBMITTED)))
    if not submitted:
        return None
    row = session.get(Member, account.id)
    held = {
        "id": account.username,
        "created": int(account.created_at.timestamp()),
        "karma": row.karma if row is not None else 1,
        "about": rendered(row.about) if row is not None else "",
        "delay": (row.delay if row is not None else 0) or None,
        "submitted": submitted,
    }
    return {key: value for key, value in held.items() if value not in (None, "", [])}


def maxitem(session: ReadSession) -> int:
    """The greatest id that can be asked for."""
    newest = select(Item.id).where(Item.state.in_(PUBLIC)).order_by(Item.id.desc()).limit(1)
    return session.scalar(newest) or 0


def updates(session: ReadSession) -> dict[str, list[Any]]:
    """What changed last, and whose it is: what an item says, and of posts the points and the comments too."""
    found: dict[int, tuple[datetime, str | None]] = {}
    for moment, *which in ((Item.updated_at,), (Item.voted_at, listing.IS_POST), (Item.active_at, listing.IS_POST)):
        statement = select(Item.id, moment, Item.author_id).where(Item.state.in_(PUBLIC), *which)
        for item_id, at, author_id in session.execute(statement.order_by(moment.desc()).limit(UPDATES)):
            found[item_id] = max((at, author_id), found.get(item_id, (at, author_id)), key=itemgetter(0))
    last = sorted(found, key=lambda item_id: (found[item_id][0], item_id), reverse=True)[:UPDATES]
    authors = list(dict.fromkeys(author for _, author in (found[item_id] for item_id in last) if author is not None))
    names = listing.usernames(session, authors)
    return {"items": last, "profiles": [names[each] for each in authors if each in names]}
