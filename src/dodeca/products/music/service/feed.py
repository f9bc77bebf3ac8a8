"""The feed: what a member's own playlists, taste, friends and artists bring, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from dodeca.commons import following
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.products.music.models import (
    Collaborator,
    Like,
    Listen,
    Member,
    Playlist,
    PlaylistItem,
    Rating,
    Song,
    SongCredit,
)
from dodeca.products.music.service import members, songs, taste
from dodeca.products.music.service.viewers import PRODUCT, Viewer, playlists_for, songs_for

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

SHOWN = 12
RELEASE_DAYS = 90


@dataclass
class Part:
    """A part of the feed: songs or playlists, and why they are there."""

    title: str
    reason: str
    songs: Sequence[Song] = ()
    playlists: Sequence[Playlist] = field(default_factory=list)


def sections(session: ReadSession, platform: Platform, viewer: Viewer) -> list[Part]:
    """All parts of a member's feed that hold something."""
    assert viewer.account_id is not None
    disliked = set(
        session.scalars(
            select(Rating.target_id).where(
                Rating.user_id == viewer.account_id, Rating.kind == "song", Rating.rating == -1
            )
        )
    )
    parts = [
        Part(
            "Made for you", "From what you hear, like and rate", taste.songs_for_feed(session, platform, viewer, SHOWN)
        ),
        Part("From your playlists", "Songs that you keep", _own(session, viewer)),
        Part("New releases", "By artists whom you follow", _releases(session, viewer)),
        Part("From your friends", "What they like and hear", _friends(session, viewer)),
        Part("Playlists for you", "Public playlists with songs that you know", (), _lists(session, viewer)),
    ]
    for part in parts:
        part.songs = [song for song in part.songs if song.id not in disliked]
    return [part for part in parts if part.songs or part.playlists]


def _own(session: ReadSession, viewer: Viewer) -> Sequence[Song]:
    shared = select(Collaborator.playlist_id).where(Collaborator.user_id == viewer.account_id)
    mine = select(Playlist.id).where((Playlist.owner_id == viewer.account_id) | Playlist.id.in_(shared))
    newest = select(PlaylistItem.song_id).where(PlaylistItem.playlist_id.in_(mine)).order_by(PlaylistItem.id.desc())
    ids = list(dict.fromkeys(session.scalars(newest.limit(SHOWN * 5))))
    return songs.find_all(session, viewer, ids)[:SHOWN]


def _releases(session: ReadSession, viewer: Viewer) -> Sequence[Song]:
    assert viewer.account_id is not None
    followed = [int(found) for found in session.scalars(following.followed(PRODUCT, viewer.account_id, "artist"))]
    if not followed:
        return []
    credited = select(SongCredit.song_id).where(SongCredit.artist_id.in_(followed), SongCredit.role == "artist")
    recent = Song.published_at > clock.now() - timedelta(days=RELEASE_DAYS)
    statement = select(Song).where(Song.id.in_(credited), recent, songs_for(viewer))
    return session.scalars(statement.order_by(Song.published_at.desc(), Song.id.desc()).limit(SHOWN)).all()


def _friends(session: ReadSession, viewer: Viewer) -> Sequence[Song]:
    assert viewer.account_id is not None
    friends = members.friends(session, viewer.account_id)
    if not friends:
        return []
    liked = select(Like.target_id).where(Like.user_id.in_(friends), Like.kind == "song").order_by(Like.id.desc())
    open_ = select(Member.user_id).where(Member.user_id.in_(friends), Member.history_visibility != "private")
    heard = select(Listen.song_id).where(Listen.user_id.in_(open_), Listen.song_id.is_not(None), Listen.counted)
    ids = [
        *session.scalars(liked.limit(SHOWN * 3)),
        *session.scalars(heard.order_by(Listen.listened_at.desc()).limit(SHOWN * 3)),
    ]
    return songs.find_all(session, viewer, list(dict.fromkeys(i for i in ids if i is not None)))[:SHOWN]


def _lists(session: ReadSession, viewer: Viewer) -> Sequence[Playlist]:
    known = select(Like.target_id).where(Like.user_id == viewer.account_id, Like.kind == "song")
    near = select(PlaylistItem.playlist_id).where(PlaylistItem.song_id.in_(known))
    public = select(Playlist).where(
        Playlist.visibility == "public", Playlist.owner_id != viewer.account_id, playlists_for(viewer)
    )
    found = list(session.scalars(public.where(Playlist.id.in_(near)).order_by(Playlist.like_count.desc()).limit(6)))
    if len(found) < 6:
        popular = public.order_by(Playlist.curated.desc(), Playlist.like_count.desc(), Playlist.id.desc()).limit(6)
        known_ids = {playlist.id for playlist in found}
        found += [playlist for playlist in session.scalars(popular) if playlist.id not in known_ids]
    return found[:6]
