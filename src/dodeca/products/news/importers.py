"""Bringing items and users in from files of Hacker News' shape: JSON Lines or CSV, in any order, repeatable.

The file's ids are kept; where another item holds one, the whole file is shifted and the offset told. What has no
parent in the file or here is set aside and counted. Written in batches with Core: the ORM would take ten times as long.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from sqlalchemy import Table, bindparam, func, insert, select, text, update

from dodeca.commons.accounts.public import Account, create_many_without_login
from dodeca.commons.discussion import reserialised, typed
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import ranking
from dodeca.products.news.models import Item, ItemTag, Member
from dodeca.products.news.service import members, searching
from dodeca.products.news.service.members import LONGEST_ABOUT, insert_for
from dodeca.products.news.service.posting import checked_tags
from dodeca.products.news.service.rules import Rules, current
from dodeca.products.news.urls import checked_title, checked_url, kind_of, site_of, url_key

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 1000
_NEW_MEMBER = {
    "karma": 1, "karma_base": 1, "about": "", "showdead": False, "noprocrast": False, "maxvisit": 20, "minaway": 180,
    "delay": 0, "topcolor": "", "public_votes": False,
}  # fmt: skip
LARGEST_ID = 2**52
LARGEST_SCORE = 10**7
TYPES = ("story", "comment", "poll", "pollopt", "job")


class Entry(msgspec.Struct, kw_only=True):
    """One item of the file, checked."""

    line: int
    id: int
    type: str
    time: int
    by: str = ""
    title: str = ""
    url: str | None = None
    text: str = ""
    score: int = 1
    descendants: int = 0
    parent: int | None = None
    dead: bool = False
    deleted: bool = False
    tags: Sequence[str] = ()
    root: int = 0
    depth: int = 0


class Person(msgspec.Struct, kw_only=True):
    """One user of the file, checked."""

    line: int
    name: str
    created: int
    karma: int = 1
    about: str = ""
    delay: int = 0


def run(platform: Platform, path: Path, progress: Progress, **_options: object) -> ImportReport:
    """Import a file; gives what became of each row."""
    report = ImportReport()
    entries: dict[int, Entry] = {}
    people: list[Person] = []
    for line, raw in _rows(path):
        try:
            if raw is not None and "type" not in raw and "created" in raw and "karma" in raw:
                people.append(_checked_person(line, raw))
                continue
            entry = _checked(line, raw)
        except Invalid as error:
            report.refuse(line, error.message)
            continue
        if entry.id in entries:
            report.refuse(line, f"The file has item {entry.id} twice.")
            continue
        entries[entry.id] = entry
    offset = platform.db.read(lambda session: _offset(session, entries))
    if offset:
        report.notes.append(f"Ids were taken: all of the file are shifted by {offset}.")
    placed = _placed(platform, entries, report, offset)
    authors = _authors(platform, _first_times(placed))
    progress.start("Importing", len(placed))
    names = _usernames(platform, authors)
    for start in range(0, len(placed), BATCH):
        part = placed[start : start + BATCH]
        platform.db.write(lambda session, part=part: _write(session, part, authors, names, offset, report))  # type: ignore[misc]
        progress.advance(len(part))
    platform.db.write(lambda session: _finish(session, {entry.root + offset for entry in placed}))
    for start in range(0, len(people), BATCH):
        some = people[start : start + BATCH]
        platform.db.write(lambda session, some=some: _write_people(session, some, report))  # type: ignore[misc]
    return report


# Reading


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    with path.open("rb") as file:
        first = file.read(1)
    if first in (b"{", b"["):
        with path.open("rb") as file:
            for line, raw in enumerate(file, 1):
                if raw.strip():
                    try:
                        row = msgspec.json.decode(raw)
                    except (msgspec.DecodeError, UnicodeDecodeError):
                        row = None
                    yield line, row if isinstance(row, dict) else None
        return
    with path.open(encoding="utf-8", errors="replace", newline="") as table:
        for line, row in enumerate(csv.DictReader(table), 2):
            yield line, {name: value for name, value in row.items() if name and value not in (None, "")}


def _checked(line: int, raw: Mapping[str, Any] | None) -> Entry:
    """A row as an entry. Raises Invalid with what is wrong with it."""
    if raw is None:
        raise Invalid("This line is not a JSON object.")
    kind = str(raw.get("type", "story"))
    if kind not in TYPES:
        raise Invalid(f"There is no type {kind[:20]!r}.")
    entry = Entry(
        line=line,
        id=_number(raw.get("id"), "id", 1, LARGEST_ID),
        type=kind,
        time=_time(raw.get("time", raw.get("created_at"))),
        by=str(raw.get("by", raw.get("author")) or "")[:64],
        text=reserialised(str(raw.get("text") or "")[:100_000]),
        score=_number(raw.get("score", raw.get("num_points", 1)), "score", -LARGEST_SCORE, LARGEST_SCORE),
        descendants=_number(raw.get("descendants", raw.get("num_comments", 0)), "descendants", 0, LARGEST_SCORE),
        dead=_truth(raw.get("dead")),
        deleted=_truth(raw.get("deleted")),
        tags=_tags(raw.get("tags")),
    )
    if kind in ("comment", "pollopt"):
        above = raw.get("parent", raw.get("poll"))
        entry.parent = _number(above, "parent", 1, LARGEST_ID)
        if entry.parent == entry.id:
            raise Invalid("An item is not its own parent.")
    elif not entry.deleted:
        entry.title = checked_title(str(raw.get("title") or "")[:150])
        entry.url = checked_url(str(raw["url"])) if raw.get("url") else None
    return entry


def _checked_person(line: int, raw: Mapping[str, Any]) -> Person:
    """A user as a person. Raises Invalid."""
    name = str(raw.get("id") or "").strip()
    if not name:
        raise Invalid("A user needs an id.", field="id")
    return Person(
        line=line,
        name=name[:64],
        created=_time(raw["created"]),
        karma=_number(raw["karma"], "karma", -LARGEST_SCORE, LARGEST_SCORE),
        about=typed(reserialised(str(raw.get("about") or "")[: 2 * LONGEST_ABOUT]))[:LONGEST_ABOUT],
        delay=_number(raw.get("delay", 0), "delay", 0, 10),
    )


def _number(value: object, name: str, least: int, most: int) -> int:
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise Invalid(f"{name} is not a number from {least} to {most}.", field=name)
    return number


def _time(value: object) -> int:
    latest = int(clock.timestamp())
    if isinstance(value, str) and not value.isdigit():
        try:
            return min(int(clock.parse_rfc3339(value.strip()).timestamp()), latest)
        except (ValueError, OverflowError) as error:
            raise Invalid("time is neither seconds since 1970 nor a date.", field="time") from error
    return min(_number(value, "time", 0, 2**33), latest)


def _tags(value: object) -> Sequence[str]:
    """Tags, which our own files have; none where they are not tags."""
    if not isinstance(value, list):
        return ()
    try:
        return checked_tags([str(tag) for tag in value])
    except Invalid:
        return ()


def _truth(value: object) -> bool:
    return str(value).strip().lower() in ("true", "1", "yes")


# Placing


def _offset(session: ReadSession, entries: Mapping[int, Entry]) -> int:
    """0, unless one of the file's ids belongs to something else here."""
    ids = sorted(entries)
    for start in range(0, len(ids), BATCH):
        held = select(Item.id, Item.type, Item.created_at).where(Item.id.in_(ids[start : start + BATCH]))
        for item_id, kind, created_at in session.execute(held):
            entry = entries[item_id]
            if kind != entry.type or int(created_at.timestamp()) != entry.time:
                return (session.scalar(select(func.max(Item.id))) or 0) + 1
    return 0


def _placed(platform: Platform, entries: Mapping[int, Entry], report: ImportReport, offset: int) -> list[Entry]:
    """The entries whose line of parents leads to a post, parents first; the others are refused."""
    wanted = {entry.parent for entry in entries.values() if entry.parent is not None} - entries.keys()
    outside = {} if offset else platform.db.read(lambda session: _outside(session, sorted(wanted)))
    order: list[Entry] = []
    for entry in entries.values():
        line = _line_of_parents(entry, entries, outside)
        if line is None:
            report.refuse(entry.line, f"Its parent {entry.parent} is neither in the file nor here.")
            continue
        entry.root, entry.depth = line
        order.append(entry)
    order.sort(key=lambda entry: (entry.parent is not None, entry.depth, entry.id))
    return order


def _outside(session: ReadSession, ids: list[int]) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for start in range(0, len(ids), BATCH):
        held = select(Item.id, Item.root_id, Item.depth, Item.type).where(Item.id.in_(ids[start : start + BATCH]))
        for item_id, root_id, depth, kind in session.execute(held):
            found[item_id] = (root_id or item_id, depth + 1 if kind == "comment" else 0)
    return found


def _line_of_parents(
    entry: Entry, entries: Mapping[int, Entry], outside: Mapping[int, tuple[int, int]]
) -> tuple[int, int] | None:
    """The root and the depth; None where the line breaks or runs in a circle."""
    seen = {entry.id}
    at, depth = entry, 0
    while at.parent is not None:
        if at.parent in outside:
            root, below = outside[at.parent]
            return root, depth + below
        above = entries.get(at.parent)
        if above is None or above.id in seen or (above.parent is None and above.type in ("comment", "pollopt")):
            return None
        seen.add(above.id)
        depth += above.type == "comment"
        at = above
    return at.id, depth


def _first_times(placed: Sequence[Entry]) -> dict[str, datetime]:
    """When each author wrote first: that is since when the author is known to have been there."""
    first: dict[str, int] = {}
    for entry in placed:
        if entry.by:
            first[entry.by] = min(entry.time, first.get(entry.by, entry.time))
    return {name: datetime.fromtimestamp(seconds, UTC) for name, seconds in first.items()}


def _authors(platform: Platform, first: Mapping[str, datetime]) -> dict[str, str]:
    """Account ids of the file's authors; unknown ones become accounts without login."""
    names = sorted(first)
    found: dict[str, str] = {}
    for start in range(0, len(names), BATCH):
        part = names[start : start + BATCH]

        def unit(session: WriteSession, part: list[str] = part) -> dict[str, str]:
            keys = [name.lower() for name in part]
            statement = select(Account.username_key, Account.id).where(Account.username_key.in_(keys))
            known: dict[str, str] = {row[0]: row[1] for row in session.execute(statement)}
            wanted = {name.lower(): name for name in part if name.lower() not in known}
            made = create_many_without_login(session, list(wanted.values()), first)
            known |= {name.lower(): account_id for name, account_id in made.items()}
            return {name: known[name.lower()] for name in part}

        found |= platform.db.write(unit)
    return found


# Writing


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


def _write(
    session: WriteSession,
    part: list[Entry],
    authors: Mapping[str, str],
    names: Mapping[str, str],
    offset: int,
    report: ImportReport,
) -> None:
    ids = [entry.id + offset for entry in part]
    held = set(session.scalars(select(Item.id).where(Item.id.in_(ids))))
    fresh = [entry for entry in part if entry.id + offset not in held]
    rules, now = current(session), clock.now()
    rows = [_row(entry, authors, offset, rules, now) for entry in fresh]
    if rows:
        session.execute(insert(cast(Table, Item.__table__)), rows)
    tags = [{"item_id": entry.id + offset, "tag": tag} for entry in fresh for tag in entry.tags]
    if tags:
        session.execute(insert(cast(Table, ItemTag.__table__)), tags)
    _raise_karma(session, rows, now)
    documents = [
        searching.document(
            row["id"], row["type"], row["title"], row["html"], row["url"], row["site"],
            names.get(row["author_id"] or "", ""), row["created_at"],
        )
        for row in rows
        if row["state"] != "deleted" and row["type"] != "pollopt"
    ]  # fmt: skip
    searching.index.index_new(session, documents)
    report.read += len(part)
    report.added += len(fresh)
    report.unchanged += len(part) - len(fresh)


def _raise_karma(session: WriteSession, rows: list[dict[str, Any]], now: datetime) -> None:
    """What the items' points add to their authors' karma."""
    points: dict[str, int] = {}
    for row in rows:
        if row["author_id"] is not None:
            points[row["author_id"]] = points.get(row["author_id"], 0) + max(0, row["score"] - 1)
    if not points:
        return
    since: dict[str, datetime] = {}
    for row in rows:
        since[row["author_id"]] = min(row["created_at"], since.get(row["author_id"], now))
    first = [{"user_id": who, **_NEW_MEMBER, "joined_at": since[who]} for who in sorted(points)]
    session.execute(insert_for(session)(cast(Table, Member.__table__)).on_conflict_do_nothing(), first)
    table = cast(Table, Member.__table__)
    more = bindparam("more", type_=table.c.karma.type)
    raised = {"karma": table.c.karma + more, "karma_base": table.c.karma_base + more}
    statement = update(table).where(table.c.user_id == bindparam("who")).values(raised)
    changes = [{"who": who, "more": gained} for who, gained in points.items() if gained]
    if changes:
        session.execute(statement, changes)


def _write_people(session: WriteSession, people: list[Person], report: ImportReport) -> None:
    """Users of the file: when they came, what they say of themselves, and the karma that the file gives them.

    Accounts that somebody can sign in to are their owners' affair and stay as they are."""
    keys = {person.name.lower(): person for person in people}
    statement = select(Account).where(Account.username_key.in_(sorted(keys)))
    known = {account.username_key: account for account in session.scalars(statement)}
    wanted = [person.name for key, person in keys.items() if key not in known]
    for account_id in create_many_without_login(session, wanted).values():
        made = session.get_one(Account, account_id)
        known.setdefault(made.username_key, made)
    report.read += len(people)
    for key, person in keys.items():
        account = known.get(key)
        if account is None or account.password_hash is not None:
            report.unchanged += 1
            continue
        row = members.member(session, account.id)
        change = person.karma - row.karma
        same = change == 0 and row.about == person.about and int(account.created_at.timestamp()) == person.created
        account.created_at = row.joined_at = datetime.fromtimestamp(person.created, UTC)
        row.karma, row.karma_base = person.karma, row.karma_base + change
        row.about, row.delay = person.about, person.delay
        report.unchanged += same
        report.added += not same
    session.flush()


def _row(entry: Entry, authors: Mapping[str, str], offset: int, rules: Rules, now: datetime) -> dict[str, Any]:
    created = datetime.fromtimestamp(entry.time, UTC)
    standing = ranking.Standing(
        counted=entry.score,
        created_at=created,
        has_url=entry.url is not None,
        comments=entry.descendants,
        flags=0,
    )
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
        "flags": 0,
        "vouches": 0,
        "descendants": 0,
        "penalty": 1.0,
        "reason": None,
        "score": entry.score,
        "score_base": entry.score,
        "counted": entry.score,
        "imported_descendants": entry.descendants if is_post else 0,
        "depth": entry.depth,
        "state": "deleted" if entry.deleted else "dead" if entry.dead else "live",
        "rank": ranking.rank(standing, now, rules) if is_post else 0.0,
        "heat": ranking.heat(entry.score, created),
        "active_at": created,
        "voted_at": created,
        "created_at": created,
        "updated_at": created,
    }


def _finish(session: WriteSession, roots: set[int]) -> None:
    """Count comments, and let new ids begin behind the imported ones."""
    wanted = sorted(roots)
    for start in range(0, len(wanted), BATCH):
        part = wanted[start : start + BATCH]
        below = (
            select(func.count())
            .where(Item.root_id.in_(part), Item.type == "comment", Item.state == "live")
            .group_by(Item.root_id)
            .add_columns(Item.root_id)
        )
        for count, root_id in session.execute(below).all():
            session.execute(update(Item).where(Item.id == root_id).values(descendants=count))
    if session.dialect == "postgresql":
        session.execute(
            text("SELECT setval(pg_get_serial_sequence('news_items', 'id'), (SELECT max(id) FROM news_items))")
        )


importers = {"": run, "hn": run}
