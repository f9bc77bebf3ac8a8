"""Making, reading and changing bitlinks."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.shortener import qr
from dodeca.products.shortener.compat.bitly.errors import AlreadyShort
from dodeca.products.shortener.compat.bitly.shapes import (
    NO_BITLINK,
    bitlink,
    bitly_time,
    calls,
    chosen_domain,
    editable,
    found,
    group_id,
    plain_id,
    without_scheme,
)
from dodeca.products.shortener.compat.calls import Answer, Asked
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service import addresses, creating, known, links
from dodeca.products.shortener.service.status import stopped_because
from dodeca.products.shortener.service.wishes import LinkChange, NewLink

Text = Annotated[str, Meta(max_length=20_000)]


class ShortenRequest(msgspec.Struct):
    """What `shorten` takes; fields that are not listed are left alone, as Bitly does."""

    long_url: Text = ""
    domain: Text | None = None
    group_guid: Text | None = None


class CreateRequest(ShortenRequest):
    """What `POST bitlinks` takes beside it. Deep links are accepted and not kept."""

    title: Annotated[str, Meta(max_length=500)] | None = None
    tags: Annotated[list[str], Meta(max_length=50)] | None = None
    deeplinks: list[Any] | None = None


class ChangeRequest(msgspec.Struct):
    """What `PATCH bitlinks/{id}` takes."""

    long_url: Text | UnsetType = UNSET
    title: Annotated[str, Meta(max_length=500)] | UnsetType | None = UNSET
    tags: Annotated[list[str], Meta(max_length=50)] | UnsetType | None = UNSET
    archived: bool | UnsetType = UNSET
    group_guid: Text | UnsetType = UNSET
    deeplinks: list[Any] | UnsetType = UNSET


class ExpandRequest(msgspec.Struct):
    """What `expand` takes."""

    bitlink_id: Text = ""


@calls.working("POST", "shorten")
async def shorten(asked: Asked) -> Answer:
    """201 with a new bitlink, 200 with the one that the caller has for this target."""
    data = asked.body(ShortenRequest)
    return await _made(asked, data, NewLink(reuse=True))


@calls.working("POST", "bitlinks")
async def create(asked: Asked) -> Answer:
    """The same with a title and tags. A known bitlink is given out again where it has them."""
    data = asked.body(CreateRequest)
    wish = NewLink(reuse=not data.title and not data.tags)
    if data.title:
        wish.title = data.title
    if data.tags:
        wish.tags = data.tags
    return await _made(asked, data, wish)


async def _made(asked: Asked, data: ShortenRequest, wish: NewLink) -> Answer:
    shortener, actor = asked.shortener, asked.actor
    wish.long_url = data.long_url
    wish.domain = chosen_domain(data.domain)

    def before(session: ReadSession) -> Link | None:
        if addresses.is_own_short_url(session, shortener, data.long_url):
            raise AlreadyShort("This is already a short link of ours.", field="long_url")
        group = group_id(session, actor, data.group_guid)
        if group is not None:
            wish.group_id, wish.reuse = group, False
        elif wish.reuse:
            return None  # the unit that makes it looks, and cannot be overtaken
        return known.matching(session, shortener, actor, wish)

    link, is_new = await shortener.db.aread(before), False
    if link is None:
        made = await creating.make(shortener, actor, wish, asked.address)
        link, is_new = made.link, made.is_new
    shown = await shortener.db.aread(lambda session: bitlink(session, shortener, link))
    return Answer(shown, 201 if is_new else 200)


@calls.reading("POST", "expand")
def expand(session: ReadSession, asked: Asked) -> object:
    """Where a bitlink leads. Anybody's, as long as everybody who follows it is told."""
    given = asked.body(ExpandRequest).bitlink_id
    if not given.strip():
        raise Invalid("Give a bitlink_id.", field="bitlink_id")
    shortener = asked.shortener
    link = links.by_code(session, shortener, plain_id(given))
    if link is None or not (_is_own(session, asked, link) or _is_open(link, asked)):
        raise NotFound(NO_BITLINK, field="bitlink_id")
    code = addresses.of_links(session, [link.id])[link.id].lasting(link)
    url = shortener.short_url(code, shortener.hosts(session).host_of(link.domain_id))
    return {
        "created_at": bitly_time(link.created_at),
        "id": without_scheme(url),
        "link": url,
        "long_url": link.long_url,
    }


def _is_own(session: ReadSession, asked: Asked, link: Link) -> bool:
    try:
        links.find(session, asked.actor, link.id)
    except NotFound:
        return False
    return True


def _is_open(link: Link, asked: Asked) -> bool:
    """Whether a visitor is told the target: not behind a password, nor where looking would spare a limited visit."""
    from dodeca.kernel import clock

    if link.password_hash is not None or link.max_visits is not None:
        return False
    return stopped_because(link, asked.shortener.settings, clock.now()) is None


@calls.reading("GET", "bitlinks/{bitlink*}/qr")
def qr_code(session: ReadSession, asked: Asked) -> object:
    """The QR code as a data URI: SVG, or PNG with `image_format=png`."""
    link = found(session, asked, asked.part("bitlink"))
    kind = asked.text("image_format", "svg").lower()
    if kind not in ("svg", "png"):
        raise Invalid("image_format is svg or png.", field="image_format")
    style = qr.read_style(dark=asked.text("color", "000000") or "000000")
    shown = bitlink(session, asked.shortener, link)
    picture = qr.render(f"{shown['link']}?qr", kind, style)
    encoded = base64.b64encode(picture).decode()
    return {"qr_code": f"data:{qr.FORMATS[kind]};base64,{encoded}", "link": shown["link"], "id": shown["id"]}


def change_bitlink(session: WriteSession, asked: Asked) -> object:
    """Change what is given."""
    data = asked.body(ChangeRequest)
    link = editable(session, asked, asked.part("bitlink"))
    wish = LinkChange(title=data.title, tags=data.tags, archived=data.archived)
    if data.long_url is not UNSET:
        if addresses.is_own_short_url(session, asked.shortener, data.long_url):
            raise AlreadyShort("This is already a short link of ours.", field="long_url")
        wish.long_url = data.long_url
    if data.group_guid is not UNSET:
        wish.group_id = group_id(session, asked.actor, data.group_guid)
    links.change(session, asked.shortener, asked.actor, link, wish)
    return bitlink(session, asked.shortener, link)


def read_bitlink(session: ReadSession, asked: Asked) -> object:
    """One bitlink."""
    return bitlink(session, asked.shortener, found(session, asked, asked.part("bitlink")))


def delete_bitlink(session: WriteSession, asked: Asked) -> object:
    """Delete a bitlink; its codes lead nowhere from now on."""
    link = editable(session, asked, asked.part("bitlink"))
    shown = bitlink(session, asked.shortener, link)
    links.remove(session, asked.shortener, link)
    return {"links_deleted": [{"id": shown["id"]}]}


def add_last_calls() -> None:
    """Enter the calls whose path fits everything below `bitlinks/`; `metrics` does it once its own are in."""
    calls.reading("GET", "bitlinks/{bitlink*}")(read_bitlink)
    calls.writing("PATCH", "bitlinks/{bitlink*}")(change_bitlink)
    calls.writing("DELETE", "bitlinks/{bitlink*}")(delete_bitlink)
