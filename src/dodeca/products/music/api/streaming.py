"""The bytes of songs: streams, downloads, signed addresses, HLS."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response

from dodeca.commons.pipeline.hls import MEDIA_TYPE, PLAYLIST_TYPE, Segment, variant_playlist
from dodeca.kernel import clock
from dodeca.kernel.crypto import BadSignature, Expired
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Forbidden, Invalid, NotFound
from dodeca.kernel.http import Access, Call, Calling, FromPath, FromQuery, get
from dodeca.kernel.media import disposition
from dodeca.products.music import sound
from dodeca.products.music.acting import number, viewing
from dodeca.products.music.audio import hls
from dodeca.products.music.audio.transcoding import choose
from dodeca.products.music.models import Song, Transcode
from dodeca.products.music.sending import SOUND_HEADERS, response_of, send_sound, signed_url, signer
from dodeca.products.music.service import members, songs
from dodeca.products.music.sound import Where

LONGEST_OFFSET: Final = 86_400.0


class SignedUrl(msgspec.Struct):
    """An address that needs no login, until `expires_at`."""

    url: str
    expires_at: str


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
        if song is None or not (song.audio_hash or "").startswith(call.request.query_params.get("v", "")):
            raise NotFound("There is no such song.")  # nor is there, under this address, its later file
        return sound.where(session, song), 0
    viewer = viewing(session, call)
    most = members.choices(session, viewer.account_id).max_bit_rate if viewer.account_id is not None else 0
    return sound.where(session, songs.find(session, viewer, song_id)), most


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
    answer = await send_sound(call, found, profile, time_offset=time_offset, cache_control=cache)
    return _opened(answer) if signed else answer


def _opened(answer: Response[Any]) -> Response[Any]:
    """The same, for scripts of all origins: a signed address is all that they need."""
    answer.headers.update({"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": SOUND_HEADERS})
    return answer


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
    return response_of(handed, call)


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
    return SignedUrl(call.platform.url(url), clock.rfc3339(datetime.fromtimestamp(until, UTC)))


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
        return _opened(_playlist(hls.master_playlist(uris)))
    rate, _, kind = name.partition(".")
    if kind not in ("m3u8", "ts") or rate not in map(str, hls.BIT_RATES):
        raise NotFound()
    variant = await sound.hls_variant(call.platform, found, int(rate))
    if kind == "m3u8":
        uri = sign(f"{base}/{rate}.ts", seconds=sound.SIGNED_SECONDS)
        return _opened(_playlist(variant_playlist([Segment(*segment) for segment in variant.segments or []], uri)))
    return _opened(await _send_variant(call, variant))


async def _send_variant(call: Call, variant: Transcode) -> Response[Any]:
    handed = await sound.hand_over_stored(
        call.platform,
        variant.media_key,
        variant.size,
        MEDIA_TYPE,
        dict(call.request.headers),
        method=call.request.method,
        cache_control=sound.SIGNED,
    )
    return response_of(handed, call)


def _playlist(text: str) -> Response[bytes]:
    headers = {"Cache-Control": sound.PRIVATE, "X-Content-Type-Options": "nosniff"}
    return Response(text.encode(), media_type=PLAYLIST_TYPE, headers=headers)


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
    return response_of(handed, call)


routes = [stream_song, download_song, sign_url, read_hls, stream_video]
