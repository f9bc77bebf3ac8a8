"""Files in: dropped, their tags looked at side by side, published; pictures; playlists and libraries of others."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.datastructures import UploadFile
from sqlalchemy import select

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import DodecaError, Invalid
from dodeca.kernel.http import Access, Call, Calling, DbRead, FormState, FromPath, Page, Redirect, get, post
from dodeca.products.music import formats, uploads
from dodeca.products.music.acting import viewing
from dodeca.products.music.models import Song
from dodeca.products.music.pages.look import page, rows, whole
from dodeca.products.music.service import covers, songs
from dodeca.products.music.service.songs import SameAudio
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.taking import MOST_PICTURE_BYTES, ImportAnswer, take_cover, take_file

MOST_FILES = 30
MOST_SIDE_BY_SIDE = 100
LONGEST_ID = 18
SIDE_BY_SIDE = ("title", "artist", "album", "track")
"""Tags that the upload page shows of each song; the rest is on the song's own page."""


def show_upload(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form for files, and what was uploaded and is not published."""
    viewer = viewing(session, call)
    own = select(Song).where(Song.uploader_id == (viewer.account_id or ""), Song.visibility == "private")
    waiting = session.scalars(own.order_by(Song.id).limit(MOST_SIDE_BY_SIDE)).all()
    tags = {str(song.id): songs.tags_of(session, song) for song in waiting}
    shown = rows(session, viewer, waiting)
    return page(session, viewer, "upload.html", "upload", form=state.form, waiting=shown, tags=tags)


@get("/upload", access=Access.MEMBER)
def upload_page(session: DbRead, call: Calling) -> Page:
    """Drop files here."""
    return show_upload(session, call, FormState())


@post("/upload", access=Access.MEMBER, status=200, form=show_upload, request_max_body_size=uploads.MOST_BYTES)
async def send_files(call: Calling) -> Redirect:
    """Take files in, private until their tags are right and they are published."""
    form = await call.request.form()
    files = [file for file in form.getall("files", []) if isinstance(file, UploadFile) and file.filename]
    if not files:
        raise Invalid("Choose at least one file.", field="files")
    if len(files) > MOST_FILES:
        raise Invalid(f"At most {MOST_FILES} files at once.", field="files")
    added: list[int] = []
    refused: list[str] = []
    for file in files:
        try:
            upload = await uploads.receive(call.platform, uploads.pieces(file), file.filename)
            added.append(await call.platform.db.awrite(lambda s, u=upload: _add(s, call, u)))  # type: ignore[misc]
        except SameAudio:
            refused.append(f"{file.filename} is here already")
        except DodecaError as error:
            refused.append(f"{file.filename}: {error.message}")
    if not added:
        raise Invalid("; ".join(refused)[:500], field="files")
    told = f"{len(added)} added." + (f" Not added: {'; '.join(refused)[:200]}" if refused else "")
    target = f"/music/songs/{added[0]}/edit" if len(added) == 1 else "/music/upload"
    return Redirect(target, toast=told, kind="warning" if refused else "success")


def _add(session: WriteSession, call: Call, upload: uploads.Upload) -> int:
    viewer = viewing(session, call)
    return uploads.add(session, call.platform, viewer, upload, upload.tags, visibility="private").id


@post("/upload/publish", access=Access.MEMBER, status=200, form=show_upload)
async def publish_all(call: Calling) -> Redirect:
    """Save the tags of all songs on the upload page, and publish those that are ticked."""
    form = await call.request.form()
    given = {name: value for name, value in form.items() if isinstance(value, str)}
    named = [value for value in form.getall("song", []) if isinstance(value, str)]
    numbers = [int(value) for value in named if value.isdecimal() and len(value) <= LONGEST_ID]
    ticked = [number for number in numbers if given.get(f"publish-{number}")]
    if len(numbers) > MOST_SIDE_BY_SIDE:
        raise Invalid(f"At most {MOST_SIDE_BY_SIDE} songs at once.", field="song")

    def unit(session: WriteSession) -> None:
        viewer = viewing(session, call)
        for number in numbers:
            _save(session, viewer, number, given)
        for number in ticked:
            try:
                songs.publish(session, viewer, number, visibility="public")
            except Invalid as error:
                raise Invalid(error.message, field=f"publish-{number}") from error

    await call.platform.db.awrite(unit)
    told = f"{len(ticked)} published." if ticked else "Saved. Only you hear them."
    return Redirect("/music/studio" if ticked else "/music/upload", toast=told)


def _save(session: WriteSession, viewer: Viewer, number: int, given: Mapping[str, str]) -> None:
    """Change a song's tags where they differ. Raises Invalid naming the field of the page."""
    had = songs.tags_of(session, songs.find(session, viewer, number))
    try:
        wanted = {name: given.get(f"{name}-{number}", "") for name in SIDE_BY_SIDE}
        changes = wanted | {"track": whole(wanted["track"], "track")}
        if any(getattr(had, name) != value for name, value in changes.items()):
            songs.retag(session, viewer, number, changes)
    except Invalid as error:
        raise Invalid(error.message, field=f"{error.field}-{number}") from error


@post(
    "/upload/import",
    access=Access.MEMBER,
    status=200,
    form=show_upload,
    request_max_body_size=formats.MAX_BYTES + 100_000,
)
async def import_file(call: Calling) -> Redirect:
    """Take a playlist, a library or the listens of another program."""
    done = await take_file(call)
    if done.playlist is None and done.playlists is None:
        return Redirect("/music/stats", toast=_told_of_listens(done), kind="warning" if done.refused else "success")
    missing = len(done.unmatched)
    told = f"{done.matched} songs found here" + (f", {missing} not." if missing else ".")
    target = f"/music/playlists/{done.playlist.playlist_id}" if done.playlist else "/music/library?part=playlists"
    return Redirect(target, toast=told, kind="warning" if missing else "success")


def _told_of_listens(done: ImportAnswer) -> str:
    told = f"Listens added: {done.listens:,}. Here before: {done.known:,}."
    if not done.refused:
        return told
    first = done.errors[0]
    return f"{told} Lines that could not be taken: {done.refused:,}. The first is line {first.line}: {first.message}"


PAGES = {"songs": "/music/songs/{}/edit", "albums": "/music/albums/{}", "playlists": "/music/playlists/{}"}


@post(
    [f"/{name}/{{target_id:int}}/cover" for name in PAGES],
    access=Access.MEMBER,
    status=200,
    request_max_body_size=MOST_PICTURE_BYTES + 100_000,
)
async def send_cover(call: Calling, target_id: FromPath[int]) -> Redirect:
    """Give a song, an album or a playlist of one's own a picture."""
    name = call.request.scope["path"].split("/")[-3]
    await take_cover(call, covers.KINDS[name], target_id)
    return Redirect(PAGES[name].format(target_id), toast="This is its picture now.")


routes = [upload_page, send_files, publish_all, import_file, send_cover]
