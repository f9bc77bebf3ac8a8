"""QR codes: the picture of any short link, and the designer of one's own."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Response
from litestar.datastructures import UploadFile

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Access, Call, Calling, DbRead, FormState, FromPath, FromQuery, Page, get, post
from dodeca.products.shortener import qr
from dodeca.products.shortener.pages.link import link_of
from dodeca.products.shortener.pages.surroundings import page, with_query
from dodeca.products.shortener.service import links, of

MARK = "?qr"
"""What a code's URL ends with, so that scans are told from clicks."""
LEVELS = (
    ("L", "L: repairs 7 %"),
    ("M", "M: repairs 15 %"),
    ("Q", "Q: repairs 25 %"),
    ("H", "H: repairs 30 %, for logos and rough surfaces"),
)
FORMATS = (
    ("svg", "SVG", "For print and web, any size"),
    ("png", "PNG", "For documents and chats"),
    ("pdf", "PDF", "For the printer"),
)
# A picture that is opened by itself may still not run or load anything.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


@get("/qr", access=Access.PUBLIC)
async def picture(
    call: Calling,
    short_url: FromQuery[str] = "",
    image_format: FromQuery[str] = "svg",
    size: FromQuery[int] = qr.DEFAULT_SIZE,
    margin: FromQuery[int] = qr.DEFAULT_MARGIN,
    dark: FromQuery[str] = "000000",
    light: FromQuery[str] = "ffffff",
    ecc: FromQuery[str] = "M",
) -> Response[bytes]:
    """The QR code of an existing short link, for anybody who has the link."""
    shortener = of(call.platform)
    style = qr.read_style(size=size, margin=margin, dark=dark, light=light, ecc=ecc)

    def find(session: ReadSession) -> str:
        link = links.by_code(session, shortener, short_url)
        if link is None:
            raise NotFound("Short code not found", field="short_url")
        return shortener.short_url(link.short_code, shortener.hosts(session).host_of(link.domain_id))

    text = await shortener.db.aread(find) + MARK
    body = await asyncio.to_thread(qr.render, text, image_format, style)
    headers = {**_HEADERS, "Cache-Control": "private, max-age=3600"}
    return Response(body, media_type=qr.FORMATS[image_format], headers=headers)


def show_designer(session: ReadSession, call: Call, state: FormState) -> Page:
    """The designer, with what was chosen."""
    view = links.view(session, of(call.platform), link_of(session, call))
    asked = {**{name: str(value) for name, value in call.request.query_params.items()}, **state.values}
    chosen = {
        "size": asked.get("size") or str(qr.DEFAULT_SIZE),
        "margin": asked.get("margin") or str(qr.DEFAULT_MARGIN),
        "dark": "#" + (asked.get("dark") or "000000").lstrip("#"),
        "light": "#" + (asked.get("light") or "ffffff").lstrip("#"),
        "ecc": asked.get("ecc") or "M",
    }
    plain = {name: value.lstrip("#") for name, value in chosen.items()}
    return page(
        call,
        "qr.html",
        form=state.form,
        link=view,
        chosen=chosen,
        levels=LEVELS,
        formats=FORMATS,
        source=with_query("/shortener/qr", {"short_url": view.short_url, **plain}),
        limits={"size": (qr.MIN_SIZE, qr.MAX_SIZE), "margin": (0, qr.MAX_MARGIN), "logo": qr.MAX_LOGO_BYTES // 1024},
    )


@get("/links/{link_id:str}/qr", access=Access.MEMBER)
def designer(session: DbRead, call: Calling, link_id: FromPath[str]) -> Page:
    """The designer."""
    return show_designer(session, call, FormState())


@post("/links/{link_id:str}/qr", access=Access.MEMBER, status=200, form=show_designer)
async def draw(call: Calling, link_id: FromPath[str]) -> Response[bytes]:
    """The code as designed, as a download; `inline` for the preview."""
    shortener, actor = of(call.platform), call.member()
    form = await call.request.form()
    values = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    style = qr.read_style(
        size=_number(values, "size", qr.DEFAULT_SIZE),
        margin=_number(values, "margin", qr.DEFAULT_MARGIN),
        dark=values.get("dark") or "000000",
        light=values.get("light") or "ffffff",
        ecc=values.get("ecc") or "M",
    )
    image_format = values.get("format", "svg")
    upload: Any = form.get("logo")
    data = await upload.read() if isinstance(upload, UploadFile) else b""
    logo = await asyncio.to_thread(qr.read_logo, data) if data else None

    def find(session: ReadSession) -> tuple[str, str]:
        view = links.view(session, shortener, links.find(session, actor, link_id))
        return view.short_url + MARK, view.short_code

    text, code = await shortener.db.aread(find)
    body = await asyncio.to_thread(qr.render, text, image_format, style, logo)
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    if "inline" not in values:
        headers["Content-Disposition"] = f'attachment; filename="{code}.{image_format}"'
    return Response(body, media_type=qr.FORMATS[image_format], headers=headers)


def _number(values: dict[str, str], name: str, otherwise: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return otherwise
    if not text.isascii() or not text.isdecimal() or len(text) > 6:
        raise Invalid("Enter a whole number.", field=name)
    return int(text)


routes = [picture, designer, draw]
