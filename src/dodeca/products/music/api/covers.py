"""Covers: thumbnails of songs, albums, artists and playlists, and new ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar import Response
from litestar.datastructures import UploadFile

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Call, Calling, FromPath, FromQuery, get, put
from dodeca.kernel.media import Shape
from dodeca.products.music.acting import number, viewing
from dodeca.products.music.service import covers

MOST_BYTES = 10_000_000
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


@put(PATHS, access=Access.MEMBER, request_max_body_size=MOST_BYTES + 100_000)
async def write_cover(call: Calling, target_id: FromPath[str]) -> None:
    """Give a song, album, artist or playlist that one may change a picture: PNG, JPEG or WebP."""
    await take_cover(call, _kind(call), number(target_id))


async def take_cover(call: Call, found: str, target: int) -> None:
    """Take the picture that a request brings. Raises NotFound, Forbidden, Invalid, …"""
    await call.platform.db.aread(lambda session: covers.require(session, viewing(session, call), found, target))
    blob = await call.platform.media.save_image(_one(await _uploaded(call)), max_bytes=MOST_BYTES)

    def unit(session: WriteSession) -> None:
        covers.write(session, viewing(session, call), found, target, blob.key)

    await call.platform.db.awrite(unit)


async def _uploaded(call: Call) -> bytes:
    if call.request.content_type[0] != "multipart/form-data":
        return await call.request.body()
    file: Any = (await call.request.form()).get("file")
    if not isinstance(file, UploadFile):
        raise Invalid("Choose a picture.", field="file")
    return await file.read()


async def _one(data: bytes) -> AsyncIterator[bytes]:
    if not data:
        raise Invalid("Choose a picture.", field="file")
    yield data


routes = [read_cover, write_cover]
