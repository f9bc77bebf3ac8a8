"""Titles of links: whoever makes a link on the pages and gives none gets the title of the page that it leads to."""

from __future__ import annotations

import msgspec

from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import JobContext, job
from dodeca.kernel.titles import fetch_title
from dodeca.products.shortener.models import Link
from dodeca.products.shortener.service.creating import Made
from dodeca.products.shortener.service.installation import Shortener

_MOST = 200


class Untitled(msgspec.Struct):
    """Which link has no title."""

    link_id: int


@job("shortener.fetch_title", payload=Untitled, attempts=1)
async def look_up(job: JobContext, payload: Untitled) -> None:
    """Ask the target for its title, and give it to the link if nobody did so meanwhile."""
    database = job.platform.db
    link = await database.aread(lambda session: session.get(Link, payload.link_id))
    if link is None or link.title or link.deleted_at is not None:
        return
    asked = link.target
    title = (await fetch_title(job.platform.outbound, asked))[:_MOST]

    def name(session: WriteSession) -> None:
        found = session.get(Link, payload.link_id)
        if found is not None and not found.title and found.target == asked:
            found.title = title

    if title:
        await database.awrite(name)


async def ask_later(shortener: Shortener, made: Made) -> None:
    """Have the title of a link looked up that has none. Links without an account get none: a stranger must not make us
    ask addresses."""
    link = made.link
    if shortener.settings.fetch_titles and made.is_new and link.user_id is not None and not link.title:
        await shortener.db.awrite(lambda session: look_up.enqueue(session, Untitled(link.id)))
