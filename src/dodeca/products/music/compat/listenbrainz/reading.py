"""What ListenBrainz' API tells of somebody: listens, what plays, statistics, recommendations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Response
from sqlalchemy import select

from dodeca.commons.accounts.public import Account, WrongCredentials
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Calling, FromPath, get
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.listenbrainz import statistics
from dodeca.products.music.compat.listenbrainz.asking import Json, answered, msid, number, shown, token
from dodeca.products.music.models import Listen, NowPlaying, Song
from dodeca.products.music.service import listens, members, taste
from dodeca.products.music.service.viewers import Viewer, songs_for


@get("/validate-token", access=Access.PUBLIC)
async def validate_token(call: Calling) -> Response[Any]:
    """Whether a token is good, and whose it is."""
    given = token(call.request) or call.request.query_params.get("token", "")
    if not given:
        raise Invalid("You need to provide an Authorization header.")
    try:
        identity = await signing_in.with_key(call, given)
    except WrongCredentials:
        return answered(call, {"code": 200, "message": "Token invalid.", "valid": False})
    body = {"code": 200, "message": "Token valid.", "valid": True, "user_name": identity.username}
    return answered(call, body)


def _metadata(row: Listen | NowPlaying, song: Song | None) -> Json:
    info = {**(row.info or {}), "recording_msid": msid(row.artist_name, row.track_name)}
    if song is not None:
        info |= {"duration_ms": song.duration_ms} | ({"recording_mbid": song.mbid} if song.mbid else {})
    about: Json = {"artist_name": row.artist_name, "track_name": row.track_name, "additional_info": info}
    if row.release_name:
        about["release_name"] = row.release_name
    return about


@get("/user/{name:str}/listens", access=Access.PUBLIC)
async def user_listens(call: Calling, name: FromPath[str]) -> Response[Any]:
    """Somebody's listens, the latest first; before `max_ts` or after `min_ts`."""
    count = number(call, "count", 25, 1, 1000)
    latest, earliest = number(call, "max_ts", 0, 0, 1 << 40), number(call, "min_ts", 0, 0, 1 << 40)
    if latest and earliest and latest <= earliest:
        raise Invalid("max_ts should be greater than min_ts.")

    def read(session: ReadSession, viewer: Viewer, owner: Account) -> Json:
        statement = select(Listen, Song).outerjoin(Song, (Song.id == Listen.song_id) & songs_for(viewer))
        statement = statement.where(Listen.user_id == owner.id)
        if viewer.account_id != owner.id:
            # What others may not hear they do not learn the name of either.
            statement = statement.where(Listen.song_id.is_(None) | Song.id.is_not(None))
        if latest:
            statement = statement.where(Listen.listened_at < datetime.fromtimestamp(latest, UTC))
        if earliest:
            statement = statement.where(Listen.listened_at >= datetime.fromtimestamp(earliest + 1, UTC))
        forward = bool(earliest) and not latest
        order = (Listen.listened_at, Listen.id) if forward else (Listen.listened_at.desc(), Listen.id.desc())
        rows = [(row[0], row[1]) for row in session.execute(statement.order_by(*order).limit(count))]
        ordered = rows[::-1] if forward else rows
        ends = select(Listen.listened_at).where(Listen.user_id == owner.id)
        newest = session.scalar(ends.order_by(Listen.listened_at.desc()).limit(1))
        oldest = session.scalar(ends.order_by(Listen.listened_at).limit(1))
        told = [
            {
                "listened_at": int(row.listened_at.timestamp()),
                "inserted_at": int(row.inserted_at.timestamp()),
                "recording_msid": msid(row.artist_name, row.track_name),
                "user_name": owner.username,
                "track_metadata": _metadata(row, song),
            }
            for row, song in ordered
        ]
        payload = {
            "count": len(told),
            "user_id": owner.username,
            "latest_listen_ts": int(newest.timestamp()) if newest is not None else 0,
            "oldest_listen_ts": int(oldest.timestamp()) if oldest is not None else 0,
            "listens": told,
        }
        return {"payload": payload}

    return await shown(call, name, read)


@get("/user/{name:str}/playing-now", access=Access.PUBLIC)
async def user_playing_now(call: Calling, name: FromPath[str]) -> Response[Any]:
    """What somebody plays."""

    def read(session: ReadSession, viewer: Viewer, owner: Account) -> Json:
        rows = [row for row in listens.playing_now(session, [owner.id]) if row.state != "stopped"]
        seen = select(Song.id, Song).where(songs_for(viewer), Song.id.in_([row.song_id or 0 for row in rows]))
        songs = {row[0]: row[1] for row in session.execute(seen)}
        kept = [row for row in rows if row.song_id is None or row.song_id in songs][:1]
        told = [{"playing_now": True, "track_metadata": _metadata(row, songs.get(row.song_id or 0))} for row in kept]
        return {"payload": {"count": len(told), "user_id": owner.username, "playing_now": True, "listens": told}}

    return await shown(call, name, read)


@get("/user/{name:str}/listen-count", access=Access.PUBLIC)
async def user_listen_count(call: Calling, name: FromPath[str]) -> Response[Any]:
    """How many listens somebody has."""

    def read(session: ReadSession, _viewer: Viewer, owner: Account) -> Json:
        return {"payload": {"count": members.choices(session, owner.id).listen_count}}

    return await shown(call, name, read)


@get("/stats/user/{name:str}/{entity:str}", access=Access.PUBLIC)
async def user_stats(call: Calling, name: FromPath[str], entity: FromPath[str]) -> Response[Any]:
    """What somebody heard most in a span of time; 204 where that is nothing."""
    count, offset = number(call, "count", 25, 0, 1000), number(call, "offset", 0, 0, 1_000_000)
    span = call.request.query_params.get("range", "all_time")
    statistics.check(entity, span)

    def read(session: ReadSession, viewer: Viewer, owner: Account) -> Json | None:
        return statistics.top(session, viewer, owner, entity, span, count=count, offset=offset)

    return await shown(call, name, read)


@get("/cf/recommendation/user/{name:str}/recording", access=Access.PUBLIC)
async def user_recommendations(call: Calling, name: FromPath[str]) -> Response[Any]:
    """Recordings with a MusicBrainz id that are recommended to somebody; 204 where there are none."""
    count, offset = number(call, "count", 25, 1, 100), number(call, "offset", 0, 0, 1000)

    def read(session: ReadSession, _viewer: Viewer, owner: Account) -> Json | None:
        picks = taste.recommend(session, call.platform, Viewer(owner.id), "mix", 100)
        found = [pick for pick in picks if pick.song.mbid is not None and pick.song.listed]
        page = found[offset : offset + count]
        if not page:
            return None
        payload = {
            "mbids": [{"recording_mbid": pick.song.mbid, "score": round(pick.score, 6)} for pick in page],
            "entity": "recording",
            "type": call.request.query_params.get("artist_type", "raw"),
            "user_name": owner.username,
            "count": len(page),
            "total_mbid_count": len(found),
            "offset": offset,
            "last_updated": int(clock.timestamp()),
        }
        return {"payload": payload}

    return await shown(call, name, read)
