"""Bytes: streams, downloads, covers and pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import zipstream
from litestar import Response
from litestar.response import Redirect, Stream

from dodeca.commons.accounts.public import Account, account_by_name, avatar_url
from dodeca.commons.pipeline.hls import PLAYLIST_TYPE
from dodeca.kernel.db import ReadSession
from dodeca.kernel.media import Shape, disposition
from dodeca.products.music import sound
from dodeca.products.music.audio import hls
from dodeca.products.music.audio.transcoding import Profile, choose
from dodeca.products.music.compat.subsonic.asking import NOT_FOUND, Asked, Refused, working
from dodeca.products.music.compat.subsonic.playlists import entries
from dodeca.products.music.compat.subsonic.system import episode
from dodeca.products.music.sending import response_of, send_sound, signer
from dodeca.products.music.service import browsing, catalogue, covers, members, playlists, songs
from dodeca.products.music.sound import Where

LONGEST_OFFSET: Final = 86_400
LARGEST_COVER: Final = 1200


# Streams


@working("stream")
async def stream(asked: Asked) -> Response[Any]:
    """A song's sound, converted where the app asks for it; an episode's as it was recorded."""
    kind, number = asked.thing("id")
    if kind == "episode":
        return await _recording(asked, number, attached=False)
    if kind != "song":
        raise Refused(NOT_FOUND, "The requested data was not found.")

    def find(session: ReadSession) -> tuple[Where, int]:
        found = sound.where(session, songs.find(session, asked.viewer, number))
        return found, members.choices(session, asked.account_id).max_bit_rate

    found, most = await asked.call.platform.db.aread(find)
    limit = asked.number("maxBitRate", most, 0, 10_000)
    profile = _profile(found, asked.text("format"), limit)
    offset = asked.number("timeOffset", 0, 0, LONGEST_OFFSET)
    answer = await send_sound(asked.call, found, profile, time_offset=float(offset))
    if asked.flag("estimateContentLength") and profile is not None and "content-length" not in answer.headers:
        answer.headers["x-estimated-content-length"] = str(profile.estimated_bytes(found.duration_ms))
    return answer


def _profile(found: Where, format: str, limit: int) -> Profile | None:
    """As `choose`, where apps name formats that are files' suffixes as well."""
    wanted = {"ogg": "opus", "oga": "opus", "m4a": "aac"}.get(format, format)
    return choose(found.suffix, found.bit_rate, format=wanted, max_bit_rate=limit)


async def _recording(asked: Asked, number: int, *, attached: bool) -> Response[Any]:
    def find(session: ReadSession) -> tuple[str, int, str, str]:
        show = episode(session, asked, number)
        assert show.media_key is not None
        return show.media_key, show.media_size or 0, show.media_type or "audio/mpeg", show.title

    key, size, kind, title = await asked.call.platform.db.aread(find)
    headers, method = dict(asked.call.request.headers), asked.call.request.method
    handed = await sound.hand_over_stored(asked.call.platform, key, size, kind, headers, method=method)
    if attached and handed.status in (200, 206):
        handed.headers["content-disposition"] = disposition(title, inline=False)
    return response_of(handed, asked.call)


@working("download")
async def download(asked: Asked) -> Response[Any]:
    """The file of a song as it is; an album or a playlist as a ZIP that is made while it is read."""
    kind, number = asked.thing("id")
    platform = asked.call.platform
    if kind == "song":
        found = await platform.db.aread(lambda session: sound.where(session, songs.find(session, asked.viewer, number)))
        return await send_sound(asked.call, found, None, filename=f"{found.title}.{found.suffix}")
    if kind == "episode":
        return await _recording(asked, number, attached=True)
    if kind not in ("album", "playlist"):
        raise Refused(NOT_FOUND, "The requested data was not found.")
    title, files = await platform.db.aread(lambda session: _files(session, asked, kind, number))
    if not files:
        raise Refused(NOT_FOUND, "None of these songs can be heard.")
    headers = {"content-disposition": disposition(f"{title}.zip", inline=False), "cache-control": "private, no-store"}
    return Stream(_zipped(asked, files), media_type="application/zip", headers=headers)


def _files(session: ReadSession, asked: Asked, kind: str, number: int) -> tuple[str, list[tuple[str, Where]]]:
    """The name of a ZIP, and what goes into it under which name."""
    if kind == "album":
        album = catalogue.find_album(session, asked.viewer, number)
        title, held = album.title, list(browsing.songs_of_album(session, asked.viewer, number))
    else:
        playlist = playlists.find(session, asked.viewer, number)
        title, held = playlist.title, entries(session, asked, playlist)
    found: list[tuple[str, Where]] = []
    for place, song in enumerate(held, 1):
        if song.audio_hash is not None and song.missing_at is None:
            name = "".join(c for c in song.title if c.isprintable() and c not in '/\\:*?"<>|').strip(" .")[:100]
            found.append((f"{place:02d} - {name or song.id}.{song.suffix or 'bin'}", sound.where(session, song)))
    return title, found


async def _zipped(asked: Asked, files: Sequence[tuple[str, Where]]) -> AsyncIterator[bytes]:
    """A ZIP of files as they are: sound does not get smaller by packing it."""
    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
    for name, found in files:
        path = await sound.source(asked.call.platform, found)
        archive.add_path(str(path), arcname=name)
    pieces = iter(archive)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


@working("hls", "hls.m3u8")
async def hls_playlist(asked: Asked) -> Response[Any]:
    """A song as HLS: the master playlist, whose addresses are signed."""
    number = asked.song("id")
    found = await asked.call.platform.db.aread(
        lambda session: sound.where(session, songs.find(session, asked.viewer, number))
    )
    base = f"/api/music/songs/{found.song_id}/hls"
    sign = signer(asked.call.platform).sign
    uris = {rate: asked.url(sign(f"{base}/{rate}.m3u8", seconds=sound.SIGNED_SECONDS)) for rate in hls.BIT_RATES}
    headers = {"cache-control": "private, no-store", "x-content-type-options": "nosniff"}
    return Response(hls.master_playlist(uris).encode(), media_type=PLAYLIST_TYPE, headers=headers)


# Pictures


@working("getCoverArt")
async def cover_art(asked: Asked) -> Response[Any]:
    """The cover of a song, an album, an artist or a playlist; drawn where there is none."""
    kind, number = asked.thing("id")
    if kind not in covers.KINDS.values():
        raise Refused(NOT_FOUND, "The requested data was not found.")
    size = asked.number("size", 600, 16, LARGEST_COVER)
    platform = asked.call.platform
    cover = await platform.db.aread(lambda session: covers.find(session, asked.viewer, kind, number))
    headers = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}
    if cover.key is None:
        return Response(covers.drawn(cover.words), media_type="image/svg+xml", headers=headers)
    fitting = next(edge for edge in (80, 160, 320, 640, LARGEST_COVER) if edge >= size)
    picture = await platform.media.thumbnail(cover.key, Shape(fitting, fitting))
    return Response(picture, media_type="image/webp", headers=headers)


@working("getAvatar")
async def avatar(asked: Asked) -> Response[Any]:
    """Somebody's picture; drawn where there is none."""
    name = asked.required("username")

    def find(session: ReadSession) -> Account | None:
        return account_by_name(session, name)

    account = await asked.call.platform.db.aread(find)
    if account is None or not account.is_active:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    url = avatar_url(account)
    if url is not None:
        return Redirect(asked.url(url))
    headers = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}
    return Response(covers.drawn(account.name or account.username), media_type="image/svg+xml", headers=headers)
