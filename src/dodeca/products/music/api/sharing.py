"""Shares, what a device keeps for offline use, and passwords for apps."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from dodeca.commons.accounts.public import Owner
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    JSONBody,
    delete,
    get,
    post,
)
from dodeca.kernel.platform import Platform
from dodeca.products.music import sound, views
from dodeca.products.music.acting import Looking, maybe_moment, number, viewing
from dodeca.products.music.audio.transcoding import Profile, choose
from dodeca.products.music.models import AppPassword
from dodeca.products.music.sending import signed_url
from dodeca.products.music.service import app_passwords, playlists, shares, songs
from dodeca.products.music.sound import Where
from dodeca.products.music.views import ShareView, share_view

Line = Annotated[str, msgspec.Meta(max_length=500)]
MOST_OFFLINE = 1000


class ShareItemRequest(ClosedRequest):
    """A thing to share."""

    kind: Line
    id: int | Line


class NewShare(ClosedRequest):
    """What is shared, until when, and whether it may be downloaded."""

    items: Annotated[list[ShareItemRequest], msgspec.Meta(max_length=500)]
    description: Line = ""
    expires_at: datetime | None = None
    download: bool = False


class ShareList(msgspec.Struct):
    """One's own shares, the newest first."""

    shares: list[ShareView]


class OfflineRequest(ClosedRequest):
    """Songs, or a playlist, to keep on a device."""

    songs: Annotated[list[int | Line], msgspec.Meta(max_length=MOST_OFFLINE)] = msgspec.field(default_factory=list)
    playlist_id: int | Line | None = None
    format: Line = "raw"
    max_bit_rate: int = 0


class OfflineItem(msgspec.Struct, kw_only=True):
    """A song to keep: `url` needs no login for an hour; the file has `bytes` bytes and this SHA-256."""

    song_id: str
    url: str
    bytes: int
    sha256: str
    content_type: str
    cover_url: str | None
    lyrics: str | None
    song: views.SongView


class OfflineManifest(msgspec.Struct):
    """What to keep, in order. A song that is not listed any more was withdrawn: let it go."""

    items: list[OfflineItem]


class NewAppPassword(ClosedRequest):
    """For which app."""

    name: Line


class AppPasswordView(msgspec.Struct, kw_only=True):
    """A password of an app; its text is told once."""

    app_password_id: str
    name: str
    used_at: datetime | None
    used_by: str
    created_at: datetime


class AppPasswordMade(msgspec.Struct, kw_only=True):
    """A new password. It is shown only now."""

    app_password_id: str
    name: str
    username: str
    password: str


class AppPasswordList(msgspec.Struct):
    """One's app passwords."""

    app_passwords: list[AppPasswordView]


@post("/shares", access=Access.MEMBER, idempotent=True)
def create_share(session: DbWrite, call: Calling, viewer: Looking, data: JSONBody[NewShare]) -> ShareView:
    """Share things with people who have no account."""
    items = [(item.kind, number(item.id)) for item in data.items]
    share = shares.create(
        session,
        viewer,
        items,
        description=data.description,
        expires_at=maybe_moment(data.expires_at, "expires_at"),
        download=data.download,
    )
    return share_view(session, call.platform, share)


@get("/shares", access=Access.MEMBER)
def list_shares(session: DbRead, call: Calling) -> ShareList:
    """One's own shares."""
    mine = shares.mine(session, call.member().account_id)
    return ShareList([share_view(session, call.platform, share) for share in mine])


@delete("/shares/{share_id:str}", access=Access.MEMBER)
def delete_share(session: DbWrite, call: Calling, share_id: FromPath[str]) -> None:
    """End a share."""
    shares.remove(session, call.member().account_id, number(share_id))


@post("/offline/manifest", access=Access.MEMBER, status=200)
async def offline_manifest(call: Calling, data: JSONBody[OfflineRequest]) -> OfflineManifest:
    """What a device has to fetch to play songs without a connection."""
    platform = call.platform

    def find(session: ReadSession) -> list[tuple[Where, views.SongView, str | None]]:
        viewer = viewing(session, call)
        if data.playlist_id is not None:
            playlist = playlists.find(session, viewer, number(data.playlist_id))
            found = [song for _item, song in views.playlist_songs(session, viewer, playlist)]
        else:
            found = songs.find_all(session, viewer, [number(song_id) for song_id in data.songs])
        kept = list({song.id: song for song in found if views.has_audio(song)}.values())[:MOST_OFFLINE]
        shown = views.song_views(session, viewer, kept)
        return [(sound.where(session, song), view, song.lyrics) for song, view in zip(kept, shown, strict=True)]

    rows = await platform.db.aread(find)
    return OfflineManifest([await _item(platform, data, *row) for row in rows])


async def _item(
    platform: Platform, data: OfflineRequest, found: Where, view: views.SongView, lyrics: str | None
) -> OfflineItem:
    profile: Profile | None = choose(found.suffix, found.bit_rate, format=data.format, max_bit_rate=data.max_bit_rate)
    if profile is not None:
        ready = await sound.finished_transcode(platform, found, profile)
        size, digest, content_type = ready.size, ready.media_key, ready.content_type
        url = signed_url(platform, found, format=profile.format, max_bit_rate=profile.bit_rate)
    else:
        size, content_type = found.size, found.content_type
        digest = found.media_key or await sound.digest_of(platform, found)
        url = signed_url(platform, found, format="raw")
    return OfflineItem(
        song_id=view.song_id,
        url=url,
        bytes=size,
        sha256=digest,
        content_type=content_type,
        cover_url=view.cover_url,
        lyrics=lyrics,
        song=view,
    )


@post("/app-passwords", access=Access.MEMBER)
def create_app_password(
    session: DbWrite, call: Calling, account: Owner, data: AnyBody[NewAppPassword]
) -> AppPasswordMade:
    """Make a password for an app that speaks Subsonic or ListenBrainz. It opens music only."""
    row, password = app_passwords.create(session, call.platform, account, data.name)
    return AppPasswordMade(app_password_id=str(row.id), name=row.name, username=account.username, password=password)


@get("/app-passwords", access=Access.MEMBER)
def list_app_passwords(session: DbRead, account: Owner) -> AppPasswordList:
    """One's app passwords, without their texts."""
    return AppPasswordList([app_password_view(row) for row in app_passwords.mine(session, account.id)])


def app_password_view(row: AppPassword) -> AppPasswordView:
    """What is shown of an app password."""
    return AppPasswordView(
        app_password_id=str(row.id),
        name=row.name,
        used_at=row.used_at,
        used_by=row.used_by,
        created_at=row.created_at,
    )


@delete("/app-passwords/{password_id:str}", access=Access.MEMBER)
def delete_app_password(session: DbWrite, account: Owner, password_id: FromPath[str]) -> None:
    """Take a password away; apps that use it are refused from now on."""
    app_passwords.remove(session, account.id, number(password_id))


routes = [
    create_share,
    list_shares,
    delete_share,
    offline_manifest,
    create_app_password,
    list_app_passwords,
    delete_app_password,
]
