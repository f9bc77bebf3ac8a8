"""What news holds of one account, as files for its owner."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import select

from dodeca.commons import following
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.products.news.models import Favorite, Flag, Hide, Item, Member, ShelfEntry, Suggestion, Vote
from dodeca.products.news.service import shelf
from dodeca.products.news.service.rules import PRODUCT

_WORDS = {1: "upvote", -1: "downvote"}


def export(session: ReadSession, account_id: str) -> Mapping[str, bytes]:
    """File name → content."""
    member = session.get(Member, account_id)
    own = session.scalars(select(Item).where(Item.author_id == account_id).order_by(Item.id)).all()
    profile = {
        "id": account_id,
        "karma": member.karma if member is not None else 1,
        "about": member.about if member is not None else "",
    }
    favorites = select(Favorite.item_id).where(Favorite.user_id == account_id).order_by(Favorite.created_at)
    hidden = select(Hide.item_id).where(Hide.user_id == account_id).order_by(Hide.created_at)
    follows = [
        f"{kind}:{target}"
        for kind in ("user", "tag")
        for target in session.scalars(following.followed(PRODUCT, account_id, kind))
    ]
    return {
        "user.json": msgspec.json.format(msgspec.json.encode(profile)),
        "items.jsonl": b"".join(msgspec.json.encode(_item(item)) + b"\n" for item in own),
        "favorites.txt": _lines(session.scalars(favorites).all()),
        "hidden.txt": _lines(session.scalars(hidden).all()),
        "follows.txt": _lines(follows),
        "votes.csv": _votes(session, account_id),
        "flags.csv": _flags(session, account_id),
        "suggestions.jsonl": _suggestions(session, account_id),
        "shelf.jsonl": b"".join(msgspec.json.encode(_shelved(row)) + b"\n" for row in shelf.of(session, account_id)),
    }


def zipped(session: ReadSession, account_id: str) -> bytes:
    """The same as one ZIP."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in export(session, account_id).items():
            archive.writestr(name, content)
    return target.getvalue()


def _item(item: Item) -> dict[str, object]:
    held = {
        "id": item.id,
        "type": item.type,
        "time": int(item.created_at.timestamp()),
        "title": item.title,
        "url": item.url,
        "content": item.content,
        "parent": item.parent_id,
        "score": item.score,
        "state": item.state,
    }
    return {name: value for name, value in held.items() if value not in (None, "")}


def _shelved(row: ShelfEntry) -> dict[str, object]:
    held = {"kind": row.kind, "id": row.ref, "title": row.title, "url": row.url, "text": row.html}
    return {name: value for name, value in held.items() if value}


def _lines(values: Sequence[object]) -> bytes:
    return "".join(f"{value}\n" for value in values).encode()


def _votes(session: ReadSession, account_id: str) -> bytes:
    statement = select(Vote.item_id, Item.type, Vote.direction, Vote.created_at).join(Item, Item.id == Vote.item_id)
    rows = session.execute(statement.where(Vote.user_id == account_id).order_by(Vote.created_at)).all()
    kinds = {"comment": "comment", "pollopt": "pollopt"}
    table = [(row[0], kinds.get(row[1], "post"), _WORDS[row[2]], rfc3339(row[3])) for row in rows]
    return _csv(("item_id", "target_type", "vote_type", "created_at"), table)


def _flags(session: ReadSession, account_id: str) -> bytes:
    statement = select(Flag.item_id, Flag.reason, Flag.created_at).where(Flag.user_id == account_id)
    rows = session.execute(statement.order_by(Flag.created_at)).all()
    return _csv(("item_id", "reason", "created_at"), [(row[0], row[1], rfc3339(row[2])) for row in rows])


def _suggestions(session: ReadSession, account_id: str) -> bytes:
    rows = session.scalars(select(Suggestion).where(Suggestion.user_id == account_id).order_by(Suggestion.item_id))
    held = ({"id": row.item_id, "title": row.title, "tags": row.tags} for row in rows)
    return b"".join(msgspec.json.encode(row) + b"\n" for row in held)


def _csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([header, *rows])
    return target.getvalue().encode()
