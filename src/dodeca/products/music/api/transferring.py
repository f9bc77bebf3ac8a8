"""Playlists in the formats of others, in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response
from litestar.datastructures import UploadFile

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, TooLarge
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, FromQuery, get, post
from dodeca.kernel.media import disposition
from dodeca.products.music import formats, transfers
from dodeca.products.music.acting import Looking, number, viewing
from dodeca.products.music.formats import LibraryFile
from dodeca.products.music.models import Playlist
from dodeca.products.music.service import playlists
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.transfers import Unmatched
from dodeca.products.music.views import PlaylistView, playlist_view, playlist_views

MOST_UNMATCHED = 1000


class ImportAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a file: `playlist`, or `playlists` of a library with its ratings, likes and listens."""

    playlist: PlaylistView | None = None
    playlists: list[PlaylistView] | None = None
    matched: int
    unmatched: list[Unmatched]
    rated: int = 0
    liked: int = 0
    listens: int = 0


@get("/playlists/{playlist_id:str}/export", access=Access.PUBLIC)
def export_playlist(
    session: DbRead, viewer: Looking, playlist_id: FromPath[str], format: FromQuery[str] = "m3u8"
) -> Response[bytes]:
    """A playlist as m3u8, xspf, pls, jspf, nsp or csv."""
    playlist = playlists.find(session, viewer, number(playlist_id))
    media_type, body = formats.write(transfers.given(session, viewer, playlist), format)
    headers = {
        "Content-Disposition": disposition(f"{playlist.title}.{format}", inline=False),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type=media_type, headers=headers)


@post("/playlists/import", access=Access.MEMBER, request_max_body_size=formats.MAX_BYTES + 100_000)
async def import_playlist(call: Calling) -> ImportAnswer:
    """Take a playlist (M3U, PLS, XSPF, JSPF, nsp) or an iTunes library: songs are matched with those that are here."""
    return await take_file(call)


async def take_file(call: Call) -> ImportAnswer:
    """The same, for a page too. Raises Invalid, TooLarge."""
    form = await call.request.form()
    upload: Any = form.get("file")
    if not isinstance(upload, UploadFile):
        raise Invalid("Send the file as the field file of a form.", field="file")
    data = await upload.read(formats.MAX_BYTES + 1)
    if len(data) > formats.MAX_BYTES:
        raise TooLarge(f"A file has at most {formats.MAX_BYTES:,} bytes here.", field="file")
    file = formats.read_any(data)
    title = str(form.get("title") or "")[:200]
    platform = call.platform
    viewer = await platform.db.aread(lambda session: viewing(session, call))
    known = await platform.db.aread(lambda s: transfers.matched(s, viewer, transfers.entries_of(file)))
    if isinstance(file, LibraryFile):
        units = transfers.library_units(viewer, file, known)
        done = transfers.together([await platform.db.awrite(unit) for unit in units])
        return ImportAnswer(
            playlists=await platform.db.aread(lambda s: playlist_views(s, viewer, _again(s, viewer, done.playlists))),
            matched=done.matched,
            unmatched=done.unmatched[:MOST_UNMATCHED],
            rated=done.rated,
            liked=done.liked,
            listens=done.listens,
        )

    def unit(session: WriteSession) -> ImportAnswer:
        done = transfers.take_playlist(session, viewer, file, known, title)
        return ImportAnswer(
            playlist=playlist_view(session, viewer, done.playlists[0]),
            matched=done.matched,
            unmatched=done.unmatched[:MOST_UNMATCHED],
        )

    return await platform.db.awrite(unit)


def _again(session: ReadSession, viewer: Viewer, made: Sequence[Playlist]) -> list[Playlist]:
    """Playlists of finished units, in the session that shows them."""
    return [playlists.find(session, viewer, playlist.id) for playlist in made]


routes = [export_playlist, import_playlist]
