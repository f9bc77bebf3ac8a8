"""Bringing links in from files: own CSV, Shlink, Bitly, YOURLS. Repeatable: nothing is added twice."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql

from dodeca.commons.accounts.models import Account, AccountRole
from dodeca.commons.accounts.public import account_by_login
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, DodecaError, Invalid, NotFound
from dodeca.kernel.transfer import ImportReport, Progress
from dodeca.products.shortener import aliases as names
from dodeca.products.shortener.formats import ImportKind, ImportRow, RowError, read_blocklist, read_links
from dodeca.products.shortener.hosts import canonical_host
from dodeca.products.shortener.models import SHARED_DOMAIN, ImportRun, Link, LinkTag, ShortCode, new_link_id
from dodeca.products.shortener.service import aliases, blocklist, inserting, labels, of
from dodeca.products.shortener.service.codes import Codes
from dodeca.products.shortener.service.hosting import HostTable
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.wishes import MAX_TAGS
from dodeca.products.shortener.targets import Target, judge_target

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

BATCH = 100
LONGEST_TITLE = 500
_HEAD = 4096


class StoredProgress:
    """Progress in the import's row, for the page that watches it."""

    def __init__(self, platform: Platform, import_id: str) -> None:
        self._platform = platform
        self._import_id = import_id
        self._done = 0

    def start(self, label: str, total: int | None) -> None:
        """Nothing: the row was made before."""

    def advance(self, steps: int = 1) -> None:
        """Note how many rows are done."""
        self._done += steps
        done = update(ImportRun).where(ImportRun.id == self._import_id).values(rows_done=self._done)
        self._platform.db.write(lambda session: session.execute(done) and None)


def import_stream(
    shortener: Shortener, account_id: str, stream: IO[bytes], kind: str, progress: Progress
) -> ImportReport:
    """Bring in a file, a hundred rows in a unit of work. Raises Invalid when it is not of that kind."""
    report = ImportReport()
    rows = read_links(stream, kind)
    while batch := list(itertools.islice(rows, BATCH)):
        links: list[tuple[ImportRow, Target]] = []
        policy = shortener.db.read(shortener.hosts).policy
        for row in batch:
            judged = _judged(row, policy)
            if isinstance(judged, RowError):
                report.refuse(judged.position, judged.message)
            else:
                links.append(judged)
        with shortener.codes.reserved(len(links) + SPARE) as codes:
            outcomes = shortener.db.write(
                lambda session, links=links, codes=codes: _add(session, shortener, account_id, links, codes)  # type: ignore[misc]
            )
        for (row, _), outcome in zip(links, outcomes, strict=True):
            if isinstance(outcome, str):
                report.refuse(row.position, outcome)
            else:
                report.read += 1
                report.added += outcome
                report.unchanged += not outcome
        progress.advance(len(batch))
    return report


SPARE = 10
"""Codes of a batch that may be lost to aliases."""


def _judged(row: ImportRow | RowError, policy: Any) -> tuple[ImportRow, Target] | RowError:
    if isinstance(row, RowError):
        return row
    if row.password_protected:
        return RowError(row.position, "password_protected", "It asked for a password, which the file does not hold.")
    try:
        target = judge_target(row.long_url, policy)
        if row.short_code is not None:
            names.check_alias(row.short_code, own_domain=True, field="short_code")
            if names.is_reserved(row.short_code):
                raise Invalid(f"The code {row.short_code} is reserved.", field="short_code")
    except Invalid as error:
        return RowError(row.position, error.field, error.message)
    return row, target


def _add(
    session: WriteSession,
    shortener: Shortener,
    account_id: str,
    links: list[tuple[ImportRow, Target]],
    codes: Codes,
) -> list[bool | str]:
    """Add a batch: True for each that is new, False for one that was there, a text for one that is refused."""
    table = shortener.hosts(session)
    now = clock.now()
    tag_ids = _tag_ids(session, account_id, links)
    outcomes: list[bool | str] = []
    tagged: list[dict[str, Any]] = []
    for row, target in links:
        domain_id = _domain_id(table, account_id, row.domain)
        try:
            blocklist.check(session, target)
            made = _add_one(session, shortener, account_id, row, target, domain_id, codes, now)
        except DodecaError as error:
            outcomes.append(error.message)
            continue
        outcomes.append(made is not None)
        if made is not None:
            tagged += [{"link_id": made, "tag_id": tag_ids[name.lower()]} for name in _clean_tags(row)]
    if tagged:
        session.execute(postgresql.insert(LinkTag).on_conflict_do_nothing(), tagged)
    return outcomes


def _clean_tags(row: ImportRow) -> list[str]:
    return [" ".join(tag.split())[: labels.LONGEST_NAME] for tag in row.tags if tag.strip() and tag.isprintable()]


def _tag_ids(session: WriteSession, account_id: str, links: list[tuple[ImportRow, Target]]) -> dict[str, str]:
    wanted = {name.lower(): name for row, _ in links for name in _clean_tags(row)}
    found: dict[str, str] = {}
    keys = list(wanted)
    for start in range(0, len(keys), MAX_TAGS):
        part = keys[start : start + MAX_TAGS]
        found.update(zip(part, labels.tag_ids(session, account_id, [wanted[key] for key in part]), strict=True))
    return found


def _domain_id(table: HostTable, account_id: str, domain: str | None) -> int:
    """The account's domain of this name; codes of hosts that are not ours come to the shared domain."""
    served = table.domains.get(table.dedicated.get(canonical_host(domain), SHARED_DOMAIN)) if domain else None
    return served.id if served is not None and served.account_id == account_id else SHARED_DOMAIN


def _add_one(
    session: WriteSession,
    shortener: Shortener,
    account_id: str,
    row: ImportRow,
    target: Target,
    domain_id: int,
    codes: Codes,
    now: datetime,
) -> int | None:
    """Add one link; None when the account has it. Raises Conflict when its code is taken."""
    code = row.short_code
    if code is None:
        if _has(session, account_id, target, domain_id):
            return None
        code = codes.take()
        while aliases.is_taken(session, domain_id, code):
            code = codes.take()
    else:
        holder = _holder(session, domain_id, code)
        if holder is not None and holder.user_id == account_id and holder.target == target.location:
            return None
        if holder is not None or aliases.equals_generated(session, domain_id, code):
            raise Conflict(f"The code {code} is taken.")
    values = inserting.fresh_link(account_id, domain_id, code, target, now) | {
        "title": (row.title or "")[:LONGEST_TITLE],
        "created_at": min(row.created_at or now, now),
        "expires_at": row.expires_at,
        "archived_at": now if row.archived else None,
        "imported_clicks": row.clicks,
    }
    if row.max_visits:
        values |= {"max_visits": row.max_visits, "visits_left": max(0, row.max_visits - row.clicks)}
    while not inserting.insert_link(session, values):
        values["id"] = new_link_id()
    if row.short_code is None:
        inserting.insert_code(session, domain_id, code, values["id"])
    else:
        aliases.claim(session, domain_id, code, values["id"], account_id)
    return int(values["id"])


def _has(session: ReadSession, account_id: str, target: Target, domain_id: int) -> bool:
    statement = select(Link.location, Link.long_url).where(
        Link.user_id == account_id,
        Link.url_hash == target.url_hash,
        Link.domain_id == domain_id,
        Link.deleted_at.is_(None),
    )
    return any((location or long_url) == target.location for location, long_url in session.execute(statement))


def _holder(session: ReadSession, domain_id: int, code: str) -> Link | None:
    live = select(Link).join(ShortCode, ShortCode.link_id == Link.id).where(ShortCode.domain_id == domain_id)
    live = live.where(ShortCode.released_at.is_(None))
    exact = session.scalar(live.where(ShortCode.text == code))
    return exact if exact is not None else session.scalar(live.where(ShortCode.alias_key == code.lower()))


# The command line


def _importer(kind: str) -> Callable[..., ImportReport]:
    def run(platform: Platform, path: Path, progress: Progress, owner: str = "", **_options: object) -> ImportReport:
        account_id = platform.db.read(lambda session: _owner(session, owner))
        with path.open("rb") as file:
            chosen = kind or guessed_kind(file.read(_HEAD))
            file.seek(0)
            progress.start(f"Importing {path.name}", _lines(path) if chosen != ImportKind.BITLY else None)
            return import_stream(of(platform), account_id, file, chosen, progress)

    return run


def _owner(session: ReadSession, owner: str) -> str:
    if owner:
        account = account_by_login(session, owner)
        if account is None:
            raise NotFound(f"There is no account {owner}.")
        return account.id
    first = (
        select(Account.id)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(AccountRole.role == "admin", Account.deleted_at.is_(None))
        .order_by(Account.created_at, Account.id)
        .limit(1)
    )
    admin = session.scalar(first)
    if admin is None:
        raise NotFound("Nobody could own the links. Make an admin (`dodeca admin create NAME`), or use --as.")
    return admin


def guessed_kind(head: bytes) -> str:
    """What a file seems to be, from its beginning."""
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text[:1] in ("{", "["):
        return ImportKind.BITLY
    first = re.sub(r"[^a-z0-9,;]", "", text.partition("\n")[0].lower())
    columns = set(re.split("[,;]", first))
    if {"keyword", "url"} <= columns:
        return ImportKind.YOURLS
    is_shlink = {"longurl", "shortcode"} <= columns and "long url" in text.partition("\n")[0].lower()
    return ImportKind.SHLINK if is_shlink else ImportKind.CSV


def _lines(path: Path) -> int:
    """The number of rows, nearly: fields may hold line breaks."""
    with path.open("rb") as file:
        return max(0, sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1)


def import_blocklist(
    platform: Platform, path: Path, progress: Progress, owner: str = "", **_options: object
) -> ImportReport:
    """Bring in a blocklist in hosts format."""
    report = ImportReport()
    progress.start(f"Importing {path.name}", _lines(path))
    items: Iterator[Any] = read_blocklist(io.BytesIO(path.read_bytes()))
    while batch := list(itertools.islice(items, BATCH)):
        patterns = []
        for item in batch:
            if isinstance(item, RowError):
                report.refuse(item.position, item.message)
            else:
                patterns.append(item[1])
        added = platform.db.write(lambda session, p=patterns: blocklist.add(session, None, p, "imported"))  # type: ignore[misc]
        report.read += len(patterns)
        report.added += added
        report.unchanged += len(patterns) - added
        progress.advance(len(batch))
    return report


importers = {
    "": _importer(""),
    **{kind.value: _importer(kind.value) for kind in ImportKind},
    "blocklist": import_blocklist,
}
