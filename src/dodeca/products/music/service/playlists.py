"""Playlists: ordered songs of an owner and their collaborators, or rules that find the songs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, func, select, update

from dodeca.commons.accounts.public import Account
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.products.music.models import Collaborator, Playlist, PlaylistItem, Song
from dodeca.products.music.service import erasing, searching, smart, songs
from dodeca.products.music.service.tags import storable
from dodeca.products.music.service.viewers import Viewer, insert_for, playlists_for, songs_for

GAP = 1 << 20
"""Between the ranks of neighbours, so that one can be moved between two others without touching the rest."""
LONGEST_TITLE = 200
LONGEST_DESCRIPTION = 5000
MOST_SONGS = 10_000
MOST_COLLABORATORS = 100
VISIBILITIES = ("private", "unlisted", "public")


class Stale(Conflict):
    """The playlist has changed since it was read."""


class Smart(Conflict):
    """A smart playlist finds its songs by its rules."""


def find(session: ReadSession, viewer: Viewer, playlist_id: int) -> Playlist:
    """A playlist that the viewer sees, unlisted ones too. Raises NotFound."""
    rule = playlists_for(viewer, by_address=True)
    found = session.scalar(select(Playlist).where(Playlist.id == playlist_id, rule))
    if found is None:
        raise NotFound("There is no such playlist.")
    return found


def may_edit(session: ReadSession, viewer: Viewer, playlist: Playlist) -> bool:
    """Whether somebody may change the songs of a playlist."""
    if viewer.account_id is None:
        return False
    if playlist.owner_id == viewer.account_id:
        return True
    return playlist.collaborative and session.get(Collaborator, (playlist.id, viewer.account_id)) is not None


def _held(session: WriteSession, viewer: Viewer, playlist_id: int, *, own: bool = False) -> Playlist:
    """A playlist to be changed, alone until the unit is over. Raises NotFound, Forbidden."""
    find(session, viewer, playlist_id)
    playlist = session.get_locked(Playlist, playlist_id)
    if playlist is None:
        raise NotFound("There is no such playlist.")
    allowed = playlist.owner_id == viewer.account_id if own else may_edit(session, viewer, playlist)
    if not allowed:
        raise Forbidden("This playlist is somebody else's.")
    return playlist


def create(
    session: WriteSession,
    viewer: Viewer,
    title: str,
    song_ids: Sequence[int] = (),
    *,
    visibility: str = "private",
    description: str = "",
    rules: Mapping[str, Any] | None = None,
) -> Playlist:
    """Make a playlist with songs in order, repeats kept. Raises Invalid, NotFound for a song that is not seen."""
    assert viewer.account_id is not None
    if rules is not None and song_ids:
        raise Invalid("A playlist has songs or rules, not both.", field="rules")
    songs.require_all(session, viewer, song_ids)
    playlist = Playlist(
        owner_id=viewer.account_id,
        title=_title(title),
        description=_description(description),
        visibility=_visibility(visibility),
        rules=_rules(rules),
        created_at=clock.now(),
        updated_at=clock.now(),
        version=0,
    )
    session.add(playlist)
    session.flush()
    _insert(session, playlist, song_ids, viewer.account_id)
    erasing.recount_playlist(session, playlist.id)
    searching.name_later(session, [f"playlist:{playlist.id}"])
    return playlist


def change(session: WriteSession, viewer: Viewer, playlist_id: int, changes: Mapping[str, Any]) -> Playlist:
    """Change title, description, visibility, collaborative, rules or cover_key of one's own. Raises Invalid, …"""
    playlist = _held(session, viewer, playlist_id, own=True)
    if "title" in changes:
        playlist.title = _title(changes["title"])
    if "description" in changes:
        playlist.description = _description(changes["description"])
    if "visibility" in changes:
        playlist.visibility = _visibility(changes["visibility"])
    if "collaborative" in changes:
        playlist.collaborative = bool(changes["collaborative"])
    if "cover_key" in changes:
        playlist.cover_key = changes["cover_key"]
    if "rules" in changes:
        if changes["rules"] is not None and playlist.song_count:
            raise Invalid("A playlist with songs cannot have rules: make another.", field="rules")
        playlist.rules = _rules(changes["rules"])
    playlist.updated_at = clock.now()
    session.flush()
    searching.name_later(session, [f"playlist:{playlist.id}"])
    return playlist


def remove(session: WriteSession, viewer: Viewer, playlist_id: int) -> None:
    """Delete one's own playlist. Raises NotFound, Forbidden."""
    playlist = _held(session, viewer, playlist_id, own=True)
    erasing.forget_playlist(session, playlist)
    searching.name_later(session, [f"playlist:{playlist_id}"])


def items(session: ReadSession, viewer: Viewer, playlist: Playlist) -> Sequence[tuple[int, Song]]:
    """The item ids and songs of a playlist, in order, as far as the viewer sees them."""
    statement = (
        select(PlaylistItem.id, Song)
        .join(Song, Song.id == PlaylistItem.song_id)
        .where(PlaylistItem.playlist_id == playlist.id, songs_for(viewer))
        .order_by(PlaylistItem.rank)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def newest_items(
    session: ReadSession, viewer: Viewer, playlist: Playlist, *, limit: int
) -> Sequence[tuple[PlaylistItem, Song]]:
    """What was added to a playlist last, as far as the viewer sees it."""
    statement = (
        select(PlaylistItem, Song)
        .join(Song, Song.id == PlaylistItem.song_id)
        .where(PlaylistItem.playlist_id == playlist.id, songs_for(viewer))
        .order_by(PlaylistItem.created_at.desc(), PlaylistItem.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def append(
    session: WriteSession,
    viewer: Viewer,
    playlist_id: int,
    song_ids: Sequence[int],
    *,
    position: int | None = None,
) -> Playlist:
    """Put songs at the end, or before the item at `position` (from 0). Nothing of parallel appends is lost."""
    playlist = _held(session, viewer, playlist_id)
    _refuse_smart(playlist)
    songs.require_all(session, viewer, song_ids)
    if not song_ids:
        raise Invalid("Name at least one song.", field="songs")
    if position is None or position >= playlist.song_count:
        rank = _last_rank(session, playlist) + GAP
        _insert(session, playlist, song_ids, viewer.account_id, rank, beside=playlist.song_count)
    elif position < 0:
        raise Invalid("position counts from 0.", field="position")
    else:
        _renumber(session, playlist, position=position, free=len(song_ids))
        _insert(session, playlist, song_ids, viewer.account_id, position * GAP, beside=playlist.song_count)
    erasing.recount_playlist(session, playlist.id)
    return playlist


def replace(
    session: WriteSession, viewer: Viewer, playlist_id: int, song_ids: Sequence[int], *, version: int | None = None
) -> Playlist:
    """Put other songs in place of all. Raises Stale when `version` is not the present one, NotFound for a song."""
    playlist = _held(session, viewer, playlist_id)
    _refuse_smart(playlist)
    _refuse_stale(playlist, version)
    present = set(session.scalars(select(PlaylistItem.song_id).where(PlaylistItem.playlist_id == playlist.id)))
    songs.require_all(session, viewer, [song_id for song_id in song_ids if song_id not in present])
    session.execute(delete(PlaylistItem).where(PlaylistItem.playlist_id == playlist.id))
    _insert(session, playlist, song_ids, viewer.account_id)
    erasing.recount_playlist(session, playlist.id)
    return playlist


def remove_items(session: WriteSession, viewer: Viewer, playlist_id: int, item_ids: Sequence[int]) -> Playlist:
    """Take items out. Raises NotFound for one that is not there."""
    playlist = _held(session, viewer, playlist_id)
    mine = (PlaylistItem.playlist_id == playlist.id) & PlaylistItem.id.in_(item_ids)
    gone = session.scalars(delete(PlaylistItem).where(mine).returning(PlaylistItem.id)).all()
    if len(gone) < len(set(item_ids)):
        raise NotFound("This item is not in the playlist.", field="item_id")
    erasing.recount_playlist(session, playlist.id)
    return playlist


def remove_positions(session: WriteSession, viewer: Viewer, playlist_id: int, positions: Sequence[int]) -> Playlist:
    """Take out the items at these places (from 0) among what the viewer sees. Raises Invalid beyond the end."""
    playlist = _held(session, viewer, playlist_id)
    shown = [item_id for item_id, _song in items(session, viewer, playlist)]
    if any(not 0 <= position < len(shown) for position in positions):
        raise Invalid("There is no song at this place.", field="songIndexToRemove")
    return remove_items(session, viewer, playlist_id, sorted({shown[position] for position in positions}))


def move(session: WriteSession, viewer: Viewer, playlist_id: int, item_id: int, before: int | None) -> Playlist:
    """Put an item before another, or at the end. Raises NotFound."""
    playlist = _held(session, viewer, playlist_id)
    moved = _item(session, playlist, item_id)
    if before == item_id:
        return playlist
    if before is None:
        rank = _last_rank(session, playlist) + GAP
    else:
        for _again in range(2):
            above = _item(session, playlist, before).rank
            earlier = _ranks(playlist).where(PlaylistItem.rank < above, PlaylistItem.id != item_id)
            below = session.scalar(select(func.max(earlier.subquery().c.rank)))
            low = below if below is not None else above - 2 * GAP
            rank = (low + above) // 2
            if rank > low:
                break
            _renumber(session, playlist)
    moved.rank = rank
    session.flush()
    erasing.recount_playlist(session, playlist.id)
    return playlist


def collaborate(session: WriteSession, viewer: Viewer, playlist_id: int, guest: Account, *, on: bool) -> None:
    """Let somebody change the songs of one's own playlist, or no longer. Raises NotFound, Forbidden, Conflict."""
    playlist = _held(session, viewer, playlist_id, own=True)
    if guest.id == playlist.owner_id:
        raise Invalid("The playlist is yours already.", field="username")
    mine = (Collaborator.playlist_id == playlist.id) & (Collaborator.user_id == guest.id)
    if not on:
        session.execute(delete(Collaborator).where(mine))
        return
    count = select(func.count()).select_from(Collaborator).where(Collaborator.playlist_id == playlist.id)
    if (session.scalar(count) or 0) >= MOST_COLLABORATORS:
        raise Conflict(f"A playlist has at most {MOST_COLLABORATORS} collaborators.")
    values = {"playlist_id": playlist.id, "user_id": guest.id, "created_at": clock.now()}
    session.execute(insert_for(session)(Collaborator).values(values).on_conflict_do_nothing())
    playlist.collaborative = True
    session.flush()


def collaborators(session: ReadSession, playlist: Playlist) -> Sequence[str]:
    """The account ids of those who may change the songs beside the owner."""
    return session.scalars(select(Collaborator.user_id).where(Collaborator.playlist_id == playlist.id)).all()


def _insert(
    session: WriteSession,
    playlist: Playlist,
    song_ids: Sequence[int],
    by: str | None,
    first: int = 0,
    *,
    beside: int = 0,
) -> None:
    """Add items from a rank on; `beside` is how many there are already."""
    if beside + len(song_ids) > MOST_SONGS:
        raise Invalid(f"A playlist has at most {MOST_SONGS:,} songs.", field="songs")
    now = clock.now()
    rows = [
        {"playlist_id": playlist.id, "rank": first + i * GAP, "song_id": song_id, "added_by": by, "created_at": now}
        for i, song_id in enumerate(song_ids)
    ]
    if rows:
        session.execute(insert_for(session)(PlaylistItem), rows)


def _ranks(playlist: Playlist) -> Any:
    return select(PlaylistItem.rank).where(PlaylistItem.playlist_id == playlist.id).order_by(PlaylistItem.rank)


def _last_rank(session: ReadSession, playlist: Playlist) -> int:
    last = session.scalar(select(func.max(PlaylistItem.rank)).where(PlaylistItem.playlist_id == playlist.id))
    return last if last is not None else -GAP


def _item(session: ReadSession, playlist: Playlist, item_id: int) -> PlaylistItem:
    found = session.get(PlaylistItem, item_id)
    if found is None or found.playlist_id != playlist.id:
        raise NotFound("This item is not in the playlist.", field="item_id")
    return found


_items = cast(Table, PlaylistItem.__table__)
_place = Prepared(update(_items).where(_items.c.id == bindparam("item_id")).values(rank=bindparam("new_rank")))


def _renumber(session: WriteSession, playlist: Playlist, *, position: int = 0, free: int = 0) -> None:
    """Number items anew, leaving so many places free before the one at `position`: first beyond all ranks in use, as
    ranks differ at every moment, then where they belong."""
    session.flush()
    ordered = select(PlaylistItem.id).where(PlaylistItem.playlist_id == playlist.id).order_by(PlaylistItem.rank)
    item_ids = list(session.scalars(ordered))
    beyond = _last_rank(session, playlist) + (len(item_ids) + MOST_SONGS) * GAP
    ranks = [(place + free if place >= position else place) * GAP for place in range(len(item_ids))]
    for shift in (beyond, 0):
        _place.run_many(
            session,
            [{"item_id": one, "new_rank": shift + rank} for one, rank in zip(item_ids, ranks, strict=True)],
        )
    for row in [row for row in session.identity_map.values() if isinstance(row, PlaylistItem)]:
        session.expire(row)


def _refuse_smart(playlist: Playlist) -> None:
    if playlist.rules is not None:
        raise Smart("A smart playlist finds its songs by its rules.", field="songs")


def _refuse_stale(playlist: Playlist, version: int | None) -> None:
    if version is not None and version != playlist.version:
        details = {"version": playlist.version}
        raise Stale("The playlist has changed meanwhile. Read it again.", field="version", details=details)


def _title(title: str) -> str:
    tidy = " ".join(storable(title).split())
    if not 1 <= len(tidy) <= LONGEST_TITLE:
        raise Invalid(f"A title has 1 to {LONGEST_TITLE} characters.", field="title")
    return tidy


def _description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise Invalid(f"A description has at most {LONGEST_DESCRIPTION:,} characters.", field="description")
    return storable(text).strip()


def _visibility(visibility: str) -> str:
    if visibility not in VISIBILITIES:
        raise Invalid("visibility is private, unlisted or public.", field="visibility")
    return visibility


def _rules(rules: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if rules is None else smart.checked(rules)
