"""Background work of accounts."""

from __future__ import annotations

from typing import Any

import msgspec

from dodeca.commons.accounts.letters import send_mail
from dodeca.commons.accounts.service import audit, deletion, keys, sessions
from dodeca.kernel.db import WriteSession
from dodeca.kernel.jobs import Job, JobContext, Nothing, job


class Deletion(msgspec.Struct):
    """The account whose time is over."""

    account_id: str


@job("accounts.tidy", every=600)
def tidy(session: WriteSession, job: JobContext, payload: Nothing) -> None:
    """Begin the deletions that are due; remove sessions, keys and audit entries whose time is over, in batches."""
    for account_id in deletion.due(session):
        delete_account.enqueue(session, Deletion(account_id), key=account_id)
    sessions.forget_expired(session)
    keys.forget_expired(session)
    audit.forget_old(session)


@job("accounts.delete_account", payload=Deletion)
def delete_account(session: WriteSession, job: JobContext, payload: Deletion) -> None:
    """Delete one account in every product and here, in one transaction: all of it or nothing."""
    products = [manifest.account_delete for manifest in job.platform.manifests if manifest.account_delete is not None]
    deletion.carry_out(session, payload.account_id, products)


jobs: list[Job[Any]] = [send_mail, tidy, delete_account]
