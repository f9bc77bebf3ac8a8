"""Group commit on PostgreSQL: units that share a transaction answer for themselves alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from tests.support import postgres
from tests.support.units import overtaking, together

from dodeca.kernel.db import Json, Model, Prepared, ReadSession, WriteSession, claiming, open_database, postgres_groups
from dodeca.kernel.db.postgres import PostgresDatabase
from dodeca.kernel.db.postgres_wire import wire_of
from dodeca.kernel.errors import Conflict, Invalid, Unavailable

MANY = 12


class Purse(Model):
    """Somebody's coins, never negative."""

    __tablename__ = "test_purses"

    name: Mapped[str] = mapped_column(primary_key=True)
    coins: Mapped[int]
    seen_at: Mapped[datetime | None]
    about: Mapped[Any] = mapped_column(Json, nullable=True)


_put = Prepared(insert(Purse), columns=["name", "coins", "seen_at"])
_add = Prepared(
    update(Purse)
    .where(Purse.name == bindparam("whose"))
    .values(coins=Purse.coins + bindparam("more", type_=Purse.coins.type))
)


@pytest.fixture
def url(postgres_cluster: postgres.Cluster) -> Iterator[str]:
    made = postgres_cluster.url()
    opened = open_database(made)
    opened.write(lambda session: Model.metadata.create_all(session.connection(), [Purse.__table__]))  # type: ignore[list-item]
    opened.close()
    yield made
    postgres_cluster.drop(made)


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    opened = open_database(url)
    assert isinstance(opened, PostgresDatabase)
    yield opened
    opened.close()


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test that awaits."""

    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


def make(session: WriteSession, name: str, coins: int = 0) -> str:
    session.store(session.fresh(Purse, name=name, coins=coins, seen_at=None))
    return name


def coins(session: ReadSession) -> dict[str, int]:
    return dict(session.execute(select(Purse.name, Purse.coins)).all())


@in_a_loop
async def test_units_that_wait_together_are_committed_together(database: PostgresDatabase) -> None:
    entered, go = threading.Event(), threading.Event()

    def first(session: WriteSession) -> str:
        entered.set()
        go.wait(10)
        return make(session, "first")

    waiting = [asyncio.ensure_future(database.awrite(first))]
    await asyncio.to_thread(entered.wait, 10)
    waiting += [asyncio.ensure_future(database.awrite(lambda s, n=n: make(s, f"{n}"))) for n in range(MANY)]  # type: ignore[misc]
    await asyncio.sleep(0)
    go.set()

    assert await asyncio.gather(*waiting) == ["first", *(f"{n}" for n in range(MANY))]
    assert len(database.read(coins)) == MANY + 1
    assert database.groups.groups_committed < MANY
    assert database.groups.units_committed == MANY + 1


@in_a_loop
async def test_json_is_written_as_on_any_other_connection(database: PostgresDatabase) -> None:
    def unit(session: WriteSession, name: str) -> str:
        about = {"since": datetime(2026, 1, 2, tzinfo=UTC)}  # what msgspec writes, and the standard library would not
        session.store(session.fresh(Purse, name=name, coins=1, seen_at=None, about=about))
        return name

    await database.awrite(lambda session: unit(session, "loop"))
    database.write(lambda session: unit(session, "thread"))

    found = database.read(lambda session: [session.get_one(Purse, name).about for name in ("loop", "thread")])
    assert found == [{"since": "2026-01-02T00:00:00Z"}] * 2


@in_a_loop
async def test_a_unit_that_fails_half_done_undoes_itself_and_nobody_else(database: PostgresDatabase) -> None:
    def failing(session: WriteSession) -> None:
        make(session, "half")
        raise Invalid("no")

    def refused(session: WriteSession) -> None:
        raise Invalid("never")

    def duplicate(session: WriteSession) -> None:
        make(session, "taken")

    await database.awrite(lambda session: make(session, "taken"))
    units: list[Any] = [lambda s, n=n: make(s, f"{n}") for n in range(MANY)]
    found = await asyncio.gather(
        *(database.awrite(unit) for unit in (*units, failing, refused, duplicate)), return_exceptions=True
    )

    assert found[:MANY] == [f"{n}" for n in range(MANY)]
    assert [type(error) for error in found[MANY:]] == [Invalid, Invalid, IntegrityError]
    assert sorted(database.read(coins)) == sorted([*(f"{n}" for n in range(MANY)), "taken"])


@in_a_loop
async def test_callbacks_run_once_a_unit_that_was_stored_however_often_it_ran(database: PostgresDatabase) -> None:
    heard: list[str] = []

    def telling(name: str, *, fails: bool = False) -> object:
        def unit(session: WriteSession) -> None:
            make(session, name)
            session.after_commit(lambda: heard.append(name))
            if fails:
                raise Invalid("no")

        return unit

    units = [telling("a"), telling("b", fails=True), telling("c")]
    await asyncio.gather(*(database.awrite(unit) for unit in units), return_exceptions=True)  # type: ignore[arg-type]

    assert sorted(heard) == ["a", "c"]


@in_a_loop
async def test_a_row_that_somebody_else_holds_keeps_only_those_waiting_who_want_it(
    url: str, database: PostgresDatabase
) -> None:
    await database.awrite(lambda session: [make(session, name) for name in ("held", "free")] and None)
    other = open_database(url)
    held, go = threading.Event(), threading.Event()

    def hold(session: WriteSession) -> None:
        _add.run(session, whose="held", more=1)
        held.set()
        go.wait(30)

    holder = threading.Thread(target=other.write, args=(hold,))
    holder.start()
    await asyncio.to_thread(held.wait, 10)
    try:
        wanting = asyncio.ensure_future(database.awrite(lambda s: _add.run(s, whose="held", more=10)))
        await database.awrite(lambda s: _add.run(s, whose="free", more=100))
        assert not wanting.done()
    finally:
        go.set()
        holder.join()
    await wanting
    other.close()

    assert database.read(coins) == {"held": 11, "free": 100}


@in_a_loop
async def test_nobody_waits_for_a_unit_that_takes_long(database: PostgresDatabase) -> None:
    entered, go = threading.Event(), threading.Event()

    def slow(session: WriteSession) -> str:
        entered.set()
        go.wait(30)
        return make(session, "slow")

    waiting = asyncio.ensure_future(database.awrite(slow))
    await asyncio.to_thread(entered.wait, 10)
    try:
        assert await database.awrite(lambda session: make(session, "behind")) == "behind"
        assert await database.awrite(lambda session: make(session, "quick")) == "quick"
        assert not waiting.done()
    finally:
        go.set()
    assert await waiting == "slow"


@in_a_loop
async def test_one_group_goes_on_while_the_other_waits_for_an_answer(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_groups, "STUCK_SECONDS", 60.0)  # nobody leaves the one thread
    asked, other_is_done = threading.Event(), threading.Event()

    def patient(session: WriteSession) -> bool:
        for _ in range(1000):
            asked.set()
            session.execute(text("SELECT pg_sleep(0.01)"))
            if other_is_done.is_set():
                return True
        return False

    waiting = asyncio.ensure_future(database.awrite(patient))
    await asyncio.to_thread(asked.wait, 10)
    assert await database.awrite(lambda session: make(session, "other")) == "other"
    other_is_done.set()

    assert await waiting
    assert (database.groups.groups_committed, database.groups.units_committed) == (2, 2)


@in_a_loop
async def test_what_waits_at_the_end_is_still_done(url: str) -> None:
    closing = open_database(url)
    waiting = [asyncio.ensure_future(closing.awrite(lambda s, n=n: make(s, f"{n}"))) for n in range(MANY)]  # type: ignore[misc]
    await asyncio.sleep(0)
    await asyncio.to_thread(closing.close)

    assert await asyncio.gather(*waiting) == [f"{n}" for n in range(MANY)]


@in_a_loop
async def test_groups_of_two_processes_that_want_each_others_rows_all_come_through(
    url: str, database: PostgresDatabase
) -> None:
    other = open_database(url)
    await database.awrite(lambda session: [make(session, name) for name in ("left", "right")] and None)
    backwards = (("left", "right"), ("right", "left"))

    def adding(name: str) -> object:
        return lambda session: _add.run(session, whose=name, more=1)

    for _ in range(10):
        units: list[Any] = [
            where.awrite(adding(name))  # type: ignore[arg-type]
            for where, order in zip((database, other), backwards, strict=True)
            for name in order * 3
        ]
        await asyncio.gather(*units)
    other.close()

    assert database.read(coins) == {"left": 60, "right": 60}


@in_a_loop
async def test_a_lost_connection_is_made_anew(database: PostgresDatabase) -> None:
    await database.awrite(lambda session: make(session, "before"))
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    database.write(lambda session: session.execute(text(end)).all())

    assert await database.awrite(lambda session: make(session, "after")) == "after"
    assert sorted(database.read(coins)) == ["after", "before"]


@pytest.mark.parametrize("kind", ["thread", "task"])
def test_who_is_overtaken_finds_the_row_of_who_was_quicker(database: PostgresDatabase, kind: str) -> None:
    def find_or_make(session: WriteSession) -> str:
        return "found" if session.get(Purse, "one") is not None else "made " + make(session, "one")

    async def in_a_task() -> str:
        return await database.awrite(find_or_make)

    def second() -> str:
        return database.write(find_or_make) if kind == "thread" else asyncio.run(in_a_task())

    assert sorted(overtaking(database, find_or_make, second)) == ["found", "made one"]


def test_what_waits_is_refused_before_the_unit_is_over(database: PostgresDatabase) -> None:
    database.write(lambda session: make(session, "taken"))

    with pytest.raises(IntegrityError):
        database.write(lambda session: make(session, "taken"))
    with pytest.raises(StaleDataError):
        database.write(lambda s: _add.put(s, {"whose": "nobody", "more": 1}, expected=1))

    assert database.read(coins) == {"taken": 0}
    assert database.write(lambda session: make(session, "next")) == "next"


def test_a_unit_that_goes_on_after_an_error_is_not_told_that_it_is_stored(database: PostgresDatabase) -> None:
    database.write(lambda session: make(session, "taken"))

    def unit(session: WriteSession) -> str:
        make(session, "lost")
        make(session, "taken")
        with suppress(IntegrityError):
            coins(session)
        return "done"

    with pytest.raises(RuntimeError, match="went on"):
        database.write(unit)
    with pytest.raises(RuntimeError, match="went on"):
        asyncio.run(database.awrite(unit))
    assert database.read(coins) == {"taken": 0}


def test_what_waits_is_there_for_whoever_asks_next(database: PostgresDatabase) -> None:
    def unit(session: WriteSession) -> list[int]:
        make(session, "a", 1)
        by_orm = session.scalar(select(Purse.coins).where(Purse.name == "a"))
        _add.put(session, {"whose": "a", "more": 2})
        with claiming(session, Purse, otherwise=Conflict("taken")):
            session.add(Purse(name="b", coins=5))
        by_sum = session.scalar(text("SELECT sum(coins) FROM test_purses"))
        return [int(by_orm or 0), int(by_sum or 0)]

    assert database.write(unit) == [1, 8]


def test_prepared_statements_outlive_what_was_rolled_back(database: PostgresDatabase) -> None:
    def failing(session: WriteSession) -> None:
        _put.run(session, name="gone", coins=1, seen_at=datetime(2030, 1, 1, tzinfo=UTC))
        session.scalar(select(Purse.coins))
        raise Invalid("no")

    for _ in range(8):
        with pytest.raises(Invalid):
            database.write(failing)
        database.read(lambda session: session.scalar(select(Purse.coins)))
    database.write(lambda s: _put.run(s, name="kept", coins=1, seen_at=None))

    assert database.read(coins) == {"kept": 1}


@in_a_loop
async def test_what_was_handed_over_of_a_failed_unit_is_gone_with_it(database: PostgresDatabase) -> None:
    """The first unit's row is on its way already when the second fails."""
    await database.awrite(lambda session: make(session, "taken"))

    def half_done(session: WriteSession) -> None:
        make(session, "half")
        raise Invalid("no")

    found = await asyncio.gather(
        *(
            database.awrite(unit)
            for unit in (lambda s: make(s, "a"), half_done, lambda s: make(s, "taken"), lambda s: make(s, "b"))
        ),
        return_exceptions=True,
    )

    assert [found[0], type(found[1]), type(found[2]), found[3]] == ["a", Invalid, IntegrityError, "b"]
    assert sorted(database.read(coins)) == ["a", "b", "taken"]
    assert await database.awrite(lambda session: make(session, "next")) == "next"


def test_a_row_that_is_gone_fails_the_unit_that_wanted_it_and_not_the_next_that_asks(
    database: PostgresDatabase,
) -> None:
    """What the first unit waits for comes with the second's question."""

    def wanting(session: WriteSession) -> None:
        make(session, "with it")
        _add.put(session, {"whose": "gone", "more": 1}, expected=1)

    def asking(session: WriteSession) -> list[str]:
        return sorted(coins(session))

    found = together(database, [wanting, asking, lambda session: make(session, "next")])

    assert [type(found[0]), found[2]] == [StaleDataError, "next"]
    assert found[1] in ([], ["next"])  # of the first nothing
    assert database.read(coins) == {"next": 0}


@in_a_loop
async def test_a_connection_that_is_lost_under_what_was_handed_over_is_made_anew(database: PostgresDatabase) -> None:
    def unit(session: WriteSession) -> str:
        made = make(session, "pushed")
        wire_of(session.connection()).push()
        if not lost:
            lost.append(True)
            theirs = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            ends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity {theirs}"
            database.read(lambda reading: reading.execute(text(ends)).all())
        return made

    lost: list[bool] = []
    assert await database.awrite(unit) == "pushed"
    assert database.read(coins) == {"pushed": 0}


@in_a_loop
async def test_what_may_be_stored_is_not_run_again(database: PostgresDatabase) -> None:
    """The server ends the connection in the middle of the commit."""
    for statement in (
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()), pg_sleep(1); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON test_purses DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.name = 'fatal') EXECUTE FUNCTION dies()",
    ):
        database.write(lambda session, said=statement: session.execute(text(said)) and None)  # type: ignore[misc]
    runs: list[str] = []

    def unit(session: WriteSession) -> None:
        runs.append(make(session, "fatal"))

    with pytest.raises(Unavailable):
        await database.awrite(unit)

    assert runs == ["fatal"]
    assert await database.awrite(lambda session: make(session, "after")) == "after"
