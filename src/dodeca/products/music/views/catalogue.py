"""What the API shows of songs, albums, artists, playlists and comments; lists are filled with a few statements."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from dodeca.commons import following
from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import Album, AlbumArtist, Artist, Comment, Member, Playlist, Song
from dodeca.products.music.service import comments, likes, members, playlists, preparing, smart
from dodeca.products.music.service.preparing import PreparationView
from dodeca.products.music.service.viewers import PRODUCT, Viewer

API = "/api/music"
COMMENTS_SHOWN = 3


class ReplayGain(msgspec.Struct):
    """Gains in dB, peaks as a share of full scale."""

    track_gain: float | None
    track_peak: float | None
    album_gain: float | None
    album_peak: float | None


class CommentView(msgspec.Struct, kw_only=True):
    """What somebody said of a song."""

    comment_id: str
    user_id: str
    text: str
    at_ms: int | None
    parent_id: str | None
    like_count: int
    created_at: datetime
    edited_at: datetime | None = None
    replies: list[CommentView] = []


class SongView(msgspec.Struct, kw_only=True):
    """A song. `duration` in seconds, `bit_rate` in kbit/s, `sample_rate` in Hz, `size` in bytes."""

    song_id: str
    title: str
    artist: str
    artist_id: str
    album: str | None
    album_id: str | None
    duration: float
    duration_ms: int
    track: int | None
    disc: int | None
    year: int | None
    genres: list[str]
    explicit: bool
    isrc: str | None
    mbid: str | None
    codec: str | None
    bit_rate: int | None
    sample_rate: int | None
    channels: int | None
    size: int | None
    has_audio: bool
    has_lyrics: bool
    has_video: bool
    cover_url: str | None
    replay_gain: ReplayGain | None
    visibility: str
    published_at: datetime
    uploader_id: str | None
    version: int
    play_count: int
    like_count: int
    comment_count: int
    liked: bool
    rating: int
    likes: list[str]
    comments: list[CommentView]
    created_at: datetime
    preparation: PreparationView | None
    """Told to its uploader alone."""


class ItemView(SongView, kw_only=True):
    """A song at its place in a playlist."""

    item_id: str | None


class PlaylistView(msgspec.Struct, kw_only=True):
    """A playlist; `songs` only where one is asked for. `duration` in seconds."""

    playlist_id: str
    title: str
    description: str
    owner_id: str
    visibility: str
    collaborative: bool
    rules: dict[str, Any] | None
    version: int
    song_count: int
    duration: float
    like_count: int
    liked: bool
    cover_url: str | None
    created_at: datetime
    updated_at: datetime
    songs: list[ItemView] | None = None


class AlbumView(msgspec.Struct, kw_only=True):
    """An album; `songs` only where one is asked for. `duration` in seconds, `rating` the caller's."""

    album_id: str
    title: str
    artist: str
    artist_id: str | None
    artists: list[dict[str, str]]
    year: int | None
    release_date: str | None
    genre: str | None
    mbid: str | None
    song_count: int
    duration: float
    play_count: int
    like_count: int
    liked: bool
    rating: int
    average_rating: float | None
    cover_url: str | None
    created_at: datetime
    songs: list[SongView] | None = None


class ArtistView(msgspec.Struct, kw_only=True):
    """An artist; `albums` and `songs` only where one is asked for."""

    artist_id: str
    name: str
    about: str
    mbid: str | None
    song_count: int
    like_count: int
    liked: bool
    following: bool
    cover_url: str | None
    albums: list[AlbumView] | None = None
    songs: list[SongView] | None = None


def has_audio(song: Song) -> bool:
    """Whether a song can be heard."""
    return song.audio_hash is not None and song.missing_at is None


def song_views(session: ReadSession, viewer: Viewer, songs: Sequence[Song]) -> list[SongView]:
    """Songs as a viewer sees them."""
    return [SongView(**fields) for fields in _song_fields(session, viewer, songs)]


def song_view(session: ReadSession, viewer: Viewer, song: Song) -> SongView:
    """One song as a viewer sees it."""
    return song_views(session, viewer, [song])[0]


def albums_of(session: ReadSession, songs: Sequence[Song]) -> dict[int, Album]:
    """The albums that songs are first of, by id."""
    wanted = {song.album_id for song in songs if song.album_id is not None}
    if not wanted:
        return {}
    return {album.id: album for album in session.scalars(select(Album).where(Album.id.in_(wanted)))}


def _song_fields(session: ReadSession, viewer: Viewer, songs: Sequence[Song]) -> list[dict[str, Any]]:
    ids = list({song.id for song in songs})
    albums = albums_of(session, songs)
    liked = likes.liked_at(session, viewer.account_id, "song", ids)
    rated = likes.ratings_of(session, viewer.account_id, "song", ids)
    said = comments.latest(session, [song.id for song in songs if song.comment_count], COMMENTS_SHOWN)
    prepared = preparing.of(session, viewer, songs)
    shown_likers = _likers(session, viewer, [song.id for song in songs if song.like_count])
    fields: list[dict[str, Any]] = []
    for song in songs:
        album = albums.get(song.album_id) if song.album_id is not None else None
        cover = song.cover_key is not None or (album is not None and album.cover_key is not None)
        of_album = (album.album_gain, album.album_peak) if album is not None else (None, None)
        gains = (song.track_gain, song.track_peak, *of_album)
        fields.append(
            {
                "song_id": str(song.id),
                "title": song.title,
                "artist": song.artist_name,
                "artist_id": str(song.artist_id),
                "album": album.title if album is not None else None,
                "album_id": str(album.id) if album is not None else None,
                "duration": song.duration_ms / 1000,
                "duration_ms": song.duration_ms,
                "has_audio": has_audio(song),
                "has_lyrics": song.lyrics is not None,
                "has_video": song.video_key is not None,
                "cover_url": f"{API}/songs/{song.id}/cover" if cover else None,
                "replay_gain": ReplayGain(*gains) if any(gain is not None for gain in gains) else None,
                "liked": song.id in liked,
                "rating": rated.get(song.id, 0),
                "preparation": prepared.get(song.id),
                "likes": shown_likers.get(song.id, []),
                "comments": [comment_view(comment) for comment in said.get(song.id, [])],
                **{name: getattr(song, name) for name in _PLAIN},
            }
        )
    return fields


_PLAIN = (
    "track", "disc", "year", "genres", "explicit", "isrc", "mbid", "codec", "bit_rate", "sample_rate", "channels",
    "size", "visibility", "published_at", "uploader_id", "version", "play_count", "like_count", "comment_count",
    "created_at",
)  # fmt: skip


def _likers(session: ReadSession, viewer: Viewer, song_ids: Sequence[int]) -> dict[int, list[str]]:
    """Who likes songs, as far as the viewer may know: themselves, friends, and those with a public history."""
    found = comments.likers(session, song_ids)
    everybody = {account_id for some in found.values() for account_id in some}
    if not everybody:
        return {}
    public = select(Member.user_id).where(Member.user_id.in_(everybody), Member.history_visibility == "public")
    seen: set[str] = set(session.scalars(public))
    if viewer.account_id is not None:
        seen |= {viewer.account_id, *members.friends(session, viewer.account_id)}
    return {song_id: [account_id for account_id in some if account_id in seen] for song_id, some in found.items()}


def comment_view(comment: Comment, replies: Sequence[Comment] = ()) -> CommentView:
    """A comment with its answers."""
    return CommentView(
        comment_id=str(comment.id),
        user_id=comment.user_id if comment.state == "live" else "",
        text=comment.text,
        at_ms=comment.at_ms,
        parent_id=str(comment.parent_id) if comment.parent_id is not None else None,
        like_count=comment.like_count,
        created_at=comment.created_at,
        edited_at=comment.edited_at,
        replies=[comment_view(reply) for reply in replies],
    )


def playlist_views(session: ReadSession, viewer: Viewer, found: Sequence[Playlist]) -> list[PlaylistView]:
    """Playlists without their songs."""
    sizes = {one.id: smart.size(session, viewer, one) for one in found if one.rules is not None}
    liked = likes.liked_at(session, viewer.account_id, "playlist", [playlist.id for playlist in found])
    return [
        PlaylistView(
            playlist_id=str(playlist.id),
            title=playlist.title,
            description=playlist.description,
            owner_id=playlist.owner_id,
            visibility=playlist.visibility,
            collaborative=playlist.collaborative,
            rules=playlist.rules,
            version=playlist.version,
            song_count=sizes.get(playlist.id, (playlist.song_count,))[0],
            duration=sizes.get(playlist.id, (0, playlist.duration_ms))[1] / 1000,
            like_count=playlist.like_count,
            liked=playlist.id in liked,
            cover_url=f"{API}/playlists/{playlist.id}/cover",
            created_at=playlist.created_at,
            updated_at=playlist.updated_at,
        )
        for playlist in found
    ]


def playlist_songs(session: ReadSession, viewer: Viewer, playlist: Playlist) -> list[tuple[int | None, Song]]:
    """The songs of a playlist with their item ids; a smart one's have none."""
    if playlist.rules is not None:
        return [(None, song) for song in smart.songs(session, viewer, playlist)]
    return [(item_id, song) for item_id, song in playlists.items(session, viewer, playlist)]


def playlist_view(session: ReadSession, viewer: Viewer, playlist: Playlist) -> PlaylistView:
    """A playlist with the songs that the viewer sees; its counts are of these."""
    view = playlist_views(session, viewer, [playlist])[0]
    found = playlist_songs(session, viewer, playlist)
    fields = _song_fields(session, viewer, [song for _item, song in found])
    view.songs = [
        ItemView(item_id=str(item_id) if item_id is not None else None, **some)
        for (item_id, _song), some in zip(found, fields, strict=True)
    ]
    view.song_count = len(found)
    view.duration = sum(song.duration_ms for _item, song in found) / 1000
    return view


def album_views(session: ReadSession, viewer: Viewer, found: Sequence[Album]) -> list[AlbumView]:
    """Albums without their songs."""
    ids = [album.id for album in found]
    liked = likes.liked_at(session, viewer.account_id, "album", ids)
    rated = likes.ratings_of(session, viewer.account_id, "album", ids)
    artists = album_artists(session, ids)
    return [
        AlbumView(
            album_id=str(album.id),
            title=album.title,
            artist=album.artist_name,
            artist_id=str(album.artist_id) if album.artist_id is not None else None,
            artists=[{"artist_id": str(number), "name": name} for number, name in artists.get(album.id, [])],
            year=album.year,
            release_date=album.release_date,
            genre=album.genre_key,
            mbid=album.mbid,
            song_count=album.public_songs,
            duration=album.duration_ms / 1000,
            play_count=album.play_count,
            like_count=album.like_count,
            liked=album.id in liked,
            rating=rated.get(album.id, 0),
            average_rating=round(album.rating_sum / album.rating_count, 2) if album.rating_count else None,
            cover_url=f"{API}/albums/{album.id}/cover",
            created_at=album.created_at,
        )
        for album in found
    ]


def album_artists(session: ReadSession, album_ids: Collection[int]) -> dict[int, list[tuple[int, str]]]:
    """The ids and names of the artists that albums are by, in order."""
    found: dict[int, list[tuple[int, str]]] = {}
    if album_ids:
        statement = select(AlbumArtist.album_id, Artist.id, Artist.name).join(
            Artist, Artist.id == AlbumArtist.artist_id
        )
        rows = session.execute(statement.where(AlbumArtist.album_id.in_(album_ids)).order_by(AlbumArtist.position))
        for album_id, artist_id, name in rows:
            found.setdefault(album_id, []).append((artist_id, name))
    return found


def artist_views(session: ReadSession, viewer: Viewer, found: Sequence[Artist]) -> list[ArtistView]:
    """Artists without their albums and songs."""
    liked = likes.liked_at(session, viewer.account_id, "artist", [artist.id for artist in found])
    followed: set[str] = set()
    if viewer.account_id is not None:
        followed = set(session.scalars(following.followed(PRODUCT, viewer.account_id, "artist")))
    return [
        ArtistView(
            artist_id=str(artist.id),
            name=artist.name,
            about=artist.about,
            mbid=artist.mbid,
            song_count=artist.public_songs,
            like_count=artist.like_count,
            liked=artist.id in liked,
            following=str(artist.id) in followed,
            cover_url=f"{API}/artists/{artist.id}/cover",
        )
        for artist in found
    ]
