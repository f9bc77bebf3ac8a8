"""How far an uploaded song is: it is measured, then packaged for streaming, then ready. Its uploader alone is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.realtime import Realtime
from dodeca.products.music.models import Preparation, Song
from dodeca.products.music.service.viewers import Viewer

MEASURING_SHARE: Final = 0.1
"""Of the whole work: a song is decoded once to measure it, and encoded three times to package it."""
MOST_TRIES: Final = 5
FIRST_PAUSE_SECONDS: Final = 30
MOST_TOLD: Final = 100
EVENT: Final = "preparation"
_WORDS: Final = {"measuring": "Measuring", "packaging": "Packaging for streaming", "ready": "Ready to stream"}


class PreparationView(msgspec.Struct):
    """`state` is measuring, packaging, ready or failed, `told` the same in words, `share` what is done, from 0 to 1."""

    song_id: str
    state: str
    share: float
    told: str


def channel(account_id: str) -> str:
    """Where an uploader hears of their songs."""
    return f"music:preparing:{account_id}"


def view(row: Preparation) -> PreparationView:
    """A row as its uploader sees it."""
    return PreparationView(str(row.song_id), row.state, round(row.share, 3), _WORDS.get(row.state, row.reason))


def of(session: ReadSession, viewer: Viewer, songs: Sequence[Song]) -> dict[int, PreparationView]:
    """How far those of the songs are that the viewer uploaded, by song."""
    own = [song.id for song in songs if song.uploader_id is not None and song.uploader_id == viewer.account_id]
    if not own:
        return {}
    return {row.song_id: view(row) for row in session.scalars(select(Preparation).where(Preparation.song_id.in_(own)))}


def latest(session: ReadSession, account_id: str) -> list[PreparationView]:
    """How far the songs are that somebody uploaded last."""
    own = select(Preparation).join(Song, Song.id == Preparation.song_id).where(Song.uploader_id == account_id)
    return [view(row) for row in session.scalars(own.order_by(Song.id.desc()).limit(MOST_TOLD))]


def begin(session: WriteSession, song: Song) -> None:
    """A song has this sound now: it is to be prepared."""
    assert song.audio_hash is not None
    row = session.get(Preparation, song.id)
    if row is not None and row.source == song.audio_hash:
        return
    if row is None:
        row = Preparation(song_id=song.id)
        session.add(row)
    row.source, row.share, row.reason, row.tries, row.due_at = song.audio_hash, 0.0, "", 0, clock.now()
    row.state = "measuring" if song.analysed_at is None else "packaging"
    session.flush()


def tell(realtime: Realtime, uploader_id: str, told: PreparationView) -> None:
    """Tell the uploader's open pages. From any thread; a later state replaces one that is not sent yet."""
    realtime.publish_latest(channel(uploader_id), EVENT, told, key=told.song_id)


def tell_share(realtime: Realtime, uploader_id: str, song_id: int, state: str, share: float) -> None:
    """The same of work that goes on, without keeping it."""
    tell(realtime, uploader_id, PreparationView(str(song_id), state, round(share, 3), _WORDS[state]))


def move(
    session: WriteSession, realtime: Realtime, song_id: int, source: str, state: str, share: float, reason: str = ""
) -> bool:
    """Keep how far a song with this sound is; `reason` says why it failed. Gives whether it is still to be prepared."""
    row = session.get_locked(Preparation, song_id)
    if row is None or row.source != source:
        return False
    row.state, row.share, row.reason = state, share, reason
    session.flush()
    uploader_id, told = session.get_one(Song, song_id).uploader_id, view(row)
    if uploader_id is not None:
        session.after_commit(lambda: tell(realtime, uploader_id, told))
    return True


def put_off(session: WriteSession, realtime: Realtime, song_id: int, source: str, reason: str) -> None:
    """What cannot be done now is tried again later, and given up in the end."""
    row = session.get_locked(Preparation, song_id)
    if row is None or row.source != source:
        return
    row.tries += 1
    row.due_at = clock.ahead(seconds=FIRST_PAUSE_SECONDS * 2**row.tries)
    if row.tries >= MOST_TRIES:
        move(session, realtime, song_id, source, "failed", row.share, reason)
    session.flush()
