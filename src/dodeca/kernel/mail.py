"""Mail: queued in the transaction that wants it sent, delivered by a job.

With `DODECA_SMTP_URL` it goes to that server. Without, in embedded mode, it lands in a mailbox in the database, which
`/admin/mail` and `GET /api/admin/mail` show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import Json, Model, ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.jobs import GiveUp, JobContext, job
from dodeca.kernel.mailer import Mailer, MailRejected, Message

KEPT_DAYS = 30


class SentMail(Model):
    """One mail that was delivered to the embedded mailbox. Rows are never changed, and removed after 30 days."""

    __tablename__ = "mailbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    to: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str | None]
    headers: Mapped[dict[str, str]] = mapped_column(Json)
    sent_at: Mapped[datetime] = mapped_column(index=True)


class Letter(msgspec.Struct):
    """What the job delivers."""

    to: str
    subject: str
    text: str
    html: str | None = None
    headers: dict[str, str] = {}


def send(
    session: WriteSession,
    *,
    to: str,
    subject: str,
    text: str,
    html: str | None = None,
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
) -> None:
    """Queue a mail in the caller's transaction. A waiting mail with the same `key` is not sent twice.

    Raises Invalid for an address or header that could inject others."""
    message = Message(to=to, subject=subject, text=text, html=html, headers=dict(headers or {}))
    message.check()
    deliver.enqueue(session, Letter(to, subject, text, html, dict(headers or {})), key=key)


@job("platform.deliver_mail", payload=Letter)
async def deliver(job: JobContext, letter: Letter) -> None:
    """Hand one mail over. A mail that is refused for good becomes a dead letter; a delayed one is tried again."""
    settings = job.platform.settings
    message = Message(to=letter.to, subject=letter.subject, text=letter.text, html=letter.html, headers=letter.headers)
    if settings.smtp_url:
        try:
            await Mailer(settings.smtp_url, sender=settings.mail_from).send(message)
        except (MailRejected, Invalid) as error:  # the server, or the mail itself, will say the same tomorrow
            raise GiveUp(str(error)) from error
        return
    row = SentMail(
        id=job.job_id,
        to=letter.to,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        headers={"From": settings.mail_from, **letter.headers},
        sent_at=clock.now(),
    )
    await job.platform.db.awrite(lambda session: session.merge(row) and None)


def sent(session: ReadSession, to: str = "", limit: int = 100) -> Sequence[SentMail]:
    """Mail of the embedded mailbox, newest first; to one address when `to` is given."""
    statement = select(SentMail).order_by(SentMail.sent_at.desc(), SentMail.id.desc()).limit(limit)
    return session.scalars(statement.where(SentMail.to == to) if to else statement).all()


def forget_old(session: WriteSession) -> None:
    """Remove mail that is older than 30 days."""
    session.execute(delete(SentMail).where(SentMail.sent_at < clock.ago(days=KEPT_DAYS)))
