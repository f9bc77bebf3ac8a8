"""Alike units that wait together are done by one call, and none suffers for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel.db import Database, Gathering, Model, Prepared, WriteSession
from dodeca.kernel.errors import Invalid


class Wish(Model):
    """A name that is wished for once."""

    __tablename__ = "test_wishes"

    name: Mapped[str] = mapped_column(primary_key=True)


_add = Prepared(insert(Wish).values(name=bindparam("name")))


class Wishes:
    """What was asked of the unit, call by call. `gate` holds the database until it is set."""

    def __init__(self, database: Database) -> None:
        self.calls: list[list[str]] = []
        self.gate = threading.Event()
        self.database = database
        self.gathering: Gathering[str, str] = Gathering(database, self.unit)

    def unit(self, session: WriteSession, names: Sequence[str]) -> list[str | Exception]:
        self.calls.append(list(names))
        results: list[str | Exception] = []
        for name in names:
            if name.startswith("no"):
                results.append(Invalid("Not this one.", field=name))
                continue
            _add.run(session, name=name)
            if name.startswith("crash"):
                raise RuntimeError(name)
            results.append(name.upper())
        return results

    async def ask(self, *names: str) -> list[str | BaseException]:
        """Ask for all while the database is busy, so that they gather."""

        def wait(_session: WriteSession) -> None:
            self.gate.wait(10)

        pool = 16 if self.database.dialect == "postgresql" else 1
        busy = [asyncio.create_task(self.database.awrite(wait)) for _ in range(pool)]
        await asyncio.sleep(0)
        asked = [asyncio.create_task(self.gathering.awrite(name)) for name in names]
        await asyncio.sleep(0.05)
        self.gate.set()
        await asyncio.gather(*busy)
        return list(await asyncio.gather(*asked, return_exceptions=True))

    def stored(self) -> list[str]:
        return self.database.read(lambda session: sorted(session.scalars(select(Wish.name))))


@pytest.fixture
def wishes(database: Database) -> Wishes:
    database.write(lambda session: session.execute(delete(Wish)))
    return Wishes(database)


def test_what_waits_together_is_done_by_one_call_and_answered_in_order(wishes: Wishes) -> None:
    names = [f"n{number}" for number in range(10)]
    assert asyncio.run(wishes.ask(*names)) == [name.upper() for name in names]
    assert wishes.calls == [names]
    assert wishes.stored() == sorted(names)


def test_one_that_is_refused_is_told_so_alone(wishes: Wishes) -> None:
    first, refused, last = asyncio.run(wishes.ask("a", "no", "b"))
    assert (first, last) == ("A", "B")
    assert isinstance(refused, Invalid)
    assert refused.field == "no"
    assert wishes.stored() == ["a", "b"]
    assert len(wishes.calls) == 1


def test_one_that_breaks_the_call_is_left_alone_with_it(wishes: Wishes) -> None:
    """A constraint or a defect of ours: the others are stored all the same, and once."""
    answers = asyncio.run(wishes.ask("a", "crash", "b", "a"))
    assert answers[2] == "B"
    assert isinstance(answers[1], RuntimeError)
    twice = [answers[0], answers[3]]  # of two who want the same, either may come first
    assert [answer for answer in twice if isinstance(answer, str)] == ["A"]
    assert [type(answer).__name__ for answer in twice if not isinstance(answer, str)] == ["IntegrityError"]
    assert wishes.stored() == ["a", "b"]


def test_more_than_a_call_takes_go_into_the_next(wishes: Wishes) -> None:
    names = [f"n{number:03}" for number in range(150)]
    assert asyncio.run(wishes.ask(*names)) == [name.upper() for name in names]
    assert sorted(map(len, wishes.calls)) == [22, 64, 64]


def test_whoever_stops_waiting_has_it_done_all_the_same(wishes: Wishes) -> None:
    async def leave() -> None:
        asked = asyncio.create_task(wishes.ask("stays"))
        gone = asyncio.create_task(wishes.gathering.awrite("leaves"))
        await asyncio.sleep(0.01)
        gone.cancel()
        assert await asked == ["STAYS"]

    asyncio.run(asyncio.wait_for(leave(), 10))
    assert wishes.stored() == ["leaves", "stays"]


def test_a_second_event_loop_gets_its_own_answers(wishes: Wishes) -> None:
    """As when tests, or an embedding program, run one loop after another."""
    wishes.gate.set()
    assert asyncio.run(wishes.gathering.awrite("first")) == "FIRST"
    assert asyncio.run(wishes.gathering.awrite("second")) == "SECOND"
