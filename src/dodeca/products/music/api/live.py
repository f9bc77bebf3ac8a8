"""Being live on a station."""

from __future__ import annotations

import msgspec

from dodeca.kernel.http import Access, Calling, FromPath, put
from dodeca.products.music import live
from dodeca.products.music.acting import number, viewing


class Recorded(msgspec.Struct):
    """What was broadcast. `size` in bytes, 0 where nothing was heard."""

    show_id: str
    size: int


@put("/stations/{station_id:str}/live", access=Access.MEMBER, request_max_body_size=None)
async def broadcast(call: Calling, station_id: FromPath[str]) -> Recorded:
    """Speak on one's own station while its live show has the air: MP3, AAC or Ogg, as it comes. Answered at the end."""
    viewer = await call.platform.db.aread(lambda session: viewing(session, call))
    show = await live.broadcast(call.platform, viewer, number(station_id), call.request.stream())
    return Recorded(str(show.id), show.media_size or 0)


routes = [broadcast]
