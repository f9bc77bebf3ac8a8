"""What the pages of music share: who looks, songs as the player takes them, where to go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import or_, select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Page
from dodeca.products.music.models import Collaborator, Playlist, Song
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import SongView, song_views

Line = Annotated[str, msgspec.Meta(max_length=500)]
Text = Annotated[str, msgspec.Meta(max_length=20_000)]
HOME = "/music/"
MOST_LISTS = 50


@dataclass(slots=True)
class Row:
    """A song in a list, and how the player gets it."""

    view: SongView
    because: str = ""
    item_id: str | None = None
    own: bool = False
    movable: bool = False
    above: str = ""
    """Items of its playlist: the one before which it moves up, or, empty, none."""
    below: str | None = None
    """The one before which it moves down; empty: to the end."""

    @property
    def for_player(self) -> str:
        """What the player needs to know, as JSON."""
        song = self.view
        gain = song.replay_gain
        return msgspec.json.encode(
            {
                "id": song.song_id,
                "title": song.title,
                "artist": song.artist,
                "artist_id": song.artist_id,
                "album": song.album,
                "album_id": song.album_id,
                "ms": song.duration_ms,
                "cover": f"/api/music/songs/{song.song_id}/cover",
                "audio": song.has_audio,
                "lyrics": song.has_lyrics,
                "gain": gain.track_gain if gain is not None else None,
                "peak": gain.track_peak if gain is not None else None,
                "album_gain": gain.album_gain if gain is not None else None,
                "album_peak": gain.album_peak if gain is not None else None,
                "liked": song.liked,
            }
        ).decode()

    @property
    def time(self) -> str:
        """The length as people read it."""
        return clock_time(self.view.duration_ms)


def clock_time(ms: int) -> str:
    """3:07, or 1:02:03."""
    seconds = round(ms / 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


def rows(session: ReadSession, viewer: Viewer, songs: Sequence[Song]) -> list[Row]:
    """Songs as lists show them."""
    shown = song_views(session, viewer, songs)
    return [Row(view, own=may_edit(viewer, view)) for view in shown]


def may_edit(viewer: Viewer, view: SongView) -> bool:
    """Whether the viewer may change a song."""
    return viewer.account_id is not None and (viewer.is_admin or view.uploader_id == viewer.account_id)


def my_playlists(session: ReadSession, viewer: Viewer) -> Sequence[Playlist]:
    """The playlists to which the viewer can add songs, the last changed first."""
    if viewer.account_id is None:
        return []
    shared = select(Collaborator.playlist_id).where(Collaborator.user_id == viewer.account_id)
    mine = or_(Playlist.owner_id == viewer.account_id, Playlist.id.in_(shared))
    statement = select(Playlist).where(mine, Playlist.rules.is_(None)).order_by(Playlist.updated_at.desc())
    return session.scalars(statement.limit(MOST_LISTS)).all()


def page(session: ReadSession, viewer: Viewer, template: str, tab: str, **context: Any) -> Page:
    """A page of music. `tab` names the current part."""
    return Page(
        f"music/{template}",
        tab=tab,
        me=viewer.account_id,
        looks=viewer,
        lists=my_playlists(session, viewer),
        clock_time=clock_time,
        **context,
    )


def back_to(path: str, otherwise: str = HOME) -> str:
    """Where a form leads back to: a page of music, never elsewhere."""
    inside = path.startswith("/music/") and "\\" not in path and "//" not in path
    return path if inside and path.isprintable() else otherwise


def whole(text: str, field: str) -> int | None:
    """A number of a form, None where it is empty. Raises Invalid."""
    if not text.strip():
        return None
    if not text.strip().isdecimal() or len(text) > 9:
        raise Invalid("This is a number.", field=field)
    return int(text)


def day(text: str) -> datetime | None:
    """A day or moment of a form, None where it is empty. Raises Invalid."""
    if not text.strip():
        return None
    try:
        return clock.parse_rfc3339(text.strip())
    except ValueError as error:
        raise Invalid("Give a day such as 2031-05-01.", field="published_at") from error
