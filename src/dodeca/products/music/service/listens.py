"""Listens: recorded once however many programs tell of one, counted, shown, taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any, Literal, cast

import msgspec
from sqlalchemy import Select, Table, and_, bindparam, case, delete, func, insert, or_, select, update

from dodeca.kernel import clock
from dodeca.kernel.db import Finding, Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.music.models import Album, Listen, Member, NowPlaying, Song
from dodeca.products.music.service import folding, members, songs
from dodeca.products.music.service.tags import storable
from dodeca.products.music.service.viewers import Viewer, songs_for

WINDOW_SECONDS = 30.0
"""Two reports whose starts lie closer together are one listen, or within half the length of a short song."""
ENOUGH_MS = 240_000
"""Four minutes count as a listen whatever the length, as Last.fm and ListenBrainz have it."""
SKEW_SECONDS = 60
"""How far a program's clock may be ahead of ours."""
DAY_MS = 86_400_000
LONGEST_NAME = 500
LONGEST_DEVICE = 100
NOW_PLAYING_SECONDS = 600
Outcome = Literal["accepted", "duplicate", "ahead", "too_much", "unknown"]

_listens = cast(Table, Listen.__table__)
_GIVEN = [column.name for column in _listens.columns if column.name != "id"]
_insert_listen = Prepared(insert(_listens), columns=_GIVEN, autoflush=False)
_alike = or_(Listen.work_key == bindparam("work_key"), Listen.song_id == bindparam("song_id"))
_near = and_(Listen.listened_at.between(bindparam("earliest"), bindparam("latest")), _alike)
_mine = Listen.user_id == bindparam("user_id")
_near_ones = Finding(Listen, _mine, _near, autoflush=False)
_told_ones = Finding(Listen, _mine, or_(_near, Listen.play_id == bindparam("play_id")), autoflush=False)


def _counting(kind: type[Song] | type[Album], *, heard: bool) -> Prepared:
    """Moves `play_count` of a row by a number, with `heard` to a moment at which it was heard; gives its album."""
    table = cast(Table, kind.__table__)
    values: dict[str, Any] = {"play_count": table.c.play_count + bindparam("by")}
    if heard:
        at = bindparam("at", type_=table.c.recent_at.type)
        values["recent_at"] = case((table.c.recent_at > at, table.c.recent_at), else_=at)
    moved = update(table).where(table.c.id == bindparam("row_id")).values(values)
    return Prepared(moved.returning(table.c.album_id if kind is Song else table.c.id), autoflush=False)


_count_song = {heard: _counting(Song, heard=heard) for heard in (True, False)}
_count_album = {heard: _counting(Album, heard=heard) for heard in (True, False)}


class Report(msgspec.Struct, kw_only=True):
    """What a program tells of a listen: a song by its id, or by its names.

    `counts` says whether it counts; None leaves it to how much was heard (`ms_played`, milliseconds)."""

    listened_at: datetime
    song_id: int | None = None
    artist_name: str = ""
    track_name: str = ""
    release_name: str = ""
    duration_ms: int | None = None
    ms_played: int | None = None
    counts: bool | None = None
    device: str = ""
    source: str = "web"
    play_id: str | None = None
    mbid: str | None = None
    info: dict[str, Any] | None = None


class _Resolved(msgspec.Struct):
    """A report and the song that it is about, if that is here."""

    report: Report
    song: Song | None
    work_key: str

    @property
    def length_ms(self) -> int | None:
        """How long the piece is, if that is known."""
        known = self.song.duration_ms if self.song is not None else 0
        return known or self.report.duration_ms or None

    @property
    def counted(self) -> bool:
        """Whether it is a listen that counts."""
        if self.report.counts is not None:
            return self.report.counts
        played, length = self.report.ms_played, self.length_ms
        return played is None or played >= ENOUGH_MS or (length is not None and played * 2 >= length)


def record(session: WriteSession, account_id: str, reports: Sequence[Report]) -> list[Outcome]:
    """Record what somebody heard; gives what became of each report, in their order.

    A report of a listen that is known adds to it what it knows more. One ahead of our clock, one that would make more
    than 24 hours of a day, and one of a song that the listener does not see are left out."""
    member = members.member(session, account_id)
    resolved = _resolve(session, Viewer(account_id), reports)
    heard = _Days(session, account_id)
    outcomes: list[Outcome] = []
    for report, one in zip(reports, resolved, strict=True):
        outcome: Outcome
        if one is None:
            outcome = "unknown"
        elif report.listened_at > clock.now() + timedelta(seconds=SKEW_SECONDS):
            outcome = "ahead"
        elif (known := _same(session, account_id, one)) is not None:
            _merge(session, known, one)
            outcome = "duplicate"
        elif not heard.has_room(one):
            outcome = "too_much"
        else:
            _insert(session, member, one)
            outcome = "accepted"
        outcomes.append(outcome)
    if "accepted" in outcomes or "duplicate" in outcomes:
        member.taste_at = clock.now()
    session.flush()
    return outcomes


def _resolve(session: ReadSession, viewer: Viewer, reports: Sequence[Report]) -> list[_Resolved | None]:
    by_id = songs.by_ids(session, viewer, [r.song_id for r in reports if r.song_id is not None])
    found: list[_Resolved | None] = []
    keys: dict[str, Song | None] = {}
    for report in reports:
        if report.song_id is not None:
            song = by_id.get(report.song_id)
            found.append(None if song is None else _Resolved(report, song, song.work_key))
            continue
        key = folding.work_key(report.artist_name, report.track_name)
        which = report.mbid or key
        if which not in keys:
            keys[which] = by_names(session, viewer, key, mbid=report.mbid)
        found.append(_Resolved(report, keys[which], key))
    return found


def by_names(session: ReadSession, viewer: Viewer, work_key: str, *, mbid: str | None = None) -> Song | None:
    """The song of a recording's MusicBrainz id, else of the folded artist and title, that the viewer sees."""
    statement = select(Song).where(songs_for(viewer))
    if mbid is None:
        statement = statement.where(Song.work_key == work_key)
    else:
        statement = statement.where(or_(Song.work_key == work_key, Song.mbid == mbid))
        statement = statement.order_by(case((Song.mbid == mbid, 0), else_=1))
    statement = statement.order_by(Song.audio_hash.is_(None), Song.play_count.desc(), Song.id)
    return session.scalar(statement.limit(1))


class _Days:
    """How much of each day an account has heard: no more than there is."""

    def __init__(self, session: ReadSession, account_id: str) -> None:
        self._session, self._account_id = session, account_id
        self._heard: dict[datetime, int] = {}

    def has_room(self, one: _Resolved) -> bool:
        """Take the listen into its day, if that has room for it."""
        day = datetime.combine(one.report.listened_at.astimezone(UTC).date(), time(), UTC)
        if day not in self._heard:
            length = func.coalesce(Listen.ms_played, Song.duration_ms, 0)
            total = select(func.coalesce(func.sum(length), 0)).outerjoin(Song, Song.id == Listen.song_id)
            mine = (Listen.user_id == self._account_id, Listen.listened_at >= day)
            within = total.select_from(Listen).where(*mine, Listen.listened_at < day + timedelta(days=1))
            self._heard[day] = int(self._session.scalar(within) or 0)
        length_ms = one.report.ms_played if one.report.ms_played is not None else one.length_ms or 0
        if self._heard[day] + length_ms > DAY_MS:
            return False
        self._heard[day] += length_ms
        return True


def _same(session: ReadSession, account_id: str, one: _Resolved) -> Listen | None:
    """The listen that a report tells of again."""
    report = one.report
    length = one.length_ms
    window = timedelta(seconds=min(WINDOW_SECONDS, length / 2000) if length else WINDOW_SECONDS)
    values: dict[str, object] = {
        "user_id": account_id,
        "work_key": one.work_key,
        "song_id": one.song.id if one.song is not None else None,
        "earliest": report.listened_at - window,
        "latest": report.listened_at + window,
    }
    if report.play_id is None:
        found = _near_ones.all(session, **values)
    else:
        found = _told_ones.all(session, **values, play_id=report.play_id)
    return min(found, key=lambda listen: listen.id, default=None)


def _merge(session: WriteSession, known: Listen, one: _Resolved) -> None:
    """Let a listen know what a second report of it says more."""
    report = one.report
    joins = known.song_id is None and one.song is not None
    if report.ms_played is not None:
        known.ms_played = max(report.ms_played, known.ms_played or 0)
    known.release_name = known.release_name or _short(report.release_name)
    counts = not known.counted and one.counted
    if joins:
        assert one.song is not None
        known.song_id = one.song.id
    known.counted = known.counted or one.counted
    session.flush()
    if known.counted and known.song_id is not None and (joins or counts):
        count(session, known.song_id, known.listened_at, 1)


def _album_of(session: ReadSession, song: Song | None) -> str:
    """The title of a song's album: most programs tell the song only."""
    album = session.get(Album, song.album_id) if song is not None and song.album_id is not None else None
    return _short(album.title) if album is not None else ""


def _insert(session: WriteSession, member: Member, one: _Resolved) -> None:
    report, song = one.report, one.song
    at = min(report.listened_at, clock.now())
    identity = str(song.id) if song is not None else one.work_key
    _insert_listen.run(
        session,
        user_id=member.user_id,
        listened_at=at,
        song_id=song.id if song is not None else None,
        artist_name=_short(report.artist_name) or (song.artist_name if song is not None else ""),
        track_name=_short(report.track_name) or (song.title if song is not None else ""),
        release_name=_short(report.release_name) or _album_of(session, song),
        work_key=one.work_key,
        ms_played=report.ms_played,
        counted=one.counted,
        device=storable(report.device)[:LONGEST_DEVICE],
        source=report.source,
        dedupe_key=f"{identity}|{at.timestamp():.3f}",
        play_id=report.play_id,
        info=report.info,
        inserted_at=clock.now(),
    )
    member.listen_count += 1
    if song is not None and one.counted:
        count(session, song.id, at, 1)


def _short(text: str) -> str:
    return storable(text).strip()[:LONGEST_NAME]


def count(session: WriteSession, song_id: int, at: datetime | None, by: int) -> None:
    """Move the counters of a song and its album by a number of listens, the last of them at a moment."""
    values: dict[str, object] = {"by": by} if at is None else {"by": by, "at": at}
    row = _count_song[at is not None].first(session, row_id=song_id, **values)
    album_id = row[0] if row is not None else None
    if album_id is not None:
        _count_album[at is not None].first(session, row_id=album_id, **values)
    for kind, number in ((Song, song_id), (Album, album_id)):
        known = session.identity_map.get((kind, (number,), None))
        if known is not None:
            session.expire(known, ["play_count", "recent_at"])


def of(viewer_id: str) -> Select[Listen]:
    """Somebody's listens."""
    return select(Listen).where(Listen.user_id == viewer_id)


def forget(session: WriteSession, account_id: str, *, since: datetime, until: datetime) -> int:
    """Take back one's own listens from a moment up to, not including, another; gives how many."""
    if until <= since:
        raise Invalid("to is later than from.", field="to")
    span = (Listen.user_id == account_id, Listen.listened_at >= since, Listen.listened_at < until)
    return _forget(session, account_id, session.scalars(select(Listen.id).where(*span)).all())


def forget_some(session: WriteSession, account_id: str, listen_ids: Iterable[int]) -> int:
    """Take back some of one's own listens; gives how many there were."""
    wanted = list(listen_ids)
    mine: list[int] = []
    for start in range(0, len(wanted), 900):
        some = select(Listen.id).where(Listen.user_id == account_id, Listen.id.in_(wanted[start : start + 900]))
        mine += session.scalars(some)
    return _forget(session, account_id, mine)


def forget_all(session: WriteSession, account_id: str) -> int:
    """Take back all of an account's listens; gives how many there were."""
    return _forget(session, account_id, session.scalars(select(Listen.id).where(Listen.user_id == account_id)).all())


def _forget(session: WriteSession, account_id: str, listen_ids: Sequence[int]) -> int:
    member = members.member(session, account_id)
    for start in range(0, len(listen_ids), 900):
        some = Listen.id.in_(listen_ids[start : start + 900])
        counted = select(Listen.song_id, func.count()).where(some, Listen.counted, Listen.song_id.is_not(None))
        for row in session.execute(counted.group_by(Listen.song_id)).all():
            count(session, int(row[0] or 0), None, -row[1])
        session.execute(delete(Listen).where(some))
    member.listen_count -= len(listen_ids)
    member.taste_at = clock.now()
    session.flush()
    return len(listen_ids)


# What plays at the moment


class Playing(msgspec.Struct, kw_only=True):
    """What a device plays: a song, or names. `position_ms` and `rate` (1 is normal speed) say where and how fast."""

    song: Song | None = None
    artist_name: str = ""
    track_name: str = ""
    release_name: str = ""
    device: str = ""
    state: str = "playing"
    position_ms: int = 0
    rate: float = 1.0
    duration_ms: int | None = None
    info: dict[str, Any] | None = None


def play_now(session: WriteSession, account_id: str, playing: Playing) -> None:
    """Say what a device plays now; `stopped` says that it plays nothing any more."""
    members.member(session, account_id)
    device = storable(playing.device)[:LONGEST_DEVICE]
    row = session.get(NowPlaying, (account_id, device))
    if playing.state == "stopped":
        if row is not None:
            session.delete(row)
        session.flush()
        return
    song = playing.song
    now = clock.now()
    if row is None:
        row = NowPlaying(user_id=account_id, device=device, started_at=now)
        session.add(row)
    elif song is None or row.song_id != song.id:
        row.started_at = now
    row.song_id = song.id if song is not None else None
    row.artist_name = _short(playing.artist_name) or (song.artist_name if song is not None else "")
    row.track_name = _short(playing.track_name) or (song.title if song is not None else "")
    row.release_name = _short(playing.release_name)
    row.state, row.position_ms, row.rate, row.info = playing.state, playing.position_ms, playing.rate, playing.info
    length = (song.duration_ms if song is not None else 0) or playing.duration_ms or NOW_PLAYING_SECONDS * 1000
    row.updated_at = now
    row.expires_at = now + timedelta(milliseconds=max(length - playing.position_ms, 0) + 60_000)
    session.flush()


def playing_now(session: ReadSession, account_ids: Sequence[str] | None = None) -> Sequence[NowPlaying]:
    """What is playing, of some accounts or of all, the newest first."""
    statement = select(NowPlaying).where(NowPlaying.expires_at > clock.now())
    if account_ids is not None:
        statement = statement.where(NowPlaying.user_id.in_(account_ids))
    return session.scalars(statement.order_by(NowPlaying.updated_at.desc()).limit(200)).all()
