"""Playlists, stars, ratings, scrobbles, bookmarks, the queue and shares: what listeners leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import or_, select

from dodeca.commons.accounts.public import account_by_name
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.products.music.compat.subsonic import schema, shapes
from dodeca.products.music.compat.subsonic.answering import moment
from dodeca.products.music.compat.subsonic.asking import (
    MALFORMED,
    MISSING,
    NOT_FOUND,
    Asked,
    Refused,
    of_kind,
    reading,
    writing,
)
from dodeca.products.music.compat.subsonic.schema import Node, node
from dodeca.products.music.models import Collaborator, NowPlaying, Playlist, Share, Song
from dodeca.products.music.service import likes, listens, playlists, queue, shares, smart, songs
from dodeca.products.music.service.listens import Playing, Report

MOST_PLAYLISTS: Final = 2000
LATEST_MS: Final = 1 << 43
STATES: Final = ("starting", "playing", "paused", "stopped")


def entries(session: ReadSession, asked: Asked, playlist: Playlist) -> list[Song]:
    """The songs of a playlist, found by its rules where it has some."""
    if playlist.rules is not None:
        return smart.songs(session, asked.viewer, playlist)
    return [song for _, song in playlists.items(session, asked.viewer, playlist)]


@reading("getPlaylists")
def all_playlists(session: ReadSession, asked: Asked) -> Node:
    """One's own playlists, those one works on, and public ones; of `username` only, where that is given."""
    invited = select(Collaborator.playlist_id).where(Collaborator.user_id == asked.account_id)
    seen = or_(Playlist.owner_id == asked.account_id, Playlist.visibility == "public", Playlist.id.in_(invited))
    statement = select(Playlist).where(seen)
    if asked.text("username"):
        owner = account_by_name(session, asked.text("username"))
        if owner is None:
            raise Refused(NOT_FOUND, "The requested data was not found.")
        statement = statement.where(Playlist.owner_id == owner.id)
    ordered = statement.order_by(Playlist.owner_id != asked.account_id, Playlist.updated_at.desc(), Playlist.id)
    found = session.scalars(ordered.limit(MOST_PLAYLISTS)).all()
    return node(playlists=node(playlist=shapes.playlists(session, asked, found)))


@reading("getPlaylist")
def one_playlist(session: ReadSession, asked: Asked) -> Node:
    """A playlist with its songs."""
    found = playlists.find(session, asked.viewer, of_kind("playlist", asked.required("id")))
    return node(playlist=shapes.playlist(session, asked, found, entries(session, asked, found)))


@writing("createPlaylist")
def create_playlist(session: WriteSession, asked: Asked) -> Node:
    """Make a playlist, or put other songs into one; gives it."""
    song_ids = asked.songs("songId")
    if asked.text("playlistId"):
        number = of_kind("playlist", asked.text("playlistId"))
        made = playlists.replace(session, asked.viewer, number, song_ids)
        if asked.text("name"):
            made = playlists.change(session, asked.viewer, number, {"title": asked.text("name")})
    else:
        made = playlists.create(session, asked.viewer, asked.required("name"), song_ids)
    return node(playlist=shapes.playlist(session, asked, made, entries(session, asked, made)))


@writing("updatePlaylist")
def update_playlist(session: WriteSession, asked: Asked) -> None:
    """Change a playlist's name, comment and visibility, take songs out by their places, and add some."""
    number = of_kind("playlist", asked.required("playlistId"))
    changes: dict[str, Any] = {}
    if asked.text("name"):
        changes["title"] = asked.text("name")
    if asked.has("comment"):
        changes["description"] = asked.text("comment")
    if asked.has("public"):
        changes["visibility"] = "public" if asked.flag("public") else "private"
    places = [_place(text) for text in asked.texts("songIndexToRemove")]
    if places:
        playlists.remove_positions(session, asked.viewer, number, places)
    if added := asked.songs("songIdToAdd"):
        playlists.append(session, asked.viewer, number, added)
    if changes:
        playlists.change(session, asked.viewer, number, changes)
    elif not places and not added:
        playlists.find(session, asked.viewer, number)


def _place(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(MALFORMED, "songIndexToRemove is a whole number.")
    return int(text)


@writing("deletePlaylist")
def delete_playlist(session: WriteSession, asked: Asked) -> None:
    """Delete one's own playlist."""
    playlists.remove(session, asked.viewer, of_kind("playlist", asked.required("id")))


# Stars, ratings, scrobbles


def _targets(asked: Asked) -> list[tuple[str, int]]:
    found = asked.things("id")
    found += [("album", of_kind("album", text)) for text in asked.texts("albumId")]
    found += [("artist", of_kind("artist", text)) for text in asked.texts("artistId")]
    if not found:
        raise Refused(MISSING, "Required parameter is missing: id")
    if any(kind not in likes.KINDS for kind, _ in found):
        raise Refused(NOT_FOUND, "The requested data was not found.")
    return found


@writing("star")
def star(session: WriteSession, asked: Asked) -> None:
    """Like songs, albums and artists."""
    for kind, number in _targets(asked):
        likes.like(session, asked.viewer, kind, number)


@writing("unstar")
def unstar(session: WriteSession, asked: Asked) -> None:
    """Like them no longer."""
    for kind, number in _targets(asked):
        likes.require(session, asked.viewer, kind, number)
        likes.unlike(session, asked.account_id, kind, number)


@writing("setRating")
def set_rating(session: WriteSession, asked: Asked) -> None:
    """Rate from 1 to 5; 0 takes it back."""
    kind, number = asked.thing("id")
    text = asked.required("rating")
    if text not in ("0", "1", "2", "3", "4", "5"):
        raise Refused(MALFORMED, "rating is from 0 to 5.")
    if kind not in likes.RATED_KINDS:
        raise Refused(NOT_FOUND, "The requested data was not found.")
    likes.rate(session, asked.viewer, kind, number, int(text))


@writing("scrobble")
def scrobble(session: WriteSession, asked: Asked) -> None:
    """Tell what was heard, or with `submission=false` what is playing."""
    song_ids, times = asked.songs("id"), asked.texts("time")
    if not song_ids:
        raise Refused(MISSING, "Required parameter is missing: id")
    if times and len(times) != len(song_ids):
        raise Refused(MALFORMED, "time stands as often as id.")
    if not asked.flag("submission", True):
        found = songs.require_all(session, asked.viewer, song_ids)
        listens.play_now(session, asked.account_id, Playing(song=found[-1], device=asked.client))
        return
    songs.require_all(session, asked.viewer, song_ids)
    reports = [
        Report(
            listened_at=_at(times[i]) if times else clock.now(),
            song_id=number,
            counts=True,
            device=asked.client,
            source="subsonic",
        )
        for i, number in enumerate(song_ids)
    ]
    listens.record(session, asked.account_id, reports)


def _at(text: str) -> datetime:
    if not (text.isascii() and text.isdigit() and len(text) < 15 and int(text) < LATEST_MS):
        raise Refused(MALFORMED, "time is in milliseconds since 1970.")
    return datetime.fromtimestamp(int(text) / 1000, UTC)


@writing("reportPlayback")
def report_playback(session: WriteSession, asked: Asked) -> None:
    """Follow what a device plays; once enough of it was heard, that is a listen."""
    asked.required("mediaType")
    state = asked.required("state")
    if state not in STATES:
        raise Refused(MALFORMED, f"state is one of {', '.join(STATES)}.")
    asked.required("positionMs")
    position = asked.number("positionMs", 0, 0, 86_400_000)
    if asked.text("mediaType") != "song":
        return  # podcasts are recordings of stations, which count for nobody
    song = songs.find(session, asked.viewer, asked.song("mediaId"))
    started = _session_start(session, asked, song, state, position)
    playing = Playing(song=song, device=asked.client, state=state, position_ms=position, rate=_rate(asked))
    listens.play_now(session, asked.account_id, playing)
    enough = min(listens.ENOUGH_MS, max(1, song.duration_ms // 2))
    if not asked.flag("ignoreScrobble") and position >= enough and state != "starting":
        report = Report(
            listened_at=started, song_id=song.id, ms_played=position, device=asked.client, source="subsonic"
        )
        listens.record(session, asked.account_id, [report])


def _session_start(session: ReadSession, asked: Asked, song: Song, state: str, position: int) -> datetime:
    """When this playing of the song began: all reports of it are one listen."""
    row = session.get(NowPlaying, (asked.account_id, asked.client[: listens.LONGEST_DEVICE]))
    if row is not None and row.song_id == song.id and state != "starting":
        return row.started_at
    return clock.now() - timedelta(milliseconds=position)


def _rate(asked: Asked) -> float:
    try:
        rate = float(asked.text("playbackRate") or "1")
    except ValueError as error:
        raise Refused(MALFORMED, "playbackRate is a number.") from error
    if not 0 < rate <= 10:
        raise Refused(MALFORMED, "playbackRate is more than 0 and at most 10.")
    return rate


# Bookmarks and the queue


@reading("getBookmarks")
def bookmarks(session: ReadSession, asked: Asked) -> Node:
    """One's own bookmarks."""
    rows = queue.bookmarks(session, asked.viewer)
    made = shapes.songs(session, asked, [song for _, song in rows])
    found = [
        node(
            schema.BOOKMARK,
            position=row.position_ms,
            username=asked.username,
            comment=row.comment,
            created=moment(row.created_at),
            changed=moment(row.changed_at),
            entry=entry,
        )
        for (row, _), entry in zip(rows, made, strict=True)
    ]
    return node(bookmarks=node(bookmark=found))


@writing("createBookmark")
def create_bookmark(session: WriteSession, asked: Asked) -> None:
    """Set a bookmark in a song."""
    asked.required("position")
    position = asked.number("position", 0, 0, 86_400_000)
    queue.bookmark(session, asked.viewer, asked.song("id"), position, asked.text("comment"))


@writing("deleteBookmark")
def delete_bookmark(session: WriteSession, asked: Asked) -> None:
    """Remove a bookmark."""
    queue.forget_bookmark(session, asked.account_id, asked.song("id"))


@reading("getPlayQueue", "getPlayQueueByIndex")
def play_queue(session: ReadSession, asked: Asked) -> Node | None:
    """The queue as any of one's devices left it; nothing where none did."""
    found = queue.read(session, asked.account_id)
    if not found.revision:
        return None
    kept, current = queue.items(session, asked.viewer, found)
    by_index = asked.text("_method").endswith("ByIndex")
    made = node(
        None if by_index else schema.PLAY_QUEUE,
        currentIndex=current if by_index else None,
        current=None if by_index or current is None else str(kept[current].id),
        position=found.position_ms,
        username=asked.username,
        changed=moment(found.updated_at),
        changedBy=found.device,
        entry=shapes.songs(session, asked, kept),
    )
    return node(**{"playQueueByIndex" if by_index else "playQueue": made})


@writing("savePlayQueue", "savePlayQueueByIndex")
def save_play_queue(session: WriteSession, asked: Asked) -> None:
    """Leave the queue for one's other devices; without songs it is emptied."""
    song_ids = asked.songs("id")
    current = _current(asked, song_ids)
    position = asked.number("position", 0, 0, queue.LONGEST_POSITION_MS) if song_ids else 0
    queue.save(session, asked.viewer, song_ids, current_index=current, position_ms=position, device=asked.client)


def _current(asked: Asked, song_ids: Sequence[int]) -> int | None:
    if not song_ids:
        return None
    if asked.text("_method").endswith("ByIndex"):
        asked.required("currentIndex")
        index = asked.number("currentIndex", 0, -1, 1 << 31)
        if not 0 <= index < len(song_ids):
            raise Refused(MISSING, "currentIndex is the place of one of the songs, from 0.")
        return index
    if not asked.text("current"):
        return 0
    number = asked.song("current")
    if number not in song_ids:
        raise Refused(MALFORMED, "current is one of the songs.")
    return song_ids.index(number)


# Shares


def _shown_shares(session: ReadSession, asked: Asked, found: Sequence[Share]) -> Node:
    made = [
        node(
            schema.SHARE,
            id=str(share.id),
            url=asked.url(f"/music/share/{share.token}"),
            description=share.description,
            username=asked.username,
            created=moment(share.created_at),
            expires=moment(share.expires_at) if share.expires_at is not None else None,
            lastVisited=moment(share.visited_at) if share.visited_at is not None else None,
            visitCount=share.visit_count,
            entry=shapes.songs(session, asked, shares.songs_of(session, share)),
        )
        for share in found
    ]
    return node(shares=node(share=made))


@reading("getShares")
def all_shares(session: ReadSession, asked: Asked) -> Node:
    """One's own shares."""
    return _shown_shares(session, asked, shares.mine(session, asked.account_id)[:200])


@writing("createShare")
def create_share(session: WriteSession, asked: Asked) -> Node:
    """Share songs, albums and playlists; `expires` 0 is never."""
    items = asked.things("id")
    if not items:
        raise Refused(MISSING, "Required parameter is missing: id")
    if any(kind not in shares.KINDS for kind, _ in items):
        raise Refused(NOT_FOUND, "The requested data was not found.")
    made = shares.create(
        session, asked.viewer, items, description=asked.text("description"), expires_at=_expires(asked)
    )
    return _shown_shares(session, asked, [made])


def _expires(asked: Asked) -> datetime | None:
    text = asked.text("expires")
    return None if text in ("", "0") else _at(text)


@writing("updateShare")
def update_share(session: WriteSession, asked: Asked) -> None:
    """Change a share's description and end."""
    changes: dict[str, Any] = {}
    if asked.has("description"):
        changes["description"] = asked.text("description")
    if asked.has("expires"):
        changes["expires_at"] = _expires(asked)
    shares.change(session, asked.account_id, _share_id(asked), changes)


@writing("deleteShare")
def delete_share(session: WriteSession, asked: Asked) -> None:
    """End a share."""
    shares.remove(session, asked.account_id, _share_id(asked))


def _share_id(asked: Asked) -> int:
    return of_kind("song", asked.required("id"))  # a plain number too
