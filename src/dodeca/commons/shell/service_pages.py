"""For operators and machines: health, readiness, metrics, mail of the embedded mailbox, the test clock."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from dodeca.kernel import clock, mail
from dodeca.kernel.errors import Invalid, NotFound, Unavailable
from dodeca.kernel.http import Access, Calling, ClosedRequest, DbRead, FromQuery, JSONBody, get, post
from dodeca.kernel.jobs import JobRunner


class Health(msgspec.Struct):
    """`status` is `ok`."""

    status: str


class ClockMove(ClosedRequest):
    """How far to move the clock, in seconds."""

    advance_seconds: float


class ClockAnswer(msgspec.Struct):
    """The platform's present."""

    now: datetime


class MailView(msgspec.Struct):
    """A mail that was sent."""

    to: str
    subject: str
    text: str
    html: str | None
    headers: dict[str, str]
    sent_at: datetime


class MailList(msgspec.Struct):
    """Newest first."""

    mail: list[MailView]


@get("/healthz", access=Access.PUBLIC)
async def healthz() -> Health:
    """The process lives."""
    return Health("ok")


@get("/readyz", access=Access.PUBLIC)
async def readyz(call: Calling) -> Health:
    """The process can answer: its database does. 503 otherwise."""
    try:
        await call.platform.db.aread(lambda session: session.execute(text("SELECT 1")).scalar_one())
    except Exception as error:
        raise Unavailable("The database does not answer.") from error
    return Health("ok")


@get("/metrics", access=Access.PUBLIC)
async def metrics(call: Calling) -> Response[bytes]:
    """Prometheus metrics. For callers on trusted networks; others get 404."""
    if not call.platform.proxies.trusts(call.address) and not (call.principal and call.principal.is_admin):
        raise NotFound()
    return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


@get("/api/admin/mail", access=Access.ADMIN)
def list_mail(session: DbRead, to: FromQuery[str] = "") -> MailList:
    """Mail of the embedded mailbox, newest first."""
    return MailList([MailView(m.to, m.subject, m.text, m.html, m.headers, m.sent_at) for m in mail.sent(session, to)])


@post("/api/admin/clock", access=Access.ADMIN, status=200)
async def move_clock(call: Calling, data: JSONBody[ClockMove]) -> ClockAnswer:
    """Move the platform's clock forward, run what falls due, then answer. Only under `serve --test-clock`."""
    if not call.platform.settings.test_clock:
        raise NotFound()
    try:
        clock.advance(data.advance_seconds)
    except (ValueError, OverflowError) as error:
        raise Invalid(str(error), field="advance_seconds") from error
    jobs = [job for manifest in call.platform.manifests for job in manifest.jobs]
    await JobRunner(call.platform, jobs).run_due()
    return ClockAnswer(clock.now())


routes = [healthz, readyz, metrics, list_mail, move_clock]
