"""Songs that were uploaded and measured are packaged for HLS, before anybody asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy import select

from dodeca.commons.pipeline.ffmpeg import Progress
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, NotFound, Unavailable, UnsupportedMedia
from dodeca.kernel.jobs import JobContext, Nothing, job
from dodeca.products.music.models import Preparation, Song
from dodeca.products.music.service import preparing

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
KEPT_SECONDS = 2.0
"""How often progress is kept, for whoever opens a page or asks; open pages are told more often."""
QUEUED = "schedule"
"""The key of the runner's schedules, so that one job at a time packages and listeners find processors free."""


@job("music.package_songs", every=20)
async def package_songs(context: JobContext, _payload: Nothing) -> None:
    """Package what waits, one song after the other. Repeated after a crash, it makes only what is not stored yet."""
    platform = context.platform
    while (waiting := await platform.db.aread(_next)) is not None:
        await _package(platform, *waiting)


def _next(session: ReadSession) -> tuple[int, str, str | None] | None:
    due = select(Preparation.song_id, Preparation.source, Song.uploader_id).join(Song, Song.id == Preparation.song_id)
    due = due.where(Preparation.state == "packaging", Preparation.due_at <= clock.now())
    row = session.execute(due.order_by(Preparation.due_at, Preparation.song_id).limit(1)).first()
    return (row[0], row[1], row[2]) if row is not None else None


async def _package(platform: Platform, song_id: int, source: str, uploader_id: str | None) -> None:
    from dodeca.products.music import sound
    from dodeca.products.music.audio.hls import BIT_RATES

    try:
        found = await platform.db.aread(lambda s: sound.where(s, s.get_one(Song, song_id)))
        for index, bit_rate in enumerate(BIT_RATES):
            told = _telling(platform, song_id, source, uploader_id, index / len(BIT_RATES), 1 / len(BIT_RATES))
            await sound.hls_variant(platform, found, bit_rate, told)
    except UnsupportedMedia as error:
        await _move(platform, song_id, source, "failed", 0.0, error.message)
    except (DodecaError, OSError) as error:
        log.warning("music.song_packaged_later", song=song_id, reason=str(error))
        reason = error.message if isinstance(error, NotFound | Unavailable) else "This song could not be packaged."
        await platform.db.awrite(lambda s: preparing.put_off(s, platform.realtime, song_id, source, reason))
    else:
        await _move(platform, song_id, source, "ready", 1.0)


def _telling(
    platform: Platform, song_id: int, source: str, uploader_id: str | None, begin: float, width: float
) -> Progress:
    """Tells and keeps the progress of one of several renditions, which goes from `begin` on over `width`."""
    kept_at = clock.elapsed()

    async def told(share: float) -> None:
        nonlocal kept_at
        whole = preparing.MEASURING_SHARE + (1 - preparing.MEASURING_SHARE) * (begin + width * share)
        if share >= 1 or clock.elapsed() - kept_at >= KEPT_SECONDS:
            kept_at = clock.elapsed()
            await _move(platform, song_id, source, "packaging", whole)
        elif uploader_id is not None:
            preparing.tell_share(platform.realtime, uploader_id, song_id, "packaging", whole)

    return told


async def _move(platform: Platform, song_id: int, source: str, state: str, share: float, reason: str = "") -> None:
    await platform.db.awrite(lambda s: preparing.move(s, platform.realtime, song_id, source, state, share, reason))
