"""Writing one object's row, quickly.

A flush sorts all that has changed, for relationships that may be there, and costs ten times what the database needs
for one row. Where the caller knows what is to be written now, `WriteSession.store` sends that one INSERT or UPDATE as
a `Prepared` statement and leaves the object in the state in which a flush would. Whatever is out of the ordinary
(objects that wait to be flushed, savepoints that may be rolled back, keys that the database makes, classes whose writes
somebody listens to) is flushed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Column, Table, bindparam, insert, update
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.attributes import instance_state

from dodeca.kernel.db.bykey import attach, by_key
from dodeca.kernel.db.prepared import Prepared, picking

T = TypeVar("T")
Default = Callable[[], object]


class Storing:
    """How objects of one class are written."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self.names = frozenset(p.key for p in mapper.column_attrs)
        self._table = cast(Table, mapper.local_table)
        columns: Any = {p.key: p.columns[0] for p in mapper.column_attrs}
        self._columns: dict[str, Column[Any]] = columns
        keys: Any = {mapper.get_property_by_column(column).key: column for column in mapper.primary_key}
        self._key: dict[str, Column[Any]] = keys
        self._parameters = {name: f"new_{name}" for name in self._columns}
        self._new = list(self._parameters.values())
        self._values = picking(list(self._columns))
        self._defaults = {name: made for name, c in self._columns.items() if (made := _default(c)) is not None}
        new = {c.name: _bound(name, c) for name, c in self._columns.items()}
        self._insert = Prepared(insert(self._table).values(new), autoflush=False)
        self._updates: dict[tuple[str, ...], Prepared] = {}

    def insert(self, session: Any, instance: object, state: InstanceState[Any]) -> None:
        """Write a new object's row; the object is persistent afterwards, its defaults set."""
        values = instance.__dict__
        for name in self.names.difference(values):
            default = self._defaults.get(name)
            values[name] = None if default is None else default()
        self._insert.put(session, dict(zip(self._new, self._values(values), strict=True)))
        attach(session, instance, tuple(values[name] for name in self._key))

    def update(self, session: Any, instance: object, state: InstanceState[Any]) -> None:
        """Write what has changed of an object's row. Raises StaleDataError where the row is gone."""
        values, changed = instance.__dict__, tuple(sorted(state.committed_state))
        statement = self._updates.get(changed)
        if statement is None:
            new = {self._columns[name]: _bound(name, self._columns[name]) for name in changed}
            mine = (column == bindparam(f"key_{name}", type_=column.type) for name, column in self._key.items())
            statement = self._updates[changed] = Prepared(update(self._table).where(*mine).values(new), autoflush=False)
        bound = {self._parameters[name]: values[name] for name in changed}
        bound |= {f"key_{name}": values[name] for name in self._key}
        statement.put(session, bound, expected=1)
        state._commit_all(state.dict, session.identity_map)

    def is_plain(self, state: InstanceState[Any]) -> bool:
        """Whether `insert` or `update` can write the object as it is."""
        told = self.mapper.dispatch
        if state.key is None:
            if told.before_insert or told.after_insert:
                return False
            given = state.dict
            return state.session_id is None and all(name in given or name in self._defaults for name in self._key)
        if told.before_update or told.after_update:
            return False
        return not state.expired_attributes.intersection(state.committed_state) and not self._key.keys() & (
            state.committed_state.keys()
        )


def _bound(name: str, column: Column[Any]) -> Any:
    return bindparam(f"new_{name}", type_=column.type)


def _default(column: Column[Any]) -> Default | None:
    made: Any = column.default
    if made is None:
        return None
    if made.is_callable:
        call = made.arg  # SQLAlchemy wraps it: it takes the context of an execution, which ours have no use for
        return lambda: call(None)
    return lambda: made.arg


_known: dict[type, Storing | None] = {}


def storing(kind: type) -> Storing | None:
    """How objects of `kind` are written; None where only SQLAlchemy can."""
    try:
        return _known[kind]
    except KeyError:
        quick = by_key(kind)
        columns: list[Any] = [] if quick is None else [p.columns[0] for p in quick.mapper.column_attrs]
        plain = quick is not None and not any(
            c.server_default is not None or c.onupdate is not None or c.computed is not None for c in columns
        )
        made = Storing(quick.mapper) if quick is not None and plain and not quick.mapper.relationships else None
        return _known.setdefault(kind, made)


def made(kind: type[T], values: dict[str, Any]) -> T:
    """See `WriteSession.fresh`."""
    quick = storing(kind)
    if quick is None:
        return kind(**values)
    unknown = values.keys() - quick.names
    if unknown:
        raise TypeError(f"{kind.__name__} has no {sorted(unknown)[0]}.")
    instance: T = quick.mapper.class_manager.new_instance()
    instance.__dict__.update(values)
    return instance


def change(instance: object, values: dict[str, Any]) -> None:
    """See `WriteSession.change`."""
    state, quick = instance_state(instance), storing(type(instance))
    if quick is not None and state.key is None and state.session_id is None and quick.names.issuperset(values):
        state.dict.update(values)
        return
    for name, value in values.items():
        setattr(instance, name, value)


def store(session: Any, instance: object) -> None:
    """See `WriteSession.store`."""
    state = instance_state(instance)
    if state.key is not None and not state.modified:
        return
    quick = storing(type(instance))
    if quick is None or session.in_nested_transaction() or not quick.is_plain(state):
        session.add(instance)
        session.flush()
    elif state.key is None:
        quick.insert(session, instance, state)
    else:
        quick.update(session, instance, state)
