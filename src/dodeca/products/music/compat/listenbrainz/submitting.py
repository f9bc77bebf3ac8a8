"""Listens told to ListenBrainz' API, and taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from litestar import Response

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Calling, post
from dodeca.products.music.compat import signing_in
from dodeca.products.music.compat.listenbrainz.asking import Json, answered, body, identity, is_uuid, msid
from dodeca.products.music.formats import entries
from dodeca.products.music.formats.listens import EARLIEST
from dodeca.products.music.models import Listen
from dodeca.products.music.service import listens
from dodeca.products.music.service.folding import work_key
from dodeca.products.music.service.listens import Playing, Report
from dodeca.products.music.service.viewers import Viewer

MOST_LISTENS: Final = 1000
LISTEN_BYTES: Final = 10_240
MOST_TAGS: Final = 50
LONGEST_TAG: Final = 64
SKEW_SECONDS: Final = listens.SKEW_SECONDS
RECORDED_AT_ONCE: Final = 100
"""Listens of one unit of work: an import does not hold others up."""
_TYPES: Final = ("single", "import", "playing_now")


@post("/submit-listens", access=Access.PUBLIC, status=200, request_max_body_size=MOST_LISTENS * LISTEN_BYTES)
async def submit_listens(call: Calling) -> Response[Any]:
    """Listens as they happen, many at once, or what plays now."""
    caller = await identity(call)
    caller.check(writes=True)
    data = await body(call)
    kind, payload = data.get("listen_type"), data.get("payload")
    if kind not in _TYPES:
        raise Invalid("JSON document must contain a valid listen_type.")
    if not isinstance(payload, list) or not payload:
        raise Invalid("JSON document does not contain any listens.")
    if len(payload) > (MOST_LISTENS if kind == "import" else 1):
        raise Invalid(f"There are too many listens for listen_type {kind}.")
    reports = [_report(one, playing=kind == "playing_now") for one in payload]
    client = reports[0].device or "ListenBrainz"
    await signing_in.note_use(call, caller, client)
    if kind == "playing_now":
        report = reports[0]
        await call.platform.db.awrite(lambda session: _play_now(session, caller.account_id, report))
        return answered(call, {"status": "ok"})
    refused = 0
    for start in range(0, len(reports), RECORDED_AT_ONCE):
        some = reports[start : start + RECORDED_AT_ONCE]
        outcomes = await call.platform.db.awrite(_recording(caller.account_id, some))
        refused += sum(outcome == "too_much" for outcome in outcomes)
    if refused == len(reports):
        raise Invalid("Nobody hears more than 24 hours of music in a day.")
    return answered(call, {"status": "ok"})


def _recording(account_id: str, some: Sequence[Report]) -> Callable[[WriteSession], list[listens.Outcome]]:
    return lambda session: listens.record(session, account_id, some)


def _report(one: object, *, playing: bool) -> Report:
    """A listen of a payload. Raises Invalid."""
    about = one.get("track_metadata") if isinstance(one, dict) else None
    if not isinstance(one, dict) or not isinstance(about, dict):
        raise Invalid("JSON document must contain track_metadata for each listen.")
    if len(msgspec.json.encode(one)) > LISTEN_BYTES:
        raise Invalid(f"JSON document is too large: a listen has at most {LISTEN_BYTES} characters.")
    artist, track = entries.plain(about.get("artist_name")), entries.plain(about.get("track_name"))
    if not artist or not track:
        raise Invalid("JSON document does not contain required track_metadata.artist_name and track_name.")
    given = about.get("additional_info")
    info: Json = given if isinstance(given, dict) else {}
    _check_tags(info.get("tags"))
    seconds = entries.number(info.get("duration"), 1, entries.LONGEST_MS // 1000)
    if playing and "listened_at" in one:
        raise Invalid("JSON document should not contain listened_at for playing_now.")
    return Report(
        listened_at=clock.now() if playing else _listened_at(one),
        artist_name=artist,
        track_name=track,
        release_name=entries.plain(about.get("release_name")),
        duration_ms=entries.number(info.get("duration_ms"), 1, entries.LONGEST_MS) or (seconds and seconds * 1000),
        ms_played=entries.number(info.get("ms_played"), 0, entries.LONGEST_MS),
        counts=True,
        device=entries.plain(info.get("media_player") or info.get("submission_client"), 100),
        source="listenbrainz",
        mbid=entries.mbid(info.get("recording_mbid")) or None,
        info=info or None,
    )


def _listened_at(one: Json) -> datetime:
    moment = entries.number(one.get("listened_at"), EARLIEST, int(clock.timestamp()) + SKEW_SECONDS)
    if moment is None:
        raise Invalid("listened_at must be a Unix timestamp after October 2002, and not ahead of now.")
    return datetime.fromtimestamp(moment, UTC)


def _check_tags(tags: object) -> None:
    if tags is None:
        return
    if not isinstance(tags, list) or len(tags) > MOST_TAGS:
        raise Invalid(f"JSON document may only contain up to {MOST_TAGS} tags for a listen.")
    if any(not isinstance(tag, str) or len(tag) > LONGEST_TAG for tag in tags):
        raise Invalid(f"JSON document may only contain tags of up to {LONGEST_TAG} characters.")


def _play_now(session: WriteSession, account_id: str, report: Report) -> None:
    key = work_key(report.artist_name, report.track_name)
    song = listens.by_names(session, Viewer(account_id), key, mbid=report.mbid)
    playing = Playing(
        song=song,
        artist_name=report.artist_name,
        track_name=report.track_name,
        release_name=report.release_name,
        device=report.device or "ListenBrainz",
        duration_ms=report.duration_ms,
        info=report.info,
    )
    listens.play_now(session, account_id, playing)


@post("/delete-listen", access=Access.PUBLIC, status=200)
async def delete_listen(call: Calling) -> Response[Any]:
    """Take a listen back."""
    caller = await identity(call)
    caller.check(writes=True)
    data = await body(call)
    moment = entries.number(data.get("listened_at"), 0, 1 << 40)
    wanted = data.get("recording_msid")
    if moment is None or not isinstance(wanted, str) or not is_uuid(wanted):
        raise Invalid("listened_at and recording_msid say which listen.")
    begin = datetime.fromtimestamp(moment, UTC)
    end = datetime.fromtimestamp(moment + 1, UTC)

    def unit(session: WriteSession) -> int:
        mine = listens.of(caller.account_id).where(Listen.listened_at >= begin, Listen.listened_at < end)
        found = [row.id for row in session.scalars(mine) if msid(row.artist_name, row.track_name) == wanted.lower()]
        return listens.forget_some(session, caller.account_id, found)

    await call.platform.db.awrite(unit)
    return answered(call, {"status": "ok"})
