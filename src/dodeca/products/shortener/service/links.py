"""Links of somebody: finding, listing, changing, deleting, claiming them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from msgspec import UNSET
from sqlalchemy import Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, values_of
from dodeca.kernel.errors import Forbidden, Invalid, NotFound, Unauthenticated
from dodeca.kernel.http import Principal, Slice, page_of
from dodeca.products.shortener.hosts import canonical_host
from dodeca.products.shortener.models import (
    SHARED_DOMAIN,
    Folder,
    Link,
    LinkHistory,
    LinkTag,
    ShortCode,
    Tag,
)
from dodeca.products.shortener.service import aliases, blocklist, domains, groups, labels, ruling
from dodeca.products.shortener.service.creating import Made, judged_extra
from dodeca.products.shortener.service.installation import Shortener
from dodeca.products.shortener.service.status import status_clause, status_of
from dodeca.products.shortener.service.wishes import LinkChange, checked_settings
from dodeca.products.shortener.targets import judge_target

SORTS: dict[str, tuple[InstrumentedAttribute[Any], bool]] = {
    "newest": (Link.created_at, True),
    "oldest": (Link.created_at, False),
    "updated": (Link.updated_at, True),
    "clicks": (Link.clicks, True),
    "least_clicks": (Link.clicks, False),
}
"""How lists may be sorted: column, and whether downwards."""
NO_LINK = "There is no such link."


class LinkView(msgspec.Struct, kw_only=True, omit_defaults=False):
    """A link as its owner sees it."""

    id: str
    short_url: str
    short_code: str
    domain: str | None
    long_url: str
    title: str
    description: str
    image: str
    tags: list[str]
    folder: str | None
    group_id: str | None
    created_at: datetime
    updated_at: datetime
    starts_at: datetime | None
    expires_at: datetime | None
    expired_url: str | None
    max_visits: int | None
    visits_left: int | None
    password: bool
    redirect_status: int
    forward_query: bool
    crawlable: bool
    utm: dict[str, Any] | None
    rules: list[dict[str, Any]]
    archived: bool
    status: str
    warning: str | None
    clicks: int
    unique_visitors: int
    bots: int
    last_click_at: datetime | None
    imported_clicks: int
    manage_token: str | msgspec.UnsetType = UNSET


class Filters(msgspec.Struct, kw_only=True):
    """What to list. `domain` "" means the shared one, None any."""

    q: str | None = None
    tag: str | None = None
    folder: str | None = None
    domain: str | None = None
    status: str | None = None
    sort: str | None = None
    group_id: str | None = None


# Which


def visible_to(actor: Principal) -> Select[Link]:
    """The links of the caller and of the caller's groups."""
    return select(Link).where(
        Link.deleted_at.is_(None),
        or_(Link.user_id == actor.account_id, Link.group_id.in_(groups.ids_of(actor))),
    )


def find(session: ReadSession, actor: Principal, link_id: str | int) -> Link:
    """A link that the caller may see. Raises NotFound."""
    link = session.scalar(visible_to(actor).where(Link.id == _id(link_id)))
    if link is None:
        raise NotFound(NO_LINK)
    return link


def editable(session: WriteSession, actor: Principal, link_id: str | int) -> Link:
    """The same, locked, of one that the caller may change. Raises NotFound, Forbidden."""
    link = session.scalar(visible_to(actor).where(Link.id == _id(link_id)).with_for_update())
    if link is None:
        raise NotFound(NO_LINK)
    if link.user_id != actor.account_id and link.group_id is not None:
        groups.editable(session, actor, link.group_id)
    return link


def managed(
    session: ReadSession, shortener: Shortener, actor: Principal | None, link_id: str | int, token: str | None = None
) -> Link:
    """A link of the caller, or one without account whose manage token is given. Raises NotFound, Unauthenticated."""
    if token:
        link = session.scalar(select(Link).where(Link.id == _id(link_id), Link.deleted_at.is_(None)))
        if link is None or link.manage_token not in shortener.manage_tokens.candidates(token):
            raise NotFound(NO_LINK)
        return link
    if actor is None:
        raise Unauthenticated("Sign in, or give the link's X-Manage-Token.")
    return editable(session, actor, link_id) if isinstance(session, WriteSession) else find(session, actor, link_id)


def _id(link_id: str | int) -> int:
    text = str(link_id)
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) >= 1 << 63:
        raise NotFound(NO_LINK)
    return int(text)


def by_code(session: ReadSession, shortener: Shortener, short_url: str) -> Link | None:
    """The live link of a short URL, `host/CODE` or a code, whoever's it is; also one that does not redirect now."""
    table = shortener.hosts(session)
    host, code = split_short_url(short_url)
    domain_id = table.domain_of(host) if host else SHARED_DOMAIN
    if host and domain_id == SHARED_DOMAIN and not _is_own(shortener, host, table):
        return None
    return find_code(session, domain_id, code)


def _is_own(shortener: Shortener, host: str, table: Any) -> bool:
    name = canonical_host(host)
    return name in table.policy.own.shared or name in table.policy.own.dedicated or name in shortener.shared_hosts


def find_code(session: ReadSession, domain_id: int, code: str) -> Link | None:
    """The live link of a code: generated ones as written, aliases in any letter case."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", code):
        return None
    live = (
        select(Link)
        .join(ShortCode, ShortCode.link_id == Link.id)
        .where(ShortCode.domain_id == domain_id, ShortCode.released_at.is_(None), Link.deleted_at.is_(None))
    )
    exact = session.scalar(live.where(ShortCode.text == code))
    return exact if exact is not None else session.scalar(live.where(ShortCode.alias_key == code.lower()))


def split_short_url(short_url: str) -> tuple[str, str]:
    """Host (may be empty) and code of a short URL, `host/CODE` or a code."""
    text = unquote(short_url.strip()[:2000])
    text = re.sub(r"\A[a-z]+:/+", "", text, flags=re.IGNORECASE)
    text = re.split(r"[?#]", text, maxsplit=1)[0].rstrip("/+")
    host, slash, path = text.partition("/")
    if not slash:
        return "", text
    return host, path.removeprefix("s/")


def find_by_short_url(session: ReadSession, shortener: Shortener, actor: Principal, short_url: str) -> Link:
    """A link that the caller may see, by its short URL. Raises NotFound."""
    link = by_code(session, shortener, short_url)
    if link is None:
        raise NotFound("Short code not found")
    return find(session, actor, link.id)


# Lists


def filtered(session: ReadSession, shortener: Shortener, actor: Principal, filters: Filters) -> Select[Link]:
    """The caller's links that the filters leave. Raises Invalid."""
    statement = visible_to(actor)
    if filters.q and filters.q.strip():
        statement = statement.where(_matches(filters.q.strip()[:200]))
    if filters.tag:
        tagged = select(LinkTag.link_id).join(Tag).where(Tag.key == filters.tag.strip().lower())
        statement = statement.where(Link.id.in_(tagged))
    if filters.folder:
        folder = filters.folder.strip()
        mine = select(Folder.id).where(or_(Folder.id == folder, Folder.key == folder.lower()))
        statement = statement.where(Link.folder_id.in_(mine))
    if filters.group_id:
        statement = statement.where(Link.group_id == filters.group_id)
    if filters.domain is not None:
        table = shortener.hosts(session)
        statement = statement.where(Link.domain_id == domains.chosen(table, actor, filters.domain))
    if filters.status:
        return statement.where(status_clause(filters.status, shortener.settings))
    return statement


def _matches(words: str) -> Any:
    part = "%" + words.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    columns = (Link.title, Link.long_url, Link.short_code, Link.description)
    return or_(*(column.ilike(part, escape="\\") for column in columns))


def listed(
    session: ReadSession,
    shortener: Shortener,
    actor: Principal,
    filters: Filters,
    *,
    limit: int | None = None,
    cursor: str | None = None,
) -> Slice[Link]:
    """One page of the caller's links. Raises Invalid."""
    sort = filters.sort or "newest"
    if sort not in SORTS:
        raise Invalid(f"Sort by one of: {', '.join(SORTS)}.", field="sort")
    column, descending = SORTS[sort]
    statement = filtered(session, shortener, actor, filters)
    return page_of(session, statement, order=[column, Link.id], limit=limit, cursor=cursor, descending=descending)


def views(session: ReadSession, shortener: Shortener, links: Sequence[Link], *, tagged: bool = True) -> list[LinkView]:
    """Links as the API shows them, with what other tables know, in a handful of queries. Not `tagged`: known to have no
    tags."""
    tags = labels.tags_of(session, [link.id for link in links]) if links and tagged else {}
    folders = labels.folder_names(session, (link.folder_id for link in links))
    with_rules = [link.id for link in links if link.has_rules]
    rules = ruling.of_links(session, with_rules) if with_rules else {}
    table = shortener.hosts(session)
    now = clock.now()
    found = []
    for link in links:
        own = values_of(link)
        host = table.host_of(own["domain_id"])
        found.append(
            LinkView(
                id=str(own["id"]),
                short_url=shortener.short_url(own["short_code"], host),
                short_code=own["short_code"],
                domain=host,
                long_url=own["long_url"],
                title=own["title"],
                description=own["description"],
                image=own["image"],
                tags=tags.get(own["id"], []),
                folder=folders.get(own["folder_id"] or ""),
                group_id=own["group_id"],
                created_at=own["created_at"],
                updated_at=own["updated_at"],
                starts_at=own["starts_at"],
                expires_at=own["expires_at"],
                expired_url=own["expired_url"],
                max_visits=own["max_visits"],
                visits_left=own["visits_left"],
                password=own["password_hash"] is not None,
                redirect_status=own["redirect_status"],
                forward_query=own["forward_query"],
                crawlable=own["crawlable"],
                utm=own["utm"],
                rules=[{"long_url": r.long_url, "conditions": r.conditions} for r in rules.get(own["id"], ())],
                archived=own["archived_at"] is not None,
                status=status_of(link, shortener.settings, now),
                warning=own["warning"],
                clicks=own["clicks"],
                unique_visitors=own["unique_visitors"],
                bots=own["bots"],
                last_click_at=own["last_click_at"],
                imported_clicks=own["imported_clicks"],
            )
        )
    return found


def view(session: ReadSession, shortener: Shortener, link: Link) -> LinkView:
    """One link as the API shows it."""
    return views(session, shortener, [link])[0]


def view_of_made(session: ReadSession, shortener: Shortener, made: Made) -> LinkView:
    """The same of one that was just made or found."""
    shown = views(session, shortener, [made.link], tagged=made.is_tagged)[0]
    if made.manage_token is not None:
        shown.manage_token = made.manage_token
    return shown


# Changing


def change(
    session: WriteSession,
    shortener: Shortener,
    actor: Principal | None,
    link: Link,
    wish: LinkChange,
    *,
    password_hash: str | None = None,
) -> Link:
    """Change what the wish gives. `link` comes from `managed` or `editable`; `password_hash` is that of its password.

    Raises Invalid, Forbidden."""
    columns = checked_settings(wish, link)
    policy = shortener.hosts(session).policy
    if wish.target is not None:
        _retarget(session, shortener, actor, link, wish.target)
    if wish.expired_url is not UNSET:
        url = wish.expired_url
        columns["expired_url"] = judged_extra(session, policy, url, "expired_url") if url else None
    if wish.image not in (UNSET, None, ""):
        columns["image"] = judge_target(str(wish.image), policy, field="image").location
    if wish.password is not UNSET:
        columns["password_hash"] = password_hash
    if wish.archived is not UNSET:
        columns["archived_at"] = (link.archived_at or clock.now()) if wish.archived else None
    if wish.max_visits is not UNSET and "visits_left" not in columns and link.visits_left is not None:
        _add_visits(link, wish.max_visits or 0)
    _change_places(session, actor, link, wish)
    if wish.rules is not UNSET:
        ruling.replace(session, link, ruling.checked(session, policy, wish.rules))
    for name, value in columns.items():
        setattr(link, name, value)
    link.updated_at = clock.now()
    if not is_still_plain(link):
        link.dedupe_key = None
    session.flush()
    shortener.forget(session, *blocklist.entry_keys(session, link))
    return link


def is_still_plain(link: Link) -> bool:
    """Whether `P/shorten` may go on giving the link out."""
    from dodeca.products.shortener.service.creating import is_plain

    return link.dedupe_key is None or is_plain(link)


def _add_visits(link: Link, limit: int) -> None:
    """A raised limit adds visits, a lowered one takes them away; those that were made stay made."""
    used = (link.max_visits or 0) - (link.visits_left or 0)
    link.visits_left = max(0, limit - used)


def _retarget(session: WriteSession, shortener: Shortener, actor: Principal | None, link: Link, long_url: str) -> None:
    target = judge_target(long_url, shortener.hosts(session).policy)
    blocklist.check(session, target)
    if target.long_url == link.long_url:
        return
    now = clock.now()
    account_id = actor.account_id if actor is not None else None
    session.add(
        LinkHistory(link_id=link.id, account_id=account_id, from_url=link.long_url, to_url=target.long_url, at=now)
    )
    link.long_url = target.long_url
    link.location = None if target.location == target.long_url else target.location
    link.url_hash, link.target_domain, link.warning = target.url_hash, target.domain, target.warning
    link.target_changed_at = now
    link.dedupe_key = None


def _change_places(session: WriteSession, actor: Principal | None, link: Link, wish: LinkChange) -> None:
    wanted = (wish.tags, wish.folder, wish.group_id)
    if all(given is UNSET for given in wanted):
        return
    if actor is None or link.user_id is None:
        raise Unauthenticated("Tags, folders and groups need an account: claim the link first.")
    if wish.tags is not UNSET:
        labels.set_tags(session, link, wish.tags)
    if wish.folder is not UNSET:
        link.folder_id = labels.folder_named(session, link.user_id, wish.folder).id if wish.folder else None
    if wish.group_id is not UNSET and wish.group_id != link.group_id:
        if link.user_id != actor.account_id:
            raise Forbidden("Only who made the link moves it to another group.")
        link.group_id = groups.editable(session, actor, wish.group_id).id if wish.group_id else None


def remove(session: WriteSession, shortener: Shortener, link: Link) -> None:
    """Delete a link: its codes lead nowhere from now on. `link` comes from `managed` or `editable`."""
    now = clock.now()
    shortener.forget(session, *blocklist.entry_keys(session, link))
    aliases.release_all(session, link, now)
    link.deleted_at = link.updated_at = now
    link.dedupe_key = None
    session.flush()


def claim(session: WriteSession, shortener: Shortener, actor: Principal, link_id: str, token: str | None) -> Link:
    """Move a link without account to the caller. Raises NotFound for a wrong token, Invalid without one."""
    if not token:
        raise Invalid("Give the link's X-Manage-Token.", field="X-Manage-Token")
    link = managed(session, shortener, None, link_id, token)
    session.refresh(link, with_for_update=True)
    if link.manage_token is None:
        raise NotFound(NO_LINK)
    link.user_id, link.manage_token, link.updated_at = actor.account_id, None, clock.now()
    shortener.forget(session, *blocklist.entry_keys(session, link))
    return link


def history(session: ReadSession, link: Link, limit: int = 100) -> Sequence[LinkHistory]:
    """When the target changed, newest first. `link` comes from `find`."""
    statement = select(LinkHistory).where(LinkHistory.link_id == link.id)
    return session.scalars(statement.order_by(LinkHistory.at.desc(), LinkHistory.id.desc()).limit(limit)).all()


async def hash_password(shortener: Shortener, wish: LinkChange) -> str | None:
    """The hash of the password that a wish sets, to be made outside a unit of work."""
    return await shortener.passwords.hash_async(wish.password) if wish.password else None
