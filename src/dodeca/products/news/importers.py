"""Bringing items and users in from files of Hacker News' shape: JSON Lines or CSV, in any order, repeatable.

The file's ids are kept; where another item holds one, the whole file is shifted and the offset told. What has no
parent in the file or here is set aside and counted. Written in batches with Core: the ORM would take ten times as long.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from dodeca.commons.accounts.public import Account, create_many_without_login
from dodeca.kernel import clock
from dodeca.kernel.db import PreparedIn, ReadSession, WriteSession
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.news import import_writing
from dodeca.products.news.import_helpers import Helpers, helpers
from dodeca.products.news.import_reading import Reading, read_lines, read_rows
from dodeca.products.news.import_staging import Person, Staging
from dodeca.products.news.models import Item
from dodeca.products.news.service import members

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 1000
BLOCK_BYTES = 1024 * 1024
_held = PreparedIn(select(Item.id, Item.type, Item.created_at), Item.__table__.c.id, batch=500)
_parents = PreparedIn(select(Item.id, Item.root_id, Item.depth, Item.type), Item.__table__.c.id, batch=500)


def run(platform: Platform, path: Path, progress: Progress, **_options: object) -> ImportReport:
    """Import a file; gives what became of each row."""
    report = ImportReport()
    with helpers(path.stat().st_size) as helping, Staging() as staging:
        progress.start("Reading", None)
        _read(path, staging, helping, report, progress)
        offset = platform.db.read(lambda session: _offset(session, staging))
        if offset:
            report.notes.append(f"Ids were taken: all of the file are shifted by {offset}.")
        _place(platform, staging, report, offset)
        since = staging.first_times()
        authors = _authors(platform, since)
        progress.start("Importing", staging.count())
        import_writing.write(platform, staging, helping, authors, since, offset, report, progress)
        for people in staging.people(BATCH):
            platform.db.write(partial(_write_people, people=people, report=report))
    return report


# Reading


def _read(path: Path, staging: Staging, helpers: Helpers, report: ImportReport, progress: Progress) -> None:
    """Check all rows of the file and keep them; what is wrong with the others is reported."""
    for reading in helpers.each(_calls(path, int(clock.timestamp()))):
        for line, why in reading.refused:
            report.refuse(line, why)
        staging.add(reading.entries, reading.people)
        progress.advance(reading.rows)
    staging.finish()
    for line, item_id in staging.repeated():
        report.refuse(line, f"The file has item {item_id} twice.")


def _calls(path: Path, latest: int) -> Iterator[Callable[[], Reading]]:
    """The file in parts, to be checked."""
    with path.open("rb") as file:
        is_json = file.read(1) in (b"{", b"[")
        file.seek(0)
        line = 1
        while is_json and (block := file.read(BLOCK_BYTES)):
            block += file.readline()
            yield partial(read_lines, line, block, latest)
            line += block.count(b"\n")
    if not is_json:
        rows = _table(path)
        while part := list(islice(rows, BATCH)):
            yield partial(read_rows, part, latest)


def _table(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    with path.open(encoding="utf-8", errors="replace", newline="") as table:
        rows = csv.DictReader(table)
        for line in count(2):
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:  # a value that is too long, as where a quotation mark is never closed
                yield line, None
            else:
                yield line, {name: value for name, value in row.items() if name and value not in (None, "")}


# Placing


def _offset(session: ReadSession, staging: Staging) -> int:
    """0, unless one of the file's ids belongs to something else here."""
    last = session.scalar(select(func.max(Item.id))) or 0
    for identities in staging.identities(last):
        wanted = {item_id: (kind, seconds) for item_id, kind, seconds in identities}
        for item_id, kind, created_at in _held.rows(session, wanted):
            if (kind, int(created_at.timestamp())) != wanted[item_id]:
                return last + 1
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
