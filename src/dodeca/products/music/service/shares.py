"""Shares: links under which somebody without an account hears some things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, update

from dodeca.kernel import clock, ids
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.music.models import Album, AlbumSong, Artist, Playlist, Share, ShareItem, Song, SongCredit
from dodeca.products.music.service import likes, playlists, smart
from dodeca.products.music.service.tags import storable
from dodeca.products.music.service.viewers import VISITOR, Viewer, albums_for, artists_for, playlists_for, songs_for

MOST_ITEMS = 500
MOST_SHARES = 1000
MOST_SONGS = 1000
MOST_NAMES = 3
KINDS = ("song", "album", "artist", "playlist")


def create(
    session: WriteSession,
    viewer: Viewer,
    items: Sequence[tuple[str, int]],
    *,
    description: str = "",
    expires_at: datetime | None = None,
    download: bool = False,
) -> Share:
    """Share things that one sees. Raises Invalid, NotFound for one that one does not."""
    assert viewer.account_id is not None
    if not 1 <= len(items) <= MOST_ITEMS:
        raise Invalid(f"A share holds 1 to {MOST_ITEMS} things.", field="items")
    for kind, number in items:
        if kind not in KINDS:
            raise Invalid(f"kind is one of {', '.join(KINDS)}.", field="items")
        likes.require(session, viewer, kind, number)
        if kind == "song" and not session.scalar(select(Song.listed).where(Song.id == number)):
            raise Invalid("A private song cannot be shared: make it public first.", field="items")
    count = select(func.count()).select_from(Share).where(Share.owner_id == viewer.account_id)
    if (session.scalar(count) or 0) >= MOST_SHARES:
        raise Conflict(f"There are at most {MOST_SHARES} shares. Remove some first.")
    share = Share(
        token=ids.random_base62(22),
        owner_id=viewer.account_id,
        description=storable(description)[:500],
        download=download,
        expires_at=_later(expires_at),
        created_at=clock.now(),
    )
    session.add(share)
    session.flush()
    for position, (kind, number) in enumerate(items):
        session.add(ShareItem(share_id=share.id, position=position, kind=kind, target_id=number))
    session.flush()
    return share


def _later(moment: datetime | None) -> datetime | None:
    if moment is not None and moment <= clock.now():
        raise Invalid("expires_at lies ahead.", field="expires_at")
    return moment


def mine(session: ReadSession, account_id: str) -> Sequence[Share]:
    """Somebody's shares, the newest first."""
    return session.scalars(select(Share).where(Share.owner_id == account_id).order_by(Share.id.desc())).all()


def find_own(session: ReadSession, account_id: str, share_id: int) -> Share:
    """One of one's own shares. Raises NotFound."""
    share = session.scalar(select(Share).where(Share.id == share_id, Share.owner_id == account_id))
    if share is None:
        raise NotFound("There is no such share.")
    return share


def change(session: WriteSession, account_id: str, share_id: int, changes: Mapping[str, Any]) -> Share:
    """Change `description`, `expires_at` or `download`. Raises NotFound, Invalid."""
    share = find_own(session, account_id, share_id)
    if "description" in changes:
        share.description = storable(changes["description"])[:500]
    if "expires_at" in changes:
        share.expires_at = _later(changes["expires_at"])
    if "download" in changes:
        share.download = bool(changes["download"])
    session.flush()
    return share


def remove(session: WriteSession, account_id: str, share_id: int) -> None:
    """End a share. Raises NotFound."""
    share = find_own(session, account_id, share_id)
    session.execute(delete(ShareItem).where(ShareItem.share_id == share.id))
    session.delete(share)
    session.flush()


def by_token(session: ReadSession, token: str) -> Share:
    """The share of an address, while it lasts. Raises NotFound."""
    share = session.scalar(select(Share).where(Share.token == token))
    if share is None or (share.expires_at is not None and share.expires_at <= clock.now()):
        raise NotFound("This link leads nowhere any more.")
    return share


def visited(session: WriteSession, share_id: int) -> None:
    """Count a visit."""
    values = {"visit_count": Share.visit_count + 1, "visited_at": clock.now()}
    session.execute(update(Share).where(Share.id == share_id).values(values))


def items_of(session: ReadSession, share: Share) -> list[tuple[str, int]]:
    """What a share holds, in order."""
    statement = select(ShareItem.kind, ShareItem.target_id).where(ShareItem.share_id == share.id)
    return [(row[0], row[1]) for row in session.execute(statement.order_by(ShareItem.position))]


def title_of(session: ReadSession, share: Share) -> str:
    """What a share is called: its description, else the names of what everybody may see of it."""
    if share.description:
        return share.description
    rules: dict[str, tuple[Any, Any, ColumnElement[bool]]] = {
        "song": (Song.id, Song.title, songs_for(VISITOR)),
        "album": (Album.id, Album.title, albums_for(VISITOR)),
        "artist": (Artist.id, Artist.name, artists_for(VISITOR)),
        "playlist": (Playlist.id, Playlist.title, playlists_for(Viewer(share.owner_id), by_address=True)),
    }
    names = []
    for kind, number in items_of(session, share):
        column, name, rule = rules[kind]
        names.append(session.scalar(select(name).where(column == number, rule)))
        if len(names) > MOST_NAMES:
            return ", ".join(filter(None, names[:MOST_NAMES])) + ", …"
    return ", ".join(filter(None, names))


def songs_of(session: ReadSession, share: Share) -> list[Song]:
    """All songs of a share that everybody may see, each once: a link gives nothing private away."""
    found: dict[int, Song] = {}
    for kind, number in items_of(session, share):
        some = _of_playlist(session, share, number) if kind == "playlist" else _of_thing(session, kind, number)
        for song in some:
            found.setdefault(song.id, song)
            if len(found) >= MOST_SONGS:
                return list(found.values())
    return list(found.values())


def _of_thing(session: ReadSession, kind: str, number: int) -> Sequence[Song]:
    statement = select(Song).where(Song.listed).limit(MOST_SONGS)
    if kind == "song":
        return session.scalars(statement.where(Song.id == number)).all()
    if kind == "album":
        on_album = statement.join(AlbumSong, AlbumSong.song_id == Song.id).where(AlbumSong.album_id == number)
        return session.scalars(on_album.order_by(AlbumSong.disc, AlbumSong.track, Song.id)).all()
    credited = select(SongCredit.song_id).where(SongCredit.artist_id == number, SongCredit.role == "artist")
    return session.scalars(statement.where(Song.id.in_(credited)).order_by(Song.play_count.desc(), Song.id)).all()


def _of_playlist(session: ReadSession, share: Share, number: int) -> Sequence[Song]:
    """The songs of a playlist, as long as whoever shares it sees it: one's own may be private."""
    rule = playlists_for(Viewer(share.owner_id), by_address=True)
    playlist = session.scalar(select(Playlist).where(Playlist.id == number, rule))
    if playlist is None:
        return []
    if playlist.rules is not None:
        return smart.songs(session, VISITOR, playlist)
    return [song for _item, song in playlists.items(session, VISITOR, playlist)]
