"""Playlists in the formats of others, in and out; libraries and listens, in."""

from __future__ import annotations

from litestar import Response

from dodeca.kernel.http import Access, Calling, DbRead, FromPath, FromQuery, get, post
from dodeca.kernel.media import disposition
from dodeca.products.music import formats, transfers
from dodeca.products.music.acting import Looking, number
from dodeca.products.music.service import playlists
from dodeca.products.music.taking import ImportAnswer, take_file


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
    """Take a playlist (M3U, PLS, XSPF, JSPF, nsp) or an iTunes library, whose songs are matched with those that are
    here; or listens as ListenBrainz' JSON Lines, of which lines that cannot be taken are told by their number."""
    return await take_file(call)


routes = [export_playlist, import_playlist]
