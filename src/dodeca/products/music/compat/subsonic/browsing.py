"""Walking through the library: folders and tags, artist → album → song, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from sqlalchemy import func, select

from dodeca.kernel.db import ReadSession
from dodeca.products.music.compat.subsonic import schema, shapes
from dodeca.products.music.compat.subsonic.asking import NOT_FOUND, Asked, Refused, of_kind, reading
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import Artist, Genre, Song, SongCredit, SongGenre
from dodeca.products.music.service import browsing, catalogue, songs
from dodeca.products.music.service.folding import folded
from dodeca.products.music.service.viewers import artists_for, songs_for

FOLDER: Final = 1
"""The number of the one music folder: the library."""
FOLDER_NAME: Final = "Music"
ARTICLES: Final = "The A An Der Die Das Le La Les El Los Il"
_MOST_ARTISTS: Final = 100_000


@reading("getMusicFolders")
def music_folders(_session: ReadSession, _asked: Asked) -> Node:
    """There is one folder."""
    return node(musicFolders=node(musicFolder=[node(id=FOLDER, name=FOLDER_NAME)]))


def _artists(session: ReadSession, asked: Asked) -> Sequence[Artist]:
    """Whoever made something: artists of albums, and of songs that are on none."""
    statement = select(Artist).where(artists_for(asked.viewer)).order_by(Artist.sort_key, Artist.id)
    return session.scalars(statement.limit(_MOST_ARTISTS)).all()


def _initial(artist: Artist) -> str:
    first = artist.sort_key[:1].upper()
    return first if first.isalpha() else "#"


def _indexes(nodes: list[Node], rows: Sequence[Artist], kind: schema.Kind) -> list[Node]:
    pairs = sorted(zip(rows, nodes, strict=True), key=lambda pair: (_initial(pair[0]) == "#", _initial(pair[0])))
    grouped = groupby(pairs, key=lambda pair: _initial(pair[0]))
    return [node(kind, name=name, artist=[one for _, one in some]) for name, some in grouped]


@reading("getIndexes")
def indexes(session: ReadSession, asked: Asked) -> Node:
    """All artists as folders, unless nothing has changed since `ifModifiedSince`."""
    newest = session.scalar(select(func.max(Song.updated_at)).where(songs_for(asked.viewer)))
    modified = int(newest.timestamp() * 1000) if newest is not None else 0
    since = asked.number("ifModifiedSince", 0, 0, 1 << 53)
    rows = _artists(session, asked) if not since or modified > since else []
    made = shapes.artists(session, asked, rows, folders=True)
    found = _indexes(made, rows, schema.INDEX)
    return node(indexes=node(schema.INDEXES, lastModified=modified, ignoredArticles=ARTICLES, index=found))


@reading("getArtists")
def artists(session: ReadSession, asked: Asked) -> Node:
    """All artists by their tags."""
    rows = _artists(session, asked)
    made = shapes.artists(session, asked, rows)
    return node(artists=node(schema.ARTISTS, ignoredArticles=ARTICLES, index=_indexes(made, rows, schema.INDEX)))


@reading("getMusicDirectory")
def music_directory(session: ReadSession, asked: Asked) -> Node:
    """What is in a folder: an artist's albums, an album's songs."""
    kind, number = asked.thing("id")
    if kind == "artist":
        artist = catalogue.find_artist(session, asked.viewer, number)
        one = shapes.artists(session, asked, [artist], folders=True)[0]
        inside = shapes.album_directories(session, asked, browsing.albums_of_artist(session, asked.viewer, number))
        loose = select(Song).where(Song.artist_id == number, Song.album_id.is_(None), songs_for(asked.viewer))
        inside += shapes.songs(session, asked, session.scalars(loose.order_by(Song.title_key).limit(1000)).all())
        return node(directory=_directory(one, "name", str(FOLDER), inside))
    if kind != "album":
        raise Refused(NOT_FOUND, "The requested data was not found.")
    album = catalogue.find_album(session, asked.viewer, number)
    one = shapes.album_directories(session, asked, [album])[0]
    inside = shapes.songs(session, asked, browsing.songs_of_album(session, asked.viewer, number))
    return node(directory=_directory(one, "title", one.get("artistId"), inside))


def _directory(one: Node, name: str, parent: str | None, inside: list[Node]) -> Node:
    return node(
        schema.DIRECTORY,
        id=one["id"],
        parent=parent,
        name=one[name],
        starred=one.get("starred"),
        userRating=one.get("userRating"),
        playCount=one.get("playCount"),
        child=inside,
    )


@reading("getGenres")
def genres(session: ReadSession, _asked: Asked) -> Node:
    """Genres and how much is of each."""
    found = session.scalars(select(Genre).where(Genre.songs > 0).order_by(Genre.key).limit(5000)).all()
    rows = [node(schema.GENRE, value=g.name, songCount=g.songs, albumCount=g.albums) for g in found]
    return node(genres=node(genre=rows))


@reading("getArtist")
def artist(session: ReadSession, asked: Asked) -> Node:
    """An artist and its albums."""
    number = of_kind("artist", asked.required("id"))
    found = catalogue.find_artist(session, asked.viewer, number)
    one = shapes.artists(session, asked, [found])[0]
    one["album"] = shapes.albums(session, asked, browsing.albums_of_artist(session, asked.viewer, number))
    one["albumCount"] = len(one["album"])
    return node(artist=one)


@reading("getAlbum")
def album(session: ReadSession, asked: Asked) -> Node:
    """An album and its songs."""
    number = of_kind("album", asked.required("id"))
    one = shapes.album(session, asked, catalogue.find_album(session, asked.viewer, number))
    held = browsing.songs_of_album(session, asked.viewer, number)
    one["song"] = shapes.songs(session, asked, held)
    one["songCount"] = len(held)
    one["duration"] = round(sum(song.duration_ms for song in held) / 1000)
    return node(album=one)


@reading("getSong")
def song(session: ReadSession, asked: Asked) -> Node:
    """One song."""
    return node(song=shapes.song(session, asked, songs.find(session, asked.viewer, asked.song("id"))))


# What is told of artists and albums


def _pictures(asked: Asked, path: str) -> dict[str, str]:
    sizes = (("smallImageUrl", 160), ("mediumImageUrl", 320), ("largeImageUrl", 640))
    return {name: asked.url(f"/api/music/{path}/cover?size={size}") for name, size in sizes}


def _artist_of(session: ReadSession, asked: Asked) -> Artist:
    """The artist of an artist's, album's or song's id."""
    kind, number = asked.thing("id")
    if kind == "album":
        number = catalogue.find_album(session, asked.viewer, number).artist_id or 0
    elif kind == "song":
        number = songs.find(session, asked.viewer, number).artist_id
    elif kind != "artist":
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return catalogue.find_artist(session, asked.viewer, number)


def similar_artists(session: ReadSession, asked: Asked, found: Artist, count: int) -> Sequence[Artist]:
    """Artists that share the most genres of songs with one, then those that are most liked."""
    own = select(SongGenre.genre_key).join(SongCredit, SongCredit.song_id == SongGenre.song_id)
    keys = session.scalars(own.where(SongCredit.artist_id == found.id).distinct().limit(20)).all()
    if not keys:
        return []
    shared = func.count(func.distinct(SongGenre.genre_key))
    alike = (
        select(Artist.id)
        .join(SongCredit, (SongCredit.artist_id == Artist.id) & (SongCredit.role == "artist"))
        .join(SongGenre, SongGenre.song_id == SongCredit.song_id)
        .where(SongGenre.genre_key.in_(keys), Artist.id != found.id, artists_for(asked.viewer))
        .group_by(Artist.id)
        .order_by(shared.desc(), Artist.id)
        .limit(count)
    )
    ids = list(session.scalars(alike))
    rows = {row.id: row for row in session.scalars(select(Artist).where(Artist.id.in_(ids)))}
    return [rows[number] for number in ids if number in rows]


@reading("getArtistInfo", "getArtistInfo2")
def artist_info(session: ReadSession, asked: Asked) -> Node:
    """What is told of an artist, and who is like it."""
    found = _artist_of(session, asked)
    folders = not asked.text("_method").endswith("2")
    alike = similar_artists(session, asked, found, asked.number("count", 20, 0, 100))
    info = node(
        schema.ARTIST_INFO,
        biography=found.about,
        musicBrainzId=found.mbid or "",
        **_pictures(asked, f"artists/{found.id}"),
        similarArtist=shapes.artists(session, asked, alike, folders=folders),
    )
    return node(**{"artistInfo" if folders else "artistInfo2": info})


@reading("getAlbumInfo", "getAlbumInfo2")
def album_info(session: ReadSession, asked: Asked) -> Node:
    """What is told of an album."""
    kind, number = asked.thing("id")
    if kind == "song":
        number = songs.find(session, asked.viewer, number).album_id or 0
    elif kind != "album":
        raise Refused(NOT_FOUND, "The requested data was not found.")
    found = catalogue.find_album(session, asked.viewer, number)
    pictures = _pictures(asked, f"albums/{found.id}")
    return node(albumInfo=node(schema.ALBUM_INFO, notes="", musicBrainzId=found.mbid or "", **pictures))


@reading("getTopSongs")
def top_songs(session: ReadSession, asked: Asked) -> Node:
    """An artist's most heard songs, by its name or, as OpenSubsonic has it, by its id."""
    count = asked.number("count", 50, 1, 500)
    if asked.has("id") or asked.has("artistId"):
        number = of_kind("artist", asked.text("id") or asked.required("artistId"))
        catalogue.find_artist(session, asked.viewer, number)
        found = browsing.songs_of_artist(session, asked.viewer, number, limit=count)
    else:
        named = select(Artist.id).where(Artist.name_key == folded(asked.required("artist")), artists_for(asked.viewer))
        numbers = session.scalars(named.limit(5)).all()
        found = [s for number in numbers for s in browsing.songs_of_artist(session, asked.viewer, number, limit=count)]
    return node(topSongs=node(song=shapes.songs(session, asked, list(found)[:count])))


@reading("getSimilarSongs", "getSimilarSongs2")
def similar_songs(session: ReadSession, asked: Asked) -> Node:
    """Songs like an artist, album or song, for a radio of it: its own artist's and those of artists alike."""
    count = asked.number("count", 50, 1, 500)
    found = _artist_of(session, asked)
    several = [found, *similar_artists(session, asked, found, 20)]
    each = max(3, -(-count // len(several)) * 2)
    picked = [list(browsing.songs_of_artist(session, asked.viewer, one.id, limit=each)) for one in several]
    mixed = [row[place] for place in range(each) for row in picked if place < len(row)]
    unique = list({song.id: song for song in mixed}.values())[:count]
    name = "similarSongs2" if asked.text("_method").endswith("2") else "similarSongs"
    return node(**{name: node(song=shapes.songs(session, asked, unique))})


@reading("getVideos")
def videos(session: ReadSession, asked: Asked) -> Node:
    """Songs that have a music video, as videos."""
    statement = select(Song).where(Song.video_key.is_not(None), songs_for(asked.viewer))
    found = session.scalars(statement.order_by(Song.title_key, Song.id).limit(1000)).all()
    made = shapes.songs(session, asked, found)
    for one, row in zip(made, found, strict=True):
        suffix = "webm" if row.video_type == "video/webm" else "mp4"
        one |= {"isVideo": True, "type": "video", "contentType": row.video_type or "video/mp4", "suffix": suffix}
    return node(videos=node(video=made))


@reading("getVideoInfo")
def video_info(session: ReadSession, asked: Asked) -> Node:
    """A video has neither captions nor further tracks."""
    found = songs.find(session, asked.viewer, asked.song("id"))
    if found.video_key is None:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return node(videoInfo=node(schema.VIDEO_INFO, id=str(found.id)))


@reading("getCaptions")
def captions(session: ReadSession, asked: Asked) -> Node:
    """No video has captions."""
    songs.find(session, asked.viewer, asked.song("id"))
    raise Refused(NOT_FOUND, "This video has no captions.")
