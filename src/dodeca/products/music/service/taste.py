"""Recommendations: what somebody's listens, likes, ratings and playlists say, folded into what all listeners' say.

All listeners' interactions make factors of songs, and those tell which of a listener's own brought a song
(`commons.recommendations`). New songs, which no factors know, come in through their artists and genres, and by sounding
like what somebody hears."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import func, or_, select

from dodeca.commons import recommendations
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.products.music.models import (
    Artist,
    Exclusion,
    Like,
    Listen,
    Playlist,
    PlaylistItem,
    Rating,
    Song,
    SongCredit,
    SongGenre,
)
from dodeca.products.music.service import likeness, members, songs
from dodeca.products.music.service.viewers import PRODUCT, Viewer, songs_for

if TYPE_CHECKING:
    from dodeca.commons.recommendations import Model
    from dodeca.kernel.platform import Platform

KINDS = ("mix", "discover", "again")
MOST_LISTENS = 2000
MOST_ITEMS = 100
SKIP_MS = 30_000
LIKE_WEIGHT, PLAYLIST_WEIGHT, SKIP_WEIGHT = 4.0, 1.0, -0.5
SAME_HOUR = 1.5
"""A listen at about this hour of the day says more of what is wanted now."""
CAUSES_SHOWN = 3
OF_SONGS = ("like", "listen", "rating", "playlist", "sound")
"""Causes that are a song."""
KNOWN_SHARE = 0.35
"""What is known well is found without us: in a mix it stands behind what is new."""
MOST_OF_ALBUM = 2
"""Songs of one album before those of others have had their turn."""
SOUND_SHARE = 0.8
"""How much a new song counts that sounds most like one that somebody hears; one of their only genre counts 1."""
STRONGEST = 20
"""Songs of somebody's whose sound is compared."""
CONTENT_SHARE = 0.35
"""How much artists and genres count beside the factors."""


class Cause(msgspec.Struct):
    """Why a song is recommended: `kind` is like, listen, rating, playlist, sound (of which song), artist, genre or
    popular."""

    kind: str
    id: str
    title: str


class Pick(msgspec.Struct):
    """A recommended song, how well it fits (0 to 1), and why."""

    song: Song
    score: float
    because: list[Cause]


class Interaction(msgspec.Struct):
    """What somebody has to do with a song, and how that shows most."""

    weight: float
    kind: str


def interactions(session: ReadSession, account_id: str) -> dict[int, Interaction]:
    """All that counts of somebody's taste, by song; what they struck out does not."""
    struck = exclusions(session, account_id)
    found: dict[int, Interaction] = {}

    def add(song_id: int, weight: float, kind: str) -> None:
        known = found.setdefault(song_id, Interaction(0.0, kind))
        known.weight += weight

    for target_id in session.scalars(select(Like.target_id).where(Like.user_id == account_id, Like.kind == "song")):
        add(target_id, LIKE_WEIGHT, "like")
    rated = select(Rating.target_id, Rating.rating).where(Rating.user_id == account_id, Rating.kind == "song")
    for target_id, rating in session.execute(rated.where(Rating.rating >= 3)):
        add(target_id, rating - 2.0, "rating")
    for song_id in session.scalars(
        select(PlaylistItem.song_id)
        .join(Playlist, Playlist.id == PlaylistItem.playlist_id)
        .where(Playlist.owner_id == account_id)
        .distinct()
        .limit(MOST_LISTENS)
    ):
        add(song_id, PLAYLIST_WEIGHT, "playlist")
    hour = clock.now().hour
    for song_id, at, counted, ms_played in session.execute(_heard(account_id, struck)):
        near = min(abs(at.hour - hour), 24 - abs(at.hour - hour)) <= 2
        if counted:
            add(song_id, SAME_HOUR if near else 1.0, "listen")
        elif ms_played is not None and ms_played < SKIP_MS:
            add(song_id, SKIP_WEIGHT, "listen")
    gone = {row.song_id for row in struck if row.song_id is not None} | disliked(session, account_id)
    return {
        song_id: Interaction(1.0 + math.log1p(one.weight), one.kind)
        for song_id, one in found.items()
        if one.weight > 0 and song_id not in gone
    }


def _heard(account_id: str, struck: Sequence[Exclusion]) -> Any:
    """The last listens that count for taste."""
    statement = select(Listen.song_id, Listen.listened_at, Listen.counted, Listen.ms_played)
    statement = statement.where(Listen.user_id == account_id, Listen.song_id.is_not(None))
    devices = [row.device for row in struck if row.device is not None]
    if devices:
        statement = statement.where(Listen.device.not_in(devices))
    for row in struck:
        if row.from_at is not None and row.to_at is not None:
            statement = statement.where(or_(Listen.listened_at < row.from_at, Listen.listened_at >= row.to_at))
    return statement.order_by(Listen.listened_at.desc()).limit(MOST_LISTENS)


def disliked(session: ReadSession, account_id: str) -> set[int]:
    """Songs that somebody dislikes, themselves or with their album or artist: they are never recommended."""
    rows = session.execute(
        select(Rating.kind, Rating.target_id).where(Rating.user_id == account_id, Rating.rating == -1)
    ).all()
    found = {row[1] for row in rows if row[0] == "song"}
    albums = [row[1] for row in rows if row[0] == "album"]
    artists = [row[1] for row in rows if row[0] == "artist"]
    if albums:
        found |= set(session.scalars(select(Song.id).where(Song.album_id.in_(albums))))
    if artists:
        by = select(SongCredit.song_id).where(SongCredit.artist_id.in_(artists), SongCredit.role == "artist")
        found |= set(session.scalars(by))
    return found


def recommend(
    session: ReadSession, platform: Platform, viewer: Viewer, kind: str = "mix", limit: int = 30
) -> list[Pick]:
    """Songs for somebody, the best first; never empty while there are songs to hear, never one that they dislike."""
    if kind not in KINDS:
        raise Invalid(f"kind is one of {', '.join(KINDS)}.", field="kind")
    if viewer.account_id is None:
        return _popular(session, viewer, set(), limit)
    mine = interactions(session, viewer.account_id)
    avoid = disliked(session, viewer.account_id)
    avoid |= {row.song_id for row in exclusions(session, viewer.account_id) if row.song_id is not None}
    scores: dict[int, tuple[float, list[tuple[int, float]]]] = {}
    model = recommendations.current(session, platform, PRODUCT)
    if model is not None and mine:
        weights = {song_id: one.weight for song_id, one in mine.items()}
        scores.update(
            model.scores(weights, most=limit * 4 + 100, avoid=avoid | (set(mine) if kind == "discover" else set()))
        )
    content = _by_content(session, viewer, mine, limit * 2 + 50)
    _add_sound(session, platform, mine, model, content)
    chosen = _mixed(kind, mine, avoid, scores, content)
    found = _playable(session, viewer, [song_id for song_id, _score in chosen[: limit * 3 + 30]])
    picks = [
        Pick(found[song_id], score, _causes(song_id, mine, scores, content))
        for song_id, score in _spread(chosen, found)[:limit]
    ]
    _name_causes(session, picks)
    if len(picks) < limit:
        seen = avoid | {pick.song.id for pick in picks} | (set(mine) if kind == "discover" else set())
        picks += _popular(session, viewer, seen, limit - len(picks))
    return picks


def _mixed(
    kind: str,
    mine: dict[int, Interaction],
    avoid: set[int],
    scores: dict[int, tuple[float, list[tuple[int, float]]]],
    content: dict[int, tuple[float, list[Cause]]],
) -> list[tuple[int, float]]:
    """Song ids with their final scores, the best first."""
    top = max((score for score, _causes in scores.values()), default=0.0) or 1.0
    most = max((score for score, _causes in content.values()), default=0.0) or 1.0
    final: dict[int, float] = {}
    for song_id in {*scores, *content}:
        if song_id in avoid or (kind == "discover" and song_id in mine) or (kind == "again" and song_id not in mine):
            continue
        learned = max(scores[song_id][0] / top, 0.0) if song_id in scores else 0.0
        alike = content[song_id][0] / most if song_id in content else 0.0
        share = CONTENT_SHARE if scores else 1.0
        final[song_id] = (1 - share) * learned + share * alike
        if kind == "mix" and song_id in mine:
            final[song_id] *= KNOWN_SHARE
    return sorted(final.items(), key=lambda pair: (-pair[1], pair[0]))


def _by_content(
    session: ReadSession, viewer: Viewer, mine: dict[int, Interaction], most: int
) -> dict[int, tuple[float, list[Cause]]]:
    """Songs by the artists and of the genres that somebody hears, new ones among them."""
    if not mine:
        return {}
    strongest = sorted(mine, key=lambda song_id: -mine[song_id].weight)[:200]
    artists: dict[int, float] = {}
    genres: dict[str, float] = {}
    credited = select(SongCredit.song_id, SongCredit.artist_id).where(
        SongCredit.song_id.in_(strongest), SongCredit.role == "artist"
    )
    for song_id, artist_id in session.execute(credited):
        artists[artist_id] = artists.get(artist_id, 0.0) + mine[song_id].weight
    for song_id, key in session.execute(
        select(SongGenre.song_id, SongGenre.genre_key).where(SongGenre.song_id.in_(strongest))
    ):
        genres[key] = genres.get(key, 0.0) + mine[song_id].weight
    found: dict[int, tuple[float, list[Cause]]] = {}
    best_artists = sorted(artists, key=lambda one: -artists[one])[:20]
    best_genres = sorted(genres, key=lambda one: -genres[one])[:5]
    total_artists, total_genres = sum(artists.values()) or 1.0, sum(genres.values()) or 1.0
    by_artist = (
        select(Song.id, SongCredit.artist_id)
        .join(SongCredit, SongCredit.song_id == Song.id)
        .where(SongCredit.artist_id.in_(best_artists), SongCredit.role == "artist", songs_for(viewer))
        .order_by(Song.created_at.desc(), Song.id.desc())
        .limit(most)
    )
    for song_id, artist_id in session.execute(by_artist):
        score, causes = found.get(song_id, (0.0, []))
        found[song_id] = (
            score + 1.5 * artists[artist_id] / total_artists,
            [*causes, Cause("artist", str(artist_id), "")],
        )
    for key in best_genres:
        newest = select(Song.id).join(SongGenre, SongGenre.song_id == Song.id).where(SongGenre.genre_key == key)
        newest = newest.where(songs_for(viewer)).order_by(Song.play_count.desc(), Song.id.desc()).limit(most)
        for song_id in session.scalars(newest):
            score, causes = found.get(song_id, (0.0, []))
            found[song_id] = (score + genres[key] / total_genres, [*causes, Cause("genre", key, key)])
    return found


def _add_sound(
    session: ReadSession,
    platform: Platform,
    mine: dict[int, Interaction],
    model: Model | None,
    content: dict[int, tuple[float, list[Cause]]],
) -> None:
    """New songs, which no factors know yet, by how much they sound like what somebody hears."""
    if not mine:
        return
    strongest = sorted(mine, key=lambda song_id: -mine[song_id].weight)[:STRONGEST]
    for alike in likeness.fresh_like(session, platform, strongest, MOST_ITEMS):
        if model is not None and alike.song_id in model.places:
            continue
        score, causes = content.get(alike.song_id, (0.0, []))
        content[alike.song_id] = (score + SOUND_SHARE * alike.share, [Cause("sound", str(alike.to), ""), *causes])


def _playable(session: ReadSession, viewer: Viewer, song_ids: Sequence[int]) -> dict[int, Song]:
    explicit = viewer.account_id is None or members.choices(session, viewer.account_id).explicit
    found = songs.by_ids(session, viewer, song_ids)
    return {
        song_id: song
        for song_id, song in found.items()
        if song.audio_hash is not None and song.missing_at is None and (explicit or not song.explicit)
    }


def _spread(chosen: list[tuple[int, float]], found: dict[int, Song]) -> list[tuple[int, float]]:
    """The same songs, those that can be heard, with not too many of one album one after the other."""
    first: list[tuple[int, float]] = []
    later: list[tuple[int, float]] = []
    of_album: dict[int | None, int] = {}
    for song_id, score in chosen:
        song = found.get(song_id)
        if song is None:
            continue
        of_album[song.album_id] = of_album.get(song.album_id, 0) + 1
        many = song.album_id is not None and of_album[song.album_id] > MOST_OF_ALBUM
        (later if many else first).append((song_id, score))
    return first + later


def _causes(
    song_id: int,
    mine: dict[int, Interaction],
    scores: dict[int, tuple[float, list[tuple[int, float]]]],
    content: dict[int, tuple[float, list[Cause]]],
) -> list[Cause]:
    """The songs that brought this one, the strongest first, then artists and genres."""
    learned = scores[song_id][1] if song_id in scores else []
    causes = [
        Cause(mine[other].kind, str(other), "") for other, _share in learned if other != song_id and other in mine
    ]
    if song_id in mine:
        causes.insert(0, Cause(mine[song_id].kind, str(song_id), ""))
    if song_id in content:
        causes += content[song_id][1]
    return causes[:CAUSES_SHOWN]


def _name_causes(session: ReadSession, picks: Sequence[Pick]) -> None:
    of_songs = {int(c.id) for pick in picks for c in pick.because if c.kind in OF_SONGS}
    of_artists = {int(c.id) for pick in picks for c in pick.because if c.kind == "artist"}
    titles: dict[str, str] = {}
    if of_songs:
        rows = session.execute(select(Song.id, Song.title).where(Song.id.in_(of_songs)))
        titles |= {str(row[0]): row[1] for row in rows}
    names: dict[str, str] = {}
    if of_artists:
        rows = session.execute(select(Artist.id, Artist.name).where(Artist.id.in_(of_artists)))
        names = {str(row[0]): row[1] for row in rows}
    for pick in picks:
        for cause in pick.because:
            if not cause.title:
                cause.title = (names if cause.kind == "artist" else titles).get(cause.id, "")


def _popular(session: ReadSession, viewer: Viewer, avoid: set[int], limit: int) -> list[Pick]:
    """What many hear, from many genres: at most a few of each artist."""
    statement = select(Song).where(songs_for(viewer), Song.audio_hash.is_not(None), Song.missing_at.is_(None))
    best = statement.order_by(Song.play_count.desc(), Song.like_count.desc(), Song.id.desc())
    kept: list[Song] = []
    rest: list[Song] = []
    of_artist: dict[int, int] = {}
    of_genre: dict[str, int] = {}
    for song in session.scalars(best.limit(limit * 5 + 50 + len(avoid))):
        if song.id in avoid:
            continue
        genre = song.genres[0] if song.genres else ""
        if of_artist.get(song.artist_id, 0) >= 2 or of_genre.get(genre, 0) > limit // 4:
            rest.append(song)
            continue
        of_artist[song.artist_id] = of_artist.get(song.artist_id, 0) + 1
        of_genre[genre] = of_genre.get(genre, 0) + 1
        kept.append(song)
    chosen = [*kept, *rest][:limit]
    return [Pick(song, 0.0, [Cause("popular", str(song.id), "Heard by many")]) for song in chosen]


def songs_for_feed(session: ReadSession, platform: Platform, viewer: Viewer, limit: int) -> list[Song]:
    """The songs of the feed's first part."""
    return [pick.song for pick in recommend(session, platform, viewer, limit=limit)]


def similar(session: ReadSession, platform: Platform, viewer: Viewer, song: Song, limit: int) -> list[Song]:
    """Songs that are heard with one, sound like it, or are of its artists and genres."""
    model = recommendations.current(session, platform, PRODUCT)
    near = model.near(song.id, limit * 2) if model is not None else []
    if not near:  # nobody has heard it with others yet: its sound tells
        near = [other.id for other, _likeness in likeness.nearest(session, viewer, song, limit)]
    alone = {song.id: Interaction(1.0, "listen")}
    content = _by_content(session, viewer, alone, limit * 3)
    ranked = sorted(content, key=lambda one: -content[one][0])
    ids = [one for one in dict.fromkeys([*near, *ranked]) if one != song.id]
    found = _playable(session, viewer, ids[: limit * 2])
    return [found[one] for one in ids if one in found][:limit]


# What shall not count


def exclusions(session: ReadSession, account_id: str) -> Sequence[Exclusion]:
    """What somebody struck out of their taste, the newest first."""
    return session.scalars(
        select(Exclusion).where(Exclusion.user_id == account_id).order_by(Exclusion.id.desc()).limit(1000)
    ).all()


def exclude(
    session: WriteSession,
    viewer: Viewer,
    *,
    song_id: int | None = None,
    device: str | None = None,
    from_at: datetime | None = None,
    to_at: datetime | None = None,
) -> Exclusion:
    """Strike out a song, a device or a span of time. Raises Invalid, NotFound."""
    assert viewer.account_id is not None
    kinds = (song_id is not None) + (device is not None) + (from_at is not None or to_at is not None)
    if kinds != 1:
        raise Invalid("Name a song_id, a device, or from and to.", field="song_id")
    if song_id is not None:
        songs.find(session, viewer, song_id)
    if device is not None and not 1 <= len(device) <= 100:
        raise Invalid("A device has 1 to 100 characters.", field="device")
    if (from_at is None) != (to_at is None):
        raise Invalid("A span has from and to.", field="to" if to_at is None else "from")
    if from_at is not None and to_at is not None and to_at <= from_at:
        raise Invalid("to is later than from.", field="to")
    count = session.scalar(select(func.count()).select_from(Exclusion).where(Exclusion.user_id == viewer.account_id))
    if (count or 0) >= 1000:
        raise Invalid("At most 1,000 things can be struck out.")
    row = Exclusion(user_id=viewer.account_id, song_id=song_id, device=device, from_at=from_at, to_at=to_at)
    session.add(row)
    members.taste_changed(session, viewer.account_id)
    return row


def include(session: WriteSession, account_id: str, exclusion_id: int) -> None:
    """Let something count again. Raises NotFound."""
    row = session.get(Exclusion, exclusion_id)
    if row is None or row.user_id != account_id:
        raise NotFound("There is no such exclusion.")
    session.delete(row)
    members.taste_changed(session, account_id)


class Taste(msgspec.Struct):
    """What recommendations are made of: weights of artists, genres and hours, each 0 to 1."""

    interactions: int
    artists: list[tuple[str, str, float]]
    genres: list[tuple[str, float]]
    hours: list[int]
    devices: list[tuple[str, int]]


def taste_of(session: ReadSession, account_id: str) -> Taste:
    """Somebody's taste, as far as it counts."""
    mine = interactions(session, account_id)
    artists: dict[tuple[int, str], float] = {}
    genres: dict[str, float] = {}
    if mine:
        strongest = sorted(mine, key=lambda song_id: -mine[song_id].weight)[:500]
        rows = session.execute(
            select(Song, Artist.name).join(Artist, Artist.id == Song.artist_id).where(Song.id.in_(strongest))
        )
        for song, name in rows:
            weight = mine[song.id].weight
            artists[song.artist_id, name] = artists.get((song.artist_id, name), 0.0) + weight
            for genre in song.genres:
                genres[genre] = genres.get(genre, 0.0) + weight
    hours = [0] * 24
    devices: dict[str, int] = {}
    recent = select(Listen.listened_at, Listen.device).where(
        Listen.user_id == account_id, Listen.listened_at > clock.now() - timedelta(days=365)
    )
    for at, device in session.execute(recent.order_by(Listen.listened_at.desc()).limit(MOST_LISTENS)):
        hours[at.hour] += 1
        devices[device] = devices.get(device, 0) + 1
    most_artist, most_genre = max(artists.values(), default=1.0), max(genres.values(), default=1.0)
    return Taste(
        interactions=len(mine),
        artists=[
            (str(number), name, round(weight / most_artist, 3))
            for (number, name), weight in sorted(artists.items(), key=lambda pair: -pair[1])[:20]
        ],
        genres=[
            (name, round(weight / most_genre, 3))
            for name, weight in sorted(genres.items(), key=lambda pair: -pair[1])[:20]
        ],
        hours=hours,
        devices=sorted(devices.items(), key=lambda pair: -pair[1])[:20],
    )
