"""Writing items and users out as JSON lines in the shape of Hacker News' API, so that another server takes them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from dodeca.commons.accounts.public import account_by_login, accounts_by_ids
from dodeca.commons.discussion.text import rendered
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound
from dodeca.products.news.models import Item, Member
from dodeca.products.news.service import items, listing

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PAGE = 1000
PUBLIC_STATES = ("live", "flagged", "dead", "deleted")
_encoder = msgspec.json.Encoder(order="sorted")


def run(platform: Platform, owner: str = "", **_options: object) -> Iterator[bytes]:
    """All public items, oldest id first, then the members; with `owner` only that account's. Raises NotFound."""
    account_id = platform.db.read(lambda session: _owner(session, owner)) if owner else None
    after = 0
    while True:
        lines, after_now = platform.db.read(lambda session, after=after: _items(session, after, account_id))  # type: ignore[misc]
        if not lines:
            break
        after = after_now
        yield b"".join(lines)
    last = ""
    while True:
        lines, last_now = platform.db.read(lambda session, last=last: _members(session, last, account_id))  # type: ignore[misc]
        if not lines:
            return
        last = last_now
        yield b"".join(lines)


def _owner(session: ReadSession, login: str) -> str:
    account = account_by_login(session, login)
    if account is None:
        raise NotFound(f"There is no account {login}.")
    return account.id


def _items(session: ReadSession, after: int, account_id: str | None) -> tuple[list[bytes], int]:
    statement = select(Item).where(Item.id > after, Item.state.in_(PUBLIC_STATES))
    if account_id is not None:
        statement = statement.where(Item.author_id == account_id)
    found = session.scalars(statement.order_by(Item.id).limit(PAGE)).all()
    names = listing.names_of(session, found)
    tags = listing.tags_of(session, [item.id for item in found])
    lines = [_encoder.encode(exported(item, names, tags.get(item.id, ()))) + b"\n" for item in found]
    return lines, found[-1].id if found else after


def exported(item: Item, names: dict[str, str], tags: Sequence[str] = ()) -> dict[str, Any]:
    """One item with all that an import needs; empty members are left out."""
    is_post = item.parent_id is None
    held: dict[str, Any] = {
        "id": item.id,
        "type": item.type,
        "by": names.get(item.author_id or ""),
        "time": int(item.created_at.timestamp()),
        "title": item.title,
        "url": item.url,
        "text": item.html,
        "parent": item.parent_id if item.type == "comment" else None,
        "poll": item.parent_id if item.type == "pollopt" else None,
        "score": item.score if item.state != "deleted" else None,
        "descendants": items.comments_shown(item) if is_post and item.type != "job" else None,
        "dead": item.state in ("dead", "flagged") or None,
        "flagged": item.state == "flagged" or None,
        "deleted": item.state == "deleted" or None,
        "tags": list(tags),
    }
    return {name: value for name, value in held.items() if value not in (None, "", [])}


def _members(session: ReadSession, after: str, account_id: str | None) -> tuple[list[bytes], str]:
    statement = select(Member).where(Member.user_id > after)
    if account_id is not None:
        statement = statement.where(Member.user_id == account_id)
    found = session.scalars(statement.order_by(Member.user_id).limit(PAGE)).all()
    accounts = accounts_by_ids(session, [row.user_id for row in found])
    lines = []
    for row in found:
        account = accounts.get(row.user_id)
        if account is not None:
            user = {
                "id": account.username,
                "created": int(account.created_at.timestamp()),
                "karma": row.karma,
                "about": rendered(row.about),
                "delay": row.delay,
            }
            kept = {name: value for name, value in user.items() if value not in ("", 0) or name == "karma"}
            lines.append(_encoder.encode(kept) + b"\n")
    if not lines and found:  # members whose account is gone: go on behind them
        return [b""], found[-1].user_id
    return lines, found[-1].user_id if found else after


exporters = {"": run, "hn": run}
