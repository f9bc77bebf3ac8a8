"""Threads: all comments of a post as trees, and the part of a large one that a page shows.

A thread is one query over its comments. For a page only what places them is read of all, and the text of those shown:
some hundred a page, each branch up to a limit, behind which a link leads to the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec
from sqlalchemy import Table, bindparam, select

from dodeca.commons.discussion import Node, threaded
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession
from dodeca.kernel.errors import Invalid
from dodeca.products.news import ranking
from dodeca.products.news.models import Item
from dodeca.products.news.service.listing import is_visible
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import Rules

SORTS = ("best", "new", "old", "top")
A_PAGE = 100
A_BRANCH = 60
"""Comments of one branch that a page shows; the others are a link away."""
R = TypeVar("R")


class Outline(NamedTuple):
    """What places a comment in its thread, under the names of its columns."""

    id: int
    parent_id: int
    author_id: str | None
    state: str
    score: int
    counted: int
    created_at: datetime


class Shown(NamedTuple, Generic[R]):
    """A comment of a page, and how many of its answers (with all below them) are not on it."""

    node: Node[R]
    more: int


class ThreadPage(msgspec.Struct, Generic[R]):
    """A part of a thread in reading order, and how many pages there are."""

    shown: list[Shown[R]]
    pages: int


_items = cast(Table, Item.__table__)
_outlines = Prepared(
    select(*(_items.c[name] for name in Outline._fields)).where(
        _items.c.root_id == bindparam("root"), _items.c.type == "comment"
    )
)


def thread(
    session: ReadSession, viewer: Viewer, root: Item, *, sort: str = "best", rules: Rules | None = None
) -> list[Node[Item]]:
    """All comments of a post as trees. What the viewer may not see stays as a place where it was answered.

    Raises Invalid for an unknown sort."""
    order = _order(sort, rules or Rules())
    rows = session.scalars(select(Item).where(Item.root_id == root.id, Item.type == "comment")).all()
    return _arranged(viewer, rows, order)


def outline(session: ReadSession, viewer: Viewer, root_id: int, *, sort: str, rules: Rules) -> list[Node[Outline]]:
    """The same trees without what the comments say. Raises Invalid for an unknown sort."""
    order = _order(sort, rules)
    return _arranged(viewer, list(map(Outline._make, _outlines.rows(session, root=root_id))), order)


def ordered(rows: Sequence[R], sort: str, rules: Rules) -> list[R]:
    """Siblings in display order."""
    return sorted(rows, key=_order(sort, rules))


def _arranged(viewer: Viewer, rows: Sequence[R], order: Callable[[Any], Any]) -> list[Node[R]]:
    return threaded(
        rows,
        key=attrgetter("id"),
        parent=attrgetter("parent_id"),
        order=order,
        keep=lambda item: is_visible(viewer, item),
    )


def _order(sort: str, rules: Rules) -> Callable[[Any], Any]:
    """The key by which siblings ascend. Raises Invalid."""
    if sort == "new":
        return lambda item: (-item.created_at.timestamp(), -item.id)
    if sort == "old":
        return lambda item: (item.created_at.timestamp(), item.id)
    if sort == "top":
        return lambda item: (-item.score, item.id)
    if sort == "best":
        now = clock.timestamp()
        return lambda item: (-ranking.faded(item.counted, (now - item.created_at.timestamp()) / 3600, rules), item.id)
    raise Invalid(f"sort is one of {', '.join(SORTS)}.", field="sort")


def page_of(tops: Sequence[Node[R]], number: int) -> ThreadPage[R]:
    """Page `number` (from 1) of some trees: whole trees, each as far as a page shows a branch."""
    pages: list[list[Node[R]]] = [[]]
    size = 0
    for top in tops:
        if size >= A_PAGE:
            pages.append([])
            size = 0
        pages[-1].append(top)
        size += min(top.below + 1, A_BRANCH)
    wanted = pages[number - 1] if 1 <= number <= len(pages) else []
    return ThreadPage([shown for top in wanted for shown in _branch(top)], len(pages))


def _branch(top: Node[R]) -> list[Shown[R]]:
    """The first comments of a branch in reading order, each with what is left out directly below it."""
    first: list[Node[R]] = []
    for node in top.walk():
        if len(first) == A_BRANCH:
            break
        first.append(node)
    if len(first) > top.below:
        return [Shown(node, 0) for node in first]
    known = {id(node) for node in first}
    return [Shown(node, sum(r.below + 1 for r in node.replies if id(r) not in known)) for node in first]
