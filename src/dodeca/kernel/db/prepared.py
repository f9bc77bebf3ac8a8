"""Statements for hot paths: written with SQLAlchemy, compiled once, sent straight to the driver.

The ORM costs half a millisecond a statement here, Core a fifth, the driver a hundredth. A `Prepared` statement keeps
the one schema and both engines but skips everything that is the same each time. Values are converted as the
columns' types say. Pending changes of the Session are flushed first, as before any query.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Dialect, Float, Numeric, Select, bindparam
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql import Executable

from dodeca.kernel.db import observe
from dodeca.kernel.db.postgres_wire import Pending, Wire, wire_of
from dodeca.kernel.db.units import as_sqlalchemys

if TYPE_CHECKING:
    from dodeca.kernel.db.sessions import ReadSession

FLOAT8, NUMERIC = 701, 1700
"""From the system catalogue pg_type."""
ROWS_A_STATEMENT = (4096, 1024, 256, 64, 16, 4)
"""Few sizes, for each is compiled and kept once."""
MOST_PARAMETERS = 32_766
"""SQLITE_MAX_VARIABLE_NUMBER of a SQLite that was built without another. (https://www.sqlite.org/limits.html)"""


class Bound(NamedTuple):
    """Rows as the driver takes them, see `Prepared.bound`."""

    rows: Sequence[Any]

    def numbered(self, first: int) -> Bound:
        """The same with the numbers from `first` on in the first column; of SQLite only, which takes them in order."""
        return Bound([(number, *row[1:]) for number, row in enumerate(self.rows, first)])


class Prepared:
    """A compiled statement with named parameters (`bindparam("name")`). Safe to share between threads.

    For an INSERT without values `columns` names those that are given, which are then the parameters. Without
    `autoflush` changes of objects that are not stored yet stay so: for statements that do not look at them."""

    def __init__(self, statement: Executable, *, columns: Sequence[str] | None = None, autoflush: bool = True) -> None:
        self._statement = statement
        self._columns = list(columns) if columns is not None else None
        self._autoflush = autoflush
        self._forms: dict[str, _Form] = {}

    def rows(self, session: ReadSession, **values: object) -> list[tuple[Any, ...]]:
        """All rows of the answer."""
        return _all(*self._send(session, values))

    def rows_alone(self, session: ReadSession, **values: object) -> list[tuple[Any, ...]]:
        """The same where this is all that the unit of work reads, see `first_alone`."""
        return _all(*self._send(session, values, alone=True))

    def first(self, session: ReadSession, **values: object) -> tuple[Any, ...] | None:
        """The first row, or None."""
        cursor, form = self._send(session, values)
        row = cursor.fetchone()
        return None if row is None else form.convert(row)

    def first_alone(self, session: ReadSession, **values: object) -> tuple[Any, ...] | None:
        """The same where this is all that the unit of work reads: one statement sees one snapshot by itself, and a
        transaction around it costs SQLite as much again."""
        cursor, form = self._send(session, values, alone=True)
        row = cursor.fetchone()
        return None if row is None else form.convert(row)

    def ask(self, session: ReadSession, **values: object) -> Asked:
        """Ask now and read the answer later: several questions go to PostgreSQL in one trip."""
        driver, form, connection = self._ready(session)
        try:
            if isinstance(driver, Wire):
                driver.changes += not form.only_reads
                return Asked(driver.ask(form.sql, form.bind(values)), form, connection)
            return Asked(driver.execute(form.sql, form.bind(values)).fetchall(), form, connection)
        except Exception as error:
            raise as_sqlalchemys(error, form.sql, connection) from error

    def run(self, session: ReadSession, **values: object) -> int:
        """The number of rows that were changed."""
        cursor, _form = self._send(session, values)
        return int(cursor.rowcount)

    def put(self, session: ReadSession, values: Mapping[str, object], *, expected: int | None = None) -> None:
        """`run` for a change whose rows nobody counts, unless they must be `expected`: StaleDataError is raised then.

        PostgreSQL may be told together with the next statement, or at the end of the unit of work: what a constraint
        has against it is raised there. In a savepoint, which may answer that, it is told at once."""
        driver, form, connection = self._ready(session)
        try:
            if not isinstance(driver, Wire):
                count = driver.execute(form.sql, form.bind(values)).rowcount
            elif session.in_nested_transaction():
                driver.changes += 1
                count = driver.answer(form.sql, form.bind(values)).rowcount
            else:
                driver.send(form.sql, form.bind(values), expected=expected)
                return
        except Exception as error:
            raise as_sqlalchemys(error, form.sql, connection) from error
        if expected is not None and count != expected:
            raise StaleDataError(f"Rows are gone: {form.sql[:60]}")

    def run_many(self, session: ReadSession, rows: Sequence[Mapping[str, object]] | Bound) -> int:
        """The same statement for each of `rows`, which have the same members, in few calls into the driver. Gives the
        number of rows that were changed."""
        given = rows.rows if isinstance(rows, Bound) else rows
        if not given:
            return 0
        driver, form, connection = self._ready(session)
        bound: Sequence[Any] = rows.rows if isinstance(rows, Bound) else form.bind_many(rows)
        try:
            if isinstance(driver, Wire):
                return driver.many(form.sql, bound)
            return int(driver.executemany(form.sql, bound).rowcount)
        except Exception as error:
            raise as_sqlalchemys(error, form.sql, connection) from error

    def bound(self, dialect: Dialect, rows: Sequence[Mapping[str, object]]) -> Bound:
        """The parameters of rows for `insert_many`, converted before the unit of work that will hold the writer."""
        return Bound(self._form(dialect).bind_many(rows) if rows else ())

    def bound_columns(self, dialect: Dialect, columns: Mapping[str, Sequence[object]]) -> Bound:
        """The same of values that come column by column, all of one length."""
        return Bound(self._form(dialect).bind_columns(columns, len(next(iter(columns.values())))))

    def insert_many(self, session: ReadSession, rows: Sequence[Mapping[str, object]] | Bound) -> int:
        """`run_many` for an INSERT of many rows. SQLite gets up to some thousand in one statement: it takes no less
        work, but the interpreter is free for other threads all the while, instead of being asked for after each
        row."""
        given = rows.rows if isinstance(rows, Bound) else rows
        if not given:
            return 0
        driver, form, connection = self._ready(session)
        bound: Sequence[Any] = rows.rows if isinstance(rows, Bound) else form.bind_many(rows)
        changed = at = 0
        try:
            if isinstance(driver, Wire):
                return driver.many(form.sql, bound)
            for size in ROWS_A_STATEMENT:
                while len(bound) - at >= size and size * len(form.places) <= MOST_PARAMETERS:
                    together = list(chain.from_iterable(bound[at : at + size]))
                    changed += int(driver.execute(form.sql_of(size), together).rowcount)
                    at += size
            for row in bound[at:]:
                changed += int(driver.execute(form.sql, row).rowcount)
        except Exception as error:
            raise as_sqlalchemys(error, form.sql, connection) from error
        return changed

    def _send(self, session: ReadSession, values: Mapping[str, object], *, alone: bool = False) -> tuple[Any, _Form]:
        driver, form, connection = self._ready(session, alone=alone)
        try:
            if isinstance(driver, Wire):
                driver.changes += not form.only_reads
                return driver.answer(form.sql, form.bind(values)), form
            return driver.execute(form.sql, form.bind(values)), form
        except Exception as error:
            raise as_sqlalchemys(error, form.sql, connection) from error

    def _ready(self, session: ReadSession, *, alone: bool = False) -> tuple[Any, _Form, Connection]:
        """The driver's connection (a `Wire` on PostgreSQL), with nothing pending, and the statement in its dialect."""
        if self._autoflush and session.autoflush and session.has_changes:
            session.flush()
        driver = session.info.get("driver")
        if driver is None:
            connection = session.connection()
            driver = wire_of(connection)
        else:
            connection = session.info["connection"]
        if isinstance(driver, Wire):
            form = self._forms.get("postgresql") or self._form(connection.dialect)
        else:
            form = self._forms.get("sqlite") or self._form(connection.dialect)
            if not alone and not driver.in_transaction:  # a unit of work sees one snapshot
                try:
                    driver.execute("BEGIN")
                except Exception as error:
                    raise as_sqlalchemys(error, "BEGIN", connection) from error
        observe.note(form.sql)
        return driver, form, connection

    def _form(self, dialect: Dialect) -> _Form:
        try:
            return self._forms[dialect.name]
        except KeyError:
            return self._forms.setdefault(dialect.name, _Form(self._statement, self._columns, dialect))


class Asked:
    """A question whose answer is read later, in the same unit of work."""

    __slots__ = ("_connection", "_form", "_found")

    def __init__(self, found: Pending | list[tuple[Any, ...]], form: _Form, connection: Connection) -> None:
        self._found = found
        self._form = form
        self._connection = connection

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows of the answer. Raises what is wrong with any statement that went with it."""
        if isinstance(self._found, Pending):
            try:
                self._found = self._found.answer().fetchall()
            except Exception as error:
                raise as_sqlalchemys(error, self._form.sql, self._connection) from error
        return self._form.convert_many(self._found) if self._form.converts and self._found else self._found

    def first(self) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.rows()), None)


class PreparedIn:
    """A SELECT of the rows whose `column` has one of any number of values: some at a time, so that it is compiled once.

    Rows come in the order of the batches, within one in any order."""

    def __init__(self, statement: Select[*tuple[Any, ...]], column: ColumnElement[Any], *, batch: int = 50) -> None:
        self._names = [f"value_{number}" for number in range(batch)]
        wanted = [bindparam(name, type_=column.type) for name in self._names]
        self._statement = Prepared(statement.where(column.in_(wanted)))

    def rows(self, session: ReadSession, values: Collection[object], **others: object) -> list[tuple[Any, ...]]:
        """All rows. The last values stand in for those that a batch lacks."""
        given, found = list(values), list[tuple[Any, ...]]()
        for start in range(0, len(given), len(self._names)):
            part = given[start : start + len(self._names)]
            part += part[-1:] * (len(self._names) - len(part))
            found += self._statement.rows(session, **dict(zip(self._names, part, strict=True)), **others)
        return found


def _all(cursor: Any, form: _Form) -> list[tuple[Any, ...]]:
    rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    return form.convert_many(rows) if form.converts and rows else list(rows)


def _wire_type(kind: Any) -> int | None:
    """PostgreSQL's number of the type that a column's values come in, where SQLAlchemy asks for it (psycopg)."""
    plain = getattr(kind, "impl_instance", kind)
    if isinstance(plain, Float):
        return FLOAT8
    return NUMERIC if isinstance(plain, Numeric) else None


def picking(names: Sequence[str]) -> Callable[[Mapping[str, object]], Sequence[Any]]:
    """What takes these members out of a mapping in one call; raises KeyError of one that is not there."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


def _null_kept(convert: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], bool]:
    """A conversion, and whether it leaves NULL as it is, so that it need not be called for that: many values are."""
    try:
        return convert, convert(None) is None
    except (TypeError, ValueError, AttributeError):
        return convert, False


def _positional(dialect: Dialect) -> Dialect:
    """The dialect with parameters by their place: SQLite's has them so, libpq's are `$1`, `$2` …"""
    if dialect.positional:
        return dialect
    other: Any = copy.copy(dialect)
    other.paramstyle, other.positional = "numeric_dollar", True
    other.identifier_preparer = other.preparer(other)
    return cast(Dialect, other)


class _Form:
    """The statement as one engine takes it."""

    def __init__(self, statement: Executable, columns: list[str] | None, dialect: Dialect) -> None:
        compiled: Any = cast(Any, statement).compile(
            dialect=_positional(dialect), column_keys=columns, compile_kwargs={"render_postcompile": True}
        )
        self.sql: str = str(compiled)
        binders: dict[str, Callable[[Any], Any]] = dict(compiled._bind_processors)
        given: dict[str, object] = dict(compiled.params)
        self.fixed = {
            name: value if value is None or name not in binders else binders[name](value)
            for name, value in given.items()
            if not compiled.binds[name].required
        }
        self.only_reads = isinstance(statement, Select)
        self._sql_of: dict[int, str] = {}
        names = list(compiled.positiontup)
        self.places = [(place, name, binders.get(name)) for place, name in enumerate(names)]
        required = [place for place in self.places if place[1] not in self.fixed]
        self.fewest = len({name for _, name, _ in required})
        self.open = [place for place, _, _ in required]
        self.pick = picking([name for _, name, _ in required])
        self.conversions = [(place, _null_kept(convert)) for place, _, convert in required if convert is not None]
        self.template: Any = [self.fixed.get(name) for name in names]
        self.is_whole = len(required) == len(names)
        result: Any = getattr(compiled, "_result_columns", ())
        converters = [c.type._cached_result_processor(dialect, _wire_type(c.type)) for c in result]
        self.converts = [
            (place, _null_kept(convert)) for place, convert in enumerate(converters) if convert is not None
        ]

    def sql_of(self, rows: int) -> str:
        """The INSERT of so many rows at once."""
        if (known := self._sql_of.get(rows)) is None:
            head, values, rest = self.sql.rpartition(" VALUES ")
            row, conflict, action = rest.partition(" ON CONFLICT")
            known = self._sql_of[rows] = f"{head}{values}{', '.join([row] * rows)}{conflict}{action}"
        return known

    def bind(self, values: Mapping[str, object]) -> Any:
        """The parameters in the driver's order, converted."""
        if len(values) == self.fewest:
            return self._bound(self.pick(values))
        bound = self.template.copy()
        for place, name, convert in self.places:
            if name in values:
                value = values[name]
                bound[place] = value if convert is None else convert(value)
            elif name not in self.fixed:
                raise KeyError(name)
        return bound

    def _bound(self, picked: Sequence[Any]) -> Any:
        """Those that are not fixed, in the order of their places."""
        if self.is_whole:
            bound: Any = list(picked)
        else:
            bound = self.template.copy()
            for place, value in zip(self.open, picked, strict=True):
                bound[place] = value
        for place, (convert, keeps_null) in self.conversions:
            value = bound[place]
            if value is not None or not keeps_null:
                bound[place] = convert(value)
        return bound

    def bind_many(self, rows: Sequence[Mapping[str, object]]) -> Sequence[Any]:
        """The parameters of many rows. Column by column, which takes a quarter of the time of one row after another."""
        given = {name for _place, name, _convert in self.places if name not in self.fixed or name in rows[0]}
        return self.bind_columns({name: [row[name] for row in rows] for name in given}, len(rows))

    def bind_columns(self, given: Mapping[str, Sequence[object]], count: int) -> Sequence[Any]:
        """The parameters of `count` rows that are given column by column."""
        columns: dict[str, Sequence[object]] = {}
        for _place, name, convert in self.places:
            if name in columns:  # one parameter can stand for several columns
                continue
            column = given.get(name)
            if column is None:
                columns[name] = [self.fixed[name]] * count
            else:
                columns[name] = column if convert is None else list(map(convert, column))
        return list(zip(*(columns[name] for _place, name, _convert in self.places), strict=True))

    def convert_many(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Rows with Python's types, column by column as in `bind_many`."""
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for place, (convert, _keeps_null) in self.converts:
            columns[place] = map(convert, columns[place])
        return list(zip(*columns, strict=True))

    def convert(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """A row with Python's types."""
        if not self.converts:
            return tuple(row)
        converted = list(row)
        for place, (convert, keeps_null) in self.converts:
            value = converted[place]
            if value is not None or not keeps_null:
                converted[place] = convert(value)
        return tuple(converted)
