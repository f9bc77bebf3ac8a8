"""How sound goes out over HTTP: files, transcodes while they grow, and addresses that are signed.

The API, its lane and the protocols of apps send through here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response
from litestar.response import Stream

from dodeca.kernel.crypto import SignedUrls
from dodeca.kernel.http import Call
from dodeca.kernel.of_platform import OfPlatform
from dodeca.kernel.platform import Platform
from dodeca.products.music import sound
from dodeca.products.music.audio.transcoding import Profile, from_offset, like
from dodeca.products.music.settings import MusicSettings
from dodeca.products.music.sound import Handed, Where

SOUND_HEADERS: Final = "Accept-Ranges, Content-Length, Content-Range, ETag, X-Estimated-Content-Length"
"""What scripts of other origins may read of an answer with sound."""
REDIRECT_SECONDS: Final = 600
"""How long a redirect to S3 may be kept: well below the life of the address that it names."""
signer: Final = OfPlatform(lambda platform: SignedUrls(platform.keyring, "music"))
"""Who signs addresses of sound."""


def signed_url(platform: Platform, found: Where, *, format: str = "", max_bit_rate: int = 0) -> str:
    """The path and query of a signed stream; another file of the song has another address."""
    wanted = {"v": found.audio_hash[:12]}
    if format:
        wanted["format"] = format
    if max_bit_rate:
        wanted["max_bit_rate"] = str(max_bit_rate)
    path = f"/api/music/songs/{found.song_id}/stream?{urlencode(wanted)}"
    return signer(platform).sign(path, seconds=sound.SIGNED_SECONDS)


def response_of(handed: Handed, call: Call) -> Response[Any]:
    """What goes over the wire; nginx or S3 sends the file itself where it is set up to."""
    settings = call.platform.config.group(MusicSettings)
    elsewhere = None
    if handed.body is not None:
        if settings.accel_prefix and handed.path is not None:
            elsewhere = _by_nginx(handed, handed.path, call.platform, settings.accel_prefix)
        elif settings.s3_redirect and handed.path is None:
            elsewhere = _by_s3(handed, call)
    if elsewhere is not None:
        return elsewhere
    content_type = handed.headers.pop("content-type", "application/octet-stream")
    if handed.body is None:
        return _Plain(handed.status, handed.headers, content_type)
    return Stream(handed.body, status_code=handed.status, headers=handed.headers, media_type=content_type)


def _by_nginx(handed: Handed, path: Path, platform: Platform, prefix: str) -> Response[Any] | None:
    """An answer that nginx fills with a file of the media folder, range and all."""
    if "files" not in path.parts or platform.media.local_path(path.name) != path:
        return None
    inside = "/".join(path.parts[path.parts.index("files") :])
    kept = {k: v for k, v in handed.headers.items() if k not in ("content-length", "content-range")}
    headers = {**kept, "X-Accel-Redirect": f"{prefix.rstrip('/')}/{inside}"}
    return Response(b"", status_code=200, headers=headers, media_type=None)


def _by_s3(handed: Handed, call: Call) -> Response[Any] | None:
    """A redirect to S3, which knows ranges itself. Who may hear it was asked here; the address lives for an hour.

    Not for what is saved under a name, which S3 does not know, nor for our own pages, which may connect to us only."""
    if "attachment" in handed.headers.get("content-disposition", ""):
        return None
    if call.request.method != "GET" or call.request.headers.get("sec-fetch-site") == "same-origin":
        return None
    url = call.platform.media.signed_url(handed.key, seconds=sound.SIGNED_SECONDS)
    if url is None:
        return None
    headers = {"location": url, "cache-control": f"private, max-age={REDIRECT_SECONDS}"}
    return Response(b"", status_code=302, headers=headers, media_type=None)


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
        return response_of(handed, call)
    profile = profile or like(found.suffix, found.bit_rate)
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
        return response_of(handed, call)
    if method == "HEAD":
        return _Plain(200, {"accept-ranges": "none", "cache-control": cache_control}, profile.media_type)
    path = await sound.source(platform, found)
    return await _growing(sound.transcoded(platform, found, path, profile), profile, cache_control)


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
