"""Feedback of ListenBrainz' API: love is a like, hate a dislike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from litestar import Response
from sqlalchemy import select

from dodeca.commons.accounts.public import Account
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Access, Calling, FromPath, get, post
from dodeca.products.music.compat.listenbrainz.asking import (
    Json,
    answered,
    body,
    identity,
    is_uuid,
    msid,
    number,
    shown,
)
from dodeca.products.music.compat.signing_in import Identity
from dodeca.products.music.formats import entries
from dodeca.products.music.models import Like, Listen, Rating, Song
from dodeca.products.music.service import likes
from dodeca.products.music.service.viewers import Viewer, songs_for


@post("/feedback/recording-feedback", access=Access.PUBLIC, status=200)
async def give_feedback(call: Calling) -> Response[Any]:
    """Love (1), hate (-1) or neither (0) a recording that is here."""
    caller = await identity(call)
    caller.check(writes=True)
    data = await body(call)
    score = data.get("score")
    if isinstance(score, bool) or score not in (1, 0, -1):
        raise Invalid("score is 1, 0 or -1.")
    by_mbid, by_msid = entries.mbid(data.get("recording_mbid")), data.get("recording_msid")
    if not by_mbid and not (isinstance(by_msid, str) and is_uuid(by_msid)):
        raise Invalid("recording_mbid or recording_msid says which recording.")

    def unit(session: WriteSession) -> None:
        song = _recording_of(session, caller, by_mbid, str(by_msid).lower())
        if score == 1:
            likes.like(session, caller.viewer, "song", song.id)
        else:
            likes.unlike(session, caller.account_id, "song", song.id)
        rated = likes.ratings_of(session, caller.account_id, "song", [song.id]).get(song.id, 0)
        if score == -1 or rated == -1:
            likes.rate(session, caller.viewer, "song", song.id, -1 if score == -1 else 0)

    await call.platform.db.awrite(unit)
    return answered(call, {"status": "ok"})


def _recording_of(session: ReadSession, identity: Identity, by_mbid: str, by_msid: str) -> Song:
    """The song of a MusicBrainz id, or of a listen's recording_msid. Raises NotFound."""
    if by_mbid:
        known = select(Song).where(Song.mbid == by_mbid, songs_for(identity.viewer)).order_by(Song.id).limit(1)
        found = session.scalar(known)
    else:
        heard = select(Song).join(Listen, Listen.song_id == Song.id)
        mine = heard.where(Listen.user_id == identity.account_id, songs_for(identity.viewer))
        recent = session.scalars(mine.order_by(Listen.listened_at.desc()).limit(2000)).unique()
        found = next((song for song in recent if msid(song.artist_name, song.title) == by_msid), None)
    if found is None:
        raise NotFound("This recording is not here.")
    return found


@get("/feedback/user/{name:str}/get-feedback", access=Access.PUBLIC)
async def get_feedback(call: Calling, name: FromPath[str]) -> Response[Any]:
    """What somebody loves or hates."""
    count, offset = number(call, "count", 25, 0, 1000), number(call, "offset", 0, 0, 1_000_000)
    score = call.request.query_params.get("score", "")
    if score not in ("", "1", "-1", "None"):
        raise Invalid("score is 1 or -1.")

    def read(session: ReadSession, viewer: Viewer, owner: Account) -> Json:
        rows = _feedback(session, viewer, owner.id, score)
        told = [
            {
                "user_id": owner.username,
                "recording_mbid": song.mbid,
                "recording_msid": msid(song.artist_name, song.title),
                "score": value,
                "created": int(at.timestamp()),
                "track_metadata": {"artist_name": song.artist_name, "track_name": song.title},
            }
            for song, value, at in rows[offset : offset + count]
        ]
        return {"feedback": told, "count": len(told), "total_count": len(rows), "offset": offset}

    return await shown(call, name, read)


def _feedback(session: ReadSession, viewer: Viewer, owner_id: str, score: str) -> list[tuple[Song, int, datetime]]:
    found: list[tuple[Song, int, datetime]] = []
    if score != "-1":
        loved = select(Song, Like.created_at).join(Like, (Like.kind == "song") & (Like.target_id == Song.id))
        mine = loved.where(Like.user_id == owner_id, songs_for(viewer))
        found += [(row[0], 1, row[1]) for row in session.execute(mine.limit(10_000))]
    if score != "1":
        hated = select(Song, Rating.created_at).join(Rating, (Rating.kind == "song") & (Rating.target_id == Song.id))
        mine = hated.where(Rating.user_id == owner_id, Rating.rating == -1, songs_for(viewer))
        found += [(row[0], -1, row[1]) for row in session.execute(mine.limit(10_000))]
    return sorted(found, key=lambda row: row[2], reverse=True)
