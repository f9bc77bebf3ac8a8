"""What needs no account: shared links, the player inside other pages, and the parts of the app that works offline."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Response

from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Access, Calling, DbRead, DbWrite, FromPath, FromQuery, Page, get
from dodeca.kernel.http.security import PAGE_HEADERS
from dodeca.products.music.acting import Looking
from dodeca.products.music.pages.look import page, rows
from dodeca.products.music.service import shares, songs
from dodeca.products.music.service.viewers import VISITOR

FRAMED = {
    "X-Frame-Options": "ALLOWALL",  # no value that browsers know: they follow frame-ancestors
    "Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors *"
    ),
}
"""A player inside another page may be framed by anybody; it shows nothing that is not public."""


class Embed(msgspec.Struct, kw_only=True):
    """What oEmbed (https://oembed.com) tells of a song."""

    version: str = "1.0"
    type: str = "rich"
    provider_name: str = "Dodeca Music"
    provider_url: str
    title: str
    author_name: str
    thumbnail_url: str
    thumbnail_width: int = 600
    thumbnail_height: int = 600
    width: int = 480
    height: int = 152
    html: str


@get("/share/{token:str}", access=Access.PUBLIC)
def share_page(session: DbWrite, call: Calling, viewer: Looking, token: FromPath[str]) -> Page:
    """What somebody shares: to be heard without an account."""
    share = shares.by_token(session, token)
    found = shares.songs_of(session, share)
    shares.visited(session, share.id)
    return page(
        session,
        viewer,
        "share.html",
        "",
        title=shares.title_of(session, share) if found else "",
        songs=rows(session, viewer, found),
        address=call.platform.url(f"/music/share/{token}"),
        picture=call.platform.url(f"/api/music/songs/{found[0].id}/cover") if found else "",
    )


@get("/embed/{song_id:int}", access=Access.PUBLIC)
def embed_page(session: DbRead, call: Calling, song_id: FromPath[int]) -> Page:
    """A small player of one public song, for other pages."""
    song = songs.find(session, VISITOR, song_id)
    return Page(
        "music/embed.html",
        song=rows(session, VISITOR, [song])[0],
        address=call.platform.url(f"/music/songs/{song_id}"),
        headers=FRAMED,
    )


@get("/oembed", access=Access.PUBLIC)
def oembed(session: DbRead, call: Calling, url: FromQuery[str] = "") -> Embed:
    """What programs show for the address of a song."""
    path = urlsplit(url[:2000]).path
    number = path.rpartition("/")[2]
    if not path.startswith("/music/songs/") or not number.isascii() or not number.isdigit() or len(number) > 18:
        raise NotFound("This is no address of a song.")
    song = songs.find(session, VISITOR, int(number))
    source = call.platform.url(f"/music/embed/{song.id}")
    return Embed(
        provider_url=call.platform.url("/music/"),
        title=song.title,
        author_name=song.artist_name,
        thumbnail_url=call.platform.url(f"/api/music/songs/{song.id}/cover?size=600"),
        html=f'<iframe src="{source}" width="480" height="152" allow="autoplay" title="Music"></iframe>',
    )


@get("/offline", access=Access.PUBLIC)
def offline_page(session: DbRead, viewer: Looking) -> Page:
    """What this device keeps: shown from its own store, with or without a connection."""
    return page(session, viewer, "offline.html", "offline")


@get("/manifest.webmanifest", access=Access.PUBLIC)
def web_manifest(call: Calling) -> Response[bytes]:
    """How the app is called and looks on a home screen (https://www.w3.org/TR/appmanifest/)."""
    icon = call.platform.assets.url("music/icon.svg")
    manifest: dict[str, Any] = {
        "name": "Dodeca Music",
        "short_name": "Music",
        "id": "/music/",
        "start_url": "/music/",
        "scope": "/music/",
        "display": "standalone",
        "background_color": "#1c1018",
        "theme_color": "#b3246f",
        "icons": [{"src": icon, "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
    }
    return Response(msgspec.json.encode(manifest), media_type="application/manifest+json")


@get("/worker.js", access=Access.PUBLIC)
def worker(call: Calling) -> Response[bytes]:
    """The service worker: it must lie at the root of what it works for."""
    source = call.platform.assets.url("music/worker.js")
    body = f'import "{source}";\n'.encode()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    return Response(body, media_type="text/javascript", headers=headers)


routes = [share_page, embed_page, oembed, offline_page, web_manifest, worker]
