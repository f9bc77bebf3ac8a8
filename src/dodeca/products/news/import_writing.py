"""Writing what an import brings: the next rows are prepared while SQLite writes the last ones.

Rows go in by the thousand with statements that are compiled once. A unit of work has whole parts of the file, so an
import that is broken off has some of them, and the next run adds the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

from sqlalchemy import Table, bindparam, func, insert, select, text, update

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, PreparedIn, ReadSession, WriteSession
from dodeca.kernel.search import together
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import late_indexes
from dodeca.products.news.import_helpers import Helpers
from dodeca.products.news.import_rows import Part, Rows, add_items, packed_rows, unpacked
from dodeca.products.news.import_staging import Placed, Staging
from dodeca.products.news.models import Item, ItemTag, Member
from dodeca.products.news.service import searching
from dodeca.products.news.service.members import insert_for
from dodeca.products.news.service.rules import current

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PART: Final = 8192
"""Items that are prepared together, and in a unit of work: it holds the writer for less than half a second."""
PARTS_OF_A_LOAD: Final = 4
"""Parts in a unit of work where next to nothing is there to be read or written by others: FTS5 writes a list of words a
unit, and joining lists is much of its work."""
_NEW_MEMBER = {
    "karma": 1, "karma_base": 1, "about": "", "showdead": False, "noprocrast": False, "maxvisit": 20, "minaway": 180,
    "delay": 0, "topcolor": "", "public_votes": False,
}  # fmt: skip
_items, _tags, _members = (cast(Table, table.__table__) for table in (Item, ItemTag, Member))
_held = PreparedIn(select(Item.id), _items.c.id, batch=500)
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
    helpers: Helpers,
    authors: Mapping[str, str],
    since: Mapping[str, datetime],
    offset: int,
    report: ImportReport,
    progress: Progress,
) -> None:
    """Store the placed entries. `authors` are account ids by the file's names, `since` says when each wrote first."""
    members = _Members(authors, since)
    with late_indexes.left_out(platform.db, staging.count()) as is_load, ThreadPoolExecutor(1) as pool:
        storing: Future[int] | None = None
        parts = _packed(helpers, _parts(platform, staging.entries(PART), authors, offset))
        while unit := list(islice(parts, PARTS_OF_A_LOAD if is_load else 1)):
            if storing is not None:
                progress.advance(storing.result())
            storing = pool.submit(platform.db.write, partial(_store, parts=unit, members=members, report=report))
            if not helpers.are_elsewhere:  # two threads of one process would take the interpreter from each other
                wait([storing])
        if storing is not None:
            progress.advance(storing.result())
    for roots in staging.roots(PART):
        platform.db.write(partial(_count_below, roots=[root + offset for root in roots]))
    platform.db.write(_continue_ids)


class _Members:
    """The authors' rows: made with the first of their items, and raised by what their items' points add to karma."""

    def __init__(self, authors: Mapping[str, str], since: Mapping[str, datetime]) -> None:
        self._known: set[str] = set()
        self._since: dict[str, datetime] = {}
        for name, account_id in authors.items():
            self._since[account_id] = min(since[name], self._since.get(account_id, since[name]))

    def add_points(self, session: WriteSession, parts: Sequence[Rows]) -> None:
        """What the items of parts bring."""
        points: dict[str, int] = {}
        for rows in parts:
            for who, more in rows.points.items():
                points[who] = points.get(who, 0) + more
        unknown = sorted(points.keys() - self._known)
        if unknown:
            first = [{"user_id": who, **_NEW_MEMBER, "joined_at": self._since[who]} for who in unknown]
            session.execute(insert_for(session)(_members).on_conflict_do_nothing(), first)
            session.after_commit(lambda: self._known.update(unknown))
        _raise_karma.run_many(session, [{"who": who, "more": more} for who, more in sorted(points.items()) if more])


def _packed(helpers: Helpers, parts: Iterator[Part]) -> Iterator[tuple[Part, bytes]]:
    """The parts with their rows, which helpers make."""
    asked: deque[Part] = deque()

    def calls() -> Iterator[Callable[[], bytes]]:
        for part in parts:
            asked.append(part)
            yield partial(packed_rows, part)

    for packed in helpers.each(calls()):
        yield asked.popleft(), packed


def _parts(
    platform: Platform, batches: Iterator[list[Placed]], authors: Mapping[str, str], offset: int
) -> Iterator[Part]:
    """The entries with what their rows depend on."""
    rules, names = platform.db.read(current), _usernames(platform, authors)
    dialect = platform.db.engine.dialect
    for entries in batches:
        here = {name: authors[name] for _data, _root, _depth, name in entries if name in authors}
        known = {name: (account_id, names.get(account_id, "")) for name, account_id in here.items()}
        yield Part(entries, known, offset, rules, clock.now(), f"{dialect.name}+{dialect.driver}")


def _usernames(platform: Platform, authors: Mapping[str, str]) -> dict[str, str]:
    """Account id → username, for the index of words."""
    ids = sorted(set(authors.values()))

    def unit(session: ReadSession) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(ids), PART):
            statement = select(Account.id, Account.username).where(Account.id.in_(ids[start : start + PART]))
            found |= {row[0]: row[1] for row in session.execute(statement)}
        return found

    return platform.db.read(unit)


def _store(session: WriteSession, parts: Sequence[tuple[Part, bytes]], members: _Members, report: ImportReport) -> int:
    """Store what is not there yet; gives how many entries were looked at."""
    size = sum(len(part.entries) for part, _ in parts)
    missing = [_missing(session, part, packed) for part, packed in parts]
    for rows in missing:
        add_items.insert_many(session, rows.items)
        _add_tags.run_many(session, rows.tags)
    members.add_points(session, missing)
    searching.index.index_new(session, together([rows.documents for rows in missing]), alone=True)
    added = sum(len(rows.ids) for rows in missing)

    def count() -> None:
        report.read += size
        report.added += added
        report.unchanged += size - added

    session.after_commit(count)
    return size


def _missing(session: WriteSession, part: Part, packed: bytes) -> Rows:
    """The rows of a part that are not there yet: all, as nearly always, or those that have to be made once more."""
    rows = unpacked(packed)
    held = {item_id for (item_id,) in _held.rows(session, rows.ids)}
    return unpacked(packed_rows(part.without(held))) if held else rows


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
