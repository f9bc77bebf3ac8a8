"""An index: its table, how documents get in, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Index,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    Text,
    bindparam,
    cast,
    column,
    delete,
    event,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    select,
    table,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.kernel.db import Bound, Prepared, ReadSession, UtcDateTime, WriteSession
from dodeca.kernel.db import metadata as all_tables
from dodeca.kernel.search import lists, naming, queries
from dodeca.kernel.search.companions import WORDS_SUFFIX
from dodeca.kernel.search.documents import Document, Hit, ReadyDocuments, storable
from dodeca.kernel.search.highlights import snippet
from dodeca.kernel.search.parts import Parts, column_of_words, folded_words, part_of
from dodeca.kernel.search.queries import Query, Term, parsed
from dodeca.kernel.search.vectors import LETTERS, vector, vector_text

MAX_OFFSET: Final = 10_000
MOST_RANKED: Final = 1_000
"""Documents that SQLite ranks for one query. It is bounded, as relevance has to be computed for each."""


class SearchIndex:
    """A searchable kind of document, such as the stories of `news`.

    `fields` are at most four texts with their weights (title 10, body 1). `filters` are names of exact values to
    narrow by (community, language). The table `search_<name>` holds one row a document, its text as given; it belongs
    to `module`, whose migrations make it. On SQLite an FTS5 table stands beside it, made by the table's
    `after_create` event, which `kernel.db.migrations.add_extras` sends too.

    `names` says that the fields are names of a few words, see `naming`. `parts` is a field that is found by parts of
    its words too, see `parts`.

    Who may see what is not known here: give `query` a statement that selects the ids of what the actor may see.
    """

    def __init__(
        self,
        name: str,
        *,
        module: str,
        fields: Mapping[str, float],
        filters: Sequence[str] = (),
        names: bool = False,
        parts: str | None = None,
        metadata: MetaData = all_tables,
    ) -> None:
        if not 1 <= len(fields) <= len(LETTERS):
            raise ValueError("An index has one to four fields.")
        self.name = name
        self.fields = dict(fields)
        self.filters = tuple(filters)
        self._names = names
        key = BigInteger().with_variant(Integer(), "sqlite")
        self.table = Table(
            f"search_{name}",
            metadata,
            Column("id", key, primary_key=True, autoincrement=True),
            Column("doc_id", String(), nullable=False, unique=True),
            Column("at", UtcDateTime(), nullable=True, index=True),
            *(Column(f"filter_{filter_}", String(), nullable=True) for filter_ in self.filters),
            *(Column(f"field_{field}", Text(), nullable=False) for field in self.fields),
            Column("document", postgresql.TSVECTOR().with_variant(Text(), "sqlite"), nullable=True),
            *([column_of_words()] if parts is not None else []),
            info={"module": module},
        )
        Index(
            f"ix_search_{name}_document",
            self.table.c.document,
            postgresql_using="gin",
            sqlite_where=self.table.c.document.is_not(None),
        )
        self.companion = f"search_{name}{WORDS_SUFFIX}"
        self._fts = table(self.companion, column("rowid", Integer()), *(column(field, Text()) for field in self.fields))
        self._parts = Parts(self.table, self._fts, parts) if parts is not None else None
        columns = [column.name for column in self.table.columns if column.name not in ("document", "parts")]
        self._add = Prepared(insert(self.table), columns=columns)
        self._add_words = Prepared(insert(self._fts), columns=["rowid", *self.fields])
        document = cast(bindparam("vector", type_=Text()), postgresql.TSVECTOR)
        with_parts = ["parts"] if parts is not None else []
        self._add_with_vector = Prepared(
            insert(self.table).values({n: bindparam(n) for n in [*columns[1:], *with_parts]} | {"document": document})
        )
        event.listen(self.table, "after_create", self._after_create)
        event.listen(self.table, "before_drop", self._before_drop)

    # Documents

    def index(
        self,
        session: WriteSession,
        doc_id: str,
        fields: Mapping[str, str],
        *,
        filters: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> None:
        """Put a document in, in place of what was there under its id. Fields that are left out are empty.

        `at` is what "newest" sorts by. Raises ValueError for a field or filter that the index does not have.
        """
        filters = filters or {}
        if unknown := (fields.keys() - self.fields.keys()) | (filters.keys() - set(self.filters)):
            raise ValueError(f"The index {self.name} has no {', '.join(sorted(unknown))}.")
        texts = {field: storable(fields.get(field, "")) for field in self.fields}
        values: dict[str, Any] = {
            "at": at,
            **{f"filter_{name}": filters.get(name) for name in self.filters},
            **{f"field_{field}": value for field, value in texts.items()},
        }
        if session.dialect == "postgresql":
            values["document"] = cast(vector(texts.values()), postgresql.TSVECTOR)
            if self._parts is not None:
                values["parts"] = folded_words(texts[self._parts.field])
            session.execute(_upsert(postgresql.insert(self.table), doc_id, values))
            return
        stored = _upsert(sqlite.insert(self.table), doc_id, values).returning(self.table.c.id)
        number = session.execute(stored).scalar_one()
        self._forget_words(session, number)
        row = self._row(number, texts)
        session.execute(insert(self._fts), row)
        if self._parts is not None:
            self._parts.add(session, [row])

    def ready(self, dialect: Dialect, documents: Sequence[Document]) -> ReadyDocuments:
        """Documents for `index_new`, with all that can be done before the unit of work: most of it."""
        if not documents:
            return ReadyDocuments(Bound(()), Bound(()))
        given = {field: [document.fields.get(field, "") for document in documents] for field in self.fields}
        texts = {field: [storable(text) for text in texts] for field, texts in given.items()}
        columns: dict[str, Sequence[object]] = {
            "doc_id": [document.doc_id for document in documents],
            "at": [document.at for document in documents],
            **{f"filter_{name}": [document.filters.get(name) for document in documents] for name in self.filters},
            **{f"field_{field}": values for field, values in texts.items()},
        }
        if dialect.name == "postgresql":
            columns["vector"] = list(map(vector_text, zip(*texts.values(), strict=True)))
            if self._parts is not None:
                columns["parts"] = list(map(folded_words, texts[self._parts.field]))
            return ReadyDocuments(self._add_with_vector.bound_columns(dialect, columns), Bound(()))
        folded = {field: [folded_words(text) for text in texts] for field, texts in given.items()}
        rows = self._add.bound_columns(dialect, {"id": [0] * len(documents), **columns})
        words = self._add_words.bound_columns(dialect, {"rowid": [0] * len(documents), **folded})
        return ReadyDocuments(rows, words, folded[self._parts.field] if self._parts is not None else ())

    def index_new(
        self, session: WriteSession, documents: Sequence[Document] | ReadyDocuments, *, alone: bool = False
    ) -> None:
        """Put in many documents whose ids are not in the index yet, for imports: a few statements for all of them.

        FTS5 writes a list of words after each statement of several rows, but one a unit of work where each row has its
        own statement. As each of these asks for the interpreter anew, `alone` is for a process whose other threads do
        next to nothing meanwhile. Raises IntegrityError where one is there already."""
        if not isinstance(documents, ReadyDocuments):
            documents = self.ready(session.get_bind().dialect, documents)
        if session.dialect == "postgresql":
            self._add_with_vector.insert_many(session, documents.rows)
            return
        first = (session.scalar(select(func.max(self.table.c.id))) or 0) + 1  # SQLite has one writer
        self._add.insert_many(session, documents.rows.numbered(first))
        if self._parts is not None:
            field = self._parts.field
            self._parts.add(session, [{"rowid": n, field: value} for n, value in enumerate(documents.folded, first)])
        add = self._add_words.run_many if alone else self._add_words.insert_many
        add(session, documents.words.numbered(first))

    def begin_load(self, session: WriteSession) -> None:
        """Before most of an index comes in at once: let FTS5 join its lists of words less often, which is half of its
        work. They are longer, and more, until `end_load`, so that searching takes longer."""
        self._configure(session, lists.LOADING)

    def end_load(self, session: WriteSession) -> None:
        """After `begin_load`, also after one that was broken off."""
        self._configure(session, lists.NOT_LOADING)

    def is_loading(self, session: ReadSession) -> bool:
        """Whether `end_load` is still to come."""
        return session.dialect == "sqlite" and lists.are_loading(session, self.companion)

    def join_lists(self, session: WriteSession) -> bool:
        """Join FTS5's lists of words a little where there are many: whatever is looked up is looked for in all of them.

        Says whether there may be more to do. A call holds the writer up for some hundredths of a second."""
        names = [self.companion, *([self._parts.companion] if self._parts is not None else [])]
        return session.dialect == "sqlite" and any(lists.join(session, name) for name in names)

    def _configure(self, session: WriteSession, options: Mapping[str, int]) -> None:
        if session.dialect == "sqlite":
            lists.configure(session, self.companion, options)

    def folded(self, fields: Mapping[str, str]) -> dict[str, str]:
        """The words of each field as FTS5 gets them."""
        return {field: folded_words(fields.get(field, "")) for field in self.fields}

    def remove(self, session: WriteSession, doc_id: str) -> None:
        """Take a document out; no error when it is not there."""
        gone = delete(self.table).where(self.table.c.doc_id == doc_id).returning(self.table.c.id)
        for number in session.execute(gone).scalars().all():
            if session.dialect == "sqlite":
                self._forget_words(session, number)

    def _forget_words(self, session: WriteSession, number: int) -> None:
        if self._parts is not None:
            self._parts.forget(session, number)
        session.execute(delete(self._fts).where(self._fts.c.rowid == number))

    # Finding

    def query(
        self,
        session: ReadSession,
        text: str,
        *,
        limit: int = 30,
        offset: int = 0,
        filters: Mapping[str, str | Sequence[str]] | None = None,
        visible: Select[tuple[str]] | None = None,
        newest: bool = False,
        snippet_words: int = 30,
        loosely: bool = False,
        within: Sequence[str] = (),
    ) -> list[Hit]:
        """Documents with what `text` asks for (see `queries`), the most relevant first, or the newest.

        A filter is a value or several of which one must fit. `visible` selects the ids that the actor may see. A query
        without words finds nothing. Without `snippet_words` nothing is highlighted. Ask for one more than a page holds
        to know whether there is another. With `loosely`, where nothing fits, parts of words do, in an index that has
        `parts`, the last that came in first; where these do not either, words may be spelt a little differently, of
        which SQLite gives the last first. `within` names the fields that count (not for an index of names); without
        it all do.
        """
        query = parsed(text)
        if query.is_empty:
            return []
        search = partial(
            self._search,
            session,
            limit=limit,
            offset=offset,
            filters=filters or {},
            visible=visible,
            newest=newest,
            snippet_words=snippet_words,
            within=within,
        )
        found = search(query)
        if found or offset or not loosely:
            return found
        found = self._holding(session, text, query, limit, filters or {}, visible, snippet_words)
        if found:
            return found
        right = [term for term in query.wanted if self._is_there(session, term)]
        spelt = query.with_typos(right)
        if any(not term.others for term in spelt.wanted if term not in right):
            return []  # what is nowhere, and too short to be misspelt
        if right and spelt != query:
            # Each spelling costs a look into the index: a word that is there is taken as meant, as long as that helps.
            found = search(spelt)
        return found or search(query.with_typos())

    def _is_there(self, session: ReadSession, term: Term) -> bool:
        """Whether any document, whoever may see it, has what a term asks for."""
        # Of a beginning FTS5 reads whole lists before it tells one row. Mostly the word itself is there.
        for one in [Term(term.words), term] if term.prefix else [term]:
            _, matches, source = self._matching(session, Query((one,)), ())
            if session.scalar(select(literal(1)).select_from(source).where(matches).limit(1)) is not None:
                return True
        return False

    def _holding(
        self,
        session: ReadSession,
        typed: str,
        query: Query,
        limit: int,
        filters: Mapping[str, str | Sequence[str]],
        visible: Select[tuple[str]] | None,
        snippet_words: int,
    ) -> list[Hit]:
        """Documents that hold what was typed inside their words."""
        part = part_of(typed) if self._parts is not None else None
        if self._parts is None or part is None:
            return []
        holds, source = self._parts.holding(session, part)
        shown, exact, texts = self._told(snippet_words)
        found: Any = select(self.table.c.doc_id, literal(0.0), self.table.c.id, *exact, *texts).select_from(source)
        found = found.where(holds, *self._wanted(filters, visible))
        newest = self._parts.newest if session.dialect == "sqlite" else self.table.c.id.desc()
        return self._hits(session, found.order_by(newest).limit(limit), query, shown, snippet_words)

    def _search(
        self,
        session: ReadSession,
        query: Query,
        *,
        limit: int,
        offset: int,
        filters: Mapping[str, str | Sequence[str]],
        visible: Select[tuple[str]] | None,
        newest: bool,
        snippet_words: int,
        within: Sequence[str],
    ) -> list[Hit]:
        rank, matches, source = self._matching(session, query, within)
        misspelt = session.dialect == "sqlite" and any(term.others for term in query.wanted)
        if misspelt:  # weighing some hundred spellings takes FTS5 twice as long as finding them
            rank = literal(0.0)
        wanted = self._wanted(filters, visible)
        if self._names and not newest and not misspelt and session.dialect == "sqlite":
            return self._best_names(session, query, wanted, limit=limit, offset=offset, snippet_words=snippet_words)
        shown, exact, texts = self._told(snippet_words)
        found: Any = select(self.table.c.doc_id, rank.label("rank"), self.table.c.id, *exact).select_from(source)
        found = found.where(matches, *wanted)
        if newest:
            statement = found.add_columns(*texts).order_by(self.table.c.at.desc().nulls_last(), self.table.c.id.desc())
        elif misspelt:  # as FTS5 gives them, so it stops when there are enough
            statement = found.add_columns(*texts).order_by(self._fts.c.rowid.desc())
        elif session.dialect == "sqlite":
            statement = self._best_of_the_last(found, texts)
        else:
            statement = found.add_columns(*texts).order_by(literal_column("rank").desc(), self.table.c.id.desc())
        statement = statement.limit(limit).offset(min(offset, MAX_OFFSET))
        return self._hits(session, statement, query, shown, snippet_words)

    def _wanted(
        self, filters: Mapping[str, str | Sequence[str]], visible: Select[tuple[str]] | None
    ) -> list[ColumnElement[bool]]:
        if unknown := filters.keys() - set(self.filters):
            raise ValueError(f"The index {self.name} has no {', '.join(sorted(unknown))}.")
        values = {name: [value] if isinstance(value, str) else list(value) for name, value in filters.items()}
        wanted: list[ColumnElement[bool]] = [
            self.table.c[f"filter_{name}"].in_(given) for name, given in values.items()
        ]
        return wanted if visible is None else [*wanted, self.table.c.doc_id.in_(visible)]

    def _best_of_the_last(self, found: Select[Any], texts: Sequence[Column[str]]) -> Select[Any]:
        """Where very much fits, only what came in last is ranked: FTS5 would weigh every one of a million. It gives its
        rows by number, so it stops as soon as there are enough."""
        last = found.order_by(self._fts.c.rowid.desc()).limit(MOST_RANKED).subquery("last")
        source = last.join(self.table, self.table.c.id == last.c.id) if texts else last
        exact = [last.c[f"filter_{name}"] for name in self.filters]
        statement: Select[Any] = select(last.c.doc_id, last.c.rank, last.c.id, *exact, *texts).select_from(source)
        return statement.order_by(last.c.rank.desc(), last.c.id.desc())

    def _best_names(
        self,
        session: ReadSession,
        query: Query,
        wanted: Sequence[ColumnElement[bool]],
        *,
        limit: int,
        offset: int,
        snippet_words: int,
    ) -> list[Hit]:
        """The best of the last names. Mostly all may be seen, so filters are asked of the best ones only; of all where
        too few are left."""
        matches = literal_column(self.companion).bool_op("MATCH")(queries.for_sqlite(query))
        last: Any = select(self._fts).where(matches).order_by(self._fts.c.rowid.desc()).limit(naming.MOST_RANKED)
        rows, most, weights = session.execute(last).all(), offset + limit, list(self.fields.values())
        best = naming.ranked(query, weights, rows)
        hits: list[Hit] = []
        for start in range(0, len(best), 2 * most):
            hits += self._ranked_hits(session, query, best[start : start + 2 * most], wanted, snippet_words)
            if len(hits) >= most:
                return hits[offset:most]
        if wanted and len(rows) == naming.MOST_RANKED:
            fitting = last.join(self.table, self.table.c.id == self._fts.c.rowid).where(*wanted)
            best = naming.ranked(query, weights, session.execute(fitting).all())[:most]
            hits = self._ranked_hits(session, query, best, (), snippet_words)
        return hits[offset:most]

    def _ranked_hits(
        self,
        session: ReadSession,
        query: Query,
        best: Sequence[naming.Ranked],
        wanted: Sequence[ColumnElement[bool]],
        snippet_words: int,
    ) -> list[Hit]:
        """Of these documents those that fit the filters, in the same order."""
        shown, exact, texts = self._told(snippet_words)
        found: Any = select(self.table.c.id, self.table.c.doc_id, *exact, *texts)
        found = found.where(self.table.c.id.in_([one.number for one in best]), *wanted)
        rows = {number: (doc_id, told) for number, doc_id, *told in session.execute(found)}
        return [
            self._hit(query, (rows[number][0], rank, number, *rows[number][1]), shown, snippet_words)
            for number, rank in best
            if number in rows
        ]

    def _told(self, snippet_words: int) -> tuple[list[str], list[Column[Any]], list[Column[Any]]]:
        """The fields of which there are snippets; the columns of the filters' values, and those of these fields."""
        shown, columns = list(self.fields) if snippet_words else [], self.table.c
        return shown, [columns[f"filter_{name}"] for name in self.filters], [columns[f"field_{f}"] for f in shown]

    def _hits(
        self, session: ReadSession, found: Select[Any], query: Query, shown: Sequence[str], snippet_words: int
    ) -> list[Hit]:
        return [self._hit(query, row, shown, snippet_words) for row in session.execute(found)]

    def _hit(self, query: Query, row: Sequence[Any], shown: Sequence[str], snippet_words: int) -> Hit:
        """A row of id, rank, number, the filters' values, and the texts of `shown`."""
        first = 3 + len(self.filters)
        snippets = {f: snippet(text, query, words=snippet_words) for f, text in zip(shown, row[first:], strict=True)}
        return Hit(row[0], float(row[1]), snippets, dict(zip(self.filters, row[3:first], strict=True)))

    def _matching(
        self, session: ReadSession, query: Query, within: Sequence[str]
    ) -> tuple[ColumnElement[float], ColumnElement[bool], Any]:
        """The rank, the condition, and what to select from, as the engine wants them."""
        if session.dialect == "postgresql":
            letters = "".join(LETTERS[list(self.fields).index(field)] for field in within)
            asked = cast(literal(queries.for_postgres(query, letters)), postgresql.TSQUERY)
            weights = "{" + ",".join(str(weight) for weight in self._postgres_weights()) + "}"
            # 1: divide by the logarithm of the length, so that long documents have no advantage.
            score = func.ts_rank(cast(literal(weights), postgresql.ARRAY(postgresql.REAL)), self._document, asked, 1)
            return score, self._document.bool_op("@@")(asked), self.table
        whole: ColumnElement[Any] = literal_column(self.companion)
        better = -func.bm25(whole, *self.fields.values())
        matches = whole.bool_op("MATCH")(queries.for_sqlite(query, within))
        return better, matches, self.table.join(self._fts, self._fts.c.rowid == self.table.c.id)

    @property
    def _document(self) -> ColumnElement[Any]:
        return self.table.c.document

    def _postgres_weights(self) -> list[float]:
        """Weights of D, C, B, A (in this order), at most 1."""
        most = max(self.fields.values())
        given = [weight / most for weight in self.fields.values()]
        return [*given, *[0.0] * (len(LETTERS) - len(given))][::-1]

    def _texts(self) -> list[Column[str]]:
        return [self.table.c[f"field_{field}"] for field in self.fields]

    # SQLite's companion

    def _row(self, number: int, texts: Mapping[str, str]) -> dict[str, Any]:
        return {"rowid": number, **self.folded(texts)}

    def _after_create(self, _table: Table, connection: Connection, **_: Any) -> None:
        """Make what stands beside the table where it is missing, and fill it from the table's rows."""
        anew = connection.dialect.name == "sqlite" and not inspect(connection).has_table(self.companion)
        if anew:
            self._make_words(connection)
        if self._parts is not None:
            self._parts.prepare(connection, anew=anew)

    def _make_words(self, connection: Connection) -> None:
        columns = ", ".join(f'"{field}"' for field in self.fields)
        # Words come folded and separated by spaces; this tokenizer takes all that is not ASCII for letters.
        connection.execute(
            text(f"CREATE VIRTUAL TABLE {self.companion} USING fts5({columns}, tokenize='ascii', prefix='2 3')")
        )
        for number, *texts in connection.execute(select(self.table.c.id, *self._texts())):
            row = self._row(number, dict(zip(self.fields, texts, strict=True)))
            connection.execute(insert(self._fts), row)

    def _before_drop(self, _table: Table, connection: Connection, **_: Any) -> None:
        if self._parts is not None:
            self._parts.drop(connection)
        if connection.dialect.name == "sqlite":
            connection.execute(text(f"DROP TABLE IF EXISTS {self.companion}"))


def _upsert(statement: Any, doc_id: str, values: Mapping[str, Any]) -> Any:
    return statement.values(doc_id=doc_id, **values).on_conflict_do_update(index_elements=["doc_id"], set_=values)
