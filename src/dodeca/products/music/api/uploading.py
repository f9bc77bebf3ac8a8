"""Adding songs: by their names, or with their file; another file for a song, a video for it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar.datastructures import UploadFile
from litestar.response import ServerSentEvent

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, Invalid, UnsupportedMedia
from dodeca.kernel.http import Access, Call, Calling, ClosedRequest, FromPath, converted, get, post, put, read_body
from dodeca.kernel.http.security import CSRF_FIELD
from dodeca.products.music import uploads
from dodeca.products.music.acting import maybe_moment, number, viewing
from dodeca.products.music.api.songs import SongAnswer
from dodeca.products.music.jobs import SongRef, analyse_song
from dodeca.products.music.models import Song
from dodeca.products.music.packaging import QUEUED, package_songs
from dodeca.products.music.service import preparing, songs
from dodeca.products.music.service.tags import Tags, changed
from dodeca.products.music.service.viewers import may_edit_song
from dodeca.products.music.views import SongView, song_view

Line = Annotated[str, msgspec.Meta(max_length=500)]
MESSAGE = "Song added successfully"


class NewSong(ClosedRequest):
    """A song's names; `duration` in seconds."""

    title: Line | None = None
    artist: Line | None = None
    album: Line | None = None
    duration: float | None = None
    visibility: Line = "public"
    album_artist: Line | None = None
    genre: Line | None = None
    track: int | None = None
    disc: int | None = None
    year: int | None = None
    explicit: bool = False
    published_at: datetime | None = None


class Added(msgspec.Struct):
    """The answer to a new song."""

    message: str
    song_id: str
    song: SongView


@post("/songs", access=Access.MEMBER, request_max_body_size=uploads.MOST_BYTES + 1_000_000)
async def create_song(call: Calling) -> Added:
    """Add a song: JSON with its names, or a form with its `file`; what the form says wins over the file's tags."""
    if call.request.content_type[0] == "multipart/form-data":
        return await _uploaded(call)
    data = await read_body(call.request, NewSong)
    duration_ms = _milliseconds(data.duration)
    for field in ("title", "artist"):
        if not (getattr(data, field) or "").strip():
            raise Invalid(f"{field} is missing.", field=field)
    tags = changed(Tags(title="-", artist="-"), _given(data))

    def unit(session: WriteSession) -> Added:
        viewer = viewing(session, call)
        uploads.may_upload(call.platform, viewer)
        song = songs.add(
            session,
            call.member().account_id,
            tags,
            duration_ms=duration_ms,
            visibility=data.visibility,
            published_at=maybe_moment(data.published_at, "published_at"),
            approved=uploads.is_approved(call.platform, viewer),
        )
        return Added(MESSAGE, str(song.id), song_view(session, viewer, song))

    return await call.platform.db.awrite(unit)


def _milliseconds(duration: float | None) -> int:
    if duration is None:
        return 0
    if not math.isfinite(duration) or not 0 <= duration <= 86_400:
        raise Invalid("duration is from 0 to 86400 seconds.", field="duration")
    return round(duration * 1000)


def _given(data: NewSong) -> dict[str, Any]:
    """The tags that the request names."""
    names = ("title", "artist", "album", "album_artist", "track", "disc", "year")
    given = {name: value for name in names if (value := getattr(data, name)) not in (None, "")}
    if data.genre:
        given["genres"] = [data.genre]
    if data.explicit:
        given["explicit"] = True
    return given


async def _uploaded(call: Call) -> Added:
    form = await call.request.form()
    file: Any = form.get("file")
    if not isinstance(file, UploadFile):
        raise Invalid("file is missing.", field="file")
    plain = {k: v for k, v in form.multi_items() if k not in ("file", CSRF_FIELD) and v != ""}
    data = converted(plain, NewSong, strict=False)
    await call.platform.db.aread(lambda s: uploads.may_upload(call.platform, viewing(s, call)))
    upload = await uploads.receive(call.platform, uploads.pieces(file), file.filename)
    if data.duration is not None and not upload.audio.duration_ms:
        upload.audio = msgspec.structs.replace(upload.audio, duration_ms=_milliseconds(data.duration))
    tags = changed(upload.tags, _given(data))

    def unit(session: WriteSession) -> Added:
        viewer = viewing(session, call)
        at = maybe_moment(data.published_at, "published_at")
        song = uploads.add(session, call.platform, viewer, upload, tags, visibility=data.visibility, published_at=at)
        return Added(MESSAGE, str(song.id), song_view(session, viewer, song))

    return await call.platform.db.awrite(unit)


@put("/songs/{song_id:str}/audio", access=Access.MEMBER, request_max_body_size=uploads.MOST_BYTES)
async def replace_audio(call: Calling, song_id: FromPath[str]) -> SongAnswer:
    """Give a song another file, as the body; likes, plays, comments and places in playlists stay."""
    found = number(song_id)
    await call.platform.db.aread(lambda s: _require_edit(s, call, found))
    upload = await uploads.receive(call.platform, _body(call))

    def unit(session: WriteSession) -> SongAnswer:
        viewer = viewing(session, call)
        song = songs.replace_audio(session, viewer, found, upload.audio)
        preparing.begin(session, song)
        analyse_song.enqueue(session, SongRef(song.id), key=f"{song.id}:{upload.audio.audio_hash}")
        package_songs.enqueue(session, key=QUEUED)  # the same sound again is measured already
        return SongAnswer(song.version, song_view(session, viewer, song))

    return await call.platform.db.awrite(unit)


@put("/songs/{song_id:str}/video", access=Access.MEMBER, request_max_body_size=uploads.MOST_BYTES)
async def set_video(call: Calling, song_id: FromPath[str]) -> SongAnswer:
    """Give a song a music video (MP4 or WebM), as the body."""
    found = number(song_id)
    await call.platform.db.aread(lambda s: _require_edit(s, call, found))
    blob = await call.platform.media.save(_body(call), max_bytes=uploads.MOST_BYTES, accept=uploads.VIDEOS)

    def unit(session: WriteSession) -> SongAnswer:
        viewer = viewing(session, call)
        song = songs.find_for_edit(session, viewer, found)
        song.video_key, song.video_type, song.updated_at = blob.key, blob.content_type, clock.now()
        session.flush()
        return SongAnswer(song.version, song_view(session, viewer, song))

    return await call.platform.db.awrite(unit)


def _require_edit(session: Any, call: Call, song_id: int) -> None:
    """Whoever may not change the song is told before the file is read."""
    viewer = viewing(session, call)
    song: Song = songs.find(session, viewer, song_id)
    if not may_edit_song(viewer, song):
        raise Forbidden("Only whoever added this song can change it.")


async def _body(call: Call) -> AsyncIterator[bytes]:
    """The body as it arrives. A form would be stored with its frame around the file."""
    if call.request.content_type[0] == "multipart/form-data":
        raise UnsupportedMedia("Send the file itself as the body.", field="file")
    async for chunk in call.request.stream():
        yield chunk


@get("/uploads/events", access=Access.MEMBER)
async def uploads_events(call: Calling) -> ServerSentEvent:
    """Server-sent events: `preparation` of one's own songs, first how far each of the last is, then what changes."""
    me = call.member().account_id
    known = await call.platform.db.aread(lambda session: preparing.latest(session, me))
    first = [(preparing.EVENT, one) for one in known]
    return call.platform.realtime.stream([preparing.channel(me)], first=first)


routes = [create_song, replace_audio, set_video, uploads_events]
