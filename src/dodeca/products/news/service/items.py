"""Finding items, and keeping what is derived from others: rank, counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import bindparam, exists, func, select

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.products.news import ranking
from dodeca.products.news.models import POST_TYPES, Item, ItemTag, Site, Tag
from dodeca.products.news.service.members import Viewer, may_see
from dodeca.products.news.service.rules import Rules, current

LARGEST_ID = 2**53
"""Programs in JavaScript read ids as numbers."""


_penalised_tags = Prepared(
    select(Tag.tag, Tag.penalty, Tag.reason)
    .join(ItemTag, ItemTag.tag == Tag.tag)
    .where(ItemTag.item_id == bindparam("post_id"), Tag.penalty != 1.0)
    .order_by(Tag.tag)
)


HAS_PENALISED_TAGS = exists().where(
    ItemTag.item_id == Item.id, ItemTag.tag.in_(select(Tag.tag).where(Tag.penalty != 1.0))
)
"""Whether `penalised_tags` has any for a post of a statement."""


def find(session: ReadSession, viewer: Viewer, item_id: int, what: str = "item", *, lock: bool = False) -> Item:
    """The item, if the viewer may see it. Raises NotFound."""
    row = None
    if 0 < item_id < LARGEST_ID:
        row = cast(WriteSession, session).get_locked(Item, item_id) if lock else session.get(Item, item_id)
    if row is None or not may_see(viewer, row):
        raise NotFound(f"{what.capitalize()} not found.")
    return row


def find_post(session: ReadSession, viewer: Viewer, item_id: int, *, lock: bool = False) -> Item:
    """The post, if the viewer may see it. Raises NotFound."""
    row = find(session, viewer, item_id, "post", lock=lock)
    if row.type not in POST_TYPES:
        raise NotFound("Post not found.")
    return row


def find_comment(session: ReadSession, viewer: Viewer, item_id: int, *, lock: bool = False) -> Item:
    """The comment, if the viewer may see it. Raises NotFound."""
    row = find(session, viewer, item_id, "comment", lock=lock)
    if row.type != "comment":
        raise NotFound("Comment not found.")
    return row


def locked(session: WriteSession, item_id: int) -> Item:
    """The item with its row held until the end of the unit, so that counts of it change one after the other."""
    row = session.get_locked(Item, item_id)
    if row is None:
        raise NotFound("Item not found.")
    return row


def comments_shown(item: Any) -> int:
    """The number of comments that lists show of an Item, or of what was read of one."""
    return int(item.descendants or item.imported_descendants)


def standing(session: ReadSession, item: Item) -> ranking.Standing:
    """What the rank of a post depends on."""
    site = session.get(Site, item.site) if item.site is not None else None
    tags = penalised_tags(session, item.id)
    return standing_of(item, site.penalty, site.reason, tags) if site is not None else standing_of(item, tags=tags)


def penalised_tags(session: ReadSession, post_id: int) -> Sequence[ranking.Penalty]:
    """Those of a post's tags that moderators gave a penalty."""
    return [ranking.Penalty(*row) for row in _penalised_tags.rows(session, post_id=post_id)]


def standing_of(
    item: Any,
    site_penalty: float | None = None,
    site_reason: str | None = None,
    tags: Sequence[ranking.Penalty] = (),
) -> ranking.Standing:
    """The same from a row at hand, an Item or what was read of one, and what moderators decided about site and tags."""
    return ranking.Standing(
        counted=item.counted,
        created_at=max(item.created_at, item.pooled_at or item.created_at),
        has_url=item.url is not None,
        comments=comments_shown(item),
        flags=item.flags,
        penalty=item.penalty,
        penalty_reason=item.penalty_reason,
        site=item.site,
        site_penalty=1.0 if site_penalty is None else site_penalty,
        site_reason=site_reason or "",
        tags=tags,
    )


def rerank(session: WriteSession, item: Item, rules: Rules | None = None) -> None:
    """Put the item where it belongs now."""
    rules = rules or current(session)
    item.rank = ranking.rank(standing(session, item), clock.now(), rules)
    item.heat = ranking.heat(item.score, item.created_at)


def recount(session: WriteSession, root_id: int) -> None:
    """Count the live comments below a post again, after one of them changed its state."""
    root = locked(session, root_id)
    live = select(func.count()).where(Item.root_id == root_id, Item.type == "comment", Item.state == "live")
    session.flush()
    root.descendants = session.scalar(live) or 0
    rerank(session, root)
