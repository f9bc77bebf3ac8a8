"""One like a person and thing, in a table of a product's own, with its counter."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from dodeca.commons import likes
from dodeca.kernel import clock
from dodeca.kernel.db import Database, Model, WriteSession


class Dish(Model):
    """What is liked in these tests."""

    __tablename__ = "test_dishes"

    id: Mapped[int] = mapped_column(primary_key=True)
    like_count: Mapped[int] = mapped_column(default=0)


class Taste(Model):
    """Who likes which dish, warm or cold."""

    __tablename__ = "test_tastes"
    __table_args__ = (UniqueConstraint("person", "kind", "dish"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    person: Mapped[str]
    kind: Mapped[str]
    dish: Mapped[int]
    at: Mapped[datetime]


TASTES = likes.Likes(Taste, Taste.person, Taste.dish, Taste.at, tie=Taste.id)
SOUP, CAKE = 1, 2


@pytest.fixture
def database(database: Database) -> Iterator[Database]:
    """With two dishes."""
    tables = [Model.metadata.tables[name] for name in ("test_dishes", "test_tastes")]

    def make(session: WriteSession) -> None:
        Model.metadata.create_all(session.connection(), tables=tables)
        session.add_all([Dish(id=SOUP), Dish(id=CAKE)])

    database.write(make)
    yield database
    database.write(lambda s: Model.metadata.drop_all(s.connection(), tables=tables))


def _like(session: WriteSession, person: str, dish: int, kind: str = "warm") -> bool:
    return likes.like(session, TASTES, person, dish, counter=Dish.like_count, kind=kind)


def _count(database: Database, dish: int) -> int | None:
    return database.read(lambda s: s.scalar(select(Dish.like_count).where(Dish.id == dish)))


def test_repeating_a_like_or_its_end_changes_nothing(database: Database) -> None:
    def twice(session: WriteSession) -> list[bool]:
        return [_like(session, "ada", SOUP), _like(session, "ada", SOUP), _like(session, "bob", SOUP)]

    def no_longer(session: WriteSession) -> list[bool]:
        return [likes.unlike(session, TASTES, "ada", SOUP, counter=Dish.like_count, kind="warm") for _ in range(2)]

    assert database.write(twice) == [True, False, True]
    assert _count(database, SOUP) == 2
    assert database.write(no_longer) == [True, False]
    assert (_count(database, SOUP), _count(database, CAKE)) == (1, 0)


def test_of_many_at_once_one_is_counted(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        new = list(pool.map(lambda _: database.write(lambda s: _like(s, "ada", SOUP)), range(16)))

    assert sum(new) == 1
    assert _count(database, SOUP) == 1
    assert database.read(lambda s: s.scalar(select(func.count(Taste.id)))) == 1


def test_what_somebody_likes_is_known_since_when_and_newest_first_each_kind_apart(database: Database) -> None:
    def unit(session: WriteSession) -> None:
        _like(session, "ada", CAKE)
        clock.advance(60)
        _like(session, "ada", SOUP)
        _like(session, "ada", CAKE, "cold")
        _like(session, "bob", CAKE)

    database.write(unit)

    def since(person: str | None, kind: str) -> dict[int, datetime]:
        return database.read(lambda s: likes.since(s, TASTES, person, [SOUP, CAKE, 3], kind=kind))

    newest = likes.newest(TASTES, "ada", kind="warm")
    assert database.read(lambda s: list(s.scalars(newest))) == [SOUP, CAKE]
    warm = since("ada", "warm")
    assert set(warm) == {SOUP, CAKE}
    assert (warm[SOUP] - warm[CAKE]).total_seconds() >= 60
    assert (set(since("ada", "cold")), since(None, "warm")) == ({CAKE}, {})


def test_a_counter_that_lies_is_found(database: Database) -> None:
    def unit(session: WriteSession) -> None:
        _like(session, "ada", SOUP)
        _like(session, "ada", CAKE)
        session.get_one(Dish, CAKE).like_count = 7

    database.write(unit)

    found = database.read(lambda s: list(s.scalars(likes.miscounted(TASTES, Dish.like_count, kind="warm"))))
    assert found == [CAKE]
