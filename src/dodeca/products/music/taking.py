"""What forms bring besides songs, for the API and for pages: pictures, playlists, libraries and listens."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from litestar.datastructures import UploadFile

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, TooLarge
from dodeca.kernel.http import Call
from dodeca.kernel.transfer import ImportReport, RowError
from dodeca.products.music import formats, listen_files, transfers
from dodeca.products.music.acting import viewing
from dodeca.products.music.formats import LibraryFile
from dodeca.products.music.formats import listens as listen_lines
from dodeca.products.music.models import Playlist
from dodeca.products.music.service import covers, playlists
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.transfers import Unmatched
from dodeca.products.music.views import PlaylistView, playlist_view, playlist_views

MOST_PICTURE_BYTES: Final = 10_000_000
MOST_UNMATCHED: Final = 1000


async def take_cover(call: Call, kind: str, target_id: int) -> None:
    """Take the picture that a request brings. Raises NotFound, Forbidden, Invalid, …"""
    await call.platform.db.aread(lambda session: covers.require(session, viewing(session, call), kind, target_id))
    blob = await call.platform.media.save_image(_one(await _uploaded(call)), max_bytes=MOST_PICTURE_BYTES)

    def unit(session: WriteSession) -> None:
        covers.write(session, viewing(session, call), kind, target_id, blob.key)

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


class ImportAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a file: `playlist`, or `playlists` of a library with its ratings, likes and listens.

    Of a file of listens: how many are new in `listens`, how many were here in `known`, how many lines could not be
    taken in `refused`, and the first thousand of these in `errors`."""

    playlist: PlaylistView | None = None
    playlists: list[PlaylistView] | None = None
    matched: int
    unmatched: list[Unmatched]
    rated: int = 0
    liked: int = 0
    listens: int = 0
    known: int = 0
    refused: int = 0
    errors: list[RowError] = []


async def take_file(call: Call) -> ImportAnswer:
    """Take a playlist, a library of iTunes, or listens. Raises Invalid, TooLarge."""
    form = await call.request.form()
    upload: Any = form.get("file")
    if not isinstance(upload, UploadFile):
        raise Invalid("Send the file as the field file of a form.", field="file")
    data = await upload.read(formats.MAX_BYTES + 1)
    if len(data) > formats.MAX_BYTES:
        raise TooLarge(f"A file has at most {formats.MAX_BYTES:,} bytes here.", field="file")
    if listen_lines.is_begun(data[: listen_lines.LONGEST_LINE]):
        return await _take_listens(call, data)
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


async def _take_listens(call: Call, data: bytes) -> ImportAnswer:
    account_id = call.member().account_id
    report = ImportReport()
    for part in listen_files.parts(io.BytesIO(data)):
        outcomes = await call.platform.db.awrite(listen_files.recording(account_id, part))
        listen_files.note(report, part, outcomes)
    return ImportAnswer(
        matched=0,
        unmatched=[],
        listens=report.added,
        known=report.unchanged,
        refused=report.refused,
        errors=report.errors,
    )


def _again(session: ReadSession, viewer: Viewer, made: Sequence[Playlist]) -> list[Playlist]:
    """Playlists of finished units, in the session that shows them."""
    return [playlists.find(session, viewer, playlist.id) for playlist in made]
