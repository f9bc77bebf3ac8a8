"""The search API of Hacker News (https://hn.algolia.com/api): `search`, `search_by_date`, `items/ID`, `users/NAME`."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from dodeca.commons.accounts.public import account_by_name
from dodeca.commons.discussion import Node
from dodeca.commons.discussion.text import rendered
from dodeca.kernel.clock import rfc3339
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import DodecaError, NotFound
from dodeca.kernel.http import Access, Calling, DbRead, FromPath, get, problems
from dodeca.products.news.compat.algolia_hits import hits
from dodeca.products.news.compat.algolia_query import found, read
from dodeca.products.news.models import Item, Member
from dodeca.products.news.service import items, listing, threads
from dodeca.products.news.service.members import VISITOR

HEADERS: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
MOST_HITS: Final = 1000
DEEPEST_NESTING: Final = 100


def _answer(value: object, status: int = 200) -> Response[bytes]:
    return Response(
        msgspec.json.encode(value), status_code=status, media_type="application/json; charset=utf-8", headers=HEADERS
    )


@get("/api/v1/search", access=Access.PUBLIC)
def search(session: DbRead, call: Calling) -> Response[bytes]:
    """By relevance, then points."""
    return _search(session, dict(call.request.query_params.items()), newest=False)


@get("/api/v1/search_by_date", access=Access.PUBLIC)
def search_by_date(session: DbRead, call: Calling) -> Response[bytes]:
    """Newest first."""
    return _search(session, dict(call.request.query_params.items()), newest=True)


def _search(session: ReadSession, given: dict[str, str], *, newest: bool) -> Response[bytes]:
    started = time.perf_counter()
    asked = read(given)
    ids = found(session, asked, newest=newest, limit=MOST_HITS)
    start = asked.page * asked.hits_per_page
    part = ids[start : start + asked.hits_per_page]
    pages = -(-len(ids) // asked.hits_per_page) if asked.hits_per_page else 0
    return _answer(
        {
            "hits": hits(session, part, asked),
            "nbHits": len(ids),
            "page": asked.page,
            "nbPages": pages,
            "hitsPerPage": asked.hits_per_page,
            "exhaustiveNbHits": len(ids) < MOST_HITS,
            "query": asked.query,
            "params": urlencode(given),
            "processingTimeMS": int((time.perf_counter() - started) * 1000) + 1,
        }
    )


@get("/api/v1/items/{item_id:str}", access=Access.PUBLIC)
def read_item(session: DbRead, item_id: FromPath[str]) -> Response[bytes]:
    """An item with its whole tree."""
    number = int(item_id) if item_id.isascii() and item_id.isdigit() and len(item_id) < 17 else 0
    item = items.find(session, VISITOR, number)
    root = listing.root_of(session, VISITOR, item)
    nodes = threads.thread(session, VISITOR, root, sort="old")
    if item.type == "comment":
        walked = (node for top in nodes for node in top.walk())
        nodes = next((node for node in walked if node.row.id == item.id), Node(item)).replies
    names = listing.names_of(session, [item, *(node.row for top in nodes for node in top.walk())])
    view = _item_view(item, names)
    view["children"] = _trees(nodes, names)
    options = listing.options_of(session, [item.id]).get(item.id, []) if item.type == "poll" else []
    view["options"] = [{**_item_view(option, names), "children": [], "options": []} for option in options]
    return _answer(view)


def _trees(nodes: list[Node[Item]], names: dict[str, str]) -> list[Any]:
    """All branches, from the leaves up; deep ones are encoded on the way, as an encoder follows nesting so far only."""
    made: dict[int, Any] = {}
    walked = [node for top in nodes for node in top.walk()]
    for node in reversed(walked):
        row = node.row
        children = [made.pop(reply.row.id) for reply in node.replies]
        view: Any = {"id": row.id, "children": children}
        if row.state == "live":
            view = {**_item_view(row, names), "options": [], "children": children}
        deep = node.depth and node.depth % DEEPEST_NESTING == 0
        made[row.id] = msgspec.Raw(msgspec.json.encode(view)) if deep else view
    return [made[node.row.id] for node in nodes]


def _item_view(row: Item, names: dict[str, str]) -> dict[str, Any]:
    is_comment = row.type == "comment"
    return {
        "id": row.id,
        "created_at": rfc3339(row.created_at).removesuffix("Z").partition(".")[0] + ".000Z",
        "created_at_i": int(row.created_at.timestamp()),
        "type": row.type,
        "author": names.get(row.author_id or ""),
        "title": row.title or None,
        "url": row.url,
        "text": row.html or None,
        "points": None if is_comment else row.score,
        "parent_id": row.parent_id,
        "story_id": row.root_id or row.id,
    }


@get("/api/v1/users/{username:str}", access=Access.PUBLIC)
def read_user(session: DbRead, username: FromPath[str]) -> Response[bytes]:
    """A member."""
    account = account_by_name(session, username)
    if account is None:
        raise NotFound()
    row = session.get(Member, account.id)
    posts, comments = listing.counts_of(session, account.id)
    return _answer(
        {
            "username": account.username,
            "about": rendered(row.about) if row is not None else "",
            "karma": row.karma if row is not None else 1,
            "created_at": rfc3339(account.created_at),
            "created_at_i": int(account.created_at.timestamp()),
            "submission_count": posts,
            "comment_count": comments,
        }
    )


_BELOW = ("", "/items/{item_id:str}", "/users/{username:str}", "/search", "/search_by_date")


@get(
    ["/api/v1", "/api/v1/items", "/api/v1/users", *(f"/api/v1{place}/{{path:path}}" for place in _BELOW)],
    access=Access.PUBLIC,
)
async def read_unknown() -> None:
    """There is nothing else, which is said in this API's shape."""
    raise NotFound()


def algolia_error(_request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """The answer that an exception amounts to."""
    status, error = problems.as_dodeca_error(exception)
    if status == 404:
        return _answer({"status": 404, "error": "Not Found"}, 404)
    return _answer({"message": error.message, "status": status}, status)


router = Router(
    "/",
    route_handlers=[search, search_by_date, read_item, read_user, read_unknown],
    exception_handlers={Exception: algolia_error, HTTPException: algolia_error, DodecaError: algolia_error},
)
