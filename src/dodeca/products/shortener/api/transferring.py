"""Taking links in and out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any

import msgspec
from litestar.datastructures import UploadFile
from litestar.params import QueryParameter
from litestar.response import Stream
from sqlalchemy import select

from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Access, Calling, DbRead, FromPath, get, post
from dodeca.products.shortener import exporters, jobs
from dodeca.products.shortener.formats import ImportKind
from dodeca.products.shortener.models import ImportRun
from dodeca.products.shortener.service import installed

LARGEST_IMPORT = 30_000_000


class ImportView(msgspec.Struct):
    """An import: `state` is waiting or done; `report` tells what became of the rows."""

    id: str
    kind: str
    state: str
    rows_done: int
    created_at: datetime
    finished_at: datetime | None
    report: dict[str, Any] | None

    @classmethod
    def of(cls, row: ImportRun) -> ImportView:
        """The public form of a row."""
        state = "done" if row.finished_at is not None else "waiting"
        return cls(row.id, row.kind, state, row.rows_done, row.created_at, row.finished_at, row.report)


@get("/export", access=Access.MEMBER, produces=("text/csv", "application/jsonl", "text/plain"))
async def export(call: Calling, kind: Annotated[str, QueryParameter(name="format")] = "csv") -> Stream:
    """All links of the caller: csv, jsonl, or an exit file for another server (nginx, redirects, htaccess)."""
    shortener = installed(call)
    chunks = exporters.chunks(shortener, kind, call.member().account_id)
    media_type, ending = exporters.MEDIA_TYPES[kind]
    headers = {"Content-Disposition": f'attachment; filename="links.{ending}"', "Cache-Control": "no-store"}
    return Stream(_in_threads(chunks), media_type=media_type, headers=headers)


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


@post("/import", access=Access.MEMBER, status=202, request_max_body_size=LARGEST_IMPORT)
async def import_file(call: Calling) -> ImportView:
    """Take in a `file` (form) of a `kind`: csv, shlink, bitly or yourls."""
    form = await call.request.form()
    upload, kind = form.get("file"), form.get("kind") or "csv"
    if not isinstance(upload, UploadFile):
        raise Invalid("Choose a file.", field="file")
    if kind not in {item.value for item in ImportKind}:
        raise Invalid(f"The kind is one of: {', '.join(ImportKind)}.", field="kind")
    content = await upload.read()
    account_id = call.member().account_id

    def unit(session: Any) -> ImportRun:
        row = ImportRun(account_id=account_id, kind=str(kind), content=content)
        session.add(row)
        session.flush()
        jobs.import_file.enqueue(session, jobs.RunImport(row.id), key=row.id)
        return row

    return ImportView.of(await installed(call).db.awrite(unit))


@get("/import/{import_id:str}", access=Access.MEMBER)
def read_import(session: DbRead, call: Calling, import_id: FromPath[str]) -> ImportView:
    """How far an import is."""
    mine = select(ImportRun).where(ImportRun.account_id == call.member().account_id, ImportRun.id == import_id)
    row = session.scalar(mine)
    if row is None:
        raise NotFound("There is no such import.")
    return ImportView.of(row)


routes = [export, import_file, read_import]
