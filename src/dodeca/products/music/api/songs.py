"""Songs: read, retagged, undone, withdrawn; their lyrics, waveform, comments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar import Response

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    delete,
    get,
    patch,
    post,
    put,
)
from dodeca.products.music.acting import Looking, maybe_moment, number, viewing
from dodeca.products.music.formats import lrc
from dodeca.products.music.service import comments, lyrics, songs
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import CommentView, SongView, comment_view, song_view

Line = Annotated[str, msgspec.Meta(max_length=500)]
Names = Annotated[list[Line], msgspec.Meta(max_length=20)]
MOST_LYRICS = 200_000


class Retag(ClosedRequest):
    """Tags that shall be different; null empties one that may be empty."""

    title: Line | msgspec.UnsetType = msgspec.UNSET
    artist: Line | msgspec.UnsetType = msgspec.UNSET
    artists: Names | msgspec.UnsetType = msgspec.UNSET
    album: Line | msgspec.UnsetType | None = msgspec.UNSET
    album_artist: Line | msgspec.UnsetType | None = msgspec.UNSET
    track: int | msgspec.UnsetType | None = msgspec.UNSET
    disc: int | msgspec.UnsetType | None = msgspec.UNSET
    year: int | msgspec.UnsetType | None = msgspec.UNSET
    release_date: Line | msgspec.UnsetType | None = msgspec.UNSET
    genres: Names | msgspec.UnsetType = msgspec.UNSET
    composers: Names | msgspec.UnsetType = msgspec.UNSET
    explicit: bool | msgspec.UnsetType = msgspec.UNSET
    isrc: Line | msgspec.UnsetType | None = msgspec.UNSET
    mbid: Line | msgspec.UnsetType | None = msgspec.UNSET
    album_mbid: Line | msgspec.UnsetType | None = msgspec.UNSET
    compilation: bool | msgspec.UnsetType = msgspec.UNSET
    visibility: Line | msgspec.UnsetType = msgspec.UNSET
    published_at: datetime | msgspec.UnsetType = msgspec.UNSET


class SongAnswer(msgspec.Struct):
    """A song after a change, and the version that its tags have now."""

    version: int
    song: SongView


class VersionView(msgspec.Struct):
    """Tags as they were from a version on."""

    version: int
    editor_id: str | None
    created_at: datetime
    tags: dict[str, Any]


class VersionList(msgspec.Struct):
    """The history of a song's tags, the newest first."""

    versions: list[VersionView]


class Reversion(ClosedRequest):
    """Which version shall come back."""

    version: int


class LyricsLine(msgspec.Struct):
    """A line; `start_ms` is null in lyrics without times."""

    start_ms: int | None
    text: str


class LyricsView(msgspec.Struct):
    """Lyrics, line by line; `synced` says that the lines have times."""

    synced: bool
    lang: str
    lines: list[LyricsLine]


class WaveformView(msgspec.Struct):
    """1000 heights from 0 to 255, over equal spans of the song."""

    peaks: list[int]


class CommentList(msgspec.Struct):
    """A page of comments."""

    comments: list[CommentView]
    next_cursor: str | None


@get("/songs/{song_id:str}", access=Access.PUBLIC)
def read_song(session: DbRead, viewer: Looking, song_id: FromPath[str]) -> SongView:
    """A song."""
    return song_view(session, viewer, songs.find(session, viewer, number(song_id)))


@patch("/songs/{song_id:str}", access=Access.MEMBER)
def change_song(session: DbWrite, viewer: Looking, song_id: FromPath[str], data: AnyBody[Retag]) -> SongAnswer:
    """Change tags, visibility or release of a song that one added."""
    given = {name: getattr(data, name) for name in Retag.__struct_fields__}
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    changes |= {name: "" for name in ("album", "album_artist") if name in changes and changes[name] is None}
    publishing: dict[str, Any] = {name: changes.pop(name) for name in ("visibility", "published_at") if name in changes}
    found = number(song_id)
    song = songs.retag(session, viewer, found, changes)
    if publishing:
        song = songs.publish(session, viewer, found, **_aware(publishing))
    return SongAnswer(song.version, song_view(session, viewer, song))


def _aware(publishing: dict[str, Any]) -> dict[str, Any]:
    return {**publishing, "published_at": maybe_moment(publishing.get("published_at"), "published_at")}


@post("/songs/{song_id:str}/approval", access=Access.MODERATOR, status=200)
def approve_song(session: DbWrite, viewer: Looking, song_id: FromPath[str]) -> SongAnswer:
    """Let a song in that waits for a moderator's look, where the setting `uploads` is review."""
    song = songs.approve(session, viewer, number(song_id))
    return SongAnswer(song.version, song_view(session, viewer, song))


@delete("/songs/{song_id:str}", access=Access.MEMBER)
def withdraw_song(session: DbWrite, viewer: Looking, song_id: FromPath[str]) -> None:
    """Withdraw a song that one added."""
    songs.remove(session, viewer, number(song_id))


@get("/songs/{song_id:str}/versions", access=Access.PUBLIC)
def list_versions(session: DbRead, viewer: Looking, song_id: FromPath[str]) -> VersionList:
    """The history of a song's tags."""
    rows = songs.versions(session, songs.find(session, viewer, number(song_id)))
    return VersionList([VersionView(row.version, row.editor_id, row.created_at, row.tags) for row in rows])


@post("/songs/{song_id:str}/revert", access=Access.MEMBER, status=200)
def revert_song(session: DbWrite, viewer: Looking, song_id: FromPath[str], data: AnyBody[Reversion]) -> SongAnswer:
    """Bring back earlier tags, as a new version."""
    song = songs.revert(session, viewer, number(song_id), data.version)
    return SongAnswer(song.version, song_view(session, viewer, song))


@get("/songs/{song_id:str}/lyrics", access=Access.PUBLIC)
def read_lyrics(session: DbRead, viewer: Looking, song_id: FromPath[str]) -> LyricsView:
    """A song's lyrics."""
    return _lyrics(session, viewer, number(song_id))


def _lyrics(session: ReadSession, viewer: Viewer, song_id: int) -> LyricsView:
    song = songs.find(session, viewer, song_id)
    if song.lyrics is None:
        raise NotFound("This song has no lyrics.")
    found = lrc.read(song.lyrics)
    return LyricsView(found.synced, found.language, [LyricsLine(line.start_ms, line.text) for line in found.lines])


@put("/songs/{song_id:str}/lyrics", access=Access.MEMBER, request_max_body_size=MOST_LYRICS)
async def write_lyrics(call: Calling, song_id: FromPath[str]) -> LyricsView:
    """Write a song's lyrics, as LRC or plain text in UTF-8; an empty text removes them."""
    body = await call.request.body()
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("Lyrics are text in UTF-8.", field="lyrics") from error

    def unit(session: Any) -> LyricsView:
        viewer = viewing(session, call)
        lyrics.write(session, viewer, number(song_id), text)
        return _lyrics(session, viewer, number(song_id)) if text.strip() else LyricsView(False, "", [])

    return await call.platform.db.awrite(unit)


@get("/songs/{song_id:str}/waveform", access=Access.PUBLIC)
def read_waveform(session: DbRead, viewer: Looking, song_id: FromPath[str]) -> Response[bytes]:
    """The heights of a song's waveform, once it was measured."""
    song = songs.find(session, viewer, number(song_id))
    if song.waveform is None:
        raise NotFound("The waveform of this song is not there yet.")
    body = msgspec.json.encode(WaveformView(list(song.waveform)))
    return Response(body, media_type="application/json", headers={"Cache-Control": "private, max-age=3600"})


@get("/songs/{song_id:str}/comments", access=Access.PUBLIC)
def list_comments(
    session: DbRead,
    viewer: Looking,
    song_id: FromPath[str],
    sort: FromQuery[str] = "time",
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> CommentList:
    """What was said of a song: the newest first, along the song, or the most liked first."""
    page = comments.of_song(session, viewer, number(song_id), sort, limit=limit, cursor=cursor)
    below = comments.replies(session, [comment.id for comment in page.items])
    views = [comment_view(comment, below.get(comment.id, ())) for comment in page.items]
    return CommentList(views, page.next_cursor)


routes = [
    read_song,
    change_song,
    approve_song,
    withdraw_song,
    list_versions,
    revert_song,
    read_lyrics,
    write_lyrics,
    read_waveform,
    list_comments,
]
