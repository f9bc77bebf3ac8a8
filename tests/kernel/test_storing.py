"""Objects that are read and written past the unit-of-work machinery, on both engines."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, bindparam, event, insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.kernel import clock, ids
from dodeca.kernel.db import Database, Finding, Model, Prepared, WriteSession, claiming, queries, values_of
from dodeca.kernel.errors import Conflict


class Till(Model):
    """Some money; `cents` is never negative (check)."""

    __tablename__ = "test_tills"

    id: Mapped[str] = mapped_column(primary_key=True, default=ids.new_id)
    name: Mapped[str]
    cents: Mapped[int] = mapped_column(default=0)
    notes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    opened_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("cents >= 0", name="cents"),)


UNNOTICED = {"synchronize_session": False}
BY_NAME = Finding(Till, Till.name == bindparam("name"))


def test_a_stored_object_is_as_if_it_had_been_flushed(database: Database) -> None:
    def unit(session: WriteSession) -> tuple[str, datetime]:
        till = session.fresh(Till, name="front")
        session.store(till)
        assert till.cents == 0
        till.cents, till.notes = 5, {"a": ["é", 1]}
        with queries(at_most=1) as sent:
            session.store(till)
            session.store(till)  # nothing has changed: nothing is sent
        assert sent[0].startswith("UPDATE")
        assert session.get(Till, till.id) is till
        return till.id, till.opened_at

    till_id, opened_at = database.write(unit)

    found = database.read(lambda session: BY_NAME.all(session, name="front"))
    assert [(t.id, t.cents, t.notes, t.opened_at) for t in found] == [(till_id, 5, {"a": ["é", 1]}, opened_at)]


@pytest.mark.parametrize("when", ["after_insert", "after_update"])
def test_who_listens_to_a_class_hears_of_what_is_stored(database: Database, when: str) -> None:
    heard: list[str] = []

    def hear(_mapper: object, _connection: object, till: Till) -> None:
        heard.append(till.name)

    def unit(session: WriteSession) -> None:
        till = session.fresh(Till, name="front")
        session.store(till)
        till.name = "back"
        session.store(till)

    event.listen(Till, when, hear)
    try:
        database.write(unit)
    finally:
        event.remove(Till, when, hear)

    assert heard == (["front"] if when == "after_insert" else ["back"])


def test_a_locked_row_is_as_it_is_now_and_changes_together_with_the_orm(database: Database) -> None:
    till_id = database.write(lambda session: _made(session, 1))

    def unit(session: WriteSession) -> int:
        seen = session.get_one(Till, till_id)
        till = session.get_locked(Till, till_id)
        assert till is seen
        till.cents += 1
        session.store(till)
        till.cents += 1  # left to the flush at the unit's end
        return till.cents

    assert database.write(unit) == 3
    assert database.read(lambda session: session.get_one(Till, till_id).cents) == 3
    assert database.write(lambda session: session.get_locked(Till, "none")) is None


def test_a_refused_row_is_an_integrity_error_and_stores_nothing(database: Database) -> None:
    till_id = database.write(lambda session: _made(session, 1))

    def unit(session: WriteSession) -> None:
        till = session.get_one(Till, till_id)
        till.cents = -1
        session.store(till)

    with pytest.raises(IntegrityError):
        database.write(unit)
    assert database.read(lambda session: session.get_one(Till, till_id).cents) == 1


def test_what_a_savepoint_gives_up_is_not_stored(database: Database) -> None:
    def unit(session: WriteSession) -> str:
        kept = _made(session, 1)
        with pytest.raises(Conflict):
            _make_two(session)
        return kept

    def _make_two(session: WriteSession) -> None:
        with claiming(session, Till, otherwise=Conflict("no")):
            _made(session, 2)
            _made(session, -1)

    kept = database.write(unit)

    assert [till.id for till in database.read(lambda session: BY_NAME.all(session, name="till"))] == [kept]


def test_a_savepoint_gives_up_what_a_prepared_statement_changed_first(database: Database) -> None:
    def unit(session: WriteSession) -> None:
        _rename.run(session, old="till", new="before")
        undone = session.begin_nested()
        _rename.run(session, old="before", new="within")
        undone.rollback()

    async def run() -> None:
        await database.awrite(lambda session: _made(session, 1))
        await database.awrite(unit)
        await database.awrite(lambda session: _rename.run(session, old="before", new="after"))

    asyncio.run(run())
    assert database.read(lambda session: len(BY_NAME.all(session, name="after"))) == 1


_rename = Prepared(update(Till).where(Till.name == bindparam("old")).values(name=bindparam("new")))


def _made(session: WriteSession, cents: int) -> str:
    till = session.fresh(Till, name="till", cents=cents)
    session.store(till)
    return till.id


def test_the_values_of_an_object_are_read_anew_where_they_expired(database: Database) -> None:
    till_id = database.write(lambda session: _made(session, 7))

    def unit(session: WriteSession) -> tuple[int, int]:
        till = session.get_one(Till, till_id)
        session.execute(update(Till).where(Till.id == till_id).values(cents=8), execution_options=UNNOTICED)
        before = values_of(till)["cents"]
        session.expire(till)
        return before, values_of(till)["cents"]

    assert database.write(unit) == (7, 8)


def test_many_rows_are_added_at_once_and_read_by_key_in_the_order_of_the_keys(database: Database) -> None:
    add = Prepared(insert(Till), columns=["id", "name", "cents", "notes", "opened_at"])
    rows = [
        {"id": f"till-{number}", "name": "many", "cents": number, "notes": {"n": number}, "opened_at": clock.now()}
        for number in range(120)
    ]
    wanted = ["till-119", "till-7", "no such till", "till-7", *(f"till-{number}" for number in range(60))]
    database.write(lambda session: add.run_many(session, rows))

    def unit(session: WriteSession) -> list[tuple[str, int, dict[str, Any]]]:
        held = session.get_one(Till, "till-7")
        held.cents = 700
        with queries(at_most=3):  # the change of the one that is held, and two batches of keys
            found = session.get_many(Till, wanted)
        assert found["till-7"] is held
        assert list(found) == [key for key in dict.fromkeys(wanted) if key != "no such till"]
        return [(till.id, till.cents, till.notes) for till in list(found.values())[:2]]

    assert database.write(unit) == [("till-119", 119, {"n": 119}), ("till-7", 700, {"n": 7})]
    assert database.read(lambda session: session.get_many(Till, [])) == {}


def test_a_fresh_object_is_stored_as_it_was_changed_and_a_stored_one_writes_what_changed(database: Database) -> None:
    def unit(session: WriteSession) -> str:
        till = session.fresh(Till, name="front")
        session.change(till, name="back", cents=7)
        session.store(till)
        session.change(till, cents=8)
        with queries(at_most=1) as sent:
            session.store(till)
        assert len(sent) == 1
        return till.id

    till_id = database.write(unit)

    found = database.read(lambda session: session.get_one(Till, till_id))
    assert (found.name, found.cents) == ("back", 8)
