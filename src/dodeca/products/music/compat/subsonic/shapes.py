"""Songs, albums, artists and playlists as Subsonic's clients read them; lists are filled with a few statements."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import func, select

from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel.db import ReadSession
from dodeca.products.music.compat.subsonic import schema
from dodeca.products.music.compat.subsonic.album_pages import AlbumRow, ArtistRow
from dodeca.products.music.compat.subsonic.answering import moment
from dodeca.products.music.compat.subsonic.asking import Asked, id_of
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import (
    Album,
    AlbumArtist,
    Artist,
    Bookmark,
    Collaborator,
    Listen,
    Playlist,
    Song,
    SongCredit,
)
from dodeca.products.music.service import catalogue, folding, likes, members, smart

ALBUMS_WRITTEN: Final = 10_000
"""Albums that a process has at hand as JSON, about a kilobyte each."""
Rows = Sequence[Any]
_UNPRINTED = re.compile(r"[/\\\0]")


@dataclass
class _About:
    """What a list of songs needs beside its rows."""

    albums: dict[int, Album] = field(default_factory=dict)
    album_artists: dict[int, list[Artist]] = field(default_factory=dict)
    credits: dict[int, list[tuple[str, Artist]]] = field(default_factory=dict)
    liked: dict[int, Any] = field(default_factory=dict)
    rated: dict[int, int] = field(default_factory=dict)
    heard: dict[Any, datetime] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)


def songs(session: ReadSession, asked: Asked, found: Sequence[Song]) -> list[Node]:
    """Songs as children."""
    if not found:
        return []
    about = _about(session, asked.account_id, found)
    return [_song(song, about) for song in found]


def song(session: ReadSession, asked: Asked, found: Song) -> Node:
    """One song as a child."""
    return songs(session, asked, [found])[0]


def _about(session: ReadSession, account_id: str, found: Sequence[Song]) -> _About:
    ids = list({song.id for song in found})
    albums = _by_id(session, Album, {song.album_id for song in found if song.album_id is not None})
    about = _About(albums=albums, album_artists=album_artists(session, list(albums)))
    for some in _chunks(ids):
        credited = select(SongCredit.song_id, SongCredit.role, Artist).join(Artist, Artist.id == SongCredit.artist_id)
        ordered = credited.where(SongCredit.song_id.in_(some)).order_by(SongCredit.song_id, SongCredit.position)
        for song_id, role, artist in session.execute(ordered):
            about.credits.setdefault(song_id, []).append((role, artist))
        about.liked |= likes.liked_at(session, account_id, "song", some)
        about.rated |= likes.ratings_of(session, account_id, "song", some)
        heard = select(Listen.song_id, func.max(Listen.listened_at)).where(Listen.user_id == account_id)
        about.heard |= {
            row[0]: row[1] for row in session.execute(heard.where(Listen.song_id.in_(some)).group_by(Listen.song_id))
        }
        marks = select(Bookmark.song_id, Bookmark.position_ms).where(Bookmark.user_id == account_id)
        about.marks |= {row[0]: row[1] for row in session.execute(marks.where(Bookmark.song_id.in_(some)))}
    return about


def album_artists(session: ReadSession, album_ids: Sequence[int]) -> dict[int, list[Artist]]:
    """Whom albums are by, in order."""
    found: dict[int, list[Artist]] = {}
    for some in _chunks(album_ids):
        by = select(AlbumArtist.album_id, Artist).join(Artist, Artist.id == AlbumArtist.artist_id)
        ordered = by.where(AlbumArtist.album_id.in_(some)).order_by(AlbumArtist.album_id, AlbumArtist.position)
        for album_id, artist in session.execute(ordered):
            found.setdefault(album_id, []).append(artist)
    return found


def _by_id(session: ReadSession, kind: Any, ids: Collection[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for some in _chunks(sorted(ids)):
        found |= {row.id: row for row in session.scalars(select(kind).where(kind.id.in_(some)))}
    return found


def _chunks(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


def _song(song: Song, about: _About) -> Node:
    album = about.albums.get(song.album_id) if song.album_id is not None else None
    by_album = about.album_artists.get(album.id, []) if album is not None else []
    credits = about.credits.get(song.id, [])
    return node(
        schema.CHILD,
        id=str(song.id),
        parent=id_of("album", album.id) if album is not None else id_of("artist", song.artist_id),
        isDir=False,
        title=song.title,
        album=album.title if album is not None else None,
        artist=song.artist_name,
        track=song.track,
        year=song.year,
        genre=song.genres[0] if song.genres else None,
        coverArt=str(song.id),
        size=song.size,
        contentType=song.content_type,
        suffix=song.suffix,
        duration=round(song.duration_ms / 1000),
        bitRate=song.bit_rate or None,
        bitDepth=song.bit_depth,
        samplingRate=song.sample_rate,
        channelCount=song.channels,
        path=_path(song, album, by_album),
        isVideo=False,
        userRating=_stars(about.rated.get(song.id)),
        averageRating=average(song),
        playCount=song.play_count,
        played=_moment(about.heard.get(song.id)),
        discNumber=song.disc,
        created=moment(song.created_at),
        starred=_moment(about.liked.get(song.id)),
        albumId=id_of("album", album.id) if album is not None else None,
        artistId=id_of("artist", song.artist_id),
        type="music",
        bookmarkPosition=about.marks.get(song.id),
        **_open_fields(song, album, by_album, credits),
    )


def _open_fields(
    song: Song, album: Album | None, by_album: Sequence[Artist], credits: Sequence[tuple[str, Artist]]
) -> dict[str, Any]:
    """What OpenSubsonic adds to a song."""
    return {
        "mediaType": "song",
        "sortName": folding.sorting(song.title),
        "musicBrainzId": song.mbid or "",
        "isrc": [song.isrc] if song.isrc else [],
        "genres": [node(name=name) for name in song.genres],
        "artists": [_named(artist) for role, artist in credits if role == "artist"],
        "displayArtist": song.artist_name,
        "albumArtists": [_named(artist) for artist in by_album],
        "displayAlbumArtist": album.artist_name if album is not None else song.artist_name,
        "contributors": [
            node(role=role, artist=_named(artist)) for role, artist in credits if role not in ("artist", "album_artist")
        ],
        "displayComposer": folding.display([artist.name for role, artist in credits if role == "composer"]),
        "explicitStatus": "explicit" if song.explicit else "",
        "replayGain": _gains(song, album),
        "moods": [],
    }


def _gains(song: Song, album: Album | None) -> Node | None:
    found = node(
        trackGain=song.track_gain,
        trackPeak=song.track_peak,
        albumGain=album.album_gain if album is not None else None,
        albumPeak=album.album_peak if album is not None else None,
    )
    return found or None


def _moment(at: datetime | None) -> str | None:
    return moment(at) if at is not None else None


def _stars(rating: int | None) -> int | None:
    """A rating as apps know it: they have no word for a dislike."""
    return rating if rating is not None and rating > 0 else None


def _named(artist: Artist | ArtistRow) -> Node:
    return node(schema.ARTIST_ID3, id=id_of("artist", artist.id), name=artist.name)


def _path(song: Song, album: Album | None, by_album: Sequence[Artist]) -> str:
    """A path as a tidy collection would have it: apps show it and name their copies by it."""
    artist = by_album[0].name if by_album else song.artist_name
    number = f"{song.track:02d} - " if song.track is not None else ""
    names = [artist, album.title if album is not None else "", f"{number}{song.title}.{song.suffix or 'mp3'}"]
    return "/".join(_UNPRINTED.sub("_", name)[:120] for name in names if name)


def average(row: Song | Album | AlbumRow) -> float | None:
    """The mean of all ratings, as the schema bounds it (1 to 5)."""
    return round(row.rating_sum / row.rating_count, 2) if row.rating_count else None


# Albums and artists


def albums(session: ReadSession, asked: Asked, found: Sequence[Album]) -> list[Node]:
    """Albums by their tags."""
    ids = [album.id for album in found]
    by = album_artists(session, ids)
    liked: dict[int, Any] = {}
    rated: dict[int, int] = {}
    for some in _chunks(ids):
        liked |= likes.liked_at(session, asked.account_id, "album", some)
        rated |= likes.ratings_of(session, asked.account_id, "album", some)
    return [album_node(album, by.get(album.id, []), liked.get(album.id), rated.get(album.id, 0)) for album in found]


def album(session: ReadSession, asked: Asked, found: Album) -> Node:
    """One album by its tags."""
    return albums(session, asked, [found])[0]


def album_node(album: Album | AlbumRow, by: Sequence[Artist | ArtistRow], liked: datetime | None, stars: int) -> Node:
    """An album, whom it is by, since when the caller likes it, and how they rate it."""
    released = _date(album.release_date or (str(album.year) if album.year else ""))
    return node(
        schema.ALBUM_ID3,
        id=id_of("album", album.id),
        name=album.title,
        artist=album.artist_name,
        artistId=id_of("artist", album.artist_id),
        coverArt=id_of("album", album.id),
        songCount=album.public_songs,
        duration=round(album.duration_ms / 1000),
        playCount=album.play_count,
        played=_moment(album.recent_at),
        created=moment(album.created_at),
        starred=_moment(liked),
        year=album.year,
        genre=album.genre_key,
        genres=[node(name=album.genre_key)] if album.genre_key else [],
        userRating=_stars(stars),
        averageRating=average(album),
        artists=[_named(artist) for artist in by],
        displayArtist=album.artist_name,
        musicBrainzId=album.mbid or "",
        sortName=album.sort_key,
        releaseDate=released,
        originalReleaseDate=released,
        releaseTypes=[],
        recordLabels=[],
        moods=[],
        isCompilation=album.artist_name == catalogue.VARIOUS,
        explicitStatus="",
        discTitles=[],
    )


@lru_cache(ALBUMS_WRITTEN)
def album_json(album: AlbumRow, by: tuple[ArtistRow, ...], liked: datetime | None, stars: int) -> msgspec.Raw:
    """The same, written as JSON: apps ask for the same albums again and again."""
    return msgspec.Raw(msgspec.json.encode(album_node(album, by, liked, stars)))


def _date(text: str) -> Node:
    parts = [int(part) for part in text.split("-") if part.isdigit()]
    return node(**dict(zip(("year", "month", "day"), parts, strict=False)))


def album_directories(session: ReadSession, asked: Asked, found: Sequence[Album]) -> list[Node]:
    """Albums as folders, for clients that browse by folders."""
    made = []
    for one, row in zip(albums(session, asked, found), found, strict=True):
        kept = {name: one[name] for name in _SHARED if name in one}
        made.append(
            node(
                schema.CHILD,
                **kept,
                parent=one.get("artistId"),
                isDir=True,
                title=row.title,
                album=row.title,
                averageRating=average(row),
                mediaType="album",
            )
        )
    return made


_SHARED = (
    "id", "artist", "artistId", "coverArt", "duration", "playCount", "played", "created", "starred", "year", "genre",
    "genres", "userRating", "artists", "displayArtist", "musicBrainzId", "sortName", "songCount", "name",
)  # fmt: skip


def artists(session: ReadSession, asked: Asked, found: Sequence[Artist], *, folders: bool = False) -> list[Node]:
    """Artists by their tags, or as folders."""
    ids = [artist.id for artist in found]
    counts = album_counts(session, None if len(ids) > 500 else ids)
    liked: dict[int, Any] = {}
    rated: dict[int, int] = {}
    for some in _chunks(ids):
        liked |= likes.liked_at(session, asked.account_id, "artist", some)
        rated |= likes.ratings_of(session, asked.account_id, "artist", some)
    kind = schema.ARTIST if folders else schema.ARTIST_ID3
    return [
        node(
            kind,
            id=id_of("artist", artist.id),
            name=artist.name,
            coverArt=id_of("artist", artist.id),
            artistImageUrl=asked.url(f"/api/music/artists/{artist.id}/cover"),
            albumCount=counts.get(artist.id, 0),
            starred=_moment(liked.get(artist.id)),
            userRating=_stars(rated.get(artist.id)),
            musicBrainzId=artist.mbid or "",
            sortName=artist.sort_key,
            roles=["albumartist"] if counts.get(artist.id) else ["artist"],
        )
        for artist in found
    ]


def album_counts(session: ReadSession, artist_ids: Sequence[int] | None) -> Mapping[int, int]:
    """How many albums that everybody may see are by artists; of all artists where none are named."""
    counting = select(AlbumArtist.artist_id, func.count()).join(Album, Album.id == AlbumArtist.album_id)
    counting = counting.where(Album.public_songs > 0)
    if artist_ids is not None:
        counting = counting.where(AlbumArtist.artist_id.in_(artist_ids))
    return {row[0]: row[1] for row in session.execute(counting.group_by(AlbumArtist.artist_id))}


# Playlists


def playlists(session: ReadSession, asked: Asked, found: Sequence[Playlist]) -> list[Node]:
    """Playlists without their songs."""
    owners = accounts_by_ids(session, [playlist.owner_id for playlist in found])
    guests: dict[int, list[str]] = {}
    for some in _chunks([playlist.id for playlist in found if playlist.owner_id == asked.account_id]):
        invited = select(Collaborator.playlist_id, Collaborator.user_id).where(Collaborator.playlist_id.in_(some))
        for playlist_id, user_id in session.execute(invited):
            guests.setdefault(playlist_id, []).append(user_id)
    sizes = {one.id: smart.size(session, asked.viewer, one) for one in found if one.rules is not None}
    names = accounts_by_ids(session, [guest for some in guests.values() for guest in some])
    return [
        node(
            schema.PLAYLIST,
            id=id_of("playlist", playlist.id),
            name=playlist.title,
            comment=playlist.description,
            owner=owners[playlist.owner_id].username if playlist.owner_id in owners else "",
            public=playlist.visibility == "public",
            songCount=sizes.get(playlist.id, (playlist.song_count,))[0],
            duration=round(sizes.get(playlist.id, (0, playlist.duration_ms))[1] / 1000),
            created=moment(playlist.created_at),
            changed=moment(playlist.updated_at),
            coverArt=id_of("playlist", playlist.id),
            readonly=playlist.owner_id != asked.account_id or playlist.rules is not None,
            allowedUser=[names[guest].username for guest in guests.get(playlist.id, []) if guest in names],
        )
        for playlist in found
    ]


def playlist(session: ReadSession, asked: Asked, found: Playlist, entries: Sequence[Song]) -> Node:
    """A playlist with its songs."""
    made = playlists(session, asked, [found])[0]
    made["entry"] = songs(session, asked, entries)
    return made


def history_open(session: ReadSession, asked: Asked, owner_id: str) -> bool:
    """Whether the caller may see what somebody hears."""
    return members.history_visible(session, asked.viewer, owner_id)
