"""Full-text search: one interface, SQLite's FTS5 or PostgreSQL's tsvector behind it.

Words are told apart and folded here (`words`), not by the engines, so both find the same documents: letter case and
accents do not matter, scripts without spaces are matched by sequences of characters, and nothing depends on the
database's locale. What people type (`queries`) is data: there is no input that an engine could take for syntax.
"""

from dodeca.kernel.search.companions import is_companion
from dodeca.kernel.search.documents import Document, Hit, ReadyDocuments, together
from dodeca.kernel.search.highlights import Snippet
from dodeca.kernel.search.index import MOST_RANKED, SearchIndex
from dodeca.kernel.search.lists import join_all
from dodeca.kernel.search.queries import Query, parsed

__all__ = [
    "MOST_RANKED",
    "Document",
    "Hit",
    "Query",
    "ReadyDocuments",
    "SearchIndex",
    "Snippet",
    "is_companion",
    "join_all",
    "parsed",
    "together",
]
