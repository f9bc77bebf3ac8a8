"""Playlists: made, read, changed, shared with collaborators."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import or_, select

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
    page_of,
    patch,
    post,
    put,
)
from dodeca.products.music.acting import Looking, account_named, number, own_account
from dodeca.products.music.models import Collaborator, Playlist
from dodeca.products.music.service import playlists
from dodeca.products.music.service.viewers import playlists_for
from dodeca.products.music.views import PlaylistView, playlist_view, playlist_views

Line = Annotated[str, msgspec.Meta(max_length=500)]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Ids = Annotated[list[int | Line], msgspec.Meta(max_length=10_000)]
NOT_FOUND = "User or playlist not found"


class NewPlaylist(ClosedRequest):
    """A playlist: songs in order, or rules."""

    title: Line | None = None
    songs: Ids = msgspec.field(default_factory=list)
    visibility: Line = "private"
    description: Text = ""
    rules: dict[str, Any] | None = None


class PlaylistChanges(ClosedRequest):
    """What shall be different."""

    title: Line | msgspec.UnsetType = msgspec.UNSET
    description: Text | msgspec.UnsetType = msgspec.UNSET
    visibility: Line | msgspec.UnsetType = msgspec.UNSET
    collaborative: bool | msgspec.UnsetType = msgspec.UNSET
    rules: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class Songs(ClosedRequest):
    """Songs to append, or to put before the item at `position` (from 0)."""

    songs: Ids
    position: int | None = None


class Replacement(ClosedRequest):
    """Songs in place of all; `version` is the one that was seen."""

    songs: Ids
    version: int | None = None


class Move(ClosedRequest):
    """Which item goes before which; before null is the end."""

    item_id: int | Line
    before: int | Line | None = None


class Guest(ClosedRequest):
    """Whom it is about."""

    username: Line


class Created(msgspec.Struct):
    """The answer to a new playlist."""

    message: str
    playlist_id: str
    playlist: PlaylistView


class PlaylistAnswer(msgspec.Struct):
    """A playlist with its songs."""

    playlist: PlaylistView


class PlaylistList(msgspec.Struct):
    """A page of playlists without their songs."""

    playlists: list[PlaylistView]
    next_cursor: str | None


class CollaboratorList(msgspec.Struct):
    """The accounts that may change a playlist's songs beside its owner."""

    collaborators: list[str]


@post("/users/{user:str}/playlists", access=Access.MEMBER, idempotent=True)
def create_playlist(
    session: DbWrite, call: Calling, viewer: Looking, user: FromPath[str], data: AnyBody[NewPlaylist]
) -> Created:
    """Make a playlist."""
    own_account(session, call, user)
    if data.title is None:
        raise Invalid("title is missing.", field="title")
    playlist = playlists.create(
        session,
        viewer,
        data.title,
        [number(song_id) for song_id in data.songs],
        visibility=data.visibility,
        description=data.description,
        rules=data.rules,
    )
    return Created("Playlist created successfully", str(playlist.id), playlist_view(session, viewer, playlist))


@get("/users/{user:str}/playlists/{playlist_id:str}", access=Access.PUBLIC)
def read_playlist(session: DbRead, viewer: Looking, user: FromPath[str], playlist_id: FromPath[str]) -> PlaylistAnswer:
    """A playlist of a member, or one that the member collaborates on."""
    account = account_named(session, user, NOT_FOUND)
    try:
        playlist = playlists.find(session, viewer, number(playlist_id))
    except NotFound as error:
        raise NotFound(NOT_FOUND) from error
    if playlist.owner_id != account.id and account.id not in playlists.collaborators(session, playlist):
        raise NotFound(NOT_FOUND)
    return PlaylistAnswer(playlist_view(session, viewer, playlist))


@get("/users/{user:str}/playlists", access=Access.PUBLIC)
def list_playlists(
    session: DbRead,
    viewer: Looking,
    user: FromPath[str],
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> PlaylistList:
    """The playlists of a member that the caller sees, the last changed first."""
    account = account_named(session, user)
    shared = select(Collaborator.playlist_id).where(Collaborator.user_id == account.id)
    theirs = or_(Playlist.owner_id == account.id, Playlist.id.in_(shared))
    statement = select(Playlist).where(theirs, playlists_for(viewer))
    page = page_of(session, statement, order=[Playlist.updated_at, Playlist.id], limit=limit, cursor=cursor)
    return PlaylistList(playlist_views(session, viewer, page.items), page.next_cursor)


@get("/playlists/{playlist_id:str}", access=Access.PUBLIC)
def read_playlist_by_id(session: DbRead, viewer: Looking, playlist_id: FromPath[str]) -> PlaylistAnswer:
    """A playlist."""
    return PlaylistAnswer(playlist_view(session, viewer, playlists.find(session, viewer, number(playlist_id))))


@patch("/playlists/{playlist_id:str}", access=Access.MEMBER)
def change_playlist(
    session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[PlaylistChanges]
) -> PlaylistAnswer:
    """Change one's own playlist."""
    given = {name: getattr(data, name) for name in PlaylistChanges.__struct_fields__}
    changes = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    playlist = playlists.change(session, viewer, number(playlist_id), changes)
    return PlaylistAnswer(playlist_view(session, viewer, playlist))


@delete("/playlists/{playlist_id:str}", access=Access.MEMBER)
def delete_playlist(session: DbWrite, viewer: Looking, playlist_id: FromPath[str]) -> None:
    """Delete one's own playlist."""
    playlists.remove(session, viewer, number(playlist_id))


@post("/playlists/{playlist_id:str}/songs", access=Access.MEMBER, status=200, idempotent=True)
def append_songs(session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[Songs]) -> PlaylistAnswer:
    """Append songs, or put them at a place."""
    wanted = [number(song_id) for song_id in data.songs]
    playlist = playlists.append(session, viewer, number(playlist_id), wanted, position=data.position)
    return PlaylistAnswer(playlist_view(session, viewer, playlist))


@put("/playlists/{playlist_id:str}/songs", access=Access.MEMBER)
def replace_songs(
    session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[Replacement]
) -> PlaylistAnswer:
    """Put other songs in place of all; refused with 409 where the playlist has changed since."""
    wanted = [number(song_id) for song_id in data.songs]
    playlist = playlists.replace(session, viewer, number(playlist_id), wanted, version=data.version)
    return PlaylistAnswer(playlist_view(session, viewer, playlist))


@delete("/playlists/{playlist_id:str}/songs/{item_id:str}", access=Access.MEMBER)
def remove_song(session: DbWrite, viewer: Looking, playlist_id: FromPath[str], item_id: FromPath[str]) -> None:
    """Take one item out."""
    playlists.remove_items(session, viewer, number(playlist_id), [number(item_id)])


@post("/playlists/{playlist_id:str}/move", access=Access.MEMBER, status=200)
def move_song(session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[Move]) -> PlaylistAnswer:
    """Put an item before another."""
    before = number(data.before) if data.before is not None else None
    playlist = playlists.move(session, viewer, number(playlist_id), number(data.item_id), before)
    return PlaylistAnswer(playlist_view(session, viewer, playlist))


@post("/playlists/{playlist_id:str}/collaborators", access=Access.MEMBER, status=200)
def add_collaborator(
    session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[Guest]
) -> CollaboratorList:
    """Let somebody change the songs of one's own playlist."""
    guest = account_named(session, data.username)
    playlists.collaborate(session, viewer, number(playlist_id), guest, on=True)
    playlist = playlists.find(session, viewer, number(playlist_id))
    return CollaboratorList(list(playlists.collaborators(session, playlist)))


@delete("/playlists/{playlist_id:str}/collaborators", access=Access.MEMBER)
def remove_collaborator(session: DbWrite, viewer: Looking, playlist_id: FromPath[str], data: AnyBody[Guest]) -> None:
    """Let somebody change them no longer."""
    guest = account_named(session, data.username)
    playlists.collaborate(session, viewer, number(playlist_id), guest, on=False)


routes = [
    create_playlist,
    read_playlist,
    list_playlists,
    read_playlist_by_id,
    change_playlist,
    delete_playlist,
    append_songs,
    replace_songs,
    remove_song,
    move_song,
    add_collaborator,
    remove_collaborator,
]
