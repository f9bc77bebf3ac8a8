"""Custom bitlinks: aliases, given to a bitlink or moved to another."""

from __future__ import annotations

import msgspec

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener.compat.bitly.bitlinks import Text
from dodeca.products.shortener.compat.bitly.shapes import bitlink, bitly_time, calls, editable, plain_id
from dodeca.products.shortener.compat.calls import Answer, Asked
from dodeca.products.shortener.models import SHARED_DOMAIN, Link
from dodeca.products.shortener.service import addresses, aliases, links, moving


class CustomRequest(msgspec.Struct):
    """What `POST custom_bitlinks` takes."""

    custom_bitlink: Text = ""
    bitlink_id: Text = ""


class MoveRequest(msgspec.Struct):
    """What `PATCH custom_bitlinks/{c}` takes."""

    bitlink_id: Text = ""


def _host_and_alias(custom: str) -> tuple[str, str]:
    """Host (empty: the shared domain) and alias of a custom bitlink."""
    host, _, alias = plain_id(custom).rpartition("/")
    return host, alias


def _domain(session: ReadSession, asked: Asked, host: str) -> int:
    if not host:
        return SHARED_DOMAIN
    found = addresses.domain_named(asked.shortener.hosts(session), host)
    if found is None:
        raise NotFound("There is no such custom bitlink.", field="custom_bitlink")
    return found


def _shown(session: ReadSession, asked: Asked, link: Link, alias: str) -> dict[str, object]:
    shortener = asked.shortener
    shown = bitlink(session, shortener, link)
    url = shortener.short_url(alias, shortener.hosts(session).host_of(link.domain_id))
    leads = {"bitlink": shown["id"], "link": shown["link"], "created": bitly_time(link.created_at), "is_active": True}
    return {"custom_bitlink": url, "bitlink": shown, "bitlink_history": [leads]}


@calls.writing("POST", "custom_bitlinks")
def add_custom(session: WriteSession, asked: Asked) -> object:
    """Give a bitlink a further name."""
    data = asked.body(CustomRequest)
    host, alias = _host_and_alias(data.custom_bitlink)
    if not alias:
        raise Invalid("Give a custom_bitlink such as bit.ly/name.", field="custom_bitlink")
    link = editable(session, asked, data.bitlink_id)
    named = addresses.domain_named(asked.shortener.hosts(session), host) if host else link.domain_id
    if named != link.domain_id:
        raise Invalid("The name and the bitlink are on different domains.", field="custom_bitlink")
    text = aliases.add(session, asked.shortener, asked.actor, link, alias)
    session.flush()
    return Answer(_shown(session, asked, link, text), 201)


@calls.reading("GET", "custom_bitlinks/{custom*}")
def read_custom(session: ReadSession, asked: Asked) -> object:
    """Where a name leads."""
    host, alias = _host_and_alias(asked.part("custom"))
    row = moving.alias_of(session, _domain(session, asked, host), alias)
    return _shown(session, asked, links.find(session, asked.actor, row.link_id), row.text)


@calls.working("PATCH", "custom_bitlinks/{custom*}")
async def move_custom(asked: Asked) -> object:
    """Let a name lead to another bitlink."""
    data = asked.body(MoveRequest)
    host, alias = _host_and_alias(asked.part("custom"))
    shortener = asked.shortener

    def unit(session: WriteSession) -> object:
        row = moving.alias_of(session, _domain(session, asked, host), alias)
        links.find(session, asked.actor, row.link_id)
        link = editable(session, asked, data.bitlink_id)
        moving.move_alias(session, shortener, asked.actor, row, link, codes)
        return _shown(session, asked, link, row.text)

    async with shortener.codes.areserved(1) as codes:
        return await shortener.db.awrite(unit)
