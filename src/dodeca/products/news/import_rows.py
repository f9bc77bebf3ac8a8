"""From what is staged to rows as the driver takes them. Pure, so that other processes can do it, and column by column:
that takes half the time of one row after another."""

from __future__ import annotations

import pickle
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import URL, Dialect, Table, bindparam, insert, literal_column

from dodeca.commons.discussion import typed
from dodeca.kernel.db import Bound, Prepared
from dodeca.kernel.search import Document, ReadyDocuments
from dodeca.products.news import ranking
from dodeca.products.news.import_staging import Entry, Placed, placed
from dodeca.products.news.models import Item
from dodeca.products.news.service import searching
from dodeca.products.news.service.rules import Rules
from dodeca.products.news.urls import kind_of, site_of, url_key

# Alike in all rows, so part of the statement: what needs no value to be bound costs a third as much. What no file says
# of an item (a reason, when it was locked) is left to be NULL.
_ALIKE: Mapping[str, Any] = {
    **dict.fromkeys(("flags", "vouches", "descendants", "uncounted_seen"), literal_column("0")),
    "penalty": literal_column("1.0"),
    **dict.fromkeys(("active_at", "voted_at", "created_at", "updated_at"), bindparam("created_at")),
    "score_base": bindparam("score"),
    "counted": bindparam("score"),
}
_GIVEN = (
    "id", "type", "kind", "author_id", "parent_id", "root_id", "title", "url", "url_key", "site", "content", "html",
    "score", "imported_descendants", "depth", "state", "rank", "heat",
)  # fmt: skip
_items = cast(Table, Item.__table__)
add_items = Prepared(insert(_items).values({**{name: bindparam(name) for name in _GIVEN}, **_ALIKE}))


@dataclass(frozen=True, slots=True)
class Part:
    """Some placed entries, and all that their rows depend on. `authors`: by the file's name of each author here, the
    account's id and its username. `driver`: the name of SQLAlchemy's dialect with its driver."""

    entries: Sequence[Placed]
    authors: Mapping[str, tuple[str, str]]
    offset: int
    rules: Rules
    now: datetime
    driver: str

    def without(self, held: Container[int]) -> Part:
        """Only those whose rows are not there yet."""
        return replace(self, entries=[row for row in self.entries if placed(row).id + self.offset not in held])


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a part. `points`: what its items add to the karma of their authors, of each by account id."""

    ids: list[int]
    items: Bound
    tags: list[dict[str, Any]]
    documents: ReadyDocuments
    points: dict[str, int]


def packed_rows(part: Part) -> bytes:
    """The rows of a part, to be sent to the process that stores them."""
    return pickle.dumps(_rows(part), protocol=pickle.HIGHEST_PROTOCOL)


def unpacked(packed: bytes) -> Rows:
    """What `packed_rows` gave."""
    rows: Rows = pickle.loads(packed)  # noqa: S301 - from a process of our own
    return rows


def _rows(part: Part) -> Rows:
    entries = [placed(row) for row in part.entries]
    dialect = _dialect(part.driver)
    columns = _columns(entries, part)
    return Rows(
        ids=columns["id"],
        items=add_items.bound_columns(dialect, columns) if entries else Bound(()),
        tags=[{"item_id": entry.id + part.offset, "tag": tag} for entry in entries for tag in entry.tags],
        documents=searching.index.ready(dialect, _documents(entries, columns, part)),
        points=_earned(columns),
    )


@lru_cache(maxsize=1)
def _dialect(driver: str) -> Dialect:
    dialect: Dialect = URL.create(driver).get_dialect()()
    return dialect


def _columns(entries: Sequence[Entry], part: Part) -> dict[str, list[Any]]:
    """The columns of `_GIVEN`, and when each was written."""
    created = [datetime.fromtimestamp(entry.time, UTC) for entry in entries]
    nobody = (None, "")
    return {
        "id": [entry.id + part.offset for entry in entries],
        "type": [entry.type for entry in entries],
        "kind": [kind_of(entry.title) if entry.type == "story" else entry.type for entry in entries],
        "author_id": [part.authors.get(entry.by, nobody)[0] for entry in entries],
        "parent_id": [None if entry.parent is None else entry.parent + part.offset for entry in entries],
        "root_id": [entry.root + part.offset for entry in entries],
        "title": [entry.title for entry in entries],
        "url": [None if entry.deleted else entry.url for entry in entries],
        "url_key": [url_key(entry.url) if entry.url else None for entry in entries],
        "site": [site_of(entry.url) if entry.url else None for entry in entries],
        "content": ["" if entry.deleted else typed(entry.text) for entry in entries],
        "html": ["" if entry.deleted else entry.text for entry in entries],
        "score": [entry.score for entry in entries],
        "imported_descendants": [entry.descendants if entry.parent is None else 0 for entry in entries],
        "depth": [entry.depth for entry in entries],
        "state": [_state(entry) for entry in entries],
        "rank": [
            _rank(entry, moment, part) if entry.parent is None else 0.0
            for entry, moment in zip(entries, created, strict=True)
        ],
        "heat": [ranking.heat(entry.score, moment) for entry, moment in zip(entries, created, strict=True)],
        "created_at": created,
    }


def _state(entry: Entry) -> str:
    if entry.deleted:
        return "deleted"
    return ("flagged" if entry.flagged else "dead") if entry.dead else "live"


def _rank(entry: Entry, created: datetime, part: Part) -> float:
    standing = ranking.Standing(
        counted=entry.score,
        created_at=created,
        has_url=entry.url is not None,
        comments=entry.descendants,
        flags=0,
    )
    return ranking.rank(standing, part.now, part.rules)


def _documents(entries: Sequence[Entry], columns: Mapping[str, list[Any]], part: Part) -> list[Document]:
    """What is found of the items: nothing of deleted ones, and of options."""
    nobody = (None, "")
    told = zip(entries, *(columns[name] for name in ("id", "title", "html", "url", "site", "created_at")), strict=True)
    return [
        searching.document(item_id, entry.type, title, html, url, site, part.authors.get(entry.by, nobody)[1], created)
        for entry, item_id, title, html, url, site, created in told
        if not entry.deleted and entry.type != "pollopt"
    ]


def _earned(columns: Mapping[str, list[Any]]) -> dict[str, int]:
    points: dict[str, int] = {}
    for who, score in zip(columns["author_id"], columns["score"], strict=True):
        if who is not None:
            points[who] = points.get(who, 0) + max(0, score - 1)
    return points
