"""Covers: thumbnails of songs, albums, artists and playlists, and new ones."""

from __future__ import annotations

from collections.abc import Callable

from litestar import Response

from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Call, Calling, FromPath, FromQuery, get, put
from dodeca.kernel.media import Shape
from dodeca.products.music.acting import number, viewing
from dodeca.products.music.service import covers
from dodeca.products.music.taking import MOST_PICTURE_BYTES, take_cover

DEFAULT_SIZE = 600
SIZES = (64, 160, 320, 600, 1200)


async def cover_answer(call: Call, find: Callable[[ReadSession], covers.Cover], size: int) -> Response[bytes]:
    """The cover that `find` finds, fitting into a square of about `size` pixels; a drawn one where there is none."""
    if not 1 <= size <= 10_000:
        raise Invalid("size is a number of pixels.", field="size")
    fitting = next((some for some in SIZES if some >= size), SIZES[-1])
    cover = await call.platform.db.aread(find)
    tag = f'"{(cover.key or "drawn")[:24]}-{fitting}"'
    headers = {"Cache-Control": "private, max-age=3600", "ETag": tag, "X-Content-Type-Options": "nosniff"}
    if call.request.headers.get("if-none-match") == tag:
        return Response(b"", status_code=304, headers=headers)
    if cover.key is None:
        return Response(covers.drawn(cover.words), media_type="image/svg+xml", headers=headers)
    picture = await call.platform.media.thumbnail(cover.key, Shape(fitting, fitting))
    return Response(picture, media_type="image/webp", headers=headers)


PATHS = [f"/{name}/{{target_id:str}}/cover" for name in covers.KINDS]


def _kind(call: Call) -> str:
    """What the path is about: `songs` in /api/music/songs/12/cover."""
    return covers.KINDS[call.request.scope["path"].split("/")[-3]]


@get(PATHS, access=Access.PUBLIC)
async def read_cover(call: Calling, target_id: FromPath[str], size: FromQuery[int] = DEFAULT_SIZE) -> Response[bytes]:
    """The cover of a song, an album, an artist or a playlist."""

    def find(session: ReadSession) -> covers.Cover:
        return covers.find(session, viewing(session, call), _kind(call), number(target_id))

    return await cover_answer(call, find, size)


@put(PATHS, access=Access.MEMBER, request_max_body_size=MOST_PICTURE_BYTES + 100_000)
async def write_cover(call: Calling, target_id: FromPath[str]) -> None:
    """Give a song, album, artist or playlist that one may change a picture: PNG, JPEG or WebP."""
    await take_cover(call, _kind(call), number(target_id))


routes = [read_cover, write_cover]
