"""What is written once for all units of a commit, and what is asked before it is read; on both engines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column
from tests.support.units import together

from dodeca.kernel.db import Database, Model, Prepared, WriteSession
from dodeca.kernel.errors import Invalid

MANY = 9


class Tally(Model):
    """How often something was counted, in how many writes."""

    __tablename__ = "test_tallies"

    name: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    writes: Mapped[int]


_new = Prepared(insert(Tally), columns=["name", "count", "writes"])
_count = Prepared(
    update(Tally)
    .where(Tally.name == bindparam("whose"))
    .values(count=Tally.count + bindparam("more", type_=Tally.count.type), writes=Tally.writes + 1)
)
_sums = Prepared(select(func.sum(Tally.count), func.sum(Tally.writes)))
_names = Prepared(select(Tally.name).order_by(Tally.name))


def counted(session: WriteSession, items: Sequence[int]) -> None:
    if -1 in items:
        raise Invalid("not that one")
    assert _count.run(session, whose="all", more=sum(items)) == 1


def counting(number: int, *, fails: bool = False) -> Callable[[WriteSession], int]:
    def unit(session: WriteSession) -> int:
        _new.run(session, name=f"{number}", count=0, writes=0)
        session.before_commit(counted, number)
        if fails:
            raise Invalid("no")
        return number

    return unit


def tally(database: Database) -> tuple[int, int]:
    row = database.read(_sums.first)
    assert row is not None
    return int(row[0]), int(row[1])


@pytest.fixture
def counter(database: Database) -> Database:
    database.write(lambda session: _new.run(session, name="all", count=0, writes=0))
    return database


def test_units_that_are_committed_together_count_in_one_write(counter: Database) -> None:
    assert together(counter, [counting(n) for n in range(1, MANY + 1)]) == list(range(1, MANY + 1))

    count, writes = tally(counter)
    assert count == sum(range(1, MANY + 1))
    assert writes < MANY


def test_a_unit_of_a_thread_counts_by_itself(counter: Database) -> None:
    assert counter.write(counting(7)) == 7
    assert tally(counter) == (7, 1)


def test_a_unit_that_fails_does_not_count(counter: Database) -> None:
    found = together(counter, [counting(1), counting(2, fails=True), counting(3)])

    assert (found[0], type(found[1]), found[2]) == (1, Invalid, 3)
    assert tally(counter)[0] == 4


def test_an_error_while_counting_undoes_its_own_unit_and_no_other(counter: Database) -> None:
    found = together(counter, [counting(1), counting(-1), counting(3)])

    assert (found[0], type(found[1]), found[2]) == (1, Invalid, 3)
    assert tally(counter)[0] == 4
    assert counter.read(_names.rows) == [("1",), ("3",), ("all",)]


def test_what_a_savepoint_undoes_does_not_count(counter: Database) -> None:
    def unit(session: WriteSession) -> None:
        session.before_commit(counted, 1)
        with session.begin_nested():
            session.before_commit(counted, 2)
        undone = session.begin_nested()
        session.before_commit(counted, 4)
        undone.rollback()

    counter.write(unit)
    assert together(counter, [unit, unit]) == [None, None]

    assert tally(counter)[0] == 9


def test_what_counting_wants_to_tell_is_told_after_the_commit(counter: Database) -> None:
    heard: list[int] = []

    def telling(session: WriteSession, items: Sequence[int]) -> None:
        session.after_commit(lambda: heard.extend(items))

    def unit(number: int) -> Callable[[WriteSession], None]:
        return lambda session: session.before_commit(telling, number)

    together(counter, [unit(n) for n in range(MANY)])
    counter.write(unit(MANY))

    assert sorted(heard) == list(range(MANY + 1))


def test_questions_are_answered_as_things_were_when_they_were_asked(counter: Database) -> None:
    def unit(session: WriteSession) -> list[Any]:
        before = _sums.ask(session)
        _count.put(session, {"whose": "all", "more": 5})
        after = _sums.ask(session)
        _count.put(session, {"whose": "all", "more": 1})
        nobody = Prepared(select(Tally.name).where(Tally.name == "nobody")).ask(session)
        return [before.first(), after.first(), after.rows(), nobody.first(), nobody.rows()]

    assert counter.write(unit) == [(0, 0), (5, 1), [(5, 1)], None, []]
    assert together(counter, [unit])[0] == [(6, 2), (11, 3), [(11, 3)], None, []]


def test_whoever_reads_an_answer_hears_what_went_wrong_on_the_way(counter: Database) -> None:
    def unit(session: WriteSession) -> None:
        _new.put(session, {"name": "all", "count": 0, "writes": 0})
        asked = _sums.ask(session)
        asked.rows()

    for found in together(counter, [unit, counting(1)])[:1]:
        assert isinstance(found, IntegrityError)
    with pytest.raises(IntegrityError):
        counter.write(unit)

    assert tally(counter)[0] == 1


def test_an_answer_that_nobody_reads_harms_nobody(counter: Database) -> None:
    def unit(session: WriteSession) -> None:
        _sums.ask(session)
        _count.put(session, {"whose": "all", "more": 1})

    assert together(counter, [unit, unit, unit]) == [None, None, None]
    counter.write(unit)

    assert tally(counter) == (4, 4)


def asking_for_more(session: WriteSession, items: Sequence[int]) -> None:
    session.before_commit(counted, sum(items))


def test_what_is_done_before_the_commit_cannot_ask_for_more_that_nobody_would_do(database: Database) -> None:
    def unit(session: WriteSession) -> None:
        session.before_commit(asking_for_more, 1)

    with pytest.raises(RuntimeError, match="cannot ask for more"):
        database.write(unit)
    (error,) = together(database, [unit])

    assert isinstance(error, RuntimeError)
