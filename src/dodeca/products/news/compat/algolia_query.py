"""What a search asks for: words, tags, numeric filters, pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, String, and_, case, cast, or_, select, true

from dodeca.commons.accounts.public import account_by_name
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.search import parsed
from dodeca.products.news.models import Item
from dodeca.products.news.service import listing, searching
from dodeca.products.news.service.members import VISITOR, visible_to

HITS, MOST_PER_PAGE, LAST_PAGE = 20, 1000, 10**6
FRONT_PAGE: Final = 30
_NUMERIC: Final = re.compile(r"\s*(created_at_i|points|num_comments)\s*(<=|>=|!=|=|<|>)\s*(-?\d{1,15})\s*")
_FIELDS: Final = {
    "title": "title",
    "url": "url",
    "author": "author",
    "story_text": "text",
    "comment_text": "text",
    "text": "text",
    "story_title": "title",
    "story_url": "url",
}
_KINDS: Final = {"ask_hn": "ask", "show_hn": "show"}
_TYPES: Final = ("story", "comment", "poll", "pollopt", "job")


class Asked(msgspec.Struct, kw_only=True):
    """A search, understood. `tags` are groups of which one must fit, all groups together."""

    query: str
    tags: list[list[str]]
    numeric: list[tuple[str, str, int]]
    page: int
    hits_per_page: int
    fields: frozenset[str]
    """Fields of our index to search in; empty for all."""


def read(given: Mapping[str, str]) -> Asked:
    """Understand the parameters; unknown ones are ignored. Raises Invalid."""
    return Asked(
        query=given.get("query", "")[:500],
        tags=_tags(given.get("tags", "")),
        numeric=_numeric(given.get("numericFilters", "")),
        page=_number(given, "page", 0, LAST_PAGE),
        hits_per_page=_number(given, "hitsPerPage", HITS, MOST_PER_PAGE),
        fields=_restricted(given.get("restrictSearchableAttributes", "")),
    )


def _number(given: Mapping[str, str], name: str, usual: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit():
        raise Invalid(f'invalid value for parameter "{name}": a positive integer is expected')
    return min(int(text[:12]), most)


def _restricted(text: str) -> frozenset[str]:
    names = [name.strip(' []"') for name in text.split(",") if name.strip(' []"')]
    if any(name not in _FIELDS for name in names):
        raise Invalid(f'invalid attribute in "restrictSearchableAttributes": {text[:100]}')
    return frozenset(_FIELDS[name] for name in names)


def _tags(text: str) -> list[list[str]]:
    """`story,(author_a,author_b)` → [["story"], ["author_a", "author_b"]]."""
    groups: list[list[str]] = []
    rest = text.strip()
    while rest:
        if rest[0] == "(":
            inside, closed, rest = rest[1:].partition(")")
            if not closed:
                raise Invalid('unexpected end of filter: missing ")"')
            groups.append([part.strip() for part in inside.split(",") if part.strip()])
            rest = rest.lstrip(", ")
        else:
            part, _, rest = rest.partition(",")
            if part.strip():
                groups.append([part.strip()])
            rest = rest.lstrip()
    return [group for group in groups if group]


def _numeric(text: str) -> list[tuple[str, str, int]]:
    found = []
    for part in text.strip("[]").replace('"', "").split(",") if text else ():
        match = _NUMERIC.fullmatch(part)
        if match is None:
            raise Invalid(f"invalid numeric filter: {part[:60]}")
        found.append((match[1], match[2], int(match[3])))
    return found


def found(session: ReadSession, asked: Asked, *, newest: bool, limit: int) -> list[int]:
    """The ids that fit, best or newest first."""
    wanted = and_(visible_to(VISITOR), *_conditions(session, asked))
    if parsed(asked.query).is_empty:
        order: list[ColumnElement[Any]] = [Item.created_at.desc()] if newest else [Item.score.desc()]
        ids = select(Item.id).where(wanted)
        if not asked.tags:
            ids = ids.where(Item.type != "pollopt")
        return list(session.scalars(ids.order_by(*order, Item.id.desc()).limit(limit)))
    same = Item.id == cast(searching.index.table.c.doc_id, Item.id.type)
    visible: Select[Any] = select(cast(Item.id, String)).where(same, wanted)
    hits = searching.index.query(session, asked.query, limit=limit, visible=visible, newest=newest, typos=True)
    if asked.fields:
        hits = [hit for hit in hits if any(hit.highlights[name].found for name in asked.fields)]
    if newest:
        return [int(hit.doc_id) for hit in hits]
    points = _points(session, [int(hit.doc_id) for hit in hits])
    ranked = sorted(hits, key=lambda hit: (-round(hit.rank, 1), -points.get(int(hit.doc_id), 0)))
    return [int(hit.doc_id) for hit in ranked]


def _points(session: ReadSession, ids: list[int]) -> dict[int, int]:
    statement = select(Item.id, Item.score).where(Item.id.in_(ids))
    return {row[0]: row[1] for row in session.execute(statement)} if ids else {}


def _conditions(session: ReadSession, asked: Asked) -> list[ColumnElement[bool]]:
    conditions = [or_(*(_tag(session, tag) for tag in group)) for group in asked.tags]
    return [*conditions, *(_compared(*filter_) for filter_ in asked.numeric)]


def _tag(session: ReadSession, tag: str) -> ColumnElement[bool]:
    kind, _, value = tag.partition("_")
    if tag in _TYPES:
        return Item.type == tag
    if tag in _KINDS:
        return listing.of_kind(_KINDS[tag])
    if tag == "front_page":
        top = listing.posts(session, VISITOR, "top", limit=FRONT_PAGE).items
        return Item.id.in_([item.id for item in top])
    if kind == "author" and value:
        account = account_by_name(session, value)
        return Item.author_id == (account.id if account is not None else "")
    if kind == "story" and value.isascii() and value.isdigit() and len(value) < 16:
        return Item.root_id == int(value)
    return ~true()


def _compared(name: str, operator: str, number: int) -> ColumnElement[bool]:
    column: Any
    value: Any = number
    if name == "created_at_i":
        column = Item.created_at
        value = datetime.fromtimestamp(min(max(number, 0), 2**33), UTC)
    elif name == "points":
        column = Item.score
    else:
        column = case((Item.descendants > 0, Item.descendants), else_=Item.imported_descendants)
    comparisons: dict[str, ColumnElement[bool]] = {
        "<": column < value,
        "<=": column <= value,
        "=": column == value,
        "!=": column != value,
        ">=": column >= value,
        ">": column > value,
    }
    return comparisons[operator] if name != "points" else and_(comparisons[operator], Item.type != "comment")
