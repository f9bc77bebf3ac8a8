"""What goes into an index, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from dodeca.kernel.db import Bound
from dodeca.kernel.search.highlights import Snippet


class Hit(msgspec.Struct, frozen=True):
    """A document that was found. `rank` grows with relevance and compares within one answer only; `highlights` has a
    snippet for each field."""

    doc_id: str
    rank: float
    highlights: Mapping[str, Snippet]
    filters: Mapping[str, str | None] = {}
    """Its exact values, by the names of the index's filters."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document for `SearchIndex.index_new`; the members are those of `index`."""

    doc_id: str
    fields: Mapping[str, str]
    filters: Mapping[str, str] = {}
    at: datetime | None = None


class ReadyDocuments(msgspec.Struct, frozen=True):
    """Documents for `SearchIndex.index_new` as the tables take them, see `SearchIndex.ready`. SQLite's still have to be
    numbered."""

    rows: Bound
    words: Bound
    folded: Sequence[str] = ()
    """The words of the field that is found by `parts` of them."""


def together(many: Sequence[ReadyDocuments]) -> ReadyDocuments:
    """All of them in one, in the same order."""
    return ReadyDocuments(
        Bound([row for ready in many for row in ready.rows.rows]),
        Bound([row for ready in many for row in ready.words.rows]),
        [folded for ready in many for folded in ready.folded],
    )


def storable(text: str) -> str:
    """Without what no database stores: zero characters and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", " ")
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
