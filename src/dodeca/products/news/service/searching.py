"""Full-text search over posts and comments: indexed by a job, seen by the rule that all lists follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Select, String, cast, select

from dodeca.commons.accounts.public import account_by_id
from dodeca.commons.discussion import plain_text
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.jobs import JobContext, Nothing, job
from dodeca.kernel.search import MOST_RANKED, Document, Hit, SearchIndex, join_all
from dodeca.products.news.models import Item, ItemTag
from dodeca.products.news.service.members import Viewer, may_see

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


@job("news.join_lists", every=3600)
async def join_lists(context: JobContext, _payload: Nothing) -> None:
    """Keep the index quick: an import leaves many long lists of words."""
    await join_all(context.platform.db, [index])


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
    asked = partial(index.query, session, text, visible=_tagged(tag), newest=sort == "new", snippet_words=0)
    shown = partial(_shown, session, viewer, limit=limit)
    # Both kinds at once, and who may see it asked only of what is shown: finding a document costs more than its row.
    hits = asked(limit=MOST_RANKED, filters=filters, loosely=True)
    found = []
    for kind in ("post", "comment"):
        rows = shown([hit for hit in hits if hit.filters["type"] == kind])
        if len(rows) < limit and len(hits) == MOST_RANKED:
            rows = shown(asked(limit=MOST_RANKED, filters={**filters, "type": kind}))
        found.append(rows)
    return found[0], found[1]


def _tagged(tag: str | None) -> Select[Any] | None:
    """The documents of posts with a tag, as the index wants them."""
    if not tag:
        return None
    return select(cast(ItemTag.item_id, String)).where(
        ItemTag.item_id == cast(index.table.c.doc_id, ItemTag.item_id.type), ItemTag.tag == tag.lower()
    )  # for one document at a time: a list of all would be made anew for each query


def _shown(session: ReadSession, viewer: Viewer, hits: Sequence[Hit], *, limit: int) -> list[Item]:
    """The first `limit` of the found items that the viewer may see."""
    found: list[Item] = []
    for start in range(0, len(hits), limit):
        rows = session.get_many(Item, [int(hit.doc_id) for hit in hits[start : start + limit]])
        found += [item for item in rows.values() if item.state != "deleted" and may_see(viewer, item)]
        if len(found) >= limit:
            break
    return found[:limit]
