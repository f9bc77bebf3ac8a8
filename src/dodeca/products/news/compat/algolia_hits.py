"""Hits in the shape of the search API, with what matched in them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.kernel.search import Query, parsed
from dodeca.kernel.search.words import tokens
from dodeca.products.news.compat.algolia_query import Asked
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, listing
from dodeca.products.news.service.members import VISITOR

_MARKED: Final = {
    "story": ("title", "url", "author", "story_text"),
    "comment": ("author", "comment_text", "story_title", "story_url"),
}


def hits(session: ReadSession, ids: Sequence[int], asked: Asked) -> list[dict[str, Any]]:
    """The items as hits, in the order of their ids."""
    rows = listing.by_ids(session, VISITOR, ids)
    found = [rows[number] for number in ids if number in rows]
    names = listing.names_of(session, found)
    roots = listing.by_ids(session, VISITOR, {row.root_id for row in found if row.root_id is not None})
    children = _children(session, [row.id for row in found])
    query = parsed(asked.query)
    return [_hit(row, names, roots.get(row.root_id or 0), children.get(row.id, []), query) for row in found]


def _children(session: ReadSession, ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    statement = select(Item.parent_id, Item.id).where(Item.parent_id.in_(ids), Item.state == "live")
    for parent_id, number in session.execute(statement.order_by(Item.id)) if ids else ():
        found.setdefault(parent_id or 0, []).append(number)
    return found


def _hit(row: Item, names: dict[str, str], root: Item | None, children: list[int], query: Query) -> dict[str, Any]:
    is_comment = row.type == "comment"
    author = names.get(row.author_id or "", "")
    story_id = row.root_id or row.id
    hit: dict[str, Any] = {
        "objectID": str(row.id),
        "created_at": rfc3339(row.created_at),
        "created_at_i": int(row.created_at.timestamp()),
        "updated_at": rfc3339(row.updated_at),
        "author": author,
        "title": None if is_comment else row.title,
        "url": None if is_comment else row.url,
        "points": None if is_comment else row.score,
        "num_comments": None if is_comment else items.comments_shown(row),
        "story_text": (row.html or None) if not is_comment else None,
        "comment_text": row.html if is_comment else None,
        "story_id": story_id,
        "story_title": root.title if is_comment and root is not None else None,
        "story_url": root.url if is_comment and root is not None else None,
        "parent_id": row.parent_id,
        "children": children,
        "_tags": _tags(row, author, story_id),
    }
    fields = _MARKED["comment" if is_comment else "story"]
    hit["_highlightResult"] = {name: _marked(hit[name], query) for name in fields if hit[name]}
    return hit


def _tags(row: Item, author: str, story_id: int) -> list[str]:
    tags = [row.type, f"author_{author}", f"story_{story_id}"]
    return [*tags, f"{row.kind}_hn"] if row.kind in ("ask", "show") else tags


def _marked(text: str, query: Query) -> dict[str, Any]:
    """The text with <em> around what matched, whether all words did, and which."""
    words = {word for term in query.wanted for word in term.words}
    begins = {term.words[-1] for term in query.wanted if term.prefix}
    seen: set[str] = set()
    parts: list[str] = []
    at = 0
    for token in tokens(text):
        word = token.word if token.word in words else next((b for b in begins if token.word.startswith(b)), None)
        if word is None or token.start < at:
            continue
        seen.add(word)
        parts += [html.escape(text[at : token.start]), f"<em>{html.escape(text[token.start : token.end])}</em>"]
        at = token.end
    parts.append(html.escape(text[at:]))
    level = "none" if not seen else "full" if seen >= words else "partial"
    found: dict[str, Any] = {"value": "".join(parts), "matchLevel": level, "matchedWords": sorted(seen)}
    return found if level == "none" else {**found, "fullyHighlighted": False}
