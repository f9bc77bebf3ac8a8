"""Background work: ranks follow time, what waited goes live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, delete, literal_column, select, update

from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, WriteSession
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.products.news import live, ranking
from dodeca.products.news.models import Item, ItemTag, RankPlace, Site, Tag
from dodeca.products.news.service import items, listing, rings
from dodeca.products.news.service.members import VISITOR, insert_for
from dodeca.products.news.service.rules import PRODUCT, current
from dodeca.products.news.service.searching import index_item
from dodeca.products.news.service.telling import tell_author

CANDIDATE_DAYS = 4
CANDIDATES = 3000
EXACT_PLACES = 600
"""Posts from the top whose rank is always written: more than any list gives."""
DRIFT = 0.005
"""How far the rank of the others, as a part of it, may be from what it was when it was last written. All of them change
with every second; to write them all costs more than to know them."""
PLACES_KEPT = 90
PLACE_SECONDS = 300
HISTORY_DAYS = 14
RELEASED_AT_ONCE = 100


class _Candidate(NamedTuple):
    """What the formula needs of a post."""

    id: int
    counted: int
    created_at: datetime
    pooled_at: datetime | None
    url: str | None
    descendants: int
    imported_descendants: int
    flags: int
    penalty: float
    penalty_reason: str | None
    site: str | None
    rank: float


_items = cast(Table, Item.__table__)
_candidates = Prepared(
    select(*(_items.c[name] for name in _Candidate._fields))
    .where(
        _items.c.parent_id.is_(None),
        _items.c.state == literal_column("'live'"),
        _items.c.voted_at >= bindparam("since", type_=_items.c.voted_at.type),
    )
    .order_by(_items.c.voted_at.desc())
    .limit(literal_column(str(CANDIDATES)))
)
_move = Prepared(update(_items).where(_items.c.id == bindparam("which")).values(rank=bindparam("to")))


@job("news.refresh_ranks", every=30)
def refresh_ranks(session: WriteSession, context: JobContext, _payload: Nothing) -> None:
    """Move everything that was posted or voted on lately to where its age puts it, and note the front page."""
    refresh(session)
    top = [post.id for post in listing.posts(session, VISITOR, "top").items]
    live.ranked(session, context.platform, top)


def refresh(session: WriteSession) -> int:
    """The same; gives how many posts were ranked. Reads and writes only what the formula needs, past the ORM."""
    rules, now = current(session), clock.now()
    since = now - timedelta(days=CANDIDATE_DAYS)
    found = [_Candidate._make(row) for row in _candidates.rows(session, since=since)]
    penalties = select(Site.site, Site.penalty, Site.reason).where(Site.penalty != 1.0)
    sites = {site: (penalty, reason) for site, penalty, reason in session.execute(penalties)}
    tags = _penalised_tags(session, since)
    ranks = []
    for row in found:
        site_penalty, site_reason = sites.get(row.site or "", (1.0, ""))
        standing = items.standing_of(row, site_penalty, site_reason, tags.get(row.id, ()))
        ranks.append(ranking.rank(standing, now, rules))
    if changed := _to_write(found, ranks):
        _move.run_many(session, changed)
        session.expire_all()
    _note_places(session)
    return len(found)


def _to_write(posts: Sequence[_Candidate], ranks: Sequence[float]) -> list[dict[str, object]]:
    """The new ranks that make a difference: to what lists show, or in size."""
    last = sorted(ranks)[-min(EXACT_PLACES, len(ranks)) :]
    shown = last[0] if last else 0.0
    return [
        {"which": post.id, "to": rank}
        for post, rank in zip(posts, ranks, strict=True)
        if rank != post.rank and (max(rank, post.rank) >= shown or abs(rank - post.rank) > DRIFT * abs(rank))
    ]


def _penalised_tags(session: WriteSession, since: datetime) -> dict[int, list[ranking.Penalty]]:
    """The tags with a penalty of posts that were voted on since then."""
    statement = (
        select(ItemTag.item_id, Tag.tag, Tag.penalty, Tag.reason)
        .join(Tag, Tag.tag == ItemTag.tag)
        .join(Item, Item.id == ItemTag.item_id)
        .where(Tag.penalty != 1.0, Item.voted_at >= since, listing.IS_POST)
        .order_by(Tag.tag)
    )
    found: dict[int, list[ranking.Penalty]] = {}
    for item_id, tag, penalty, reason in session.execute(statement):
        found.setdefault(item_id, []).append(ranking.Penalty(tag, penalty, reason))
    return found


def _note_places(session: WriteSession) -> None:
    seconds = int(clock.timestamp()) // PLACE_SECONDS * PLACE_SECONDS
    at = clock.now().replace(microsecond=0) - timedelta(seconds=int(clock.timestamp()) - seconds)
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
def find_rings(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Let votes that fall again and again on the same few authors count no longer."""
    rings.find(session)


@job("news.forget_places", cron="17 3 * * *")
def forget_places(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove old places on the front page."""
    session.execute(delete(RankPlace).where(RankPlace.at < clock.ago(days=HISTORY_DAYS)))


jobs: list[Job[Any]] = [refresh_ranks, release, find_rings, forget_places, index_item]
