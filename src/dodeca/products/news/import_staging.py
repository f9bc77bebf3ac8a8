"""Where an import keeps what it has read until everything can be placed: on disk, for a file may hold more than memory.

Comments come in any order, before their parents too, so nothing can be stored before the whole file has been read. The
checked entries wait in an anonymous database of SQLite, which lives in memory while it is small and goes with its
connection. There the parents are followed level by level, and the entries come out parents first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import msgspec

CACHE_KIB: Final = 65_536
BATCH: Final = 1000
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA cache_size = -{cache};
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, line INTEGER, type TEXT, time INTEGER, author TEXT, parent INTEGER, data BLOB
);
CREATE TABLE repeated (line INTEGER, id INTEGER);
CREATE TRIGGER first_wins BEFORE INSERT ON entry WHEN EXISTS (SELECT 1 FROM entry WHERE id = NEW.id) BEGIN
    INSERT INTO repeated VALUES (NEW.line, NEW.id);
    SELECT RAISE(IGNORE);
END;
CREATE TABLE person (line INTEGER PRIMARY KEY, data BLOB);
CREATE TABLE outside (id INTEGER PRIMARY KEY, root INTEGER, depth INTEGER);
CREATE TABLE placed (id INTEGER PRIMARY KEY, level INTEGER, root INTEGER, depth INTEGER);
"""
_INDEXES: Final = """
CREATE INDEX entry_parent ON entry (parent, type) WHERE parent IS NOT NULL;
CREATE INDEX placed_level ON placed (level, id);
"""


class Entry(msgspec.Struct, kw_only=True, array_like=True):
    """One item of the file, checked. `root` and `depth` are known once it is placed."""

    line: int
    id: int
    type: str
    time: int
    by: str = ""
    title: str = ""
    url: str | None = None
    text: str = ""
    score: int = 1
    descendants: int = 0
    parent: int | None = None
    dead: bool = False
    flagged: bool = False
    """What is dead was hidden by members, not by a moderator: our own files say so."""
    deleted: bool = False
    tags: Sequence[str] = ()
    root: int = 0
    depth: int = 0


class Person(msgspec.Struct, kw_only=True, array_like=True):
    """One user of the file, checked."""

    line: int
    name: str
    created: int
    karma: int = 1
    about: str = ""
    delay: int = 0


StagedEntry: TypeAlias = tuple[int, int, str, int, str, int | None, bytes]
StagedPerson: TypeAlias = tuple[int, bytes]
Placed: TypeAlias = tuple[bytes, int, int, str]
"""An entry as bytes, its root, its depth, its author."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Entry).decode


def staged(entry: Entry) -> StagedEntry:
    """An entry as `Staging` keeps it."""
    return entry.id, entry.line, entry.type, entry.time, entry.by, entry.parent, _encode(entry)


def staged_person(person: Person) -> StagedPerson:
    """A user as `Staging` keeps it."""
    return person.line, _encode(person)


def placed(row: Placed) -> Entry:
    """The entry with its place."""
    data, root, depth, _author = row
    entry = _decode(data)
    entry.root, entry.depth = root, depth
    return entry


class Staging:
    """See the module's text. For one thread, and to be closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES.format(cache=CACHE_KIB))
        self._db.execute("BEGIN")  # there is nobody else, and nothing to be kept

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    # What the file says

    def add(self, entries: Sequence[StagedEntry], people: Sequence[StagedPerson]) -> None:
        """Keep what was read next; of several entries with one id the first, see `repeated`."""
        self._db.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?)", entries)
        self._db.executemany("INSERT INTO person VALUES (?, ?)", people)

    def finish(self) -> None:
        """The file has been read."""
        self._db.executescript(_INDEXES)

    # What is to be known before it can be placed

    def repeated(self) -> Iterator[tuple[int, int]]:
        """Line and id of entries whose id came before."""
        return self._rows("SELECT line, id FROM repeated ORDER BY line")

    def identities(self, last: int) -> Iterator[list[tuple[int, str, int]]]:
        """Id, type and time of the entries up to an id, by id, some at a time."""
        return self._batches("SELECT id, type, time FROM entry WHERE id <= ? ORDER BY id", BATCH, last)

    def parents_elsewhere(self) -> Iterator[list[int]]:
        """Ids of parents that the file does not have, some at a time."""
        wanted = "SELECT DISTINCT parent FROM entry AS low WHERE parent IS NOT NULL"
        absent = "NOT EXISTS (SELECT 1 FROM entry AS above WHERE above.id = low.parent)"
        for rows in self._batches(f"{wanted} AND {absent} ORDER BY parent", BATCH):
            yield [row[0] for row in rows]

    def add_parents(self, found: Iterable[tuple[int, int, int]]) -> None:
        """Parents that are stored already: id, root, and the depth of a reply to them."""
        self._db.executemany("INSERT INTO outside VALUES (?, ?, ?)", found)

    # Placing

    def place(self) -> None:
        """Follow the parents from posts, and from what is stored already, down to the last reply."""
        self._db.execute("INSERT INTO placed SELECT id, 0, id, 0 FROM entry WHERE parent IS NULL")
        below = "INSERT INTO placed SELECT low.id, 1, outside.root, outside.depth FROM outside JOIN entry AS low"
        self._db.execute(f"{below} ON low.parent = outside.id")
        level, placed = 0, 1
        while placed:  # what runs in a circle is never reached
            placed = self._db.execute(
                "INSERT INTO placed SELECT low.id, ?2, above.root, above.depth + (parent.type = 'comment')"
                " FROM placed AS above JOIN entry AS parent ON parent.id = above.id"
                " JOIN entry AS low ON low.parent = above.id WHERE above.level = ?1",
                (level, level + 1),
            ).rowcount
            level += 1

    def lost(self) -> Iterator[tuple[int, int]]:
        """Line and parent of the entries that could not be placed."""
        return self._rows("SELECT line, parent FROM entry WHERE id NOT IN (SELECT id FROM placed) ORDER BY line")

    # What comes out

    def count(self) -> int:
        """How many entries are placed."""
        (count,) = next(self._rows("SELECT count(*) FROM placed"))
        return int(count)

    def first_times(self) -> dict[str, datetime]:
        """When each author wrote first: that is since when the author is known to have been there."""
        placed = "SELECT author, min(time) FROM entry WHERE author <> '' AND id IN (SELECT id FROM placed)"
        return {row[0]: datetime.fromtimestamp(row[1], UTC) for row in self._rows(f"{placed} GROUP BY author")}

    def entries(self, size: int) -> Iterator[list[Placed]]:
        """The placed entries, parents before what answers them, `size` at a time; see `placed`."""
        rows = "SELECT data, root, placed.depth, author FROM placed JOIN entry USING (id) ORDER BY level, id"
        return self._batches(rows, size)

    def roots(self, size: int) -> Iterator[list[int]]:
        """The posts of the placed entries, by id, `size` at a time."""
        for rows in self._batches("SELECT DISTINCT root FROM placed ORDER BY root", size):
            yield [row[0] for row in rows]

    def people(self, size: int) -> Iterator[list[Person]]:
        """The users of the file, `size` at a time."""
        decode = msgspec.msgpack.Decoder(Person).decode
        for rows in self._batches("SELECT data FROM person ORDER BY line", size):
            yield [decode(data) for (data,) in rows]

    def _rows(self, statement: str) -> Iterator[Any]:
        return self._db.execute(statement)

    def _batches(self, statement: str, size: int, *values: int) -> Iterator[list[Any]]:
        cursor = self._db.execute(statement, values)
        while rows := cursor.fetchmany(size):
            yield rows
