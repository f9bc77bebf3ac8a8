"""Guests' payments for accounts that proved their address before 0011

Until then nobody looked for such payments when an address was proven. The job that does so today is queued for every
such account with something to find: it keeps to the rules of a claim, and takes its time while the server runs.

Revision: payments_0012
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from dodeca.kernel.db import UtcDateTime

revision = "payments_0012"
down_revision = "payments_0011"
branch_labels = None
depends_on = ("accounts_0001", "kernel_0001")

JOB = "payments.claim"
KEY = "payments_0012:"
WAITING = """
    SELECT DISTINCT accounts.id FROM accounts
    JOIN payments_payments AS paid ON lower(paid.email) = lower(accounts.email)
    WHERE accounts.email_verified_at IS NOT NULL AND paid.captured_at IS NOT NULL
    AND paid.mail_receipt AND paid.payer_account_id IS NULL AND paid.claimed_by IS NULL
"""
jobs = sa.table(
    "jobs",
    *(sa.column(name, sa.String()) for name in ("id", "name", "key", "state")),
    sa.column("payload", sa.LargeBinary()),
    sa.column("attempts", sa.BigInteger()),
    *(sa.column(name, UtcDateTime()) for name in ("run_at", "created_at")),
)


def upgrade() -> None:
    """Apply."""
    connection, now = op.get_bind(), datetime.now(UTC)
    rows = [_job(account_id, now) for (account_id,) in connection.execute(sa.text(WAITING))]
    if rows:
        connection.execute(jobs.insert(), rows)


def _job(account_id: str, now: datetime) -> dict[str, object]:
    name = uuid.uuid4().hex
    return {
        "id": name,
        "name": JOB,
        "key": KEY + account_id,
        "payload": json.dumps({"event_id": name, "account_id": account_id}).encode(),
        "state": "queued",
        "attempts": 0,
        "run_at": now,
        "created_at": now,
    }


def downgrade() -> None:
    """Undo."""
    op.execute(jobs.delete().where(jobs.c.name == JOB, jobs.c.key.startswith(KEY)))
