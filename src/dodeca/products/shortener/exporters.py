"""Writing links out: own formats, and the exit files with which other servers go on redirecting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from dodeca.commons.accounts.public import account_by_login
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.formats import ExitLink, ExportRow, not_plain_because, write_csv, write_exit, write_jsonl
from dodeca.products.shortener.models import Link, ShortCode
from dodeca.products.shortener.queries import merge_utm
from dodeca.products.shortener.service import labels, of
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.status import stopped_because

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

PAGE = 500
CHUNK_BYTES = 64 * 1024
MEDIA_TYPES = {
    "csv": ("text/csv", "csv"),
    "jsonl": ("application/jsonl; charset=utf-8", "jsonl"),
    "nginx": ("text/plain", "map.conf"),
    "redirects": ("text/plain", "redirects"),
    "htaccess": ("text/plain", "htaccess"),
}


def chunks(shortener: Shortener, kind: str, account_id: str | None) -> Iterator[bytes]:
    """The file in pieces of about 64 KB; of one account, or of all with None. Raises Invalid for the format."""
    if kind not in MEDIA_TYPES:
        raise Invalid(f"The format is one of: {', '.join(MEDIA_TYPES)}.", field="format")
    if kind == "csv":
        return _gathered(write_csv(rows(shortener, account_id)))
    if kind == "jsonl":
        return _gathered(write_jsonl(rows(shortener, account_id)))
    return _gathered(write_exit(kind, exit_links(shortener, account_id)))


def _gathered(texts: Iterable[str]) -> Iterator[bytes]:
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size >= CHUNK_BYTES:
            yield "".join(waiting).encode()
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting).encode()


def rows(shortener: Shortener, account_id: str | None) -> Iterator[ExportRow]:
    """Links with their numbers, oldest first, a page in a unit of work."""
    for page in _pages(shortener, account_id, _export_rows):
        yield from page


def exit_links(shortener: Shortener, account_id: str | None) -> Iterator[ExitLink]:
    """Every code that leads somewhere."""
    for page in _pages(shortener, account_id, _exit_links):
        yield from page


def _pages(
    shortener: Shortener,
    account_id: str | None,
    shown: Callable[[ReadSession, Shortener, Sequence[Link]], list[Any]],
) -> Iterator[list[Any]]:
    last = 0
    while True:
        statement = select(Link).where(Link.deleted_at.is_(None), Link.id > last).order_by(Link.id).limit(PAGE)
        if account_id is not None:
            statement = statement.where(Link.user_id == account_id)

        def unit(session: ReadSession, statement: Any = statement) -> tuple[int, list[Any]]:
            links = session.scalars(statement).all()
            found = shown(session, shortener, links)
            session.expunge_all()
            return (links[-1].id if len(links) == PAGE else -1), found

        last, page = shortener.db.read(unit)
        yield page
        if last < 0:
            return


def _export_rows(session: ReadSession, shortener: Shortener, links: Sequence[Link]) -> list[ExportRow]:
    tags = labels.tags_of(session, [link.id for link in links])
    table = shortener.hosts(session)
    return [
        ExportRow(
            short_code=link.short_code,
            long_url=link.long_url,
            domain=table.host_of(link.domain_id) or "",
            title=link.title,
            tags=tuple(tags.get(link.id, ())),
            created_at=link.created_at,
            expires_at=link.expires_at,
            max_visits=link.max_visits,
            password_protected=link.password_hash is not None,
            archived=link.archived_at is not None,
            clicks=link.clicks + link.imported_clicks,
            unique_visitors=link.unique_visitors,
            bots=link.bots,
            last_click_at=link.last_click_at,
        )
        for link in links
    ]


def _exit_links(session: ReadSession, shortener: Shortener, links: Sequence[Link]) -> list[ExitLink]:
    by_id = {link.id: link for link in links}
    table = shortener.hosts(session)
    now = clock.now()
    codes = select(ShortCode).where(ShortCode.link_id.in_(by_id), ShortCode.released_at.is_(None))
    found = []
    for code in session.scalars(codes.order_by(ShortCode.link_id, ShortCode.text)):
        link = by_id[code.link_id]
        reasons = not_plain_because(
            rules=link.has_rules,
            password=link.password_hash is not None,
            max_visits=link.max_visits is not None,
            starts_at=link.starts_at,
            expires_at=link.expires_at,
            forward_query=link.forward_query,
            warning=link.warning is not None,
            inactive=stopped_because(link, shortener.settings, now),
        )
        found.append(
            ExitLink(
                code=code.text,
                location=merge_utm(link.target, link.utm) if link.utm else link.target,
                status=link.redirect_status,
                any_case=code.alias_key is not None,
                host=table.host_of(code.domain_id) or shortener.own_host,
                reasons=reasons,
            )
        )
    return found


def _exporter(kind: str) -> Callable[..., Iterator[bytes]]:
    def export(platform: Platform, owner: str = "", **_options: object) -> Iterator[bytes]:
        account_id = None
        if owner:
            account = platform.db.read(lambda session: account_by_login(session, owner))
            if account is None:
                raise NotFound(f"There is no account {owner}.")
            account_id = account.id
        return chunks(of(platform), kind, account_id)

    return export


exporters = {"": _exporter("csv"), **{kind: _exporter(kind) for kind in MEDIA_TYPES}}
