"""What came of a link: numbers, single clicks, live updates, its QR code."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import Response
from litestar.datastructures import UploadFile
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, FromQuery, get, page_of, post
from dodeca.products.shortener import qr
from dodeca.products.shortener.models import Click, Link
from dodeca.products.shortener.service import Installed, analytics, installed, links
from dodeca.products.shortener.service.analytics import Analytics


class Event(msgspec.Struct):
    """One recorded request. `kind` is click, bot, head, prefetch or impression."""

    at: datetime
    kind: str
    referrer: str
    country: str
    city: str
    device: str
    os: str
    browser: str
    language: str
    source: str


class EventList(msgspec.Struct):
    """Newest first."""

    events: list[Event]
    next_cursor: str | None


def parse_time(text: str | None, field: str) -> datetime | None:
    """A time of a query string, as RFC 3339 or a date. Raises Invalid."""
    if not text:
        return None
    try:
        return clock.parse_rfc3339(text.replace(" ", "+"))
    except (ValueError, OverflowError) as error:
        raise Invalid("Write a time such as 2031-05-01T18:00:00Z, or a date.", field=field) from error


@get("/analytics", access=Access.MEMBER)
def read_analytics(
    session: DbRead,
    shortener: Installed,
    call: Calling,
    short_url: FromQuery[str],
    start: Annotated[str | None, QueryParameter(name="from")] = None,
    end: Annotated[str | None, QueryParameter(name="to")] = None,
    unit: FromQuery[str | None] = None,
    tz: FromQuery[str | None] = None,
) -> Analytics:
    """All numbers of a link of the caller."""
    span = analytics.read_range(parse_time(start, "from"), parse_time(end, "to"), unit, tz)
    link = links.find_by_short_url(session, shortener, call.member(), short_url)
    host = shortener.hosts(session).host_of(link.domain_id)
    return analytics.analyse(session, link, shortener.short_url(link.short_code, host), span)


@get("/links/{link_id:str}/events", access=Access.MEMBER)
def events(
    session: DbRead,
    call: Calling,
    link_id: FromPath[str],
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> EventList:
    """Single requests, as long as they are kept."""
    link = links.find(session, call.member(), link_id)
    statement = select(Click).where(Click.link_id == link.id)
    page = page_of(session, statement, order=[Click.at, Click.id], limit=limit, cursor=cursor)
    rows = [
        Event(r.at, r.kind, r.referrer, r.country, r.city, r.device, r.os, r.browser, r.language, r.source)
        for r in page.items
    ]
    return EventList(rows, page.next_cursor)


@get("/links/{link_id:str}/live", access=Access.MEMBER)
async def live(call: Calling, link_id: FromPath[str]) -> ServerSentEvent:
    """Server-sent events `clicks`: `id`, `clicks`, `unique_visitors`, `bots`, `last_click_at`."""
    shortener = installed(call)
    member = call.member()
    link = await shortener.db.aread(lambda session: links.find(session, member, link_id))
    now = {
        "id": str(link.id),
        "clicks": link.clicks,
        "unique_visitors": link.unique_visitors,
        "bots": link.bots,
        "last_click_at": clock.rfc3339(link.last_click_at) if link.last_click_at else None,
    }
    last = call.request.headers.get("last-event-id")
    return shortener.realtime.stream([f"shortener:link:{link.id}"], last_id=last, first=[("clicks", now)])


@get("/links/{link_id:str}/qr", access=Access.MEMBER, produces=tuple(qr.FORMATS.values()))
def qr_code(
    session: DbRead,
    shortener: Installed,
    call: Calling,
    link_id: FromPath[str],
    image_format: Annotated[str, QueryParameter(name="format")] = "svg",
    size: FromQuery[int] = qr.DEFAULT_SIZE,
    margin: FromQuery[int] = qr.DEFAULT_MARGIN,
    dark: FromQuery[str] = "000000",
    light: FromQuery[str] = "ffffff",
    ecc: FromQuery[str] = "M",
) -> Response[bytes]:
    """The QR code of a link. It holds `?qr`, so that scans are told from clicks."""
    link = links.find(session, call.member(), link_id)
    style = qr.read_style(size=size, margin=margin, dark=dark, light=light, ecc=ecc)
    host = shortener.hosts(session).host_of(link.domain_id)
    return qr_answer(shortener.short_url(link.short_code, host), image_format, style, None)


@post("/links/{link_id:str}/qr", access=Access.MEMBER, status=200, produces=tuple(qr.FORMATS.values()))
async def qr_with_logo(call: Calling, link_id: FromPath[str]) -> Response[bytes]:
    """The same with a `logo` in the middle, sent as a form with the other options."""
    shortener = installed(call)
    member = call.member()

    def url_of(session: DbRead) -> str:
        link: Link = links.find(session, member, link_id)
        return shortener.short_url(link.short_code, shortener.hosts(session).host_of(link.domain_id))

    short_url = await shortener.db.aread(url_of)
    image_format, style, logo = await _qr_form(call)
    return qr_answer(short_url, image_format, style, logo)


async def _qr_form(call: Call) -> tuple[str, qr.QrStyle, qr.Logo | None]:
    form = await call.request.form()
    texts = {name: value for name, value in form.items() if isinstance(value, str) and value}
    numbers = {}
    for name in ("size", "margin"):
        if name in texts:
            if not texts[name].isdecimal() or len(texts[name]) > 6:
                raise Invalid("A number is expected.", field=name)
            numbers[name] = int(texts[name])
    colours = {name: texts[name] for name in ("dark", "light", "ecc") if name in texts}
    upload = form.get("logo")
    logo = qr.read_logo(await upload.read(qr.MAX_LOGO_BYTES + 1)) if isinstance(upload, UploadFile) else None
    return texts.get("format", "svg"), qr.read_style(**numbers, **colours), logo  # type: ignore[arg-type]


def qr_answer(short_url: str, image_format: str, style: qr.QrStyle, logo: qr.Logo | None) -> Response[bytes]:
    """The picture as an answer. Raises Invalid for the format."""
    body = qr.render(f"{short_url}?qr", image_format, style, logo)
    headers = {
        "Cache-Control": "private, max-age=300",
        "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
    }
    return Response(body, media_type=qr.FORMATS[image_format], headers=headers)


routes = [read_analytics, events, live, qr_code, qr_with_logo]
