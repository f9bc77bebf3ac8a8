"""Writing what an import brings: the next rows are prepared while SQLite writes the last ones.

Rows go in by the thousand with statements that are compiled once. A batch is one unit of work, so an import that is
broken off has whole batches, and the next run adds the others.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Dialect, Table, bindparam, func, insert, literal_column, select, text, update

from dodeca.commons.accounts.public import Account
from dodeca.commons.discussion import typed
from dodeca.kernel import clock
from dodeca.kernel.db import Bound, Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.kernel.search import Document, ReadyDocuments
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import late_indexes, ranking
from dodeca.products.news.import_staging import Entry, Staging
from dodeca.products.news.models import Item, ItemTag, Member
from dodeca.products.news.service import searching
from dodeca.products.news.service.members import insert_for
from dodeca.products.news.service.rules import Rules, current
from dodeca.products.news.urls import kind_of, site_of, url_key

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 8192
"""Items in a unit of work: it holds the writer for about half a second. FTS5 writes a list of words a statement, so
the statements are to be as long as they can be."""
_NEW_MEMBER = {
    "karma": 1, "karma_base": 1, "about": "", "showdead": False, "noprocrast": False, "maxvisit": 20, "minaway": 180,
    "delay": 0, "topcolor": "", "public_votes": False,
}  # fmt: skip
# Alike in all rows, so part of the statement: what needs no value to be bound costs a third as much. What no file says
# of an item (a reason, when it was locked) is left to be NULL.
_ALIKE: Mapping[str, Any] = {
    **dict.fromkeys(("flags", "vouches", "descendants", "uncounted_seen"), literal_column("0")),
    "penalty": literal_column("1.0"),
    **dict.fromkeys(("active_at", "voted_at", "created_at", "updated_at"), bindparam("created_at")),
    "score_base": bindparam("score"),
    "counted": bindparam("score"),
}
_GIVEN = (
    "id", "type", "kind", "author_id", "parent_id", "root_id", "title", "url", "url_key", "site", "content", "html",
    "score", "imported_descendants", "depth", "state", "rank", "heat",
)  # fmt: skip


@dataclass(slots=True)
class _Batch:
    """Rows as the tables take them, and as the driver does where all are to be stored, as nearly always."""

    items: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    documents: list[Document]
    dialect: Dialect
    bound: Bound
    ready: ReadyDocuments

    def without(self, held: Container[int]) -> _Batch:
        """Those that are not there yet."""
        return _batch(
            self.dialect,
            [row for row in self.items if row["id"] not in held],
            [row for row in self.tags if row["item_id"] not in held],
            [document for document in self.documents if int(document.doc_id) not in held],
        )


_items, _tags, _members = (cast(Table, table.__table__) for table in (Item, ItemTag, Member))
_held = PreparedIn(select(Item.id), _items.c.id, batch=500)
_add_items = Prepared(insert(_items).values({**{name: bindparam(name) for name in _GIVEN}, **_ALIKE}))
_add_tags = Prepared(insert(_tags), columns=["item_id", "tag"])
_more = bindparam("more", type_=_members.c.karma.type)
_raise_karma = Prepared(
    update(_members)
    .where(_members.c.user_id == bindparam("who"))
    .values(karma=_members.c.karma + _more, karma_base=_members.c.karma_base + _more)
)
_count_comments = Prepared(
    update(_items).where(_items.c.id == bindparam("which")).values(descendants=bindparam("comments"))
)


def write(
    platform: Platform,
    staging: Staging,
    authors: Mapping[str, str],
    offset: int,
    report: ImportReport,
    progress: Progress,
) -> None:
    """Store the placed entries. `authors` are account ids by the file's names."""
    rules, names = platform.db.read(current), _usernames(platform, authors)
    known: set[str] = set()
    with late_indexes.left_out(platform.db, staging.count()), ThreadPoolExecutor(1) as pool:
        storing = None
        for entries in staging.entries(BATCH):
            batch = _prepared(platform.db.engine.dialect, entries, authors, names, offset, rules)
            if storing is not None:
                progress.advance(storing.result())
            storing = pool.submit(platform.db.write, partial(_store, batch=batch, known=known, report=report))
        if storing is not None:
            progress.advance(storing.result())
    for roots in staging.roots(BATCH):
        platform.db.write(partial(_count_below, roots=[root + offset for root in roots]))
    platform.db.write(_continue_ids)


def _usernames(platform: Platform, authors: Mapping[str, str]) -> dict[str, str]:
    """Account id → username, for the index of words."""
    ids = sorted(set(authors.values()))

    def unit(session: ReadSession) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(ids), BATCH):
            statement = select(Account.id, Account.username).where(Account.id.in_(ids[start : start + BATCH]))
            found |= {row[0]: row[1] for row in session.execute(statement)}
        return found

    return platform.db.read(unit)


def _prepared(
    dialect: Dialect,
    part: Sequence[Entry],
    authors: Mapping[str, str],
    names: Mapping[str, str],
    offset: int,
    rules: Rules,
) -> _Batch:
    now = clock.now()
    rows = [_row(entry, authors, offset, rules, now) for entry in part]
    tags = [{"item_id": entry.id + offset, "tag": tag} for entry in part for tag in entry.tags]
    shown = (row for row in rows if row["state"] != "deleted" and row["type"] != "pollopt")
    return _batch(dialect, rows, tags, list(_documents(shown, names)))


def _batch(
    dialect: Dialect, items: list[dict[str, Any]], tags: list[dict[str, Any]], documents: list[Document]
) -> _Batch:
    bound, ready = _add_items.bound(dialect, items), searching.index.ready(dialect, documents)
    return _Batch(items, tags, documents, dialect, bound, ready)


def _documents(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterable[Document]:
    for row in rows:
        name = names.get(row["author_id"] or "", "")
        yield searching.document(
            row["id"], row["type"], row["title"], row["html"], row["url"], row["site"], name, row["created_at"]
        )


def _row(entry: Entry, authors: Mapping[str, str], offset: int, rules: Rules, now: datetime) -> dict[str, Any]:
    created = datetime.fromtimestamp(entry.time, UTC)
    is_post = entry.parent is None
    return {
        "id": entry.id + offset,
        "type": entry.type,
        "kind": kind_of(entry.title) if entry.type == "story" else entry.type,
        "author_id": authors.get(entry.by),
        "parent_id": None if entry.parent is None else entry.parent + offset,
        "root_id": entry.root + offset,
        "title": entry.title,
        "url": None if entry.deleted else entry.url,
        "url_key": url_key(entry.url) if entry.url else None,
        "site": site_of(entry.url) if entry.url else None,
        "content": "" if entry.deleted else typed(entry.text),
        "html": "" if entry.deleted else entry.text,
        "score": entry.score,
        "imported_descendants": entry.descendants if is_post else 0,
        "depth": entry.depth,
        "state": _state(entry),
        "rank": _rank(entry, created, rules, now) if is_post else 0.0,
        "heat": ranking.heat(entry.score, created),
        "created_at": created,
    }


def _state(entry: Entry) -> str:
    if entry.deleted:
        return "deleted"
    return ("flagged" if entry.flagged else "dead") if entry.dead else "live"


def _rank(entry: Entry, created: datetime, rules: Rules, now: datetime) -> float:
    standing = ranking.Standing(
        counted=entry.score,
        created_at=created,
        has_url=entry.url is not None,
        comments=entry.descendants,
        flags=0,
    )
    return ranking.rank(standing, now, rules)


def _store(session: WriteSession, batch: _Batch, known: set[str], report: ImportReport) -> int:
    """Store what is not there yet; gives how many entries were looked at. `known` are members who have their row."""
    size = len(batch.items)
    held = {item_id for (item_id,) in _held.rows(session, [row["id"] for row in batch.items])}
    if held:
        batch = batch.without(held)
    _add_items.insert_many(session, batch.bound)
    _add_tags.run_many(session, batch.tags)
    _add_points(session, batch.items, known)
    searching.index.index_new(session, batch.ready)
    added = len(batch.items)

    def count() -> None:
        report.read += size
        report.added += added
        report.unchanged += size - added

    session.after_commit(count)
    return size


def _add_points(session: WriteSession, rows: Sequence[Mapping[str, Any]], known: set[str]) -> None:
    """What the items' points add to their authors' karma."""
    points: dict[str, int] = {}
    since: dict[str, datetime] = {}
    for row in rows:
        who = row["author_id"]
        if who is not None:
            points[who] = points.get(who, 0) + max(0, row["score"] - 1)
            since[who] = min(row["created_at"], since.get(who, row["created_at"]))
    first = [{"user_id": who, **_NEW_MEMBER, "joined_at": since[who]} for who in sorted(points.keys() - known)]
    if first:
        session.execute(insert_for(session)(_members).on_conflict_do_nothing(), first)
        session.after_commit(lambda: known.update(points))
    _raise_karma.run_many(session, [{"who": who, "more": more} for who, more in sorted(points.items()) if more])


def _count_below(session: WriteSession, roots: Sequence[int]) -> None:
    """Count the live comments of these posts."""
    live = (Item.root_id.in_(roots), Item.type == "comment", Item.state == "live")
    counted = session.execute(select(Item.root_id, func.count()).where(*live).group_by(Item.root_id)).all()
    _count_comments.run_many(session, [{"which": root_id, "comments": count} for root_id, count in counted])


def _continue_ids(session: WriteSession) -> None:
    """Let new ids begin behind the imported ones; SQLite does so by itself."""
    if session.dialect == "postgresql":
        session.execute(
            text("SELECT setval(pg_get_serial_sequence('news_items', 'id'), (SELECT max(id) FROM news_items))")
        )
