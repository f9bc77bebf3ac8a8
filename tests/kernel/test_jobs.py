"""The queue: nothing is lost, nothing runs twice that must not, and failures end somewhere."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.kernel.probe import Work, keep, note
from tests.support import forked
from tests.support.server import ROOT, environment

from dodeca.kernel import clock, outbox
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Unavailable
from dodeca.kernel.jobs import GiveUp, Job, JobContext, JobRunner, Nothing, QueuedJob, job
from dodeca.kernel.jobs.runner import retry_dead
from dodeca.kernel.mail import SentMail
from dodeca.kernel.platform import Platform


@job("probe.fail", payload=Work, attempts=3, pause=10)
def fail(session: WriteSession, _job: JobContext, payload: Work) -> None:
    keep(session, payload.note, to="note")
    raise ValueError(f"cannot {payload.note}")


@job("probe.unavailable", payload=Work)
def unavailable(_session: WriteSession, _job: JobContext, _payload: Work) -> None:
    raise Unavailable("The carrier is away.")


@job("probe.call", payload=Work)
async def call(context: JobContext, payload: Work) -> None:
    await context.platform.db.awrite(lambda s: keep(s, f"{payload.note}:{context.attempt}", to="note") and None)


@job("probe.hourly", every=3600)
def hourly(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    keep(session, "hour", to="note")


@job("probe.nightly", cron="30 3 * * *")
def nightly(session: WriteSession, _job: JobContext, _payload: Nothing) -> None:
    keep(session, f"{clock.now():%H:%M}", to="note")


def notes(platform: Platform) -> list[str]:
    mine = select(SentMail.subject).where(SentMail.to == "note").order_by(SentMail.id)
    return platform.db.read(lambda session: list(session.scalars(mine)))


def queue(platform: Platform) -> list[QueuedJob]:
    return platform.db.read(lambda session: list(session.scalars(select(QueuedJob).order_by(QueuedJob.id))))


def enqueue(platform: Platform, kind: Job[Any], *texts: str, **options: Any) -> None:
    def unit(session: WriteSession) -> None:
        for text in texts:
            kind.enqueue(session, Work(note=text), **options)

    platform.db.write(unit)


def run(platform: Platform, *kinds: Job[Any]) -> int:
    return asyncio.run(JobRunner(platform, kinds).run_due())


def test_a_unit_job_happens_and_leaves_the_queue(platform: Platform) -> None:
    enqueue(platform, note, "a", "b")

    worked = run(platform, note)

    assert worked == 2
    assert sorted(notes(platform)) == ["a", "b"]
    assert queue(platform) == []


def test_a_job_is_queued_only_if_its_unit_commits(platform: Platform) -> None:
    def unit(session: WriteSession) -> None:
        note.enqueue(session, Work(note="a"))
        raise ValueError

    with pytest.raises(ValueError):
        platform.db.write(unit)

    assert queue(platform) == []


def test_a_failed_unit_job_leaves_nothing_but_its_error_and_waits(platform: Platform) -> None:
    enqueue(platform, fail, "sing")

    run(platform, fail)

    (row,) = queue(platform)
    assert notes(platform) == []
    assert (row.state, row.attempts, row.last_error) == ("queued", 1, "ValueError: cannot sing")
    assert timedelta(seconds=5) < row.run_at - clock.now() <= timedelta(seconds=10)


def exhaust(platform: Platform) -> QueuedJob:
    for _ in range(3):
        run(platform, fail)
        clock.advance(3600)
    (row,) = queue(platform)
    return row


def test_a_job_that_always_fails_becomes_a_dead_letter_and_frees_its_key(platform: Platform) -> None:
    enqueue(platform, fail, "sing", key="song")

    row = exhaust(platform)

    assert (row.state, row.attempts, row.key) == ("dead", 3, None)
    assert run(platform, fail) == 0


@job("probe.refuse", payload=Work)
async def refuse(_context: JobContext, _payload: Work) -> None:
    raise GiveUp("No such user")


def test_a_job_that_gives_up_is_a_dead_letter_at_once(platform: Platform) -> None:
    enqueue(platform, refuse, "a")

    run(platform, refuse)

    (row,) = queue(platform)
    assert (row.state, row.attempts, row.last_error) == ("dead", 1, "GiveUp: No such user")


def test_a_dead_letter_can_be_retried_with_all_its_attempts(platform: Platform) -> None:
    enqueue(platform, fail, "sing")
    dead = exhaust(platform)

    retried = platform.db.write(lambda session: retry_dead(session, dead.id))
    again = platform.db.write(lambda session: retry_dead(session, dead.id))

    (row,) = queue(platform)
    assert (retried, again) == (True, False)
    assert (row.state, row.attempts) == ("queued", 0)


def test_a_handler_that_finds_something_unavailable_holds_up_no_other_job(platform: Platform) -> None:
    enqueue(platform, unavailable, "x")
    enqueue(platform, note, "a")

    run(platform, unavailable, note)

    (row,) = queue(platform)
    assert notes(platform) == ["a"]
    assert (row.name, row.attempts, row.last_error) == ("probe.unavailable", 1, "Unavailable: The carrier is away.")


def test_a_payload_that_no_longer_fits_is_a_failure_of_the_job(platform: Platform) -> None:
    enqueue(platform, note, "a")
    platform.db.write(lambda s: s.execute(update(QueuedJob).values(payload=b'{"other":1}')) and None)

    run(platform, note)

    (row,) = queue(platform)
    assert row.attempts == 1
    assert "ValidationError" in (row.last_error or "")


def test_a_waiting_job_absorbs_another_of_its_key(platform: Platform) -> None:
    enqueue(platform, note, "first", "second", key="one")
    absorbed = len(queue(platform))

    run(platform, note)
    enqueue(platform, note, "third", key="one")
    run(platform, note)

    assert absorbed == 1
    assert notes(platform) == ["first", "third"]


def test_a_job_without_key_is_never_absorbed(platform: Platform) -> None:
    enqueue(platform, note, "a", "a")

    assert run(platform, note) == 2


def test_a_cancelled_job_does_not_run(platform: Platform) -> None:
    enqueue(platform, note, "a", key="k")

    platform.db.write(lambda session: note.cancel(session, "k"))

    assert run(platform, note) == 0


def test_a_job_waits_for_its_time(platform: Platform) -> None:
    enqueue(platform, note, "later", at=clock.ahead(hours=1))

    early = run(platform, note)
    clock.advance(3601)
    late = run(platform, note)

    assert (early, late) == (0, 1)


def test_a_task_holds_a_lease_while_it_runs(platform: Platform) -> None:
    seen: list[tuple[str, bool]] = []

    @job("probe.look", payload=Work)
    async def look(context: JobContext, _payload: Work) -> None:
        row = await context.platform.db.aread(lambda session: session.get(QueuedJob, context.job_id))
        assert row is not None
        assert row.lease_until is not None
        seen.append((row.state, row.lease_until > clock.real_now()))

    enqueue(platform, look, "x")
    run(platform, look)

    assert seen == [("running", True)]
    assert queue(platform) == []


def abandon(platform: Platform, *, seconds: float) -> None:
    """Make the queued job look like one whose worker has taken it `seconds` before its lease ends."""
    taken = update(QueuedJob).values(
        state="running", owner="another", lease_until=clock.real_now() + timedelta(seconds=seconds)
    )
    platform.db.write(lambda session: session.execute(taken) and None)


def test_a_task_of_a_dead_worker_is_repeated_and_its_start_counts(platform: Platform) -> None:
    enqueue(platform, call, "a")
    abandon(platform, seconds=-1)

    run(platform, call)

    assert notes(platform) == ["a:2"]
    assert queue(platform) == []


def test_a_task_of_a_living_worker_is_left_to_it_even_when_the_clock_moves(platform: Platform) -> None:
    enqueue(platform, call, "a")
    abandon(platform, seconds=30)
    clock.advance(86_400)

    worked = asyncio.run(JobRunner(platform, [call]).step())

    assert worked == 0
    assert [row.owner for row in queue(platform)] == ["another"]


def test_a_worker_that_lost_its_lease_does_not_remove_the_others_job(platform: Platform) -> None:
    @job("probe.robbed", payload=Work)
    async def robbed(context: JobContext, _payload: Work) -> None:
        stolen = update(QueuedJob).values(owner="another")
        await context.platform.db.awrite(lambda session: session.execute(stolen) and None)

    enqueue(platform, robbed, "x")
    asyncio.run(one_step(JobRunner(platform, [robbed])))

    assert [row.owner for row in queue(platform)] == ["another"]


async def one_step(runner: JobRunner) -> None:
    await runner.step()
    await runner._drain()


def test_a_slow_task_holds_up_nothing_else(platform: Platform) -> None:
    async def scenario() -> list[str]:
        gate = asyncio.Event()

        @job("probe.slow", payload=Work)
        async def slow(_context: JobContext, _payload: Work) -> None:
            await gate.wait()

        def unit(session: WriteSession) -> None:
            for number in range(20):
                slow.enqueue(session, Work(note=str(number)))

        await platform.db.awrite(unit)
        await platform.db.awrite(lambda s: note.enqueue(s, Work(note="quick"), at=clock.now()))
        runner = JobRunner(platform, [slow, note])
        working = asyncio.create_task(runner.run())
        for _ in range(200):
            if notes(platform):
                break
            await asyncio.sleep(0.05)
        during = notes(platform)
        gate.set()
        runner.stop()
        await working
        return during

    assert asyncio.run(scenario()) == ["quick"]


def test_a_recurring_job_runs_once_a_period_however_many_runners_there_are(platform: Platform) -> None:
    def everybody() -> None:
        async def both() -> None:
            await asyncio.gather(*[JobRunner(platform, [hourly]).run_due() for _ in range(2)])

        asyncio.run(both())

    everybody()
    everybody()
    first = notes(platform)
    clock.advance(3601)
    everybody()

    assert first == ["hour"]
    assert notes(platform) == ["hour", "hour"]


def test_a_schedule_that_was_missed_for_days_runs_once(platform: Platform) -> None:
    run(platform, hourly)
    clock.advance(10 * 86_400)

    run(platform, hourly)

    assert len(notes(platform)) == 2


def test_a_cron_job_runs_at_its_time_of_day(platform: Platform) -> None:
    midnight = (clock.now() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    clock.advance((midnight - clock.now()).total_seconds())
    run(platform, nightly)
    clock.advance(3 * 3600 + 29 * 60)
    run(platform, nightly)
    before = len(notes(platform))
    clock.advance(120)

    run(platform, nightly)

    assert before == 1
    assert notes(platform)[1:] == ["03:31"]


class Happened(outbox.Event):
    """Something of the probe's."""

    what: str


@job("probe.hear", payload=Happened)
def hear(session: WriteSession, _job: JobContext, event: Happened) -> None:
    keep(session, f"heard {event.what}", to="note")


@job("probe.miss", payload=Happened, attempts=1)
def miss(_session: WriteSession, _job: JobContext, _event: Happened) -> None:
    raise ValueError("deaf")


@job("probe.see", payload=Happened)
async def see(context: JobContext, event: Happened) -> None:
    await context.platform.db.awrite(lambda session: keep(session, f"saw {event.what}", to="note") and None)


def test_an_event_reaches_every_subscriber_once_and_ones_failure_is_its_own(platform: Platform) -> None:
    for _ in range(2):  # composing twice subscribes once
        for kind in (hear, miss, see):
            outbox.subscribe(Happened, kind)

    platform.db.write(lambda session: outbox.add(session, Happened(what="it")))
    run(platform, hear, miss, see)

    assert sorted(notes(platform)) == ["heard it", "saw it"]
    assert [(row.name, row.state) for row in queue(platform)] == [("probe.miss", "dead")]


def test_two_runners_share_a_queue_and_no_job_runs_twice(platform: Platform) -> None:
    expected = [f"{n:02}" for n in range(40)]
    enqueue(platform, note, *expected[:20])
    enqueue(platform, call, *expected[20:])

    async def both() -> Sequence[int]:
        return await asyncio.gather(*[JobRunner(platform, [note, call]).run_due() for _ in range(2)])

    asyncio.run(both())

    assert sorted(text.partition(":")[0] for text in notes(platform)) == expected
    assert queue(platform) == []


def test_a_runner_wakes_up_when_a_job_is_queued_and_stops_when_told(platform: Platform) -> None:
    async def scenario() -> list[str]:
        runner = JobRunner(platform, [note])
        working = asyncio.create_task(runner.run())
        await asyncio.sleep(0)
        await platform.db.awrite(lambda session: note.enqueue(session, Work(note="a")))
        for _ in range(200):
            if notes(platform):
                break
            await asyncio.sleep(0.05)
        runner.stop()
        await working
        return notes(platform)

    assert asyncio.run(scenario()) == ["a"]


@pytest.mark.slow
def test_unit_jobs_happen_exactly_once_although_their_worker_is_killed(
    platform: Platform, prepared_url: str, tmp_path: Path
) -> None:
    expected = [f"{n:02}" for n in range(30)]
    enqueue(platform, note, *expected)

    def worker(lives: int) -> int:
        mortal = [sys.executable, "-m", "tests.kernel.mortal", str(tmp_path / "worker"), prepared_url, str(lives)]
        return forked.ran(mortal, cwd=ROOT, env=environment(), timeout=60).returncode

    killed = worker(7)
    between = len(notes(platform))
    finished = worker(1000)

    assert killed == -signal.SIGKILL
    assert between < 30, "need a worker that dies before its work is done for this test to mean anything"
    assert finished == 0
    assert sorted(notes(platform)) == expected
