"""The bytes of songs: streams, downloads, signed addresses, HLS."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

import msgspec
from litestar import Response
from litestar.response import Stream

from dodeca.kernel import clock
from dodeca.kernel.crypto import BadSignature, Expired, SignedUrls
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Access, Call, Calling, FromPath, FromQuery, get
from dodeca.kernel.media import disposition
from dodeca.kernel.platform import Platform
from dodeca.products.music import sound
from dodeca.products.music.acting import number, viewing
from dodeca.products.music.audio import hls
from dodeca.products.music.audio.hls import Segment
from dodeca.products.music.audio.transcoding import Profile, choose, from_offset
from dodeca.products.music.models import Song, Transcode
from dodeca.products.music.service import members, songs
from dodeca.products.music.settings import MusicSettings
from dodeca.products.music.sound import Handed, Where

LONGEST_OFFSET: Final = 86_400.0
_signers: WeakKeyDictionary[Platform, SignedUrls] = WeakKeyDictionary()


class SignedUrl(msgspec.Struct):
    """An address that needs no login, until `expires_at`."""

    url: str
    expires_at: str


def signer(platform: Platform) -> SignedUrls:
    """Who signs addresses of sound."""
    made = _signers.get(platform)
    if made is None:
        made = _signers[platform] = SignedUrls(platform.keyring, "music")
    return made


def is_signed(call: Call) -> bool:
    """Whether the address carries a good signature. Raises Forbidden for an altered or expired one."""
    query = call.request.scope["query_string"].decode("latin-1")
    if "signature=" not in query:
        return False
    try:
        signer(call.platform).check(call.request.scope["path"], query)
    except (BadSignature, Expired) as error:
        raise Forbidden(error.message) from error
    return True


def _found(session: ReadSession, call: Call, song_id: int, *, signed: bool) -> tuple[Where, int]:
    """Where the song lies, and the caller's highest bit rate. Who brings a signature was allowed when it was made."""
    if signed:
        song = session.get(Song, song_id)
        if song is None:
            raise NotFound("There is no such song.")
        return sound.where(session, song), 0
    viewer = viewing(session, call)
    most = members.choices(session, viewer.account_id).max_bit_rate if viewer.account_id is not None else 0
    return sound.where(session, songs.find(session, viewer, song_id)), most


def response_of(handed: Handed, platform: Platform) -> Response[Any]:
    """What goes over the wire; nginx sends the file itself where it is set up to."""
    prefix = platform.config.group(MusicSettings).accel_prefix
    media = platform.media
    if prefix and handed.path is not None and handed.body is not None and "files" in handed.path.parts:
        inside = "/".join(handed.path.parts[handed.path.parts.index("files") :])
        if media.local_path(handed.path.name) == handed.path:
            kept = {k: v for k, v in handed.headers.items() if k not in ("content-length", "content-range")}
            headers = {**kept, "X-Accel-Redirect": f"{prefix.rstrip('/')}/{inside}"}
            return Response(b"", status_code=200, headers=headers, media_type=None)
    content_type = handed.headers.pop("content-type", "application/octet-stream")
    if handed.body is None:
        return _Plain(handed.status, handed.headers, content_type)
    return Stream(handed.body, status_code=handed.status, headers=handed.headers, media_type=content_type)


class _Plain(Response[bytes]):
    """An answer without a body that tells the length of the one that there would be."""

    def __init__(self, status: int, headers: dict[str, str], content_type: str) -> None:
        super().__init__(b"", status_code=status, headers=headers, media_type=content_type)
        self._told = [(b"content-type", content_type.encode("latin-1"))]
        self._told += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]

    def to_asgi_response(self, *_arguments: Any, **_options: Any) -> Any:
        """The sending side."""
        return self._send

    async def _send(self, _scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self._told})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@get("/songs/{song_id:str}/stream", access=Access.PUBLIC)
async def stream_song(
    call: Calling,
    song_id: FromPath[str],
    format: FromQuery[str] = "",
    max_bit_rate: FromQuery[int | None] = None,
    time_offset: FromQuery[float] = 0.0,
) -> Response[Any]:
    """A song's sound: the file as it is, or as mp3, opus, aac or flac of at most `max_bit_rate` kbit/s, from
    `time_offset` seconds on. Ranges, validators and HEAD work on files, and on transcodes once they are complete."""
    signed = is_signed(call)
    found, most = await call.platform.db.aread(lambda s: _found(s, call, number(song_id), signed=signed))
    if not 0 <= time_offset <= LONGEST_OFFSET:
        raise Invalid("time_offset is in seconds, from 0 to 86400.", field="time_offset")
    limit = most if max_bit_rate is None else max_bit_rate
    profile = choose(found.suffix, found.bit_rate, format=format, max_bit_rate=limit)
    cache = sound.SIGNED if signed else sound.PRIVATE
    return await send_sound(call, found, profile, time_offset=time_offset, cache_control=cache)


async def send_sound(
    call: Call,
    found: Where,
    profile: Profile | None,
    *,
    time_offset: float = 0.0,
    cache_control: str = sound.PRIVATE,
    filename: str = "",
) -> Response[Any]:
    """A song's file, or a transcode of it: stored, growing, or from a moment on."""
    platform = call.platform
    headers, method = dict(call.request.headers), call.request.method
    if profile is None and time_offset <= 0:
        handed = await sound.hand_over(
            platform, found, headers, method=method, cache_control=cache_control, filename=filename
        )
        return response_of(handed, platform)
    profile = profile or choose(found.suffix, found.bit_rate, format=_own_format(found.suffix))
    profile = profile or Profile("mp3", 320)
    if time_offset > 0:
        if method == "HEAD":
            return _Plain(200, {"accept-ranges": "none", "cache-control": "no-store"}, profile.media_type)
        path = await sound.source(platform, found)
        body: AsyncIterator[bytes] = from_offset(path, profile, time_offset)
        return await _growing(body, profile, "no-store")
    ready = await platform.db.aread(lambda s: sound.stored(s, found.song_id, found.audio_hash, profile.name))
    if ready is not None:
        handed = await sound.hand_over_stored(
            platform,
            ready.media_key,
            ready.size,
            ready.content_type,
            headers,
            method=method,
            cache_control=cache_control,
            filename=filename,
        )
        return response_of(handed, platform)
    if method == "HEAD":
        return _Plain(200, {"accept-ranges": "none", "cache-control": cache_control}, profile.media_type)
    path = await sound.source(platform, found)
    return await _growing(
        sound.transcoder(platform).stream(sound.growing_key(found), path, profile), profile, cache_control
    )


def _own_format(suffix: str) -> str:
    return {"mp3": "mp3", "opus": "opus", "ogg": "opus", "m4a": "aac", "aac": "aac", "flac": "flac"}.get(suffix, "mp3")


async def _growing(body: AsyncIterator[bytes], profile: Profile, cache_control: str) -> Response[Any]:
    """A stream whose length nobody knows yet. What cannot be decoded is told before anything is sent."""
    iterator = aiter(body)
    first = await anext(iterator, b"")

    async def whole() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in iterator:
                yield piece
        finally:
            await iterator.aclose()  # type: ignore[attr-defined]

    headers = {"accept-ranges": "none", "cache-control": cache_control, "x-content-type-options": "nosniff"}
    return Stream(whole(), headers=headers, media_type=profile.media_type)


@get("/songs/{song_id:str}/download", access=Access.PUBLIC)
async def download_song(
    call: Calling,
    song_id: FromPath[str],
    format: FromQuery[str] = "raw",
    max_bit_rate: FromQuery[int] = 0,
) -> Response[Any]:
    """A song's file under its name: as it is, or as a whole transcode."""
    signed = is_signed(call)
    found, _most = await call.platform.db.aread(lambda s: _found(s, call, number(song_id), signed=signed))
    profile = choose(found.suffix, found.bit_rate, format=format, max_bit_rate=max_bit_rate)
    name = f"{found.title}.{profile.suffix if profile is not None else found.suffix}"
    cache = sound.SIGNED if signed else sound.PRIVATE
    if profile is not None:
        ready = await sound.finished_transcode(call.platform, found, profile)
        handed = await sound.hand_over_stored(
            call.platform,
            ready.media_key,
            ready.size,
            ready.content_type,
            dict(call.request.headers),
            method=call.request.method,
            cache_control=cache,
        )
    else:
        handed = await sound.hand_over(
            call.platform, found, dict(call.request.headers), method=call.request.method, cache_control=cache
        )
    if handed.status in (200, 206):
        handed.headers["content-disposition"] = disposition(name, inline=False)
    return response_of(handed, call.platform)


@get("/songs/{song_id:str}/url", access=Access.PUBLIC)
async def sign_url(
    call: Calling,
    song_id: FromPath[str],
    format: FromQuery[str] = "",
    max_bit_rate: FromQuery[int] = 0,
) -> SignedUrl:
    """An address of the song's sound that needs no login, good for an hour."""
    found, most = await call.platform.db.aread(lambda s: _found(s, call, number(song_id), signed=False))
    choose(found.suffix, found.bit_rate, format=format, max_bit_rate=max_bit_rate)
    url = signed_url(call.platform, found, format=format, max_bit_rate=max_bit_rate or most)
    until = int(re.search(r"expires=(\d+)", url)[1])  # type: ignore[index]
    return SignedUrl(call.platform.url(url), clock.rfc3339(_moment(until)))


def _moment(seconds: int) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def signed_url(platform: Platform, found: Where, *, format: str = "", max_bit_rate: int = 0) -> str:
    """The path and query of a signed stream; another file of the song has another address."""
    wanted = {"v": found.audio_hash[:12]}
    if format:
        wanted["format"] = format
    if max_bit_rate:
        wanted["max_bit_rate"] = str(max_bit_rate)
    path = f"/api/music/songs/{found.song_id}/stream?{urlencode(wanted)}"
    return signer(platform).sign(path, seconds=sound.SIGNED_SECONDS)


@get("/songs/{song_id:str}/hls/{name:str}", access=Access.PUBLIC)
async def read_hls(call: Calling, song_id: FromPath[str], name: FromPath[str]) -> Response[Any]:
    """A song as HLS: `master.m3u8` with AAC of 64, 128 and 256 kbit/s in segments of six seconds. Addresses inside
    are signed."""
    signed = is_signed(call)
    found, _most = await call.platform.db.aread(lambda s: _found(s, call, number(song_id), signed=signed))
    base = f"/api/music/songs/{found.song_id}/hls"
    sign = signer(call.platform).sign
    if name == "master.m3u8":
        uris = {rate: sign(f"{base}/{rate}.m3u8", seconds=sound.SIGNED_SECONDS) for rate in hls.BIT_RATES}
        return _playlist(hls.master_playlist(uris))
    rate, _, kind = name.partition(".")
    if kind not in ("m3u8", "ts") or rate not in map(str, hls.BIT_RATES):
        raise NotFound()
    variant = await sound.hls_variant(call.platform, found, int(rate))
    if kind == "m3u8":
        uri = sign(f"{base}/{rate}.ts", seconds=sound.SIGNED_SECONDS)
        return _playlist(hls.variant_playlist([Segment(*segment) for segment in variant.segments or []], uri))
    return await _send_variant(call, variant)


async def _send_variant(call: Call, variant: Transcode) -> Response[Any]:
    handed = await sound.hand_over_stored(
        call.platform,
        variant.media_key,
        variant.size,
        hls.MEDIA_TYPE,
        dict(call.request.headers),
        method=call.request.method,
        cache_control=sound.SIGNED,
    )
    return response_of(handed, call.platform)


def _playlist(text: str) -> Response[bytes]:
    headers = {"Cache-Control": sound.PRIVATE, "X-Content-Type-Options": "nosniff"}
    return Response(text.encode(), media_type=hls.PLAYLIST_TYPE, headers=headers)


@get("/songs/{song_id:str}/video", access=Access.PUBLIC)
async def stream_video(call: Calling, song_id: FromPath[str]) -> Response[Any]:
    """A song's music video."""
    signed = is_signed(call)

    def find(session: ReadSession) -> tuple[str, str]:
        song = (
            session.get(Song, number(song_id))
            if signed
            else songs.find(session, viewing(session, call), number(song_id))
        )
        if song is None or song.video_key is None:
            raise NotFound("This song has no video.")
        return song.video_key, song.video_type or "video/mp4"

    key, kind = await call.platform.db.aread(find)
    handed = await sound.hand_over_stored(
        call.platform,
        key,
        await call.platform.media.size(key),
        kind,
        dict(call.request.headers),
        method=call.request.method,
        cache_control=sound.SIGNED if signed else sound.PRIVATE,
    )
    return response_of(handed, call.platform)


routes = [stream_song, download_song, sign_url, read_hls, stream_video]
