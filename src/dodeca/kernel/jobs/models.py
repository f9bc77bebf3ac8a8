"""Tables of the queue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel.db import Model


class QueuedJob(Model):
    """One piece of work that is waiting, running under a lease, or dead after too many failures.

    A finished job has no row. At most one live job has a given (name, key) (unique index; null keys are free).
    `attempts` counts starts that failed; `last_error` is the text of the latest. `lease_until` is in the machine's
    time: a moved test clock does not make a worker dead."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str | None]
    payload: Mapped[bytes]
    state: Mapped[str]
    run_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("state IN ('queued', 'running', 'dead')", name="state"),
        Index("ix_jobs_state_run_at", "state", "run_at"),
        Index("uq_jobs_name_key", "name", "key", unique=True),
    )


class Schedule(Model):
    """When a recurring job is due next. One row a job name (primary key), moved on in the unit that enqueues it."""

    __tablename__ = "job_schedules"

    name: Mapped[str] = mapped_column(primary_key=True)
    next_run_at: Mapped[datetime]
