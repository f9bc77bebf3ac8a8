"""Durable background work: a queue in the database, filled in the transaction that wants the work done.

Two kinds of job. A *unit* job, `def f(session, job, payload)`, runs inside one write unit with its removal from the
queue: it happens exactly once, whatever crashes. A *task*, `async def f(job, payload)`, may call the outside and
open several units; it holds a lease, is repeated after a crash, and so must be repeatable.

    @job("letters.send", payload=SendLetter)
    async def send(job: JobContext, payload: SendLetter) -> None: ...

    send.enqueue(session, SendLetter(letter.id), at=clock.ahead(hours=1))
"""

from dodeca.kernel.jobs.job import GiveUp, Job, JobContext, Nothing, job
from dodeca.kernel.jobs.models import QueuedJob, Schedule
from dodeca.kernel.jobs.runner import JobRunner

__all__ = ["GiveUp", "Job", "JobContext", "JobRunner", "Nothing", "QueuedJob", "Schedule", "job"]
