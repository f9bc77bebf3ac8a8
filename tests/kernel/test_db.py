"""Units of work, on both engines."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock
from dodeca.kernel.db import (
    Database,
    Model,
    Prepared,
    PreparedGiven,
    ReadOnlyViolation,
    ReadSession,
    TooManyQueries,
    WriteSession,
    claiming,
    metadata,
    open_database,
    queries,
    sqlite,
)
from dodeca.kernel.errors import Conflict, Invalid, Unavailable


class Seat(Model):
    """A seat of a test theatre; `name` is unique."""

    __tablename__ = "test_seats"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    sold_at: Mapped[datetime]


class Taken(Conflict):
    """The seat is sold."""


def sell(session: WriteSession, name: str) -> str:
    with claiming(session, Seat, otherwise=Taken("sold")):
        session.add(Seat(name=name, sold_at=clock.now()))
    return name


def names(database: Database) -> list[str]:
    return database.read(lambda session: sorted(session.scalars(select(Seat.name))))


def test_a_unit_is_committed_before_its_caller_is_answered(database: Database) -> None:
    assert database.write(lambda session: sell(session, "A1")) == "A1"
    assert names(database) == ["A1"]


def test_a_raised_error_rolls_the_unit_back_and_reaches_the_caller(database: Database) -> None:
    def unit(session: WriteSession) -> None:
        sell(session, "A1")
        session.flush()
        raise Invalid("no")

    with pytest.raises(Invalid):
        database.write(unit)
    assert names(database) == []


def test_a_violated_constraint_becomes_the_products_error_and_leaves_the_unit_usable(database: Database) -> None:
    database.write(lambda session: sell(session, "A1"))

    def unit(session: WriteSession) -> str:
        try:
            return sell(session, "A1")
        except Taken:
            return sell(session, "A2")

    assert database.write(unit) == "A2"
    assert names(database) == ["A1", "A2"]


@pytest.mark.parametrize("how", ["flushed", "stored"])
def test_what_was_wrong_before_a_claim_is_not_taken_for_it(database: Database, how: str) -> None:
    database.write(lambda session: sell(session, "A1"))

    def unit(session: WriteSession) -> str:
        twice = Seat(id=77, name="A1", sold_at=clock.now())
        session.add(twice) if how == "flushed" else session.store(twice)
        return sell(session, "A2")

    with pytest.raises(IntegrityError):
        database.write(unit)
    assert names(database) == ["A1"]


def test_one_of_many_racing_threads_gets_the_seat(database: Database) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(12)

    def buy() -> None:
        start.wait()
        try:
            database.write(lambda session: sell(session, "A1"))
            outcomes.append("sold")
        except Taken:
            outcomes.append("taken")

    threads = [threading.Thread(target=buy) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["sold"] + ["taken"] * 11


def test_a_failed_unit_does_not_take_the_others_of_its_group_with_it(database: Database) -> None:
    async def one(index: int) -> str:
        def unit(session: WriteSession) -> str:
            sell(session, f"B{index}")
            if index % 3 == 0:
                raise Invalid("odd one out")
            return "sold"

        try:
            return await database.awrite(unit)
        except Invalid:
            return "refused"

    async def all_at_once() -> list[str]:
        return await asyncio.gather(*[one(index) for index in range(60)])

    outcomes = asyncio.run(all_at_once())

    assert outcomes.count("refused") == 20
    assert len(names(database)) == 40


def test_a_reading_unit_cannot_write(database: Database) -> None:
    def unit(session: ReadSession) -> None:
        session.add(Seat(name="A1", sold_at=clock.now()))
        session.flush()

    with pytest.raises(ReadOnlyViolation):
        database.read(unit)
    assert names(database) == []


def test_callbacks_run_after_the_commit_and_not_after_a_rollback(database: Database) -> None:
    seen: list[list[str]] = []

    def unit(session: WriteSession, fail: bool) -> None:
        sell(session, "yes" if not fail else "no")
        session.after_commit(lambda: seen.append(["committed"]))
        if fail:
            raise Invalid("no")

    database.write(lambda session: unit(session, False))
    with pytest.raises(Invalid):
        database.write(lambda session: unit(session, True))

    assert seen == [["committed"]]


def test_moments_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    moment = datetime(2031, 5, 1, 12, 30, 15, 250_000, UTC)
    database.write(lambda session: session.add(Seat(name="A1", sold_at=moment)))

    assert database.read(lambda session: session.scalar(select(Seat.sold_at))) == moment
    with pytest.raises(Exception, match="time zone"):
        database.write(lambda s: s.add(Seat(name="A2", sold_at=moment.replace(tzinfo=None))))


def test_a_prepared_statement_converts_like_the_orm(database: Database) -> None:
    moment = datetime(2031, 5, 1, tzinfo=UTC)
    add = Prepared(insert(Seat).values(name=bindparam("name"), sold_at=bindparam("sold_at")))
    find = Prepared(select(Seat.name, Seat.sold_at).where(Seat.name == bindparam("name")))

    assert database.write(lambda session: add.run(session, name="A1", sold_at=moment)) == 1

    assert database.read(lambda session: find.first(session, name="A1")) == ("A1", moment)
    assert database.read(lambda session: find.first(session, name="A2")) is None
    assert database.read(lambda session: find.rows(session, name="A1")) == [("A1", moment)]


@pytest.mark.parametrize("count", [0, 3, 4096 + 1024 + 2 * 64 + 5])
def test_many_rows_go_in_as_each_alone_would(database: Database, count: int) -> None:
    moments = [datetime(2031, 5, 1, second=number % 60, tzinfo=UTC) for number in range(count)]
    rows = [{"name": f"A{number}", "sold_at": moment} for number, moment in enumerate(moments)]
    add = Prepared(insert(Seat).values(name=bindparam("name"), sold_at=bindparam("sold_at")))

    database.write(lambda session: add.insert_many(session, rows))

    stored = database.read(lambda session: session.execute(select(Seat.name, Seat.sold_at)).all())
    assert sorted(map(tuple, stored)) == sorted((row["name"], row["sold_at"]) for row in rows)


def test_one_of_many_rows_that_cannot_be_stored_takes_the_unit_with_it(database: Database) -> None:
    rows = [{"name": f"A{number % 99}", "sold_at": clock.now()} for number in range(100)]
    add = Prepared(insert(Seat).values(name=bindparam("name"), sold_at=bindparam("sold_at")))

    with pytest.raises(IntegrityError):
        database.write(lambda session: add.insert_many(session, rows))

    assert names(database) == []


def test_many_rows_tell_how_many_of_them_went_in(database: Database) -> None:
    """What a conflict leaves out is not counted, whatever number of rows a statement takes."""
    add = Prepared(
        postgresql.insert(Seat)
        .values(name=bindparam("name"), sold_at=bindparam("sold_at"))
        .on_conflict_do_nothing(index_elements=["name"])
    )
    rows = [{"name": f"A{number}", "sold_at": clock.now()} for number in range(91)]
    assert database.write(lambda session: add.insert_many(session, rows[:7])) == 7
    assert database.write(lambda session: add.insert_many(session, rows)) == 84
    assert database.write(lambda session: add.insert_many(session, [])) == 0
    assert len(names(database)) == 91


@pytest.mark.parametrize("count", [0, 1, 3, 64 + 5])
def test_rows_that_are_given_stand_in_a_statement_as_a_table(database: Database, count: int) -> None:
    moment, later = datetime(2031, 5, 1, tzinfo=UTC), datetime(2031, 5, 2, tzinfo=UTC)
    add = Prepared(insert(Seat), columns=["name", "sold_at"])
    database.write(lambda session: add.insert_many(session, [{"name": f"A{n}", "sold_at": moment} for n in range(100)]))
    kinds = {"name": Seat.__table__.c.name.type, "sold_at": Seat.__table__.c.sold_at.type}
    moved = PreparedGiven(
        kinds, lambda given: update(Seat).where(Seat.name == given.c.name).values(sold_at=given.c.sold_at)
    )
    found = PreparedGiven(
        kinds, lambda given: select(Seat.name, Seat.sold_at, given.c.sold_at).join(given, given.c.name == Seat.name)
    )
    wanted = [(f"A{number}", later) for number in range(count)]

    database.write(lambda session: moved.run(session, wanted))

    assert set(database.read(lambda session: found.rows(session, wanted))) == {(n, later, later) for n, _ in wanted}
    unmoved = database.read(lambda session: session.scalar(select(func.count()).where(Seat.sold_at == moment)))
    assert unmoved == 100 - count


def test_a_budget_of_queries_is_kept(database: Database) -> None:
    with queries(at_most=1) as seen:
        names(database)
    assert len(seen) == 1
    with pytest.raises(TooManyQueries), queries(at_most=1):  # noqa: PT012 - both calls are the point
        names(database)
        names(database)


def test_reads_see_no_half_committed_group(database: Database) -> None:
    stop = threading.Event()
    odd: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            count = database.read(lambda session: session.scalar(select(func.count()).select_from(Seat))) or 0
            if count % 2:
                odd.append(count)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for index in range(40):
        database.write(lambda session, i=index: [sell(session, f"l{i}"), sell(session, f"r{i}")])  # type: ignore[misc]
    stop.set()
    watcher.join()

    assert odd == []


def test_closing_finishes_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    database.write(lambda session: metadata.create_all(session.connection()))
    threads = [threading.Thread(target=database.write, args=(lambda s, i=i: sell(s, f"S{i}"),)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database.close()

    with pytest.raises(Unavailable):
        database.write(lambda session: sell(session, "late"))
    with sqlite3.connect(tmp_path / "x.sqlite3") as plain:
        assert plain.execute("SELECT count(*) FROM test_seats").fetchone() == (20,)


def comes_into_the_file(file: Path, seats: int) -> bool:
    """Whether another process that does not look at the log finds so many seats before long. This one must not close
    the file: that would give up SQLite's locks on it."""

    def in_file() -> int:
        opened = f"sqlite3.connect('file:{file}?immutable=1', uri=True)"
        script = f"import sqlite3; print({opened}.execute('SELECT count(*) FROM test_seats').fetchone()[0])"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else 0  # not there yet, or in the middle

    until = time.monotonic() + 30
    while in_file() < seats and time.monotonic() < until:
        time.sleep(0.1)
    return in_file() >= seats


def test_the_log_is_copied_into_the_database_although_nobody_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "CHECKPOINT_UNITS", 200)
    monkeypatch.setattr(sqlite, "LEAST_INTERVAL", 1.0)
    file = tmp_path / "seats.sqlite3"
    database = open_database(f"sqlite:///{file}")
    database.write(lambda session: metadata.create_all(session.connection()))
    for number in range(200):
        database.write(lambda session, number=number: sell(session, f"A{number}"))  # type: ignore[misc]

    assert comes_into_the_file(file, 199)  # another unit made the table
    database.close()


def test_what_one_large_unit_wrote_is_copied_at_once(tmp_path: Path) -> None:
    file = tmp_path / "seats.sqlite3"
    database = open_database(f"sqlite:///{file}")
    database.write(lambda session: metadata.create_all(session.connection()))
    rows = [{"name": f"A{number}", "sold_at": clock.now()} for number in range(sqlite.CHECKPOINT_ROWS)]
    database.write(lambda session: session.execute(insert(Seat), rows))

    assert comes_into_the_file(file, sqlite.CHECKPOINT_ROWS)
    database.close()


@given(usual=st.integers(20, 8 * sqlite.LONGEST_LOG_PAGES))
def test_little_of_the_log_is_left_to_the_writer(usual: int) -> None:
    """It copies what nobody has copied when the log is as long as it may be, and whoever writes then waits for it."""
    interval = sqlite.LEAST_INTERVAL
    before, pages = 0, round(usual * interval)
    left: list[int] = []
    while len(left) < 5:
        interval = sqlite.next_interval(pages, before, interval)
        before, pages = pages, pages + round(usual * interval)
        if pages > sqlite.LONGEST_LOG_PAGES:
            left.append(sqlite.LONGEST_LOG_PAGES - before)
            pages -= sqlite.LONGEST_LOG_PAGES

    assert max(left) <= usual * sqlite.LEAST_INTERVAL + 1


def test_a_busy_log_is_copied_a_few_times_before_it_begins_anew() -> None:
    interval, pages, times = 1.0, 15_000, 0
    before = 0
    while pages < sqlite.LONGEST_LOG_PAGES:
        interval = sqlite.next_interval(pages, before, interval)
        before, pages, times = pages, pages + round(15_000 * interval), times + 1

    assert times < 10


def test_a_full_disk_answers_unavailable_keeps_reading_and_recovers(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    database.write(lambda session: metadata.create_all(session.connection()))
    database.write(lambda session: sell(session, "A1"))

    big = "x" * 2_000_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # no file of this process may grow beyond 1 MB
    try:
        with pytest.raises(Unavailable):
            database.write(lambda session: sell(session, big))
        assert names(database) == ["A1"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    database.write(lambda session: sell(session, big))
    assert len(names(database)) == 2
    database.close()


def test_another_engine_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="mysql"):
        open_database("mysql://x/y")
