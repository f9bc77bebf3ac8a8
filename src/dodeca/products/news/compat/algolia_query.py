"""What a search asks for: words, tags, numeric filters, pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, String, and_, case, cast, literal_column, or_, select, true

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
_POST_TAGS: Final = frozenset(("story", "poll", "job", "front_page", *_KINDS))
_OTHER_TAGS: Final = frozenset(("comment", "pollopt"))
# In the words of the partial indexes; comments have no points, so without a date they come last.
_IS_COMMENT: Final = Item.type == literal_column("'comment'")
_IS_OPTION: Final = and_(
    Item.type == literal_column("'pollopt'"),
    Item.parent_id.in_(select(Item.id).where(listing.of_kind("poll")).correlate(None)),
)
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
        return _without_words(session, asked, wanted, newest=newest, limit=limit)
    same = Item.id == cast(searching.index.table.c.doc_id, Item.id.type)
    visible: Select[Any] = select(cast(Item.id, String)).where(same, wanted)
    hits = searching.index.query(
        session,
        asked.query,
        limit=limit,
        visible=visible,
        newest=newest,
        loosely=True,
        snippet_words=0,
        within=sorted(asked.fields),
    )
    if newest:
        return [int(hit.doc_id) for hit in hits]
    points = _points(session, [int(hit.doc_id) for hit in hits])
    ranked = sorted(hits, key=lambda hit: (-round(hit.rank, 1), -points.get(int(hit.doc_id), 0)))
    return [int(hit.doc_id) for hit in ranked]


def _without_words(
    session: ReadSession, asked: Asked, wanted: ColumnElement[bool], *, newest: bool, limit: int
) -> list[int]:
    """Everything that the filters let through. Posts, comments and options have indexes of their own, which are read in
    order; a branch that a filter rules out is left out here, for it would be read to its end in vain."""
    named = [set(group) for group in asked.tags]
    has_points = any(name != "created_at_i" for name, _operator, _number in asked.numeric)
    posts_only = has_points or any(group <= _POST_TAGS for group in named)
    found: list[tuple[int, Any, int]] = []
    if not any(group <= _OTHER_TAGS for group in named):
        found += _branch(session, wanted, listing.IS_POST, by=Item.created_at if newest else Item.score, limit=limit)
    if not posts_only and {"pollopt"} not in named:
        found += _branch(session, wanted, _IS_COMMENT, by=Item.created_at, limit=limit, last=not newest)
    if any("pollopt" in group for group in named):
        found += _branch(session, wanted, _IS_OPTION, by=Item.created_at if newest else Item.score, limit=limit)
    return [item_id for _first, _by, item_id in sorted(found, reverse=True)[:limit]]


def _branch(
    session: ReadSession,
    wanted: ColumnElement[bool],
    kind: ColumnElement[bool],
    *,
    by: Any,
    limit: int,
    last: bool = False,
) -> list[tuple[int, Any, int]]:
    """Whether it comes before what is `last`, what it is sorted by, and its id."""
    statement = select(by, Item.id).where(kind, wanted).order_by(by.desc(), Item.id.desc()).limit(limit)
    return [(0 if last else 1, value, item_id) for value, item_id in session.execute(statement)]


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
    return comparisons[operator] if name == "created_at_i" else and_(comparisons[operator], Item.type != "comment")
