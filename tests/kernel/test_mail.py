"""Mail as a job: delivered once its transaction stands, tried again, or given up where staff sees it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select
from tests.support.platform import Client, Factory, work
from tests.support.smtp import Inbox, serving

from dodeca.kernel import mail
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import QueuedJob
from dodeca.kernel.platform import Platform


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server that has no gone@ and is busy for full@."""
    with serving() as (found, port):
        found.answers = {"gone@b.example": "550 5.1.1 No such user", "full@b.example": "452 4.2.2 Mailbox full"}
        found.port = port
        yield found


@pytest.fixture
def settings(inbox: Inbox) -> dict[str, object]:
    return {"smtp_url": f"smtp://127.0.0.1:{inbox.port}"}


def sent(platform: Platform, to: str) -> QueuedJob | None:
    """Send a mail, let the jobs run, and give the mail's job where there still is one."""

    def unit(session: WriteSession) -> None:
        mail.send(session, to=to, subject="Your order", text="It is on its way.")

    platform.db.write(unit)
    work(platform)
    statement = select(QueuedJob).where(QueuedJob.name == mail.deliver.name)
    return platform.db.read(lambda session: session.scalar(statement))


def test_an_accepted_mail_leaves_no_job_behind(platform: Platform, inbox: Inbox) -> None:
    job = sent(platform, "ada@b.example")

    assert job is None
    assert [message["Subject"] for message in inbox.mails] == ["Your order"]


def test_a_refused_mail_is_a_dead_letter_that_staff_sees_with_the_servers_words(
    platform: Platform, inbox: Inbox, client: Client, make: Factory
) -> None:
    staff = client.with_token(make.token(make.account(roles_too=["admin"])))

    job = sent(platform, "gone@b.example")

    assert job is not None
    assert (job.state, job.attempts) == ("dead", 1)
    assert inbox.envelopes == []
    [shown] = staff.get("/api/admin/jobs?state=dead").json()["jobs"]
    assert (shown["name"], "550 5.1.1 No such user" in shown["last_error"]) == (mail.deliver.name, True)
    page = staff.get("/admin/jobs?state=dead").text
    assert "No such user" in page


def test_a_delayed_mail_waits_and_comes_with_a_later_try(platform: Platform, inbox: Inbox) -> None:
    job = sent(platform, "full@b.example")

    assert job is not None
    assert (job.state, job.attempts) == ("queued", 1)
    assert "Mailbox full" in (job.last_error or "")
