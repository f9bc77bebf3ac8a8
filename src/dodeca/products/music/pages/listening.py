"""What there is to hear now."""

from __future__ import annotations

from sqlalchemy import select

from dodeca.kernel.http import Access, DbRead, Page, get
from dodeca.products.music.acting import Looking
from dodeca.products.music.models import Song
from dodeca.products.music.service.viewers import songs_for

SHOWN = 30


@get("/", access=Access.PUBLIC)
def listen_now(session: DbRead, viewer: Looking) -> Page:
    """The newest songs."""
    newest = select(Song).where(songs_for(viewer)).order_by(Song.created_at.desc(), Song.id.desc()).limit(SHOWN)
    return Page("music/listen.html", songs=session.scalars(newest).all())


routes = [listen_now]
