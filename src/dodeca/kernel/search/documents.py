"""What goes into an index, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

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
    folded: Sequence[dict[str, Any]] = ()
    """The words once more, of an index that has `parts`."""


def storable(text: str) -> str:
    """Without what no database stores: zero characters and halves of surrogate pairs."""
    if text.isascii():
        return text.replace("\0", " ")
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
