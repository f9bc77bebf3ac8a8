"""Moving in: files of links from here and elsewhere."""

from __future__ import annotations

from typing import Any

from litestar.datastructures import UploadFile

from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.http import Access, Call, Calling, DbRead, FormState, Page, Redirect, get, post
from dodeca.products.shortener.models import ImportRun
from dodeca.products.shortener.pages.surroundings import page
from dodeca.products.shortener.service import importing

KINDS = (
    ("", "Find out from the file"),
    ("csv", "CSV from here, or a list with a column long_url"),
    ("shlink", "Shlink CSV"),
    ("bitly", "Bitly JSON"),
    ("yourls", "YOURLS CSV"),
)
RUNS = 20


def show_imports(session: ReadSession, call: Call, state: FormState) -> Page:
    """The form, and what became of earlier files."""
    statement = importing.visible_to(call.member()).order_by(ImportRun.created_at.desc(), ImportRun.id)
    # The files themselves may be large, and are not shown.
    columns = (ImportRun.kind, ImportRun.rows_done, ImportRun.report, ImportRun.created_at, ImportRun.finished_at)
    runs = session.execute(statement.with_only_columns(*columns).limit(RUNS)).all()
    waiting = any(run.finished_at is None for run in runs)
    return page(call, "import.html", form=state.form, runs=runs, waiting=waiting, kinds=KINDS, names=dict(KINDS))


@get("/import", access=Access.MEMBER)
def imports_page(session: DbRead, call: Calling) -> Page:
    """Import links."""
    return show_imports(session, call, FormState())


@post(
    "/import",
    access=Access.MEMBER,
    status=200,
    form=show_imports,
    request_max_body_size=importing.MOST_BYTES + 100_000,
)
async def import_file(call: Calling) -> Redirect:
    """Take a file; a job reads it."""
    actor = call.member()
    form = await call.request.form()
    upload: Any = form.get("file")
    content = await upload.read() if isinstance(upload, UploadFile) else b""
    kind = form.get("kind")

    def unit(session: WriteSession) -> None:
        importing.start(session, actor, content, kind if isinstance(kind, str) and kind else None)

    await call.platform.db.awrite(unit)
    return Redirect("/shortener/import", toast="The file is here. Its links follow.", kind="info")


routes = [imports_page, import_file]
