"""Bringing items and users in from files of Hacker News' shape: JSON Lines or CSV, in any order, repeatable.

The file's ids are kept; where another item holds one, the whole file is shifted and the offset told. What has no
parent in the file or here is set aside and counted. Written in batches with Core: the ORM would take ten times as long.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, select

from dodeca.commons.accounts.public import Account, create_many_without_login
from dodeca.commons.discussion import reserialised, typed
from dodeca.kernel import clock
from dodeca.kernel.db import PreparedIn, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import import_writing
from dodeca.products.news.import_staging import Entry, Person, Staging
from dodeca.products.news.models import Item
from dodeca.products.news.service import members
from dodeca.products.news.service.members import LONGEST_ABOUT
from dodeca.products.news.service.posting import checked_tags
from dodeca.products.news.urls import checked_title, checked_url

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 1000
LARGEST_ID = 2**52
LARGEST_SCORE = 10**7
_held = PreparedIn(select(Item.id, Item.type, Item.created_at), Item.__table__.c.id, batch=500)
_parents = PreparedIn(select(Item.id, Item.root_id, Item.depth, Item.type), Item.__table__.c.id, batch=500)
TYPES = ("story", "comment", "poll", "pollopt", "job")


def run(platform: Platform, path: Path, progress: Progress, **_options: object) -> ImportReport:
    """Import a file; gives what became of each row."""
    report = ImportReport()
    with Staging() as staging:
        progress.start("Reading", None)
        _read(path, staging, report, progress)
        offset = platform.db.read(lambda session: _offset(session, staging))
        if offset:
            report.notes.append(f"Ids were taken: all of the file are shifted by {offset}.")
        _place(platform, staging, report, offset)
        authors = _authors(platform, staging.first_times())
        progress.start("Importing", staging.count())
        import_writing.write(platform, staging, authors, offset, report, progress)
        for people in staging.people(BATCH):
            platform.db.write(partial(_write_people, people=people, report=report))
    return report


# Reading


def _read(path: Path, staging: Staging, report: ImportReport, progress: Progress) -> None:
    """Check all rows of the file and keep them; what is wrong with the others is reported."""
    latest = int(clock.timestamp())
    for number, (line, raw) in enumerate(_rows(path), 1):
        if number % BATCH == 0:
            progress.advance(BATCH)
        try:
            if raw is not None and "type" not in raw and "created" in raw and "karma" in raw:
                staging.add_person(_checked_person(line, raw, latest))
            else:
                staging.add(_checked(line, raw, latest))
        except Invalid as error:
            report.refuse(line, error.message)
    staging.finish()
    for line, item_id in staging.repeated():
        report.refuse(line, f"The file has item {item_id} twice.")


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


def _checked(line: int, raw: Mapping[str, Any] | None, latest: int) -> Entry:
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
        time=_time(raw.get("time", raw.get("created_at")), latest),
        by=str(raw.get("by", raw.get("author")) or "")[:64],
        text=reserialised(str(raw.get("text") or "")[:100_000]),
        score=_number(raw.get("score", raw.get("num_points", 1)), "score", -LARGEST_SCORE, LARGEST_SCORE),
        descendants=_number(raw.get("descendants", raw.get("num_comments", 0)), "descendants", 0, LARGEST_SCORE),
        dead=_truth(raw.get("dead")),
        flagged=_truth(raw.get("flagged")),
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


def _checked_person(line: int, raw: Mapping[str, Any], latest: int) -> Person:
    """A user as a person. Raises Invalid."""
    name = str(raw.get("id") or "").strip()
    if not name:
        raise Invalid("A user needs an id.", field="id")
    return Person(
        line=line,
        name=name[:64],
        created=_time(raw["created"], latest),
        karma=_number(raw["karma"], "karma", -LARGEST_SCORE, LARGEST_SCORE),
        about=typed(reserialised(str(raw.get("about") or "")[: 2 * LONGEST_ABOUT]))[:LONGEST_ABOUT],
        delay=_number(raw.get("delay", 0), "delay", 0, 10),
    )


def _number(value: object, name: str, least: int, most: int) -> int:
    if type(value) is int and least <= value <= most:  # as nearly all are
        return value
    try:
        number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or not least <= number <= most:
        raise Invalid(f"{name} is not a number from {least} to {most}.", field=name)
    return number


def _time(value: object, latest: int) -> int:
    """Seconds since 1970, at most `latest`, which is now: nobody writes in the future."""
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
    return value is not None and str(value).strip().lower() in ("true", "1", "yes")


# Placing


def _offset(session: ReadSession, staging: Staging) -> int:
    """0, unless one of the file's ids belongs to something else here."""
    for identities in staging.identities():
        wanted = {item_id: (kind, seconds) for item_id, kind, seconds in identities}
        for item_id, kind, created_at in _held.rows(session, wanted):
            if (kind, int(created_at.timestamp())) != wanted[item_id]:
                return (session.scalar(select(func.max(Item.id))) or 0) + 1
    return 0


def _place(platform: Platform, staging: Staging, report: ImportReport, offset: int) -> None:
    """Find the post of every entry; those whose line of parents leads to none are refused."""
    if not offset:
        for ids in staging.parents_elsewhere():
            staging.add_parents(platform.db.read(partial(_outside, ids=ids)))
    staging.place()
    for line, parent in staging.lost():
        report.refuse(line, f"Its parent {parent} is neither in the file nor here.")


def _outside(session: ReadSession, ids: list[int]) -> list[tuple[int, int, int]]:
    return [
        (item_id, root_id or item_id, depth + 1 if kind == "comment" else 0)
        for item_id, root_id, depth, kind in _parents.rows(session, ids)
    ]


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


# People


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


importers = {"": run, "hn": run}
