"""Telling those who follow an artist of what has come out."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from dodeca.commons import following, notifications
from dodeca.commons.following import Follow
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, job
from dodeca.products.music.models import Song, SongCredit
from dodeca.products.music.service.viewers import PRODUCT

TOLD_AT_ONCE = 100


def tell(session: WriteSession, song: Song) -> None:
    """Put a release into the inboxes of those who follow one of its artists: one notice an artist and day."""
    credited = select(SongCredit.artist_id).where(SongCredit.song_id == song.id, SongCredit.role == "artist")
    for artist_id in session.scalars(credited).all():
        tell_some.enqueue(session, Release(song.id, artist_id))


class Release(msgspec.Struct):
    """A song that has come out, one of its artists, and the last follower who was told of it."""

    song_id: int
    artist_id: int
    after: str = ""


@job("music.tell_followers", payload=Release)
def tell_some(session: WriteSession, _context: JobContext, payload: Release) -> None:
    """Tell a hundred followers; the next job tells the next ones, so that others can write between."""
    song = session.get(Song, payload.song_id)
    if song is None or not song.listed:
        return
    found = following.followers(PRODUCT, "artist", str(payload.artist_id)).where(Follow.follower_id > payload.after)
    told = session.scalars(found.order_by(Follow.follower_id).limit(TOLD_AT_ONCE)).all()
    notice = notifications.Notice(
        product=PRODUCT,
        kind="release",
        title=f"New by {song.artist_name}: {song.title}",
        href=f"/music/songs/{song.id}",
        key=f"music:release:{payload.artist_id}:{clock.now():%Y%m%d}",
    )
    for account_id in told:
        if account_id != song.uploader_id:
            notifications.notify(session, account_id, notice)
    if len(told) == TOLD_AT_ONCE:
        tell_some.enqueue(session, Release(song.id, payload.artist_id, told[-1]))
