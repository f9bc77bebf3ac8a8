"""Rows by their key, quickly.

`Session.get` builds, caches and compiles a query, and loads its rows through machinery made for joins; all that costs
ten times what the database needs for one row. A row by its primary key needs none of it, so it is read by a `Prepared`
statement and made into the same persistent object. Whatever is out of the ordinary (options, pending changes, an object
that the Session holds already, mappings with inheritance or columns that load later) stays with SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import bindparam, select
from sqlalchemy import inspect as inspected
from sqlalchemy.orm import Mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import manager_of_class

from dodeca.kernel.db.prepared import Prepared

T = TypeVar("T")


class ByKey(NamedTuple):
    """How one class's rows are read."""

    mapper: Mapper[Any]
    statement: Prepared
    names: tuple[str, ...]
    parameters: tuple[str, ...]

    def get(self, session: Any, key: tuple[Any, ...]) -> Any | None:
        """The object, now persistent in `session`; None where there is no such row."""
        row = self.statement.first(session, **dict(zip(self.parameters, key, strict=True)))
        if row is None:
            return None
        found = detached(self.mapper.class_, dict(zip(self.names, row, strict=True)))
        session.add(found)
        return found


def detached(kind: type[T], values: Mapping[str, object]) -> T:
    """An object as if it had been read with these values of its columns, and belonged to no Session since."""
    found: T = manager_of_class(kind).new_instance()
    found.__dict__.update(values)
    make_transient_to_detached(found)
    return found


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
    statement = select(*(p.columns[0] for p in properties)).where(
        *(column == bindparam(name) for column, name in zip(mapper.primary_key, parameters, strict=True))
    )
    return ByKey(mapper, Prepared(statement), tuple(p.key for p in properties), parameters)
