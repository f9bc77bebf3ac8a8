"""Internet radio below `/music/radio`, as players, hi-fis and cars have it.

`{slug}.mp3`, `.aac` and `.ogg` stream without end, paced, with titles in the stream where `Icy-MetaData: 1` asks for
them; `.m3u8` is live HLS (RFC 8216); `.pls`, `.m3u` and `.rss` name these. `?key=` opens a private station, and
addresses inside repeat it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, Router
from litestar.response import Stream
from sqlalchemy import select

from dodeca.commons import feeds
from dodeca.commons.feeds import Enclosure, Feed, answer
from dodeca.commons.pipeline.hls import PLAYLIST_TYPE
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.http import Access, Call, Calling, FromPath, FromQuery, get, open_to_all
from dodeca.products.music import listeners, on_air, sound
from dodeca.products.music.acting import number, viewing
from dodeca.products.music.audio.transcoding import RADIO_PROFILES
from dodeca.products.music.formats import Entry, PlaylistFile, write
from dodeca.products.music.models import Show, Station
from dodeca.products.music.radio import frames, icy, live_hls
from dodeca.products.music.radio.frames import KINDS
from dodeca.products.music.sending import response_of
from dodeca.products.music.service import stations

EPISODES: Final = 200
_PLAIN: Final = {"X-Content-Type-Options": "nosniff"}
_ICY_HEADERS: Final = "icy-metaint, icy-name, icy-genre, icy-br, icy-url"


async def _station(call: Call, slug: str, key: str) -> Station:
    """The station of an address, if the caller may hear it. Raises NotFound."""

    def find(session: ReadSession) -> Station:
        return stations.find_slug(session, viewing(session, call), slug, key)

    return await call.platform.db.aread(find)


@get("/{name:str}", access=Access.PUBLIC)
async def listen(call: Calling, name: FromPath[str], key: FromQuery[str] = "") -> Response[Any]:
    """A station's stream, playlist or feed, by the suffix."""
    slug, _, suffix = name.rpartition(".")
    if suffix not in (*KINDS, "m3u8", "pls", "m3u", "rss"):
        raise NotFound("There is no such station.")
    station = await _station(call, slug, key)
    query = f"?{urlencode({'key': key})}" if key else ""
    if suffix in KINDS:
        return _stream(call, station, suffix)
    if suffix == "m3u8":
        text = live_hls.playlist(stations.now_ms(), prefix=f"{slug}/", suffix=query)
        headers = {**_PLAIN, "Cache-Control": "no-cache"}
        return Response(text.encode(), media_type=PLAYLIST_TYPE, headers=headers)
    if suffix == "rss":
        return await _feed(call, station, query)
    url = call.platform.url(f"/music/radio/{slug}.mp3{query}")
    only = PlaylistFile(title=station.title, entries=(Entry(location=url, title=station.title),))
    media_type, content = write(only, "m3u8" if suffix == "m3u" else "pls")
    return Response(content, media_type=media_type, headers={**_PLAIN, "Cache-Control": "no-cache"})


@get("/{slug:str}/{name:str}", access=Access.PUBLIC)
async def segment(call: Calling, slug: FromPath[str], name: FromPath[str], key: FromQuery[str] = "") -> Response[bytes]:
    """A segment of a station's live HLS, those of the last minutes only; or a recording of a show."""
    if name.startswith("show-"):
        return await _recording(call, await _station(call, slug, key), name.removeprefix("show-"))
    text, _, suffix = name.partition(".")
    if suffix != "aac" or not live_hls.is_offered(number(text), stations.now_ms()):
        raise NotFound("There is no such segment now.")
    station = await _station(call, slug, key)
    data = await on_air.of(call.platform).segment(station, number(text))
    shared = "public" if station.visibility == "public" else "private"
    headers = {**_PLAIN, "Cache-Control": f"{shared}, max-age=300, immutable"}
    return Response(data, media_type="audio/aac", headers=headers)


def _stream(call: Call, station: Station, kind: str) -> Response[Any]:
    wants_titles = call.request.headers.get("icy-metadata") == "1"
    headers = {
        **_PLAIN,
        "Cache-Control": "no-cache, no-store",
        "icy-name": icy.header_text(station.title),
        "icy-genre": icy.header_text(station.description) or "Various",
        "icy-br": str(RADIO_PROFILES[kind].bit_rate),
        "icy-pub": "1" if station.visibility == "public" else "0",
        "icy-url": call.platform.url(f"/music/stations/{station.slug}"),
    }
    if wants_titles:
        headers["icy-metaint"] = str(icy.METAINT)
    media_type = KINDS[kind].media_type
    if call.request.method == "HEAD":
        return Response(b"", media_type=media_type, headers=headers)
    return Stream(_bytes(call, station, kind, titled=wants_titles), media_type=media_type, headers=headers)


async def _bytes(call: Call, station: Station, kind: str, *, titled: bool) -> AsyncGenerator[bytes, None]:
    """What one listener gets, until they or the station go."""
    writer = icy.IcyWriter() if titled else None
    with listeners.listening(call.platform, station.id):
        if kind == "ogg":
            headers = frames.opus_headers(zlib.crc32(f"station {station.id}".encode()), station.title)
            yield writer.add(headers, station.title) if writer is not None else headers
        try:
            async for chunk in on_air.of(call.platform).listen(station, kind):
                await listeners.tell(call.platform)
                title = chunk.title or station.title
                yield writer.add(chunk.data, title) if writer is not None else chunk.data
        except NotFound:
            return


async def _feed(call: Call, station: Station, query: str) -> Response[bytes]:
    """Recordings of live shows as a podcast (RSS 2.0)."""
    kept = select(Show).where(Show.station_id == station.id, Show.live, Show.media_key.is_not(None))
    ordered = kept.order_by(Show.starts_at.desc()).limit(EPISODES)
    shows = await call.platform.db.aread(lambda session: session.scalars(ordered).all())
    url = call.platform.url
    page = url(f"/music/stations/{station.slug}")
    entries = [
        feeds.Entry(
            title=show.title,
            page=page,
            key=f"dodeca-show-{show.id}",
            author=station.title,
            at=show.starts_at,
            enclosure=Enclosure(
                url=url(f"/music/radio/{station.slug}/show-{show.id}{query}"),
                media_type=show.media_type or "audio/mpeg",
                size=show.media_size or 0,
            ),
        )
        for show in shows
    ]
    own, words = url(f"/music/radio/{station.slug}.rss{query}"), station.description or station.title
    feed = Feed(title=station.title, link=page, own=own, description=words, entries=entries)
    return answer(call, feed, "rss", shared=station.visibility == "public")


async def _recording(call: Call, station: Station, text: str) -> Response[Any]:
    show_id = number(text)

    def find(session: ReadSession) -> tuple[str, int, str]:
        show = session.get(Show, show_id)
        if show is None or show.station_id != station.id or show.media_key is None:
            raise NotFound("There is no such recording.")
        return show.media_key, show.media_size or 0, show.media_type or "audio/mpeg"

    stored = await call.platform.db.aread(find)
    headers, method = dict(call.request.headers), call.request.method
    return response_of(await sound.hand_over_stored(call.platform, *stored, headers, method=method), call)


router = Router(
    "/radio",
    route_handlers=[listen, segment],
    middleware=[open_to_all(("GET", "HEAD"), headers="Icy-MetaData, Range", exposed=_ICY_HEADERS)],
)
"""Below /music."""
