"""Full-text search over posts and comments: indexed by a job, seen by the rule that all lists follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec
from sqlalchemy import String, cast, select

from dodeca.commons.accounts.public import account_by_id
from dodeca.commons.discussion import plain_text
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.jobs import JobContext, job
from dodeca.kernel.search import Document, Hit, SearchIndex
from dodeca.products.news.models import Item, ItemTag
from dodeca.products.news.service.members import Viewer, visible_to

index = SearchIndex(
    "news",
    module="news",
    fields={"title": 10.0, "text": 3.0, "author": 2.0, "url": 2.0},
    filters=("type", "author", "site"),
)


class ItemRef(msgspec.Struct):
    """Which item."""

    item_id: int


@job("news.index_item", payload=ItemRef)
def index_item(session: WriteSession, _job: JobContext, payload: ItemRef) -> None:
    """Bring the index up to what the item says now."""
    item = session.get(Item, payload.item_id)
    if item is not None:
        put(session, item)


def put(session: WriteSession, item: Item) -> None:
    """Index an item; a deleted one is taken out."""
    if item.state == "deleted" or item.type == "pollopt":
        index.remove(session, str(item.id))
        return
    author = account_by_id(session, item.author_id) if item.author_id is not None else None
    name = author.username if author is not None else ""
    made = document(item.id, item.type, item.title, item.html, item.url, item.site, name, item.created_at)
    index.index(session, made.doc_id, made.fields, filters=made.filters, at=made.at)


def document(
    item_id: int, kind: str, title: str, html: str, url: str | None, site: str | None, author: str, at: datetime
) -> Document:
    """What is found of an item."""
    return Document(
        doc_id=str(item_id),
        fields={"title": title, "text": plain_text(html), "author": author, "url": url or ""},
        filters={
            "type": "comment" if kind == "comment" else "post",
            "author": author.lower(),
            **({"site": site} if site else {}),
        },
        at=at,
    )


def later(session: WriteSession, item: Item) -> None:
    """Index the item soon."""
    index_item.enqueue(session, ItemRef(item.id), key=str(item.id))


def find(
    session: ReadSession,
    viewer: Viewer,
    text: str,
    *,
    tag: str | None = None,
    author: str | None = None,
    site: str | None = None,
    sort: str = "relevance",
    limit: int = 30,
) -> tuple[list[Item], list[Item]]:
    """Posts and comments with these words. Raises Invalid for an unknown sort."""
    if sort not in ("relevance", "new"):
        raise Invalid("sort is relevance or new.", field="sort")
    filters = {k: v.lower() for k, v in (("author", author), ("site", site)) if v}
    visible = select(cast(Item.id, String)).where(
        Item.id == cast(index.table.c.doc_id, Item.id.type), visible_to(viewer), Item.state != "deleted"
    )  # for one document at a time: a list of all that may be seen would be made anew for each query
    if tag:
        visible = visible.where(Item.id.in_(select(ItemTag.item_id).where(ItemTag.tag == tag.lower())))
    asked = partial(
        index.query,
        session,
        text,
        visible=visible,  # type: ignore[arg-type]
        newest=sort == "new",
        snippet_words=0,
    )
    found = [_rows(session, asked(limit=limit, filters={**filters, "type": kind})) for kind in ("post", "comment")]
    if not any(found):  # a misspelt word costs some hundred look-ups: once, for both kinds together
        near = _rows(session, asked(limit=2 * limit, filters=filters, typos=True))
        found = [[item for item in near if (item.type == "comment") == is_comment] for is_comment in (False, True)]
    return found[0][:limit], found[1][:limit]


def _rows(session: ReadSession, hits: Sequence[Hit]) -> list[Item]:
    rows = session.get_many(Item, [int(hit.doc_id) for hit in hits])
    return list(rows.values())
