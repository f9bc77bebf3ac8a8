"""How Bitly writes links, ids, groups and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Principal
from dodeca.products.shortener.compat.calls import Asked, Calls
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import Shortener, addresses, groups, labels, links

calls = Calls("/v4")
DEFAULT_DOMAINS = frozenset({"bit.ly", "j.mp", "bitly.com", "www.bitly.com"})
"""Hosts that clients name without meaning them: the shared domain here."""
NO_BITLINK = "There is no such bitlink."
CLIENT_ID = "dodeca"


def bitly_time(moment: datetime) -> str:
    """`2006-01-02T15:04:05+0000`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


def chosen_domain(domain: str | None) -> str | None:
    """The `domain` of a request; None for the shared one."""
    return None if not domain or domain.strip().lower() in DEFAULT_DOMAINS else domain


# Groups: each account has a personal one beside those of the shortener


def personal_guid(account_id: str) -> str:
    """The guid of the links that an account made outside groups."""
    return f"B{account_id}"


def organisation_guid(account_id: str) -> str:
    """The guid of the organisation that an account is."""
    return f"O{account_id}"


def group_id(session: ReadSession, actor: Principal, guid: str | None) -> str | None:
    """The id of the shortener's group that a guid names; None for the personal one. Raises NotFound."""
    if not guid or guid == personal_guid(actor.account_id):
        return None
    return groups.find(session, actor, guid).id


# Links


def plain_id(bitlink: str) -> str:
    """A bitlink as it came, without a scheme and without a host that means the shared domain."""
    host, code = links.split_short_url(bitlink)
    return code if host.lower() in DEFAULT_DOMAINS or not host else f"{host}/{code}"


def found(session: ReadSession, asked: Asked, bitlink: str) -> Link:
    """The caller's link of a bitlink. Raises NotFound."""
    try:
        return links.find_by_short_url(session, asked.shortener, asked.actor, plain_id(bitlink))
    except NotFound as error:
        raise NotFound(NO_BITLINK, field="bitlink") from error


def editable(session: WriteSession, asked: Asked, bitlink: str) -> Link:
    """The same, to be changed. Raises NotFound, Forbidden."""
    return links.editable(session, asked.actor, found(session, asked, bitlink).id)


def without_scheme(url: str) -> str:
    """The id of a short URL."""
    return url.partition("://")[2]


def bitlinks(session: ReadSession, shortener: Shortener, rows: Sequence[Link]) -> list[dict[str, object]]:
    """Links as Bitly shows them, in a handful of queries."""
    ids = [row.id for row in rows]
    codes = addresses.of_links(session, ids)
    tags = labels.tags_of(session, ids) if ids else {}
    makers = accounts_by_ids(session, list({row.user_id for row in rows if row.user_id}))
    table = shortener.hosts(session)
    shown: list[dict[str, object]] = []
    for row in rows:
        host = table.host_of(row.domain_id)
        link = shortener.short_url(codes[row.id].lasting(row), host)
        group = row.group_id or personal_guid(row.user_id or "")
        maker = makers.get(row.user_id or "")
        shown.append(
            {
                "created_at": bitly_time(row.created_at),
                "id": without_scheme(link),
                "link": link,
                "custom_bitlinks": [shortener.short_url(alias, host) for alias in codes[row.id].aliases],
                "long_url": row.long_url,
                "title": row.title,
                "archived": row.archived_at is not None,
                "created_by": maker.username if maker is not None else "",
                "client_id": CLIENT_ID,
                "tags": tags.get(row.id, []),
                "deeplinks": [],
                "references": {"group": f"{base(shortener)}/groups/{group}"},
            }
        )
    return shown


def bitlink(session: ReadSession, shortener: Shortener, row: Link) -> dict[str, object]:
    """One link as Bitly shows it."""
    return bitlinks(session, shortener, [row])[0]


def base(shortener: Shortener) -> str:
    """The address of this API."""
    return f"{shortener.public_url}/shortener/v4"
