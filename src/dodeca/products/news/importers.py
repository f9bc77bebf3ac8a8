"""Bringing items and users in from files of Hacker News' shape: JSON Lines or CSV, in any order, repeatable.

The file's ids are kept; where another item holds one, the whole file is shifted and the offset told. What has no
parent in the file or here is set aside and counted. Written in batches with Core: the ORM would take ten times as long.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, insert, select, text, update

from dodeca.commons.accounts.public import Account, create_without_login
from dodeca.commons.discussion import plain_text, sanitised
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import ranking
from dodeca.products.news.models import Item, Member
from dodeca.products.news.service import searching
from dodeca.products.news.service.members import insert_for
from dodeca.products.news.service.rules import Rules, current
from dodeca.products.news.urls import checked_title, checked_url, kind_of, site_of, url_key

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 500
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
    root: int = 0
    depth: int = 0


def run(platform: Platform, path: Path, progress: Progress, **_options: object) -> ImportReport:
    """Import a file; gives what became of each row."""
    report = ImportReport()
    entries: dict[int, Entry] = {}
    for line, raw in _rows(path):
        try:
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
    authors = _authors(platform, sorted({entry.by for entry in placed if entry.by}))
    progress.start("Importing", len(placed))
    for start in range(0, len(placed), BATCH):
        part = placed[start : start + BATCH]
        platform.db.write(lambda session, part=part: _write(session, part, authors, offset, report))  # type: ignore[misc]
        progress.advance(len(part))
    platform.db.write(lambda session: _finish(session, {entry.root + offset for entry in placed}))
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
        text=sanitised(str(raw.get("text") or "")[:100_000]),
        score=_number(raw.get("score", raw.get("num_points", 1)), "score", -LARGEST_SCORE, LARGEST_SCORE),
        descendants=_number(raw.get("descendants", raw.get("num_comments", 0)), "descendants", 0, LARGEST_SCORE),
        dead=_truth(raw.get("dead")),
        deleted=_truth(raw.get("deleted")),
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


def _authors(platform: Platform, names: list[str]) -> dict[str, str]:
    """Account ids of the file's authors; unknown ones become accounts without login."""
    found: dict[str, str] = {}
    for start in range(0, len(names), 100):
        part = names[start : start + 100]

        def unit(session: WriteSession, part: list[str] = part) -> dict[str, str]:
            keys = [name.lower() for name in part]
            statement = select(Account.username_key, Account.id).where(Account.username_key.in_(keys))
            known: dict[str, str] = {row[0]: row[1] for row in session.execute(statement)}
            for name in part:
                if name.lower() not in known:
                    known[name.lower()] = create_without_login(session, name).id
            return {name: known[name.lower()] for name in part}

        found |= platform.db.write(unit)
    return found


# Writing


def _write(
    session: WriteSession, part: list[Entry], authors: Mapping[str, str], offset: int, report: ImportReport
) -> None:
    ids = [entry.id + offset for entry in part]
    held = set(session.scalars(select(Item.id).where(Item.id.in_(ids))))
    fresh = [entry for entry in part if entry.id + offset not in held]
    rules, now = current(session), clock.now()
    rows = [_row(entry, authors, offset, rules, now) for entry in fresh]
    if rows:
        session.execute(insert(Item), rows)
    points: dict[str, int] = {}
    for row in rows:
        if row["author_id"] is not None:
            points[row["author_id"]] = points.get(row["author_id"], 0) + max(0, row["score"] - 1)
    for account_id, gained in points.items():
        first = {"user_id": account_id, "karma": 1, "karma_base": 1, "joined_at": now}
        session.execute(insert_for(session)(Member).values(first).on_conflict_do_nothing())
        raised = {"karma": Member.karma + gained, "karma_base": Member.karma_base + gained}
        session.execute(update(Member).where(Member.user_id == account_id).values(raised))
    for item in session.scalars(select(Item).where(Item.id.in_([row["id"] for row in rows]))):
        searching.put(session, item)
    report.read += len(part)
    report.added += len(fresh)
    report.unchanged += len(part) - len(fresh)


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
        "content": "" if entry.deleted else plain_text(entry.text),
        "html": "" if entry.deleted else entry.text,
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
