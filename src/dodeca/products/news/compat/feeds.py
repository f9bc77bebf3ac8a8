"""Feeds as RSS 2.0, Atom and JSON Feed, with thresholds: lists, comments, a member's doings, one thread.

The parameters are those of hnrss (https://hnrss.github.io)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

from litestar import Response, Router

from dodeca.commons.accounts.public import account_by_name
from dodeca.commons.feeds import MEDIA_TYPES, Entry, Feed, answer
from dodeca.kernel.db import ReadSession
from dodeca.kernel.errors import Invalid, NotFound
from dodeca.kernel.http import Access, Call, Calling, DbRead, FromPath, Slice, get
from dodeca.products.news.acting import feed_token
from dodeca.products.news.models import Item
from dodeca.products.news.service import items, listing, threads
from dodeca.products.news.service.listing import Wanted
from dodeca.products.news.service.members import VISITOR, Viewer

COUNT, MOST, LARGEST = 30, 100, 10**9
PAGES: Final = 10
"""Pages of MOST posts or comments that are looked through for what fits."""
_POSTS: Final = {
    "frontpage": ("top", "Front page"),
    "newest": ("new", "Newest"),
    "ask": ("ask", "Questions"),
    "show": ("show", "Shown"),
    "polls": ("poll", "Polls"),
    "jobs": ("job", "Jobs"),
    "best": ("best", "Best"),
    "active": ("active", "Active"),
}


@get(["/rss", "/rss.atom", "/rss.jsonfeed"], access=Access.PUBLIC)
def read_front_page(session: DbRead, call: Calling) -> Response[bytes]:
    """The front page in one of the formats."""
    _, dot, kind = call.request.url.path.rpartition("/")[2].partition(".")
    return _answer(session, call, f"frontpage{dot}{kind}")


@get("/rss/{name:str}", access=Access.PUBLIC)
def read_feed(session: DbRead, call: Calling, name: FromPath[str]) -> Response[bytes]:
    """One feed. `.atom` and `.jsonfeed` behind the name choose the format."""
    return _answer(session, call, name)


def _answer(session: ReadSession, call: Call, name: str) -> Response[bytes]:
    name, _, kind = name.partition(".")
    kind = kind or "rss"
    if kind not in MEDIA_TYPES:
        raise NotFound()
    given = dict(call.request.query_params.items())
    title, found = _found(session, call, name, given)
    fits = _fitting(given)
    fitting = list(islice(filter(fits, found), _number(given, "count", COUNT, MOST)))
    entries = _entries(session, call, fitting, given)
    feed = Feed(
        title=f"{title} · News",
        link=call.platform.url("/news/"),
        own=call.platform.url(str(call.request.url.path)),
        description=f"{title} of News on {call.platform.public_url.partition('://')[2]}",
        entries=entries,
    )
    return answer(call, feed, kind, shared=name != "feed")


def _number(given: dict[str, str], name: str, usual: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit():
        raise Invalid(f"{name} is a number.", field=name)
    return min(int(text[:12]), most)


def _found(session: ReadSession, call: Call, name: str, given: dict[str, str]) -> tuple[str, Iterable[Item]]:
    """What a feed is called, and what it chooses from."""
    if name in _POSTS:
        sort, title = _POSTS[name]
        wanted = Wanted(min_points=_number(given, "points", 0, LARGEST) or None)
        return title, _paged(partial(listing.posts, session, VISITOR, sort, wanted, limit=MOST))
    if name in ("newcomments", "bestcomments"):
        best = name == "bestcomments"
        comments = _paged(partial(listing.comments_of, session, VISITOR, None, best=best, limit=MOST))
        return "Best comments" if best else "New comments", comments
    if name == "item":
        text = given.get("id", "")
        item = items.find(session, VISITOR, int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0)
        nodes = threads.thread(session, VISITOR, listing.root_of(session, VISITOR, item), sort="new")
        rows = [node.row for top in nodes for node in top.walk() if node.row.state == "live"]
        return item.title or "A thread", sorted(rows, key=lambda row: -row.id)[:MOST]
    if name == "feed":
        return "What you follow", _own_feed(session, call, given)
    if name in _MEMBERS:
        account = account_by_name(session, given.get("id", "")[:100])
        if account is None:
            raise NotFound("User not found.")
        words, find = _MEMBERS[name]
        return words.format(account.username), find(session, account.id, account.username)
    raise NotFound()


def _paged(read: Callable[..., Slice[Item]]) -> Iterator[Item]:
    """One page after the other, as long as they are asked for: few posts may have what the thresholds want."""
    cursor = None
    for _ in range(PAGES):
        page = read(cursor=cursor)
        yield from page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def _submitted(session: ReadSession, _account_id: str, username: str) -> Sequence[Item]:
    return listing.posts(session, VISITOR, "new", Wanted(author=username), limit=MOST).items


def _threads(session: ReadSession, account_id: str, _username: str) -> Sequence[Item]:
    return listing.comments_of(session, VISITOR, account_id, limit=MOST).items


def _user(session: ReadSession, account_id: str, username: str) -> Sequence[Item]:
    both = [*_submitted(session, account_id, username), *_threads(session, account_id, username)]
    return sorted(both, key=lambda row: (row.created_at, row.id), reverse=True)[:MOST]


def _replies(session: ReadSession, account_id: str, _username: str) -> Sequence[Item]:
    return listing.replies_to(session, account_id, limit=MOST)


def _favorites(session: ReadSession, account_id: str, _username: str) -> Sequence[Item]:
    return listing.marked(session, account_id, "favorites", VISITOR)


_MEMBERS: Final[dict[str, tuple[str, Callable[[ReadSession, str, str], Sequence[Item]]]]] = {
    "user": ("{}", _user),
    "submitted": ("Posts of {}", _submitted),
    "threads": ("Comments of {}", _threads),
    "replies": ("Replies to {}", _replies),
    "favorites": ("Favourites of {}", _favorites),
}


def _own_feed(session: ReadSession, call: Call, given: dict[str, str]) -> Sequence[Item]:
    account = account_by_name(session, given.get("id", "")[:100])
    token = given.get("token", "").encode()
    if account is None or not hmac.compare_digest(token, feed_token(call.platform, account.id).encode()):
        raise NotFound()
    found = listing.feed(session, Viewer(account.id), limit=MOST)
    return sorted([*found.posts, *found.comments], key=lambda row: -row.id)[:MOST]


def _fitting(given: dict[str, str]) -> Callable[[Item], bool]:
    """Whether an item is above the thresholds and holds the words of `q`."""
    points, comments = _number(given, "points", 0, LARGEST), _number(given, "comments", 0, LARGEST)
    words = given.get("q", "").lower().split()
    attributes = given.get("search_attrs", "title").split(",")

    def fits(row: Item) -> bool:
        if row.parent_id is None and (row.score < points or items.comments_shown(row) < comments):
            return False
        where = {"title": row.title, "url": row.url or "", "text": row.content}
        names = [name for name in attributes if name in where] or ["title"]
        text = " ".join(where[name] for name in (names if row.parent_id is None else ("text",))).lower()
        return all(word in text for word in words)

    return fits


def _entries(session: ReadSession, call: Call, rows: Sequence[Item], given: dict[str, str]) -> list[Entry]:
    names = listing.names_of(session, rows)
    roots = listing.by_ids(session, VISITOR, {row.root_id for row in rows if row.root_id is not None})
    return [_entry(call, row, names.get(row.author_id or "", ""), roots, given) for row in rows]


def _entry(call: Call, row: Item, author: str, roots: dict[int, Item], given: dict[str, str]) -> Entry:
    page = call.platform.url(f"/news/item?id={row.id}")
    is_post = row.parent_id is None
    root = roots.get(row.root_id or 0)
    title = row.title if is_post else f"New comment by {author} in “{root.title if root is not None else ''}”"
    words = row.html
    if is_post:
        words += (
            f'<p>Comments: <a href="{page}">{page}</a></p><p>Points: {row.score}</p>'
            f"<p># Comments: {items.comments_shown(row)}</p>"
        )
    return Entry(
        title=title,
        link=page if given.get("link") == "comments" or not row.url else row.url,
        page=page,
        comments=page,
        author=author,
        at=row.created_at,
        html="" if given.get("description") == "0" else words,
    )


router = Router("/", route_handlers=[read_front_page, read_feed])
