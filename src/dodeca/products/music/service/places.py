"""Pages of an order by number of rows, as apps of Subsonic ask for them: any page costs what the first one does.

A database walks over all rows before an offset. Here the keys of every `STEP`th row are remembered for as long as the
catalogue's version stays the same, and a page is read from the nearest one before it. Orders that change with each
listen or rating have their keys for some seconds: further down than the first `STEP` rows, a page may show the order
as it was then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Table,
    bindparam,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects import postgresql

from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.products.music.models import Catalogue

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

STEP: Final = 200
"""Rows between two remembered keys."""
LIVELY_SECONDS: Final = 10
"""How long the keys of an order stay that changes with each listen."""
MOST_ASKED: Final = 64
"""Of how many genres, or stretches of years, the keys are remembered."""

ZERO: Final[ColumnElement[int]] = literal_column("0")
"""Not a parameter: with it, conditions are those of the indexes, which then answer alone."""
Key = tuple[Any, ...]
Given = Mapping[str, Any]
"""The values of the parameters in an order's rules, by name."""
NOTHING_GIVEN: Final[Given] = MappingProxyType({})
_version = Prepared(select(Catalogue.version).where(Catalogue.id == 1))


class _Known(NamedTuple):
    """The keys of rows 0, STEP, 2 STEP … as far as they were needed; `all` says that there are no more."""

    version: tuple[int, int]
    keys: tuple[Key, ...] = ()
    all: bool = False


class Order:
    """Rows that fit `rules`, ordered by `columns`, of which the last is unique; an index has them in this order.

    `lively` is for orders by what changes without the catalogue's version. Rules may have parameters, whose values are
    `given` with each page. `beginning` is one that every row after one that fits it fits too: of two limits of one
    column SQLite would look up either, and from a known row on there is but one to look up."""

    def __init__(
        self,
        *columns: Any,
        rules: Sequence[ColumnElement[bool]],
        beginning: Sequence[ColumnElement[bool]] = (),
        descending: bool = False,
        lively: bool = False,
    ) -> None:
        self._columns, self._rules, self._beginning = columns, rules, beginning
        self._descending, self._lively = descending, lively
        self.ordering = self._ordered(columns)
        self._known: WeakKeyDictionary[Platform, dict[Key, _Known]] = WeakKeyDictionary()
        self._first = Prepared(self._keys().limit(1))
        self._next = Prepared(self._keys(following=True).limit(1).offset(STEP))
        self._ids = Prepared(self.page(following=False)), Prepared(self.page(following=True))

    def page(self, *, following: bool) -> Select[Any]:
        """A statement of the last column of `size` rows after `offset`; `following` the row with the key `key_0` …"""
        size, offset = bindparam("size", type_=Integer), bindparam("offset", type_=Integer)
        rows = self._keys(following=following).limit(size).offset(offset).subquery()
        return select(list(rows.c)[-1])

    def ids(
        self, session: ReadSession, platform: Platform, size: int, offset: int, given: Given = NOTHING_GIVEN
    ) -> list[int]:
        """The last column of a page."""
        place = self.before(session, platform, offset, given)
        if place is None:
            rows = self._ids[0].rows(session, size=size, offset=offset, **given)
        else:
            rows = self._ids[1].rows(session, size=size, offset=place[1], **place[0], **given)
        return [row[0] for row in rows]

    def before(
        self, session: ReadSession, platform: Platform, offset: int, given: Given = NOTHING_GIVEN
    ) -> tuple[dict[str, Any], int] | None:
        """The key from which to read, as parameters, and how many rows lie between it and the page.

        None where the rows from the beginning are as near."""
        if offset < STEP:
            return None
        row = _version.first(session)
        version = (row[0] if row is not None else 0, int(clock.timestamp()) // LIVELY_SECONDS if self._lively else 0)
        others, asked = self._known.get(platform, {}), tuple(given.values())
        known = others.get(asked)
        if known is None or known.version != version:
            known = _Known(version)
        place = offset // STEP
        if place >= len(known.keys) and not known.all:
            known = self._learned(session, known, place, given)
            kept = [(one, keys) for one, keys in others.items() if one != asked and keys.version == version]
            self._known[platform] = {**dict(kept[1 - MOST_ASKED :]), asked: known}
        if not known.keys:
            return None
        nearest = min(place, len(known.keys) - 1)
        return _bound(known.keys[nearest]), offset - nearest * STEP

    def _learned(self, session: ReadSession, known: _Known, place: int, given: Given) -> _Known:
        keys = list(known.keys)
        while len(keys) <= place:
            row = (
                self._next.first(session, **_bound(keys[-1]), **given) if keys else self._first.first(session, **given)
            )
            if row is None:
                return _Known(known.version, tuple(keys), all=True)
            keys.append(row)
        return _Known(known.version, tuple(keys))

    def _keys(self, *, following: bool = False) -> Select[Any]:
        rows = self._rows(following).subquery()
        return select(*rows.c).order_by(*self._ordered(rows.c))

    def _rows(self, following: bool) -> Select[Any] | CompoundSelect[Any]:
        """The keys of all rows, or of those from a key on.

        The latter in two parts, each of which is a stretch of the index: of `(columns) >= (key)` SQLite looks up only
        the beginning of rows that are alike but for their ids."""
        keys = select(*self._columns).where(*self._rules)
        if not following:
            return keys.where(*self._beginning)
        *before, last = [bindparam(f"key_{place}", type_=column.type) for place, column in enumerate(self._columns)]
        alike = [column == key for column, key in zip(self._columns[:-1], before, strict=True)]
        place, start = (
            (tuple_(*self._columns[:-1]), tuple_(*before)) if len(before) > 1 else (self._columns[0], before[0])
        )
        own = self._columns[-1]
        if self._descending:
            return union_all(keys.where(*alike, own <= last), keys.where(place < start))
        return union_all(keys.where(*alike, own >= last), keys.where(place > start))

    def _ordered(self, columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
        return [column.desc() if self._descending else column.asc() for column in columns]


def _bound(key: Key) -> dict[str, Any]:
    return {f"key_{place}": value for place, value in enumerate(key)}


_bump: Final = Prepared(
    postgresql.insert(cast(Table, Catalogue.__table__))
    .values(id=1, version=1)
    .on_conflict_do_update(index_elements=[Catalogue.id], set_={"version": Catalogue.version + 1})
)


def catalogue_changed(session: WriteSession) -> None:
    """Count a change of what lists show, or of its order."""
    _bump.run(session)
