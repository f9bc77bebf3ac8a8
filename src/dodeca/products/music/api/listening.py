"""What somebody hears: plays, history, numbers, the queue, recommendations and taste."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import (
    Access,
    AnyBody,
    Calling,
    ClosedRequest,
    DbRead,
    DbWrite,
    FromPath,
    FromQuery,
    JSONBody,
    delete,
    get,
    page_of,
    post,
    put,
)
from dodeca.products.music import views
from dodeca.products.music.acting import Looking, account_named, moment, number
from dodeca.products.music.models import Listen
from dodeca.products.music.service import listens, members, queue, songs, taste
from dodeca.products.music.service.viewers import Viewer
from dodeca.products.music.views import RANGES, SongView, Stats, stats_of

Line = Annotated[str, msgspec.Meta(max_length=500)]
MOST_PLAYS = 500


class Play(ClosedRequest):
    """A song that was heard, told once however often it is sent (`play_id`)."""

    play_id: UUID
    song_id: int | Line
    listened_at: datetime
    ms_played: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
    device: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Plays(ClosedRequest):
    """What was heard, perhaps a while ago and without a connection."""

    plays: Annotated[list[Play], msgspec.Meta(max_length=MOST_PLAYS)]


class Refused(msgspec.Struct):
    """A play that was left out and why: ahead, too_much or unknown."""

    play_id: str
    reason: str


class PlaysAnswer(msgspec.Struct):
    """What became of the plays."""

    accepted: int
    duplicates: int
    refused: list[Refused]


class PlayView(msgspec.Struct):
    """A listen. `song` is null where it is not here or not to be seen."""

    listened_at: datetime
    artist: str
    title: str
    album: str
    ms_played: int | None
    counted: bool
    device: str
    source: str
    song: SongView | None


class History(msgspec.Struct):
    """A page of listens, the newest first."""

    plays: list[PlayView]
    next_cursor: str | None


class QueueView(msgspec.Struct, kw_only=True):
    """The queue; whoever changes it tells the `revision` that they saw."""

    items: list[str]
    songs: list[SongView]
    current_index: int | None
    position_ms: int
    revision: int
    device: str
    updated_at: datetime


class QueueChange(ClosedRequest):
    """The queue as it shall be."""

    items: Annotated[list[int | Line], msgspec.Meta(max_length=5000)]
    current_index: int | None = None
    position_ms: int = 0
    revision: int | None = None
    device: Annotated[str, msgspec.Meta(max_length=100)] = ""


class PickView(msgspec.Struct):
    """A recommended song, how well it fits, and why it is there."""

    song: SongView
    score: float
    because: list[taste.Cause]


class Picks(msgspec.Struct):
    """Recommended songs, the best first."""

    items: list[PickView]


class ExclusionView(msgspec.Struct, kw_only=True):
    """What does not count."""

    exclusion_id: str
    song_id: str | None
    device: str | None
    from_: datetime | None = msgspec.field(name="from")
    to: datetime | None


class Weighted(msgspec.Struct):
    """Something and its weight from 0 to 1."""

    id: str
    name: str
    weight: float


class TasteView(msgspec.Struct, kw_only=True):
    """What recommendations are made of, and what was struck out."""

    interactions: int
    artists: list[Weighted]
    genres: list[Weighted]
    hours: list[int]
    devices: list[Weighted]
    exclusions: list[ExclusionView]


class NewExclusion(ClosedRequest):
    """A song, a device, or a span of time."""

    song_id: int | Line | None = None
    device: Line | None = None
    from_: datetime | None = msgspec.field(name="from", default=None)
    to: datetime | None = None


@post("/plays", access=Access.MEMBER, status=200)
def send_plays(session: DbWrite, call: Calling, data: JSONBody[Plays]) -> PlaysAnswer:
    """Tell what was heard. Sending it again changes nothing."""
    reports = [
        listens.Report(
            listened_at=moment(play.listened_at, "listened_at"),
            song_id=number(play.song_id),
            ms_played=play.ms_played,
            device=play.device,
            play_id=str(play.play_id),
        )
        for play in data.plays
    ]
    outcomes = listens.record(session, call.member().account_id, reports)
    refused = [
        Refused(str(play.play_id), outcome)
        for play, outcome in zip(data.plays, outcomes, strict=True)
        if outcome not in ("accepted", "duplicate")
    ]
    return PlaysAnswer(outcomes.count("accepted"), outcomes.count("duplicate"), refused)


def _open_history(session: ReadSession, viewer: Viewer, user: str) -> str:
    """The account whose history the viewer may see. Raises NotFound."""
    account = account_named(session, user)
    if not members.history_visible(session, viewer, account.id):
        raise NotFound("User not found")
    return account.id


@get("/users/{user:str}/history", access=Access.PUBLIC)
def read_history(
    session: DbRead,
    viewer: Looking,
    user: FromPath[str],
    limit: FromQuery[int | None] = None,
    cursor: FromQuery[str | None] = None,
) -> History:
    """What somebody heard."""
    owner = _open_history(session, viewer, user)
    page = page_of(session, listens.of(owner), order=[Listen.listened_at, Listen.id], limit=limit, cursor=cursor)
    seen = songs.by_ids(session, viewer, [row.song_id for row in page.items if row.song_id is not None])
    shown = {int(view.song_id): view for view in views.song_views(session, viewer, list(seen.values()))}
    # A song that the viewer may not see shows no names either.
    rows = [row for row in page.items if row.song_id is None or row.song_id in shown]
    return History(
        [
            PlayView(
                row.listened_at,
                row.artist_name,
                row.track_name,
                row.release_name,
                row.ms_played,
                row.counted,
                row.device if viewer.account_id == owner else "",
                row.source,
                shown.get(row.song_id) if row.song_id is not None else None,
            )
            for row in rows
        ],
        page.next_cursor,
    )


@get("/users/{user:str}/stats", access=Access.PUBLIC)
def read_stats(session: DbRead, viewer: Looking, user: FromPath[str], range: FromQuery[str] = "month") -> Stats:
    """What somebody heard most: in a day, week, month, year, or in all."""
    owner = _open_history(session, viewer, user)
    if range not in (*RANGES, "all"):
        raise Invalid("range is day, week, month, year or all.", field="range")
    return stats_of(session, viewer, owner, range)


@delete("/history", access=Access.MEMBER)
def delete_history(session: DbWrite, call: Calling) -> None:
    """Take back one's own listens between `from` and `to`."""
    query = call.request.query_params
    listens.forget(
        session,
        call.member().account_id,
        since=_moment(query.get("from"), "from"),
        until=_moment(query.get("to"), "to"),
    )


def _moment(text: str | None, field: str) -> datetime:
    try:
        return clock.parse_rfc3339((text or "").replace(" ", "+"))
    except ValueError as error:
        raise Invalid(f"{field} is a moment such as 2031-05-01T20:00:00Z.", field=field) from error


@get("/queue", access=Access.MEMBER)
def read_queue(session: DbRead, viewer: Looking) -> QueueView:
    """One's own queue, as the last device left it."""
    return queue_view(session, viewer)


def queue_view(session: ReadSession, viewer: Viewer) -> QueueView:
    """The same, for a page."""
    assert viewer.account_id is not None
    row = queue.read(session, viewer.account_id)
    found, current = queue.items(session, viewer, row)
    return QueueView(
        items=[str(song.id) for song in found],
        songs=views.song_views(session, viewer, found),
        current_index=current,
        position_ms=row.position_ms,
        revision=row.revision,
        device=row.device,
        updated_at=row.updated_at,
    )


@put("/queue", access=Access.MEMBER)
def save_queue(session: DbWrite, viewer: Looking, data: JSONBody[QueueChange]) -> QueueView:
    """Save one's queue; refused with 409 where another device has changed it since."""
    queue.save(
        session,
        viewer,
        [number(song_id) for song_id in data.items],
        current_index=data.current_index,
        position_ms=data.position_ms,
        device=data.device,
        revision=data.revision,
    )
    return queue_view(session, viewer)


@get("/recommendations", access=Access.PUBLIC)
def read_recommendations(
    session: DbRead,
    call: Calling,
    viewer: Looking,
    kind: FromQuery[str] = "mix",
    limit: FromQuery[int] = 30,
) -> Picks:
    """Songs for the caller: mix, discover (never heard) or again. Each names its causes."""
    if not 1 <= limit <= taste.MOST_ITEMS:
        raise Invalid(f"limit is from 1 to {taste.MOST_ITEMS}.", field="limit")
    return Picks(pick_views(session, viewer, taste.recommend(session, call.platform, viewer, kind, limit)))


def pick_views(session: ReadSession, viewer: Viewer, picks: list[taste.Pick]) -> list[PickView]:
    """Recommendations as they are shown."""
    shown = views.song_views(session, viewer, [pick.song for pick in picks])
    return [PickView(view, round(pick.score, 4), pick.because) for view, pick in zip(shown, picks, strict=True)]


class SongList(msgspec.Struct):
    """Songs."""

    songs: list[SongView]


@get("/songs/{song_id:str}/similar", access=Access.PUBLIC)
def read_similar(
    session: DbRead, call: Calling, viewer: Looking, song_id: FromPath[str], limit: FromQuery[int] = 20
) -> SongList:
    """Songs that are heard with one, or are like it."""
    if not 1 <= limit <= taste.MOST_ITEMS:
        raise Invalid(f"limit is from 1 to {taste.MOST_ITEMS}.", field="limit")
    song = songs.find(session, viewer, number(song_id))
    found = taste.similar(session, call.platform, viewer, song, limit)
    return SongList(views.song_views(session, viewer, found))


@get("/taste", access=Access.MEMBER)
def read_taste(session: DbRead, call: Calling) -> TasteView:
    """What one's recommendations are made of."""
    me = call.member().account_id
    found = taste.taste_of(session, me)
    return TasteView(
        interactions=found.interactions,
        artists=[Weighted(*one) for one in found.artists],
        genres=[Weighted(name, name, weight) for name, weight in found.genres],
        hours=found.hours,
        devices=[Weighted(name, name, count) for name, count in found.devices],
        exclusions=[_exclusion(row) for row in taste.exclusions(session, me)],
    )


def _exclusion(row: Any) -> ExclusionView:
    song_id = str(row.song_id) if row.song_id is not None else None
    return ExclusionView(exclusion_id=str(row.id), song_id=song_id, device=row.device, from_=row.from_at, to=row.to_at)


@post("/taste/exclusions", access=Access.MEMBER)
def create_exclusion(session: DbWrite, viewer: Looking, data: AnyBody[NewExclusion]) -> ExclusionView:
    """Let a song, a device or a span of time count no longer."""
    song_id = number(data.song_id) if data.song_id is not None else None
    since, until = (_zoned(at, field) for at, field in ((data.from_, "from"), (data.to, "to")))
    row = taste.exclude(session, viewer, song_id=song_id, device=data.device, from_at=since, to_at=until)
    session.flush()
    return _exclusion(row)


def _zoned(at: datetime | None, field: str) -> datetime | None:
    """A moment in UTC; one without zone is."""
    return None if at is None else moment(at if at.tzinfo is not None else at.replace(tzinfo=UTC), field)


@delete("/taste/exclusions/{exclusion_id:str}", access=Access.MEMBER)
def delete_exclusion(session: DbWrite, call: Calling, exclusion_id: FromPath[str]) -> None:
    """Let it count again."""
    taste.include(session, call.member().account_id, number(exclusion_id))


routes = [
    send_plays,
    read_history,
    read_stats,
    delete_history,
    read_queue,
    save_queue,
    read_recommendations,
    read_similar,
    read_taste,
    create_exclusion,
    delete_exclusion,
]
