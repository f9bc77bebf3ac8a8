"""The two kinds of Session. A function that takes a `ReadSession` can be given either; one that takes a
`WriteSession` says in its type that it changes something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar, cast

from sqlalchemy import event
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import Session, SessionTransaction, UOWTransaction
from sqlalchemy.orm.attributes import instance_state

from dodeca.kernel.db.bykey import by_key
from dodeca.kernel.db.storing import change, made, store

T = TypeVar("T")
Ending = tuple[Callable[["WriteSession", Sequence[Any]], None], Any]
"""What `before_commit` was given."""
LOCKING = {"with_for_update": True, "populate_existing": True}


class ReadOnlyViolation(RuntimeError):
    """A unit of work that was opened for reading tried to write: a defect of ours, never of the input."""


class ReadSession(Session):
    """A Session for reading. On PostgreSQL it may see a replica that lags a little."""

    writes: ClassVar[bool] = False

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.get_bind().dialect.name

    @property
    def has_changes(self) -> bool:
        """Whether objects wait to be flushed; what `new`, `dirty` and `deleted` tell at a greater cost."""
        return bool(self._new or self._deleted or self.identity_map._modified)

    @property
    def is_used(self) -> bool:
        """Whether it holds objects or a transaction, so that closing it does something. Prepared statements alone leave
        nothing."""
        return self.in_transaction() or self.has_changes or len(self.identity_map) > 0

    def get(self, entity: type[T], ident: Any, **options: Any) -> T | None:  # type: ignore[override]
        """The row with this primary key, or None. The same as SQLAlchemy's `get`, at a fifth of its cost.

        In a Session for reading the object may belong to no Session: it has its columns, and needs nothing more."""
        if "with_for_update" in options and options != LOCKING:  # it would wait, and give what was read before
            raise TypeError("A row is locked by get_locked.")
        key = ident if isinstance(ident, tuple) else (ident,)
        known = self.identity_map.get((entity, key, None))
        if not options and known is not None and not instance_state(known).expired:
            return known
        changed = self._new or self._deleted or (known is not None and instance_state(known).modified)
        if (not options or options == LOCKING) and not changed:
            quick = by_key(entity)
            if quick is not None and len(key) == len(quick.parameters):
                return cast("T | None", quick.get(self, key, lock=bool(options)))
        return super().get(entity, ident, **options)

    def get_many(self, entity: type[T], idents: Iterable[Any]) -> dict[Any, T]:
        """Those rows with these primary keys (of one column) that there are, by key and in the order of the keys."""
        wanted = list(dict.fromkeys(idents))
        quick = by_key(entity)
        if quick is None or len(quick.parameters) != 1:
            raise TypeError(f"{entity.__name__} has no plain rows of one key.")
        found = (quick.made(self, row) for row in quick.many.rows(self, wanted))
        by_ident = {getattr(row, quick.key_names[0]): row for row in found}
        return {ident: by_ident[ident] for ident in wanted if ident in by_ident}

    def get_one(self, entity: type[T], ident: Any, **options: Any) -> T:  # type: ignore[override]
        """The row with this primary key. Raises NoResultFound."""
        return _there(self.get(entity, ident, **options), entity)


def _there(found: T | None, entity: type[T]) -> T:
    if found is None:
        raise NoResultFound(f"There is no {entity.__name__} with this key.")
    return found


class WriteSession(ReadSession):
    """A Session whose unit of work commits once, at its end."""

    writes: ClassVar[bool] = True

    def begin_nested(self) -> SessionTransaction:
        """A savepoint, set now: SQLAlchemy sets it with its own next statement, and would not undo what prepared
        statements have changed before."""
        nested = super().begin_nested()
        self.connection()
        return nested

    def get_locked(self, entity: type[T], ident: Any) -> T | None:
        """The row with this primary key as it is now, or None; nobody else changes it before this unit is over.

        SQLite's one writer holds the whole database: what the unit has read already is still so."""
        key = (entity, ident if isinstance(ident, tuple) else (ident,), None)
        known = self.identity_map.get(key)
        if known is not None and not instance_state(known).expired and (key in self._held or self.dialect == "sqlite"):
            return known
        found = self.get(entity, ident, **LOCKING)
        if found is not None:
            self.hold(found)
        return found

    def get_one_locked(self, entity: type[T], ident: Any) -> T:
        """The same of a row that is there. Raises NoResultFound."""
        return _there(self.get_locked(entity, ident), entity)

    def held(self, entity: type[T], ident: Any) -> T | None:
        """The row, where this unit has locked or stored it already. Asks nobody."""
        return self._held.get((entity, ident if isinstance(ident, tuple) else (ident,), None))

    def fresh(self, kind: type[T], **values: object) -> T:
        """A new object to be stored; the same as calling its class, without telling anybody of each attribute."""
        return made(kind, values)

    def change(self, instance: object, **values: object) -> None:
        """Set attributes; of a `fresh` object that is still to be stored, all of whose row is written anyway, without
        remembering what they were."""
        change(instance, values)

    def store(self, *instances: object) -> None:
        """Write these objects' rows now, in this order: new ones whole, known ones where they have changed. The same as
        `add` and `flush`, at a tenth of the cost, and without looking at other objects."""
        for instance in instances:
            store(self, instance)
        self.hold(*instances)

    def hold(self, *instances: object) -> None:
        """These rows are locked or stored by this unit: `get_locked` need not ask for them."""
        if not self.in_nested_transaction():  # whose end may set them free again
            held = self._held
            for instance in instances:
                held[instance_state(instance).key] = instance

    @property
    def _held(self) -> dict[Any, Any]:
        held: dict[Any, Any] = self.info.setdefault("held", {})
        return held

    def before_commit(self, work: Callable[[WriteSession, Sequence[T]], None], item: T) -> None:
        """Have `work` done right before the commit, once for all units that are committed together, with the items of
        all. For rows that everybody counts in: they are written once a commit, and held for a moment only.

        An error in it fails as the commit itself would: each unit is then tried in a transaction of its own. `work`
        cannot ask for more to be done. In a savepoint, which may be rolled back alone, it is done at once."""
        if self.in_nested_transaction():
            work(self, [item])
            return
        self.info.setdefault("before_commit", []).append((work, item))

    def endings(self) -> list[Ending]:
        """What is to be done before the commit so far; the database does it."""
        found: list[Ending] = self.info.pop("before_commit", [])
        return found

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` after the commit, before the caller is answered. A crash may lose it, so it is only
        for what other processes would survive missing: cache invalidation, live updates. It must be quick."""
        self.info.setdefault("after_commit", []).append(callback)

    def committed(self) -> list[Callable[[], None]]:
        """The callbacks so far; the database runs them."""
        callbacks: list[Callable[[], None]] = self.info.pop("after_commit", [])
        return callbacks


@event.listens_for(ReadSession, "before_flush", propagate=True)
def _refuse_writes(session: Session, _context: UOWTransaction, _instances: object) -> None:
    if not isinstance(session, WriteSession) and (session.new or session.dirty or session.deleted):
        raise ReadOnlyViolation("This unit of work was opened for reading.")
