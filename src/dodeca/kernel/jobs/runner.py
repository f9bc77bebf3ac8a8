"""Working the queue."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
import structlog
from croniter import croniter
from sqlalchemy import Integer, and_, bindparam, delete, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.jobs.job import GiveUp, Job, JobContext, Nothing, off_enqueue, on_enqueue
from dodeca.kernel.jobs.models import QueuedJob, Schedule

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

log = structlog.get_logger(__name__)
POLL_SECONDS = 0.5
LEASE_SECONDS = 60.0
AT_ONCE = 8
LONGEST_ERROR = 2000
SETTLE_SECONDS = 30.0
"""How long `run_due` waits for what other runners have begun."""


_now = bindparam("now", type_=QueuedJob.run_at.type)
_real_now = bindparam("real_now", type_=QueuedJob.run_at.type)
_is_due = or_(
    and_(QueuedJob.state == "queued", QueuedJob.run_at <= _now),
    and_(QueuedJob.state == "running", QueuedJob.lease_until < _real_now),
)
_scheduled = Prepared(select(Schedule.name, Schedule.next_run_at))


def _next_of(names: Iterable[str]) -> Prepared:
    """The jobs of these names that are due, `most` of them. Every commit that enqueues something asks for them."""
    wanted = [literal(name, literal_execute=False) for name in names] or [literal("", literal_execute=False)]
    statement = select(QueuedJob.id, QueuedJob.name).where(_is_due, QueuedJob.name.in_(wanted))
    return Prepared(statement.order_by(QueuedJob.run_at, QueuedJob.id).limit(bindparam("most", type_=Integer)))


class _Unready(Exception):
    """A unit job's own handler raised Unavailable: the job has failed, the database has not."""


class JobRunner:
    """Runs due jobs of the given kinds. One a process; any number of processes share the queue."""

    def __init__(self, platform: Platform, jobs: Iterable[Job[Any]]) -> None:
        self.platform = platform
        self.jobs = {job.name: job for job in jobs}
        self.owner = f"{socket.gethostname()}-{os.getpid()}-{ids.random_base62(6)}"
        self._stopping = False
        self._wake = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[bool]] = {}
        self._next = _next_of(self.jobs)
        self._next_units = _next_of(name for name, job in self.jobs.items() if not job.is_task)
        self._recurring = [job for job in self.jobs.values() if job.every or job.cron]
        self._next_schedule: datetime | None = None
        """No schedule asks for anything before: schedules only move on."""

    async def run(self) -> None:
        """Work until `stop` is called. An unreachable database is waited for."""
        loop = asyncio.get_running_loop()

        def waker() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        on_enqueue(waker)
        try:
            while not self._stopping:
                self._wake.clear()
                try:
                    worked = await self.step()
                except Unavailable as error:
                    log.warning("jobs.database_unavailable", error=str(error))
                    worked = 0
                except Exception:  # one bad step must not end the queue for all jobs
                    log.exception("jobs.step_failed")
                    worked = 0
                if not worked:
                    await self._sleep()
        finally:
            off_enqueue(waker)
            await self._drain()

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _drain(self) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=10)

    def stop(self) -> None:
        """Finish what is running, start nothing more."""
        self._stopping = True
        self._wake.set()

    async def run_due(self) -> int:
        """Run everything that is due now, and what that makes due; gives the number. For the test clock.

        Also waits for what other runners of this queue have begun, so that nothing due is left when it returns.
        Schedules count up to the moment of the call: on a slow machine the next one may be due again before the
        last has run, and it would never end."""
        total, until = 0, clock.now()
        for _ in range(int(SETTLE_SECONDS / 0.05)):
            while worked := await self.step(until):
                total += worked
                if self._tasks:
                    await asyncio.wait(list(self._tasks.values()))
            if not await self.platform.db.aread(self._is_busy):
                break
            await asyncio.sleep(0.05)
        return total

    async def step(self, until: datetime | None = None) -> int:
        """Enqueue what the schedules ask for, run due unit jobs, start due tasks; gives how many of both. Schedules
        count up to `until` (default now).

        Tasks run beside each other and are not waited for, so that a slow one holds up no other job."""
        await self._enqueue_scheduled(until or clock.now())
        due = await self.platform.db.aread(self._due)
        worked = 0
        for job_id, name in due:
            if not self.jobs[name].is_task:
                worked += await self._run_unit(job_id, self.jobs[name])
            elif job_id not in self._tasks:
                self._start(job_id, self.jobs[name])
                worked += 1
        return worked

    def _start(self, job_id: str, job: Job[Any]) -> None:
        task = asyncio.create_task(self._run_task(job_id, job))
        self._tasks[job_id] = task

        def ended(task: asyncio.Task[bool]) -> None:
            self._tasks.pop(job_id, None)
            self._wake.set()
            if not task.cancelled() and task.exception() is not None:  # its lease ends, and it is repeated
                log.error("jobs.task_not_recorded", job=job.name, id=job_id, exc_info=task.exception())

        task.add_done_callback(ended)

    def _due(self, session: ReadSession) -> Sequence[tuple[str, str]]:
        free, begun = AT_ONCE - len(self._tasks), len(self._tasks)
        waiting = self._next if free > 0 else self._next_units
        most = max(free, 1)
        rows = waiting.rows_alone(session, now=clock.now(), real_now=clock.real_now(), most=most + begun)
        return [(row[0], row[1]) for row in rows if row[0] not in self._tasks][:most]

    def _is_busy(self, session: ReadSession) -> bool:
        """Whether anything is due or running, in whatever process."""
        found = select(QueuedJob.id).where(or_(_is_due, QueuedJob.state == "running"), QueuedJob.name.in_(self.jobs))
        given = {"now": clock.now(), "real_now": clock.real_now()}
        return session.scalar(found.limit(1), given) is not None

    # Schedules

    async def _enqueue_scheduled(self, now: datetime) -> None:
        if not self._recurring or (self._next_schedule is not None and now < self._next_schedule):
            return

        def due(session: ReadSession) -> list[Job[Any]]:
            known = {row[0]: row[1] for row in _scheduled.rows_alone(session)}
            found = [job for job in self._recurring if job.name not in known or known[job.name] <= now]
            self._next_schedule = None if found else min(known[job.name] for job in self._recurring)
            return found

        wanted = await self.platform.db.aread(due)
        if wanted:
            await self.platform.db.awrite(lambda session: self._move_schedules(session, wanted, now))

    @staticmethod
    def _move_schedules(session: WriteSession, wanted: list[Job[Any]], now: datetime) -> None:
        for job in wanted:
            # Both statements take the row's lock: of two processes one moves it, and the other then sees it moved.
            insert = sqlite.insert if session.dialect == "sqlite" else postgresql.insert
            # What they return tells; psycopg's row count of an insert is -1 whatever happened.
            first = insert(Schedule).values(name=job.name, next_run_at=_following(job, now)).on_conflict_do_nothing()
            moved = update(Schedule).where(Schedule.name == job.name, Schedule.next_run_at <= now)
            moved = moved.values(next_run_at=_following(job, now))
            if any(session.scalar(s.returning(Schedule.name)) is not None for s in (first, moved)):
                job.enqueue(session, None, key="schedule")

    # Running

    async def _run_unit(self, job_id: str, job: Job[Any]) -> bool:
        """Run a unit job and remove it in the same transaction."""

        def unit(session: WriteSession) -> bool:
            statement = select(QueuedJob).where(QueuedJob.id == job_id, QueuedJob.state == "queued")
            row = session.scalar(statement.with_for_update(skip_locked=True))
            if row is None:
                return False
            try:
                job.handler(session, JobContext(self.platform, row.id, row.attempts + 1), _payload(job, row.payload))
            except Unavailable as error:
                raise _Unready(str(error)) from error
            session.execute(delete(QueuedJob).where(QueuedJob.id == job_id))
            return True

        try:
            done = await self.platform.db.awrite(unit)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - recorded with the job, which is repeated or buried
            await self._failed(job_id, job, error, owner=None)
            return True
        self.platform.count_job(job.name, "done" if done else "taken")
        return done

    async def _run_task(self, job_id: str, job: Job[Any]) -> bool:
        claimed = await self.platform.db.awrite(lambda session: self._claim(session, job_id))
        if claimed is None:
            return False
        payload, attempt = claimed
        heart = asyncio.create_task(self._beat(job_id))
        try:
            await job.handler(JobContext(self.platform, job_id, attempt), _payload(job, payload))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - recorded with the job, which is repeated or buried
            await self._failed(job_id, job, error, owner=self.owner)
            return True
        finally:
            heart.cancel()
        finished = delete(QueuedJob).where(QueuedJob.id == job_id, QueuedJob.owner == self.owner)
        await self.platform.db.awrite(lambda session: session.execute(finished) and None)
        self.platform.count_job(job.name, "done")
        return True

    def _claim(self, session: WriteSession, job_id: str) -> tuple[bytes, int] | None:
        now = clock.real_now()
        free = or_(QueuedJob.state == "queued", and_(QueuedJob.state == "running", QueuedJob.lease_until < now))
        row = session.scalar(select(QueuedJob).where(QueuedJob.id == job_id, free).with_for_update(skip_locked=True))
        if row is None:
            return None
        if row.state == "running":  # its worker died: that start counts as a failure
            row.attempts += 1
        row.state, row.owner, row.lease_until = "running", self.owner, now + timedelta(seconds=LEASE_SECONDS)
        return row.payload, row.attempts + 1

    async def _beat(self, job_id: str) -> None:
        """Extend the lease of a running task for as long as this process lives."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            until = clock.real_now() + timedelta(seconds=LEASE_SECONDS)
            mine = update(QueuedJob).where(QueuedJob.id == job_id, QueuedJob.owner == self.owner)
            try:
                await self.platform.db.awrite(lambda s, m=mine, u=until: s.execute(m.values(lease_until=u)) and None)  # type: ignore[misc]
            except Unavailable:
                log.warning("jobs.lease_not_extended", job=job_id)

    async def _failed(self, job_id: str, job: Job[Any], error: Exception, *, owner: str | None) -> None:
        log.warning("jobs.failed", job=job.name, id=job_id, exc_info=error)
        self.platform.count_job(job.name, "failed")

        def record(session: WriteSession) -> None:
            row = session.get_locked(QueuedJob, job_id)
            if row is None or (owner is not None and row.owner != owner):
                return
            row.attempts += 1
            row.owner = row.lease_until = None
            cause = error.__cause__ if isinstance(error, _Unready) and error.__cause__ else error
            row.last_error = f"{type(cause).__name__}: {cause}"[:LONGEST_ERROR]
            pause = None if isinstance(error, GiveUp) else job.pause_after(row.attempts)
            if pause is None:
                row.state, row.key = "dead", None
            else:
                row.state, row.run_at = "queued", clock.ahead(seconds=pause)

        await self.platform.db.awrite(record)


def retry_dead(session: WriteSession, job_id: str) -> bool:
    """Give a dead job its attempts back; gives whether there was one."""
    row = session.get_locked(QueuedJob, job_id)
    if row is None or row.state != "dead":
        return False
    row.state, row.attempts, row.run_at = "queued", 0, clock.now()
    return True


def _payload(job: Job[Any], raw: bytes) -> Any:
    return msgspec.json.decode(raw, type=job.payload if job.payload is not None else Nothing)


def _following(job: Job[Any], now: datetime) -> datetime:
    if job.cron:
        return cast(datetime, croniter(job.cron, now).get_next(datetime))
    return now + timedelta(seconds=job.every or 0)
