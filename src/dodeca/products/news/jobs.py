"""Background work: ranks follow time, what waited goes live."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import inf
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, literal_column, select, update

from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, WriteSession
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.products.news import live, ranking
from dodeca.products.news.models import Item, ItemTag, RankPlace, Site, Tag
from dodeca.products.news.service import items, listing, rings
from dodeca.products.news.service.members import VISITOR, insert_for
from dodeca.products.news.service.rules import PRODUCT, Rules, current
from dodeca.products.news.service.searching import index_item, join_lists
from dodeca.products.news.service.telling import tell_author

CANDIDATE_DAYS = 4
CANDIDATES = 3000
PLACES_SHOWN = 600
"""More than any list gives."""
DRIFT_SHOWN, DRIFT = 0.002, 0.01
"""How far the rank of a post among these, and of one below, may be from what was last written, as a part of it. All
ranks sink with every second; to write them all costs more than to know them, and moves nothing in any list. Below they
stand in their order only as far as that: keeping it exactly would be half of what is written."""
PLACES_KEPT = 90
PLACE_SECONDS = 300
HISTORY_DAYS = 14
RELEASED_AT_ONCE = 100
DISCOUNTED_AT_ONCE = 20


_items = cast(Table, Item.__table__)
_lately = _items.c.voted_at >= bindparam("since", type_=_items.c.voted_at.type)
# What the formula needs of a post, without its texts; how many comments as `items.comments_shown` counts them.
_candidates = Prepared(
    select(
        *(_items.c[name] for name in ("id", "rank", "counted", "created_at", "pooled_at", "flags", "penalty", "site")),
        _items.c.url.is_not(None),
        func.coalesce(func.nullif(_items.c.descendants, literal_column("0")), _items.c.imported_descendants),
    )
    .where(_items.c.parent_id.is_(None), _items.c.state == literal_column("'live'"), _lately)
    .order_by(_items.c.voted_at.desc())
    .limit(literal_column(str(CANDIDATES)))
)
_penalised_sites = Prepared(select(Site.site, Site.penalty).where(Site.penalty != 1.0))
_penalised_tags = Prepared(select(Tag.tag, Tag.penalty).where(Tag.penalty != 1.0))
_tagged = Prepared(
    select(ItemTag.item_id, Tag.penalty)
    .join(Tag, Tag.tag == ItemTag.tag)
    .join(_items, _items.c.id == ItemTag.item_id)
    .where(Tag.penalty != 1.0, _lately, _items.c.parent_id.is_(None))
)
_place_at = Prepared(select(RankPlace.item_id).where(RankPlace.at == bindparam("at")).limit(1))
_move = Prepared(update(_items).where(_items.c.id == bindparam("which")).values(rank=bindparam("to")))


@job("news.refresh_ranks", every=30)
def refresh_ranks(session: WriteSession, context: JobContext, _payload: Nothing) -> None:
    """Move everything that was posted or voted on lately to where its age puts it, and note the front page."""
    refresh(session)
    top = [post.id for post in listing.posts(session, VISITOR, "top").items]
    live.ranked(session, context.platform, top)


def refresh(session: WriteSession) -> int:
    """The same; gives how many posts were ranked. Reads and writes only what the formula needs, past the ORM."""
    now = clock.now()
    posts = _ranked(session, now, current(session))
    if changed := to_write(posts):
        _move.run_many(session, [{"which": item_id, "to": rank} for item_id, rank in changed])
        session.expire_all()
    _note_places(session, now)
    return len(posts)


def _ranked(session: WriteSession, now: datetime, rules: Rules) -> list[tuple[int, float, float]]:
    """Posts that were voted on lately: id, rank as it was last written, rank as it is."""
    since = now - timedelta(days=CANDIDATE_DAYS)
    sites: dict[str, float] = dict(_penalised_sites.rows(session))
    tagged: dict[int, float] = {}
    if _penalised_tags.first(session) is not None:
        for item_id, penalty in _tagged.rows(session, since=since):
            tagged[item_id] = tagged.get(item_id, 1.0) * penalty
    found = []
    for item_id, written, counted, created_at, pooled_at, flags, penalty, site, has_url, comments in _candidates.rows(
        session, since=since
    ):
        age = now - (created_at if pooled_at is None else max(created_at, pooled_at))
        rank = ranking.weighed(
            counted,
            age.total_seconds() / 3600,
            has_url=has_url,
            comments=comments,
            flags=flags,
            penalties=penalty * sites.get(site, 1.0) * tagged.get(item_id, 1.0),
            rules=rules,
        )
        found.append((item_id, written, rank))
    return found


def to_write(posts: Iterable[tuple[int, float, float]], shown: int = PLACES_SHOWN) -> list[tuple[int, float]]:
    """Which of these posts (id, rank as it was last written, rank as it is) get their rank written: those whose rank
    has drifted, and those that would not stand in their order otherwise, or below the first `shown`. With it."""
    changed = []
    above = inf
    for place, (item_id, written, rank) in enumerate(sorted(posts, key=itemgetter(2), reverse=True)):
        drift = abs(rank) * (DRIFT_SHOWN if place < shown else DRIFT)
        # One that was written too low cannot stay: what is below it might have to stand above what was written.
        last = rank if written > above or written < rank or written - rank > drift else written
        if last != written:
            changed.append((item_id, last))
        if place < shown:
            above = last
    return changed


def _note_places(session: WriteSession, now: datetime) -> None:
    seconds = int(now.timestamp()) % PLACE_SECONDS
    at = now.replace(microsecond=0) - timedelta(seconds=seconds)
    if _place_at.first(session, at=at) is not None:
        return
    top = select(Item.id, Item.rank).where(Item.state == "live", listing.IS_POST)
    rows = session.execute(top.order_by(Item.rank.desc(), Item.id.desc()).limit(PLACES_KEPT)).all()
    values = [
        {"item_id": item_id, "at": at, "position": place, "rank": rank} for place, (item_id, rank) in enumerate(rows, 1)
    ]
    if values:
        session.execute(insert_for(session)(RankPlace).on_conflict_do_nothing(), values)


@job("news.release", every=30)
def release(session: WriteSession, context: JobContext, _payload: Nothing) -> None:
    """Let go live what waited long enough: delayed items, and shadowed ones that no moderator decided about."""
    is_waiting = Item.state != literal_column("'live'")  # in the words of the partial index
    due = select(Item.id).where(is_waiting, Item.state.in_(["delayed", "shadow"]), Item.live_at <= clock.now())
    for item_id in session.scalars(due.order_by(Item.id).limit(RELEASED_AT_ONCE)).all():
        item = items.locked(session, item_id)
        was_shadow = item.state == "shadow"
        item.state, item.reason, item.live_at, item.updated_at = "live", None, None, clock.now()
        session.flush()
        if item.type == "comment" and item.root_id is not None:
            items.recount(session, item.root_id)
        else:
            items.rerank(session, item)
        if was_shadow:
            _tell_released(session, item)
        live.changed(session, context.platform, item)


def _tell_released(session: WriteSession, item: Item) -> None:
    reason = "No moderator decided within the time that the rules give: it is shown."
    what = "comment" if item.type == "comment" else "post"
    moderation.record(
        session, None, product=PRODUCT, action="release", target_type=what, target_id=str(item.id), reason=reason
    )
    body = f"The site's spam rules had held it back. {reason}"
    tell_author(session, item, f"Your {what} is shown to everybody now", body, key=f"news:released:{item.id}")


@job("news.find_rings", every=3600)
async def find_rings(context: JobContext, _payload: Nothing) -> None:
    """Let votes that fall again and again on the same few authors count no longer."""
    found = await asyncio.to_thread(context.platform.db.read, rings.suspects)
    for start in range(0, len(found), DISCOUNTED_AT_ONCE):
        part = found[start : start + DISCOUNTED_AT_ONCE]
        await context.platform.db.awrite(lambda session, part=part: rings.discount(session, part))  # type: ignore[misc]


@job("news.forget_places", cron="17 3 * * *")
def forget_places(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove old places on the front page."""
    session.execute(delete(RankPlace).where(RankPlace.at < clock.ago(days=HISTORY_DAYS)))


jobs: list[Job[Any]] = [refresh_ranks, release, find_rings, forget_places, index_item, join_lists]
