"""Units of work that are committed together, made of everything that a unit may do: each has the effects that it would
have alone, and its own error, on both engines."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError
from tests.support.units import together

from dodeca.kernel.db import Database, Model, Prepared, WriteSession
from dodeca.kernel.errors import Invalid

PREPARED, STORED, ALL = "prepared", "stored", "all"
"""Counters: changed by statements, by objects, and once a commit. A unit sees its own objects as it left them, so that
one counter is changed in one way."""


class Counted(Model):
    """A number under a name."""

    __tablename__ = "test_counted"

    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]


_new = Prepared(insert(Counted), columns=["name", "number"], autoflush=False)
_add = Prepared(
    update(Counted)
    .where(Counted.name == bindparam("whose"))
    .values(number=Counted.number + bindparam("more", type_=Counted.number.type)),
    autoflush=False,
)
_sum = Prepared(select(func.sum(Counted.number)))


class Act(NamedTuple):
    """One thing that a unit does; `inside`, for a savepoint: what is done in it, and whether it is then given up."""

    what: str
    inside: tuple[Act, ...] = ()
    is_given_up: bool = False


class _GivenUpError(Exception):
    """The savepoint is to be undone."""


FAILURES: dict[str, type[Exception]] = {"raise": Invalid, "gone": StaleDataError, "taken": IntegrityError}
PLAIN = st.sampled_from([*(Act(what) for what in ("add", "store", "make", "later", "ask", *FAILURES))])
ACTS = st.one_of(
    PLAIN,
    st.builds(Act, st.just("savepoint"), st.lists(PLAIN, max_size=3).map(tuple), st.booleans()),
)
UNITS = st.lists(st.lists(ACTS, max_size=4), min_size=1, max_size=6)


@dataclass
class Expected:
    """What a unit does when it is alone: its effects, or one of these errors. PostgreSQL may be told of several
    statements together, so that a later error is heard of before an earlier one."""

    effects: Counter[str] = field(default_factory=Counter)
    errors: list[type[Exception] | None] = field(default_factory=list)


def expected(acts: Sequence[Act]) -> Expected:
    found = Expected()
    for act in acts:
        if act.what in FAILURES:
            found.errors.append(FAILURES[act.what])
            if act.what == "raise":
                break
        elif act.what == "savepoint":
            inside = expected(act.inside)
            if not inside.errors and not act.is_given_up:
                found.effects += inside.effects
        elif act.what != "ask":
            found.effects[act.what] += 1
    return Expected(errors=found.errors) if found.errors else found


def later(session: WriteSession, items: Sequence[int]) -> None:
    assert _add.run(session, whose=ALL, more=sum(items)) == 1


def do(session: WriteSession, acts: Sequence[Act], names: Callable[[], str]) -> None:
    for act in acts:
        if act.what == "add":
            _add.put(session, {"whose": PREPARED, "more": 1}, expected=1)
        elif act.what == "store":
            counted = session.get_locked(Counted, STORED)
            assert counted is not None
            counted.number += 1
            session.store(counted)
        elif act.what == "make":
            session.store(session.fresh(Counted, name=names(), number=0))
        elif act.what == "later":
            session.before_commit(later, 1)
        elif act.what == "ask":
            assert _sum.first(session) is not None
        elif act.what == "raise":
            raise Invalid("no")
        elif act.what == "gone":
            _add.put(session, {"whose": "gone", "more": 1}, expected=1)
        elif act.what == "taken":
            _new.put(session, {"name": PREPARED, "number": 0})
        elif act.what == "savepoint":
            attempt(session, act, names)


def attempt(session: WriteSession, act: Act, names: Callable[[], str]) -> None:
    savepoint = session.begin_nested()
    try:
        with savepoint:
            do(session, act.inside, names)
            if act.is_given_up:
                raise _GivenUpError
    except (_GivenUpError, Invalid, StaleDataError, IntegrityError):
        pass


def start_anew(session: WriteSession) -> None:
    session.execute(delete(Counted))
    for name in (PREPARED, STORED, ALL):
        _new.run(session, name=name, number=0)


@pytest.mark.parametrize("is_alone", [False, True], ids=["together", "alone"])
def test_each_unit_has_its_own_effects_and_its_own_error(database: Database, is_alone: bool) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(UNITS)
    def run(acts: list[list[Act]]) -> None:
        database.write(start_anew)
        heard: list[int] = []
        numbers = itertools.count()

        def unit(number: int) -> Callable[[WriteSession], None]:
            def work(session: WriteSession) -> None:
                session.after_commit(lambda: heard.append(number))
                do(session, acts[number], lambda: f"new {next(numbers)}")

            return work

        units = [unit(number) for number in range(len(acts))]
        results = [_alone(database, one) for one in units] if is_alone else together(database, units)

        wanted = [expected(one) for one in acts]
        for result, one in zip(results, wanted, strict=True):
            assert (type(result) if isinstance(result, Exception) else None) in (one.errors or [None])
        effects = sum((one.effects for one in wanted), Counter())
        found = database.read(lambda session: dict(session.execute(select(Counted.name, Counted.number)).all()))
        assert [found.pop(name) for name in (PREPARED, STORED, ALL)] == [effects[e] for e in ("add", "store", "later")]
        assert len(found) == effects["make"]
        assert sorted(heard) == [number for number, one in enumerate(wanted) if not one.errors]

    run()


def _alone(database: Database, unit: Callable[[WriteSession], None]) -> Exception | None:
    try:
        database.write(unit)
    except Exception as error:
        return error
    return None
