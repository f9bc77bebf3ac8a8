"""Housekeeping of the kernel's own tables, and the job that sends mail."""

from __future__ import annotations

from typing import Any

from dodeca.kernel import mail
from dodeca.kernel.db import WriteSession
from dodeca.kernel.http.idempotency import forget_old_keys
from dodeca.kernel.jobs import Job, JobContext, Nothing, job
from dodeca.kernel.media.sweeping import sweep_media


@job("platform.forget_old_keys", every=3600)
def forget_keys(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove idempotency keys past their time."""
    forget_old_keys(session)


@job("platform.forget_old_mail", every=86400)
def forget_mail(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    """Remove old mail from the embedded mailbox."""
    mail.forget_old(session)


jobs: list[Job[Any]] = [forget_keys, forget_mail, mail.deliver, sweep_media]
