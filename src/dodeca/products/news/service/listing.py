"""Lists, threads, profiles and the feed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, desc, func, literal_column, or_, select, union
from sqlalchemy.orm import InstrumentedAttribute, aliased

from dodeca.commons import following
from dodeca.commons.accounts.public import Account, account_by_name, accounts_by_ids
from dodeca.kernel.db import PreparedIn, ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Slice, decode_cursor, encode_cursor, page_of
from dodeca.products.news.models import POST_TYPES, Favorite, Hide, Item, ItemTag, Member, TagFilter, Visit, Vote
from dodeca.products.news.service import items
from dodeca.products.news.service.members import Viewer, may_see, visible_to
from dodeca.products.news.service.rules import PRODUCT

SORTS = ("top", "new", "best", "active", "ask", "show", "job", "poll", "pool", "past")
FEED_CANDIDATES = 500
PLACES_COUNTED = 5_000
"""So many pages down nobody reads; each of them would be counted at every visit."""
IS_POST = Item.parent_id.is_(None)
"""The same as the types of posts (a check), in the words of the partial indexes."""
_ORDERS: dict[str, InstrumentedAttribute[Any]] = {
    "top": Item.rank,
    "new": Item.created_at,
    "best": Item.heat,
    "active": Item.active_at,
    "pool": Item.pooled_at,
    "past": Item.score,
}


_tags = PreparedIn(select(ItemTag.item_id, ItemTag.tag), ItemTag.__table__.c.item_id)


def of_kind(kind: str) -> ColumnElement[bool]:
    """Posts of a kind other than story, in the words of their partial index (a bound value would hide it)."""
    return and_(IS_POST, Item.kind == kind, Item.kind != literal_column("'story'"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What narrows a list."""

    day: date | None = None
    tag: str | None = None
    site: str | None = None
    author: str | None = None
    min_points: int | None = None


def posts(
    session: ReadSession,
    viewer: Viewer,
    sort: str,
    wanted: Wanted | None = None,
    *,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[Item]:
    """One page of posts. Raises Invalid for an unknown sort, NotFound for an unknown author."""
    if sort not in SORTS:
        raise Invalid(f"sort is one of {', '.join(SORTS)}.", field="sort")
    wanted = wanted or Wanted()
    statement: Select[Item] = select(Item).where(visible_to(viewer), IS_POST)
    statement = statement.where(Item.state != "deleted", Item.merged_into.is_(None))
    if viewer.account_id is not None:
        statement = _without_unwanted(statement, viewer.account_id, wanted)
    if sort in ("ask", "show", "job", "poll"):
        statement = statement.where(of_kind(sort))
    if sort == "pool":
        statement = statement.where(Item.pooled_at.is_not(None))
    order = order_of(sort)
    statement = _narrowed(session, statement, wanted)
    return page_of(session, statement, order=[order, Item.id], limit=limit, cursor=cursor)


def order_of(sort: str) -> InstrumentedAttribute[Any]:
    """What a list is ordered by."""
    return _ORDERS.get(sort, Item.rank)


def _without_unwanted(statement: Select[Item], account_id: str, wanted: Wanted) -> Select[Item]:
    """Leave out what the viewer hid, and posts with tags that the viewer filters."""
    hidden = select(Hide.item_id).where(Hide.user_id == account_id)
    filtered = (
        select(ItemTag.item_id).join(TagFilter, TagFilter.tag == ItemTag.tag).where(TagFilter.user_id == account_id)
    )
    if wanted.tag is not None:  # who asks for a tag wants to see it
        filtered = filtered.where(ItemTag.tag != wanted.tag.lower())
    return statement.where(Item.id.not_in(hidden), Item.id.not_in(filtered))


def _narrowed(session: ReadSession, statement: Select[Item], wanted: Wanted) -> Select[Item]:
    if wanted.day is not None:
        begin = datetime.combine(wanted.day, time(), UTC)
        statement = statement.where(Item.created_at >= begin, Item.created_at < begin + timedelta(days=1))
    if wanted.tag is not None:
        tagged = select(ItemTag.item_id).where(ItemTag.tag == wanted.tag.lower())
        statement = statement.where(Item.id.in_(tagged))
    if wanted.site is not None:
        statement = statement.where(Item.site == wanted.site.lower())
    if wanted.author is not None:
        statement = statement.where(Item.author_id == user(session, wanted.author).id)
    if wanted.min_points is not None:
        statement = statement.where(Item.score >= wanted.min_points)
    return statement


def user(session: ReadSession, username: str) -> Account:
    """The account of a username. Raises NotFound."""
    account = account_by_name(session, username)
    if account is None:
        raise NotFound("User not found.")
    return account


def comments_of(
    session: ReadSession,
    viewer: Viewer,
    account_id: str | None,
    *,
    best: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[Item]:
    """Comments of one author, or of all, newest first, or the best lately."""
    statement = select(Item).where(visible_to(viewer), Item.type == "comment", Item.state != "deleted")
    if account_id is not None:
        statement = statement.where(Item.author_id == account_id)
    order = Item.heat if best else Item.created_at
    return page_of(session, statement, order=[order, Item.id], limit=limit, cursor=cursor)


def is_visible(viewer: Viewer, item: Any) -> bool:
    """Whether the viewer sees what an item says: what is deleted says nothing to anybody."""
    return item.state == "live" or (item.state != "deleted" and may_see(viewer, item))


def options_of(session: ReadSession, poll_ids: Sequence[int]) -> dict[int, list[Item]]:
    """The options of polls, in their order."""
    found: dict[int, list[Item]] = {}
    statement = select(Item).where(Item.root_id.in_(poll_ids), Item.type == "pollopt").order_by(Item.id)
    for option in session.scalars(statement) if poll_ids else ():
        found.setdefault(option.root_id or 0, []).append(option)
    return found


def tags_of(session: ReadSession, item_ids: Sequence[int]) -> dict[int, list[str]]:
    """The tags of posts."""
    found: dict[int, list[str]] = {}
    for item_id, tag in sorted(set(_tags.rows(session, item_ids))):
        found.setdefault(item_id, []).append(tag)
    return found


def names_of(session: ReadSession, rows: Sequence[Item]) -> dict[str, str]:
    """Author ids → names, for rows that are to be shown."""
    return usernames(session, sorted({row.author_id for row in rows if row.author_id is not None}))


def marked(session: ReadSession, account_id: str, what: str, viewer: Viewer) -> Sequence[Item]:
    """The items that an account marked: `favorites`, `hidden`, `upvoted`, newest mark first."""
    statement: Select[Item]
    if what == "upvoted":
        votes = (Vote.user_id == account_id) & (Vote.direction == 1)
        statement = select(Item).join(Vote, Vote.item_id == Item.id).where(votes).order_by(Vote.created_at.desc())
    else:
        table: Any = Favorite if what == "favorites" else Hide
        statement = select(Item).join(table, table.item_id == Item.id).where(table.user_id == account_id)
        statement = statement.order_by(table.created_at.desc(), table.item_id.desc())
    shown = statement.where(visible_to(viewer), Item.state != "deleted").limit(100)
    return session.scalars(shown).all()


class Feed(NamedTuple):
    """One page of what followed people and tags bring."""

    posts: list[Item]
    comments: list[Item]
    next_cursor: str | None


def feed(session: ReadSession, viewer: Viewer, *, limit: int = 30, cursor: str | None = None) -> Feed:
    """Posts and comments of followed people and tags: rank × (1 + 0.2 a mutual follow), comments newest first.

    Ranked are the last 500 at the time of the first page, then the 500 before them. Raises Invalid for a cursor that
    is none."""
    if viewer.account_id is None:
        return Feed([], [], None)
    newest, skipped = _feed_position(cursor)
    people = following.followed(PRODUCT, viewer.account_id, "user")
    tags = following.followed(PRODUCT, viewer.account_id, "tag")
    live = (Item.state == "live", Item.id <= newest)
    written = select(Item.id).where(Item.author_id.in_(people), *live)
    tagged = select(Item.id).join(ItemTag, ItemTag.item_id == Item.id).where(ItemTag.tag.in_(tags), *live)
    # The last of each by its own index: together they would be searched for among all items.
    lasts = [each.order_by(Item.id.desc()).limit(FEED_CANDIDATES).subquery() for each in (written, tagged)]
    mine = union(*(select(last.c.id) for last in lasts)).order_by(desc("id")).limit(FEED_CANDIDATES)
    found = list(session.get_many(Item, session.scalars(mine).all()).values())
    mutual = following.mutual(session, PRODUCT, viewer.account_id)
    ranked = sorted(
        (item for item in found if item.type in POST_TYPES),
        key=lambda item: (-item.rank * (1.2 if item.author_id in mutual and item.rank > 0 else 1.0), -item.id),
    )
    comments = [item for item in found if item.type == "comment"]
    end = skipped + limit
    following_page = None
    if end < max(len(ranked), len(comments)):
        following_page = encode_cursor(found[0].id, end)
    elif len(found) == FEED_CANDIDATES:
        following_page = encode_cursor(found[-1].id - 1, 0)
    return Feed(ranked[skipped:end], comments[skipped:end], following_page)


def _feed_position(cursor: str | None) -> tuple[int, int]:
    """The newest id of the items that are ranked, and how many were shown of them."""
    if not cursor:
        return items.LARGEST_ID, 0
    newest, skipped = decode_cursor(cursor, 2)
    if not (isinstance(newest, int) and isinstance(skipped, int) and 0 <= skipped <= FEED_CANDIDATES):
        raise Invalid("This cursor belongs to another list.", field="cursor")
    return min(newest, items.LARGEST_ID), skipped


def position(session: ReadSession, item: Item) -> int | None:
    """The place of a live post on the front page, from 1; None behind the first `PLACES_COUNTED`."""
    if item.state != "live" or item.merged_into is not None:
        return None
    above = select(Item.id).where(
        Item.state == "live",
        IS_POST,
        Item.merged_into.is_(None),
        Item.rank >= item.rank,  # for the index, which cannot be searched by the next line
        or_(Item.rank > item.rank, (Item.rank == item.rank) & (Item.id > item.id)),
    )
    found = session.scalar(select(func.count()).select_from(above.limit(PLACES_COUNTED).subquery())) or 0
    return found + 1 if found < PLACES_COUNTED else None


def newest_of_title(session: ReadSession, title: str) -> int:
    """The id of the newest live post of a title. Raises NotFound."""
    statement = select(Item.id).where(Item.title == title, Item.state == "live", IS_POST)
    item_id = session.scalar(statement.order_by(Item.id.desc()).limit(1))
    if item_id is None:
        raise NotFound("Post not found.")
    return item_id


def root_of(session: ReadSession, viewer: Viewer, item: Item) -> Item:
    """The post that an item belongs to."""
    return item if item.type in POST_TYPES else items.find_post(session, viewer, item.root_id or 0)


def seen_until(session: ReadSession, viewer: Viewer, root: Item) -> int | None:
    """The last comment of a thread that a member has seen; None for visitors and at the first visit."""
    if viewer.account_id is None:
        return None
    row = session.get(Visit, (viewer.account_id, root.id))
    return row.seen_until if row is not None else None


def leaders(session: ReadSession, *, newest: bool = False, limit: int = 100) -> Sequence[tuple[Member, Account]]:
    """Members with the most karma, or those who came last."""
    order = Member.joined_at if newest else Member.karma
    rows = session.scalars(select(Member).order_by(order.desc(), Member.user_id).limit(limit)).all()
    accounts = accounts_by_ids(session, [row.user_id for row in rows])
    return [(row, accounts[row.user_id]) for row in rows if row.user_id in accounts]


def by_ids(session: ReadSession, viewer: Viewer, ids: Collection[int]) -> dict[int, Item]:
    """Those of some items that the viewer may see."""
    return {key: item for key, item in session.get_many(Item, ids).items() if may_see(viewer, item)}


def follows_tag(session: ReadSession, account_id: str, tag: str) -> bool:
    """Whether a member follows a tag."""
    return tag.lower() in session.scalars(following.followed(PRODUCT, account_id, "tag")).all()


def counts_of(session: ReadSession, account_id: str) -> tuple[int, int]:
    """How many live posts and comments somebody wrote."""
    statement = select(Item.type, func.count()).where(Item.author_id == account_id, Item.state == "live")
    found = {row[0]: row[1] for row in session.execute(statement.group_by(Item.type))}
    return sum(found.get(kind, 0) for kind in POST_TYPES), found.get("comment", 0)


def followed_people(session: ReadSession, account_id: str) -> list[str]:
    """The names of the members that somebody follows."""
    ids = session.scalars(following.followed(PRODUCT, account_id, "user")).all()
    return sorted(account.username for account in accounts_by_ids(session, list(ids)).values())


def usernames(session: ReadSession, account_ids: Sequence[str]) -> dict[str, str]:
    """Account ids → names."""
    return {key: account.username for key, account in accounts_by_ids(session, list(account_ids)).items()}


def replies_to(session: ReadSession, account_id: str, *, limit: int) -> Sequence[Item]:
    """What others answered somebody, newest first."""
    above = aliased(Item)
    statement = select(Item).join(above, above.id == Item.parent_id).where(above.author_id == account_id)
    others = statement.where(Item.type == "comment", Item.state == "live", Item.author_id != account_id)
    return session.scalars(others.order_by(Item.created_at.desc(), Item.id.desc()).limit(limit)).all()
