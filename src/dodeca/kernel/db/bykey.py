"""Rows as objects, quickly.

`Session.get` builds, caches and compiles a query, and loads its rows through machinery made for joins; all that costs
ten times what the database needs for one row. A row by its primary key (or, with `Finding`, by any other condition on
its own table) needs none of it, so it is read by a `Prepared` statement and made into the same persistent object.
Whatever is out of the ordinary (options, pending changes, mappings with inheritance or columns that load later) stays
with SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy import inspect as inspected
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.attributes import instance_state, manager_of_class
from sqlalchemy.orm.base import PASSIVE_OFF

from dodeca.kernel.db.prepared import Prepared, PreparedIn

T = TypeVar("T")


class ByKey(NamedTuple):
    """How one class's rows are read."""

    mapper: Mapper[Any]
    select: Select[Any]
    statement: Prepared
    locking: Prepared
    many: PreparedIn
    names: tuple[str, ...]
    parameters: tuple[str, ...]
    key_names: tuple[str, ...]

    def get(self, session: Any, key: tuple[Any, ...], *, lock: bool = False) -> Any | None:
        """The object, now persistent in `session`; None where there is no such row."""
        statement = self.locking if lock else self.statement
        row = statement.first(session, **dict(zip(self.parameters, key, strict=True)))
        return None if row is None else self.made(session, row, refresh=lock)

    def made(self, session: Any, row: tuple[Any, ...], *, refresh: bool = False) -> Any:
        """The object of a row; the session's own where it has it already, with `refresh` as the row now is.

        A Session for reading does not take the object in: that costs as much as reading it, and is of use only to what
        follows relationships."""
        values = dict(zip(self.names, row, strict=True))
        key = tuple(values[name] for name in self.key_names)
        known = session.identity_map.get((self.mapper.class_, key, None))
        if known is not None:
            if refresh:
                known.__dict__.update(values)
                instance_state(known)._commit_all(known.__dict__, session.identity_map)
            return known
        found = detached(self.mapper.class_, key, values)
        if session.writes or self.mapper.relationships:
            attach(session, found, key)
        return found


def detached(kind: type[T], key: tuple[Any, ...], values: Mapping[str, object]) -> T:
    """An object as if it had been read by its primary key, with these values of all its columns, and belonged to no
    Session since."""
    found: T = manager_of_class(kind).new_instance()
    found.__dict__.update(values)
    instance_state(found).key = (kind, key, None)
    return found


def values_of(instance: Any) -> Mapping[str, Any]:
    """All columns of an object by attribute, for views that read most of them: each attribute by itself asks first
    whether it has to be loaded. Not to be changed."""
    state = instance_state(instance)
    if state.expired_attributes:
        state._load_expired(state, PASSIVE_OFF)
    values: Mapping[str, Any] = state.dict
    return values


def kept_as(instance: Any) -> tuple[Any, ...]:
    """The columns of an object, to be kept in memory and `restored`. Raises TypeError for a class without plain
    rows."""
    values = values_of(instance)
    return tuple(values[name] for name in _plain(type(instance)).names)


def restored(session: Any, kind: type[T], row: tuple[Any, ...]) -> T:
    """The object of a row that was kept, in `session`, as if it had just been read; the session's own where it has it
    already. What its columns hold is shared by all: attributes are set, never changed in place."""
    return cast(T, _plain(kind).made(session, row))


def _plain(kind: type) -> ByKey:
    quick = by_key(kind)
    if quick is None:
        raise TypeError(f"{kind.__name__} has no plain rows.")
    return quick


def attach(session: Any, instance: Any, key: tuple[Any, ...]) -> None:
    """Make an object whose attributes are all as in its row a persistent one of `session`; what SQLAlchemy does with
    one that it has loaded, without looking for relationships to follow or for listeners, which we have none of."""
    state = instance_state(instance)
    state.key = (type(instance), key, None)
    if state.modified:
        state._commit_all(state.dict)
    if state.session_id is not None:  # of another Session: SQLAlchemy says what is wrong with that
        session._update_impl(state)
        return
    if not session.writes:
        session._autobegin_t()  # a reader's Session is kept, and let go of its objects only where it was in use
    session.identity_map.add(state)
    state.session_id = session.hash_key


class Finding(Generic[T]):
    """The rows of one table that a condition with named parameters (`bindparam`) chooses, as objects.

    For classes whose rows `Session.get` can read quickly. Shared between threads like a `Prepared`."""

    def __init__(self, kind: type[T], *where: ColumnElement[bool], lock: bool = False, autoflush: bool = True) -> None:
        quick = by_key(kind)
        if quick is None:
            raise TypeError(f"{kind.__name__} has no plain rows.")
        statement = quick.select.where(*where)
        self._rows = quick
        self._statement = Prepared(statement.with_for_update() if lock else statement, autoflush=autoflush)

    def first(self, session: Any, **values: object) -> T | None:
        """The first object, or None."""
        row = self._statement.first(session, **values)
        return None if row is None else cast(T, self._rows.made(session, row))

    def all(self, session: Any, **values: object) -> list[T]:
        """All objects."""
        return [self._rows.made(session, row) for row in self._statement.rows(session, **values)]


class Together:
    """One row each of several tables in one statement, as objects: what a unit of work is about to look up anyway.

    A Session for writing keeps them, so that `get` finds them while it lives. `joined` adds the tables and the
    condition to a SELECT of all their columns; what an outer join does not find is None. A Session for writing locks
    the rows of the classes `lock`, in their order."""

    def __init__(
        self,
        *kinds: type,
        joined: Callable[[Select[Any]], Select[Any]],
        also: Sequence[ColumnElement[Any]] = (),
        lock: Sequence[type] = (),
    ) -> None:
        self._parts: list[tuple[ByKey, slice, int]] = []
        columns: list[Any] = []
        for kind in kinds:
            quick = by_key(kind)
            if quick is None:
                raise TypeError(f"{kind.__name__} has no plain rows.")
            start = len(columns)
            columns += quick.select.selected_columns
            key = quick.names.index(quick.key_names[0])
            self._parts.append((quick, slice(start, len(columns)), start + key))
        self._also = slice(len(columns), None)
        found = joined(select(*columns, *also))
        self._locks = tuple(kinds.index(kind) for kind in lock)
        self._statement = Prepared(found, autoflush=False)
        self._locking = Prepared(found.with_for_update(of=lock), autoflush=False) if lock else self._statement

    def first(self, session: Any, **values: object) -> tuple[Any, ...] | None:
        """The objects of the first row, in the order of the classes, then what is `also` asked; None where there is no
        row."""
        locks = session.writes and bool(self._locks)
        row = (self._locking if locks else self._statement).first(session, **values)
        if row is None:
            return None
        found = tuple(
            None if row[key] is None else quick.made(session, row[part], refresh=locks)
            for quick, part, key in self._parts
        )
        if locks:
            session.hold(*(found[place] for place in self._locks))
        if session.writes:
            session.info.setdefault("together", []).append(found)  # its own map of objects holds them weakly
        return found + row[self._also]


_known: dict[type, ByKey | None] = {}


def by_key(kind: type) -> ByKey | None:
    """How rows of `kind` are read; None where only SQLAlchemy can."""
    try:
        return _known[kind]
    except KeyError:
        return _known.setdefault(kind, _made(kind))


def _made(kind: type) -> ByKey | None:
    mapper: Mapper[Any] | None = inspected(kind, raiseerr=False)
    if mapper is None or not mapper.is_mapper or mapper.inherits is not None or mapper.polymorphic_on is not None:
        return None
    table = mapper.local_table
    plain = all(len(p.columns) == 1 and p.columns[0].table is table and not p.deferred for p in mapper.column_attrs)
    if not plain or any(r.lazy not in ("select", "raise", "noload", "write_only") for r in mapper.relationships):
        return None
    properties = list(mapper.column_attrs)
    parameters = tuple(f"key_{number}" for number in range(len(mapper.primary_key)))
    every = select(*(p.columns[0] for p in properties))
    statement = every.where(
        *(column == bindparam(name) for column, name in zip(mapper.primary_key, parameters, strict=True))
    )
    return ByKey(
        mapper,
        every,
        Prepared(statement, autoflush=False),
        Prepared(statement.with_for_update(), autoflush=False),
        PreparedIn(every, mapper.primary_key[0]),
        tuple(p.key for p in properties),
        parameters,
        tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key),
    )
