"""What is one's own: songs and plays of them, listening, taste, apps, shares."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import segno
from sqlalchemy import select

from dodeca.commons.accounts.public import Account, Actor, Owner, account_by_id
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Call,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FormState,
    FromPath,
    FromQuery,
    Page,
    Redirect,
    get,
    post,
)
from dodeca.kernel.web.filters import plural
from dodeca.products.music.acting import Looking, number, viewing
from dodeca.products.music.jobs import scan_folders
from dodeca.products.music.models import Song
from dodeca.products.music.pages.look import Line, Text, day, page, rows, whole
from dodeca.products.music.service import app_passwords, comments, folders, lyrics, members, shares, songs, taste
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import RANGES, scan_view, share_view, stats_of


class TagForm(ClosedRequest):
    """Tags as they shall be. An empty field is unknown."""

    title: Line
    artist: Line
    album: Line = ""
    album_artist: Line = ""
    track: Line = ""
    disc: Line = ""
    year: Line = ""
    genres: Line = ""
    explicit: Line = ""
    visibility: Line = "private"
    published_at: Line = ""
    lyrics: Text = ""


class AppForm(ClosedRequest):
    """For which app."""

    name: Line = ""


class ChoicesForm(ClosedRequest):
    """One's choices."""

    history_visibility: Line = "private"
    explicit: Line = ""
    max_bit_rate: Line = ""


class ExclusionForm(ClosedRequest):
    """What shall not count."""

    song_id: Line = ""
    device: Line = ""
    since: Line = ""
    until: Line = ""


class FolderForm(ClosedRequest):
    """A folder of the server."""

    path: Line = ""


def show_edit(session: ReadSession, call: Call, state: FormState) -> Page:
    """A song's tags in a form."""
    viewer = viewing(session, call)
    song = songs.find(session, viewer, number(call.request.path_params["song_id"]))
    return page(
        session,
        viewer,
        "edit.html",
        "upload",
        song=rows(session, viewer, [song])[0],
        tags=songs.tags_of(session, song),
        text=song.lyrics or "",
        versions=songs.versions(session, song),
        form=state.form,
    )


@get("/songs/{song_id:int}/edit", access=Access.MEMBER)
def edit_page(session: DbRead, call: Calling, song_id: FromPath[int]) -> Page:
    """A song's tags."""
    return show_edit(session, call, FormState())


@post("/songs/{song_id:int}/edit", access=Access.MEMBER, status=200, form=show_edit)
def save_tags(session: DbWrite, viewer: Looking, song_id: FromPath[int], data: AnyBody[TagForm]) -> Redirect:
    """Save tags, and publish."""
    changes: dict[str, Any] = {
        "title": data.title,
        "artist": data.artist,
        "album": data.album,
        "album_artist": data.album_artist,
        "explicit": bool(data.explicit),
        "genres": [name.strip() for name in data.genres.split(",") if name.strip()],
        **{name: whole(getattr(data, name), name) for name in ("track", "disc", "year")},
    }
    song = songs.retag(session, viewer, song_id, changes)
    if (data.lyrics.strip() or None) != song.lyrics:
        lyrics.write(session, viewer, song_id, data.lyrics)
    at = day(data.published_at)
    songs.publish(session, viewer, song_id, visibility=data.visibility, published_at=at)
    told = "Published." if data.visibility == "public" else "Saved. Only you see it."
    return Redirect(f"/music/songs/{song_id}", toast=told)


@post("/songs/{song_id:int}/revert/{version:int}", access=Access.MEMBER, status=200)
def revert(session: DbWrite, viewer: Looking, song_id: FromPath[int], version: FromPath[int]) -> Redirect:
    """Bring back earlier tags."""
    songs.revert(session, viewer, song_id, version)
    return Redirect(f"/music/songs/{song_id}/edit", toast="The earlier tags are back.")


@post("/songs/{song_id:int}/withdraw", access=Access.MEMBER, status=200)
def withdraw(session: DbWrite, viewer: Looking, song_id: FromPath[int]) -> Redirect:
    """Withdraw a song."""
    songs.remove(session, viewer, song_id)
    return Redirect("/music/studio", toast="The song is withdrawn.")


@get("/studio", access=Access.MEMBER)
def studio_page(session: DbRead, account: Actor, viewer: Looking) -> Page:
    """One's own songs: who hears them and what they say."""
    own = select(Song).where(Song.uploader_id == account.id).order_by(Song.play_count.desc(), Song.id.desc())
    found = session.scalars(own.limit(500)).all()
    shown = rows(session, viewer, found)
    for row in shown:
        heard, liked, said = row.view.play_count, row.view.like_count, row.view.comment_count
        row.because = " · ".join((plural(heard, "play"), plural(liked, "like"), plural(said, "comment")))
    return page(
        session,
        viewer,
        "studio.html",
        "studio",
        songs=shown,
        latest=comments.latest_on_songs_of(session, account.id),
        plays=sum(song.play_count for song in found),
        liked=sum(song.like_count for song in found),
        said=sum(song.comment_count for song in found),
    )


@get("/stats", access=Access.MEMBER)
def stats_page(session: DbRead, account: Actor, viewer: Looking, range: FromQuery[str] = "month") -> Page:
    """What one heard."""
    chosen = range if range in (*RANGES, "all") else "month"
    stats = stats_of(session, viewer, account.id, chosen)
    hours = [(f"{hour:02d}", count) for hour, count in enumerate(stats.hours)]
    ranges = [(name, name.capitalize(), f"/music/stats?range={name}") for name in (*RANGES, "all")]
    return page(session, viewer, "stats.html", "stats", stats=stats, hours=hours, ranges=ranges, range=chosen)


@get("/taste", access=Access.MEMBER)
def taste_page(session: DbRead, call: Calling, account: Actor, viewer: Looking) -> Page:
    """What recommendations are made of, and what was struck out."""
    struck = taste.exclusions(session, account.id)
    titles = songs.by_ids(session, viewer, [row.song_id for row in struck if row.song_id is not None])
    picks = taste.recommend(session, call.platform, viewer, "discover", 10)
    return page(
        session,
        viewer,
        "taste.html",
        "taste",
        taste=taste.taste_of(session, account.id),
        struck=[(row, titles.get(row.song_id) if row.song_id is not None else None) for row in struck],
        picks=list(zip(rows(session, viewer, [pick.song for pick in picks]), picks, strict=True)),
        choices=members.choices(session, account.id),
    )


@post("/taste/exclude", access=Access.MEMBER, status=200)
def exclude(session: DbWrite, viewer: Looking, data: AnyBody[ExclusionForm]) -> Redirect:
    """Let something count no longer."""
    since, until = day(data.since), day(data.until)
    taste.exclude(
        session,
        viewer,
        song_id=number(data.song_id) if data.song_id else None,
        device=data.device or None,
        from_at=since,
        to_at=until,
    )
    return Redirect("/music/taste", toast="It does not count any more.")


@post("/taste/include/{exclusion_id:int}", access=Access.MEMBER, status=200)
def include(session: DbWrite, account: Actor, exclusion_id: FromPath[int]) -> Redirect:
    """Let it count again."""
    taste.include(session, account.id, exclusion_id)
    return Redirect("/music/taste", toast="It counts again.")


@post("/choices", access=Access.MEMBER, status=200)
def save_choices(session: DbWrite, account: Actor, data: AnyBody[ChoicesForm]) -> Redirect:
    """Save one's choices."""
    changes = {
        "history_visibility": data.history_visibility,
        "explicit": bool(data.explicit),
        "max_bit_rate": whole(data.max_bit_rate, "max_bit_rate") or 0,
    }
    members.change(session, account.id, changes)
    return Redirect("/music/taste", toast="Saved.")


def show_apps(session: ReadSession, call: Call, state: FormState) -> Page:
    """App passwords and the form for one."""
    viewer = viewing(session, call)
    account = account_by_id(session, call.member().account_id)
    assert account is not None
    return _apps(session, call, account, None, viewer, state)


def _apps(
    session: ReadSession, call: Call, account: Account, made: tuple[str, str] | None, viewer: Viewer, state: FormState
) -> Page:
    server = call.platform.url("/music")
    code = None
    if made is not None:
        link = f"{server}?u={quote(account.username)}&p={quote(made[1])}"
        code = _qr(link)
    return page(
        session,
        viewer,
        "apps.html",
        "apps",
        server=server,
        username=account.username,
        passwords=app_passwords.mine(session, account.id),
        made=made,
        code=code,
        form=state.form,
    )


def _qr(text: str) -> list[list[bool]]:
    """A QR code as rows of dark and light modules."""
    return [[bool(module) for module in row] for row in segno.make(text, error="m", micro=False).matrix]


@get("/apps", access=Access.MEMBER)
def apps_page(session: DbRead, call: Calling) -> Page:
    """Connect an app."""
    return show_apps(session, call, FormState())


@post("/apps", access=Access.MEMBER, status=200, form=show_apps)
def make_password(session: DbWrite, call: Calling, account: Owner, viewer: Looking, data: AnyBody[AppForm]) -> Page:
    """Make a password for an app, shown once with a code to scan."""
    row, password = app_passwords.create(session, call.platform, account, data.name or "App")
    return _apps(session, call, account, (row.name, password), viewer, FormState())


@post("/apps/{password_id:int}/delete", access=Access.MEMBER, status=200)
def delete_password(session: DbWrite, account: Owner, password_id: FromPath[int]) -> Redirect:
    """Take a password away."""
    app_passwords.remove(session, account.id, password_id)
    return Redirect("/music/apps", toast="The app is signed out.")


@get("/shares", access=Access.MEMBER)
def shares_page(session: DbRead, call: Calling, account: Actor, viewer: Looking) -> Page:
    """One's links."""
    mine = [
        (share_view(session, call.platform, share), shares.title_of(session, share))
        for share in shares.mine(session, account.id)
    ]
    return page(session, viewer, "shares.html", "shares", shares=mine)


def show_folders(session: ReadSession, call: Call, state: FormState) -> Page:
    """Folders and scans, for admins."""
    viewer = viewing(session, call)
    return page(
        session,
        viewer,
        "folders.html",
        "folders",
        folders=folders.all_folders(session),
        waiting=rows(session, viewer, songs.waiting(session)),
        scan=scan_view(session),
        form=state.form,
    )


@get("/folders", access=Access.ADMIN)
def folders_page(session: DbRead, call: Calling) -> Page:
    """Folders of the server and the last scan."""
    return show_folders(session, call, FormState())


@post("/folders", access=Access.ADMIN, status=200, form=show_folders)
def change_folders(session: DbWrite, data: AnyBody[FolderForm]) -> Redirect:
    """Take a folder in, or scan all again."""
    if data.path.strip():
        folders.add(session, data.path.strip())
    scan_folders.enqueue(session, key="scan")
    return Redirect("/music/folders", toast="The scan begins.")


@post("/songs/{song_id:int}/approve", access=Access.MODERATOR, status=200)
def approve(session: DbWrite, viewer: Looking, song_id: FromPath[int]) -> Redirect:
    """Let a song in."""
    songs.approve(session, viewer, song_id)
    return Redirect("/music/folders", toast="Everybody can hear it now.")


routes = [
    approve,
    edit_page,
    save_tags,
    revert,
    withdraw,
    studio_page,
    stats_page,
    taste_page,
    exclude,
    include,
    save_choices,
    apps_page,
    make_password,
    delete_password,
    shares_page,
    folders_page,
    change_folders,
]
