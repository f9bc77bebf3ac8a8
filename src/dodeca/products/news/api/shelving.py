"""The shelf: what a member brings along from elsewhere."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec
from litestar.datastructures import UploadFile

from dodeca.commons.accounts.public import Actor
from dodeca.kernel.errors import Invalid
from dodeca.kernel.http import Access, Call, Calling, DbRead, get, post
from dodeca.products.news.service import shelf

SHOWN = 200


class ShelfAnswer(msgspec.Struct):
    """What came onto one's shelf; `skipped` was there already or could not be read."""

    imported: shelf.Imported
    skipped: int


class ShelfEntryView(msgspec.Struct):
    """Something on one's shelf."""

    kind: str
    ref: str
    title: str
    url: str | None
    html: str
    written_at: datetime | None


class ShelfView(msgspec.Struct):
    """One's shelf."""

    entries: list[ShelfEntryView]


@post("/import/personal", access=Access.MEMBER, request_max_body_size=shelf.MAX_ZIP + 100_000)
async def import_personal(call: Calling) -> ShelfAnswer:
    """Bring along what one wrote and liked elsewhere, as a ZIP in the field `file`: for oneself alone."""
    return await bring_along(call)


async def bring_along(call: Call) -> ShelfAnswer:
    """Put what the request's ZIP holds onto the caller's shelf. Raises Invalid."""
    upload = (await call.request.form()).get("file")
    if not isinstance(upload, UploadFile) or not upload.filename:
        raise Invalid("Send the ZIP in the field file.", field="file")
    files = await asyncio.to_thread(shelf.read, await upload.read(shelf.MAX_ZIP + 1))
    account_id = call.member().account_id
    imported, skipped = await call.platform.db.awrite(lambda session: shelf.add(session, account_id, files))
    return ShelfAnswer(imported, skipped)


@get("/users/me/shelf", access=Access.MEMBER)
def read_shelf(session: DbRead, account: Actor) -> ShelfView:
    """What one brought along: one's own only."""
    return ShelfView(
        [
            ShelfEntryView(row.kind, row.ref, row.title, row.url, row.html, row.written_at)
            for row in shelf.of(session, account.id, limit=SHOWN)
        ]
    )


routes = [import_personal, read_shelf]
