"""Parts of words: a field found by any three or more characters that follow one another in it.

SQLite has a second FTS5 table for this, with every three characters of the folded words as a token
(https://www.sqlite.org/fts5.html#the_trigram_tokenizer). It keeps no text and no places of its own: the text is in the
table of words, and what holds the threes is compared with it. PostgreSQL keeps the folded words in a column, with an
index of pg_trgm where that may be installed (https://www.postgresql.org/docs/current/pgtrgm.html); where not, it reads
the column from end to end.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    TableClause,
    Text,
    bindparam,
    column,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    select,
    table,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.search.companions import CONTENT_SUFFIX, PARTS_SUFFIX
from dodeca.kernel.search.queries import MAX_CHARACTERS
from dodeca.kernel.search.words import words

SHORTEST: Final = 3
SHORT: Final = 8
"""Parts up to this length are in many documents by chance, each of which would have to be compared."""
MOST_LOOKED_UP: Final = 60
"""Characters of what is searched that the index is asked for; all are compared."""
_FILLED_AT_ONCE: Final = 1_000


def column_of_words() -> Column[str]:
    """The column of an index's table that holds the folded words. SQLite leaves it empty."""
    return Column("parts", Text(), nullable=True)


def folded_words(value: str) -> str:
    """A text as its parts are compared."""
    return " ".join(words(value))


def part_of(typed: str) -> str | None:
    """What was typed as a part; nothing where it is too short for one."""
    part = folded_words(typed[:MAX_CHARACTERS])
    return part if len(part) >= SHORTEST else None


class Parts:
    """The parts of one field of a search index, whose table and FTS5 table of words are given."""

    def __init__(self, documents: Table, fts: TableClause, field: str) -> None:
        self.field = field
        self.companion = f"{documents.name}{PARTS_SUFFIX}"
        self._documents, self._fts = documents, fts
        self._index = f"ix_{documents.name}{PARTS_SUFFIX}"
        self._table = table(self.companion, *(column(name) for name in (self.companion, "rowid", field)))
        self._add = Prepared(insert(self._table), columns=["rowid", field])
        # Thousands may hold the threes of a part and not the part: to ask FTS5 for the words of each of them takes
        # several times as long as to read where it keeps them.
        self._stored = f"c{[one.name for one in fts.columns].index(field) - 1}"
        self._words = table(f"{fts.name}{CONTENT_SUFFIX}", column("id", Integer()), column(self._stored, Text()))

    def holding(self, session: ReadSession, part: str) -> tuple[ColumnElement[bool], Any]:
        """The condition, and what to select from, for documents that hold a part."""
        if session.dialect == "postgresql":
            return self._documents.c.parts.contains(part, autoescape=True), self._documents
        joined = self._table.join(self._words, self._words.c.id == self._table.c.rowid)
        joined = joined.join(self._documents, self._documents.c.id == self._words.c.id)
        threes = literal_column(self.companion).bool_op("MATCH")(_threes(part))
        return threes & (func.instr(self._words.c[self._stored], part) > 0), joined

    @property
    def newest(self) -> ColumnElement[Any]:
        """What sorts the last documents that came in first, on SQLite in the order in which FTS5 gives them."""
        return self._table.c.rowid.desc()

    def add(self, session: WriteSession, rows: list[dict[str, Any]]) -> None:
        """Take in documents, on SQLite: their numbers as `rowid`, and their folded words by field."""
        self._add.insert_many(session, [{"rowid": row["rowid"], self.field: row[self.field]} for row in rows])

    def forget(self, session: WriteSession, number: int) -> None:
        """Take a document out, on SQLite, before its words go: FTS5 has to be told them."""
        gone = select(literal("delete"), self._fts.c.rowid, self._fts.c[self.field]).where(self._fts.c.rowid == number)
        session.execute(insert(self._table).from_select([self.companion, "rowid", self.field], gone))

    def prepare(self, connection: Connection, *, anew: bool) -> None:
        """Make the index where it is missing, and fill it; on SQLite also where the table of words was made `anew`."""
        if connection.dialect.name == "postgresql":
            self._fill_column(connection)
            if schema := _schema_of_trigrams(connection):
                quoted = connection.dialect.identifier_preparer.quote(schema)
                made = f"CREATE INDEX IF NOT EXISTS {self._index} ON {self._documents.name}"
                connection.execute(text(f"{made} USING gin (parts {quoted}.gin_trgm_ops)"))
            return
        if inspect(connection).has_table(self.companion):
            if not anew:
                return
            connection.execute(insert(self._table), {self.companion: "delete-all"})
        else:
            # The words are the content; `detail` and `columnsize` are for ranking.
            options = f"content='{self._fts.name}', content_rowid='rowid', detail='none', columnsize=0"
            made = f"CREATE VIRTUAL TABLE {self.companion} USING fts5(\"{self.field}\", tokenize='trigram', {options})"
            connection.execute(text(made))
        words_there = select(self._fts.c.rowid, self._fts.c[self.field])
        connection.execute(insert(self._table).from_select(["rowid", self.field], words_there))

    def _fill_column(self, connection: Connection) -> None:
        """Fold what stood in the table before it had the column."""
        documents = self._documents
        empty = select(documents.c.id, documents.c[f"field_{self.field}"]).where(documents.c.parts.is_(None))
        fill = update(documents).where(documents.c.id == bindparam("number")).values(parts=bindparam("folded"))
        while rows := connection.execute(empty.limit(_FILLED_AT_ONCE)).all():
            connection.execute(fill, [{"number": number, "folded": folded_words(given)} for number, given in rows])

    def drop(self, connection: Connection) -> None:
        """Drop SQLite's table; PostgreSQL drops the index with its table."""
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"DROP TABLE IF EXISTS {self.companion}"))


def _threes(part: str) -> str:
    """A query for the threes of characters of a part: of a long one for every second, as each costs reading a list of
    documents; of the two that lie across the seam of two fragments one is still asked for."""
    looked_up = part[:MOST_LOOKED_UP]
    last = len(looked_up) - SHORTEST
    starts = (*range(0, last, 1 if len(looked_up) <= SHORT else 2), last)
    return " AND ".join(f'"{looked_up[start : start + SHORTEST]}"' for start in starts)


def _schema_of_trigrams(connection: Connection) -> str | None:
    """Where PostgreSQL's pg_trgm is, installed here if it may be; nothing where it may not or is not there."""
    where = text("SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = :it")
    there = text("SELECT 1 FROM pg_available_extensions WHERE name = :it")
    named = {"it": "pg_trgm"}
    if connection.scalar(where, named) is None and connection.scalar(there, named) is not None:
        try:
            with connection.begin_nested():
                connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
        except DBAPIError:  # not a trusted extension here, or not the database's owner
            return None
    found: str | None = connection.scalar(where, named)
    return found
