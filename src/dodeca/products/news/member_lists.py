"""A list of posts for a member, put together from what all members share for a second.

Two members' front pages differ in little: who stands in the header, which arrows are pressed, what is hidden. So a
version of the page is rendered once, with a private-use character wherever something personal stands (a hole), and
each row once for each way that it can look, which most rows keep from version to version. A request then reads what is
the member's own by a few prepared statements and joins texts. Members with wishes that change more (showdead, limits of
their visits, posts of their own that only they see) get the route's page; so does whoever has hidden more than the
shared rows make up for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from markupsafe import Markup, escape
from sqlalchemy import Table, bindparam, exists, literal, literal_column, select, union_all

from dodeca.kernel.db import Prepared, ReadSession
from dodeca.kernel.http import DEFAULT_LIMIT, Call, encode_cursor
from dodeca.kernel.web.shell import Shell, ShellAccount, Theme
from dodeca.products.news.models import Hide, Item, Member, TagFilter, Vote
from dodeca.products.news.pages.lists import SORTS_OF_PAGES, list_context
from dodeca.products.news.pages.surroundings import Me, Row, rows, with_query
from dodeca.products.news.service import listing
from dodeca.products.news.service.members import VISITOR

if TYPE_CHECKING:
    from dodeca.kernel.platform import Platform

CANDIDATES = 60
"""Twice a page: what is hidden is made up for from the second half."""
_FIRST, _LAST, _USERNAME, _AVATAR, _CSRF, _ROWS, _NEXT, _NUMBER = map(chr, range(0xE000, 0xE008))
_NAME, _INITIALS = f"{_FIRST} {_LAST}", f"{_FIRST}{_LAST}"
_HOLES = re.compile(f"({_NAME}|{_INITIALS}|[{_USERNAME}-{_NEXT}])")


_THEMES: Mapping[str, Theme] = {"light": "light", "dark": "dark"}


class _Own(NamedTuple):
    """What news knows of the member who looks."""

    showdead: bool
    noprocrast: bool
    topcolor: str
    waits: bool
    """Whether there is a post that only the member (and moderators) can see."""


_ids: list[Any] = [bindparam(f"post_{number}") for number in range(CANDIDATES)]
_items, _members = (cast(Table, table.__table__) for table in (Item, Member))
_waiting = exists().where(
    _items.c.author_id == bindparam("member_id"),
    # In the words of the partial index; a bound value would hide it from SQLite.
    _items.c.state != literal_column("'live'"),
    _items.c.state != literal_column("'deleted'"),
    _items.c.parent_id.is_(None),
)
_own = Prepared(
    select(_members.c.showdead, _members.c.noprocrast, _members.c.topcolor, _waiting).where(
        _members.c.user_id == bindparam("member_id")
    )
)
_marks = Prepared(
    union_all(
        select(Vote.item_id, Vote.direction).where(Vote.user_id == bindparam("member_id"), Vote.item_id.in_(_ids)),
        select(Hide.item_id, literal(0)).where(Hide.user_id == bindparam("member_id"), Hide.item_id.in_(_ids)),
    )
)
_filters = Prepared(select(TagFilter.tag).where(TagFilter.user_id == bindparam("member_id")))


Look = tuple[bytes, bytes]
"""A row's HTML before and behind its number."""


class KnownLooks:
    """Rows that were rendered for some version of a list: another one has most of them too."""

    MOST: Final = 4096

    def __init__(self) -> None:
        self._looks: dict[tuple[object, ...], Look] = {}

    def get(self, told: tuple[object, ...], make: Callable[[], Look]) -> Look:
        """How a row looks that tells this."""
        look = self._looks.get(told)
        if look is None:
            if len(self._looks) >= self.MOST:
                self._looks.clear()
            look = self._looks[told] = make()
        return look


@dataclass(slots=True)
class _SharedRow:
    """A post of the list, and how it looks: (vote, whether it is one's own) → the HTML around its number.

    `item_id` and `author_id` stand here too: each request reads them of sixty posts, and an Item's are slower."""

    row: Row
    item_id: int
    author_id: str | None
    told: tuple[object, ...]
    """All that it tells, apart from what is personal."""
    looks: dict[tuple[int, bool], Look] = field(default_factory=dict)


class _Frame(NamedTuple):
    """What the page around the rows depends on, apart from its holes."""

    theme: Theme
    unread: int
    has_avatar: bool
    is_admin: bool
    topcolor: str
    has_next: bool


class SharedList:
    """One version of a list for all members. Good for a second: ages and places in it move on."""

    def __init__(self, platform: Platform, session: ReadSession, name: str, known: KnownLooks) -> None:
        self._platform = platform
        self._known = known
        self._name = name
        sort, self._title = SORTS_OF_PAGES[name]
        self._sort = sort
        found = listing.posts(session, VISITOR, sort, limit=CANDIDATES)
        self._goes_on = found.next_cursor is not None
        self._rows = [
            _SharedRow(row, row.item.id, row.item.author_id, _told(row)) for row in rows(session, VISITOR, found.items)
        ]
        ids = [item.id for item in found.items]
        self._ids = {f"post_{place}": item_id for place, item_id in enumerate([*ids, *[0] * (CANDIDATES - len(ids))])}
        self._frames: dict[_Frame, list[bytes]] = {}
        """Plain text and holes, in turn."""

    def page(self, session: ReadSession, call: Call, theme: str, csrf_token: str) -> bytes | None:
        """The page of the calling member; None where only the route can make it."""
        principal = call.member()
        hooks = self._platform.hooks
        account, unread = hooks.shell_account(session, call) if hooks is not None else (None, 0)
        own = _Own._make(_own.first(session, member_id=principal.account_id) or (False, False, "", False))
        if account is None or principal.is_moderator or own.showdead or own.noprocrast or own.waits:
            return None
        made, next_cursor = self._rows_for(session, principal.account_id)
        if made is None:
            return None
        kind = _Frame(
            theme=_THEMES.get(theme, "system"),
            unread=unread,
            has_avatar=account.avatar_url is not None,
            is_admin=account.is_admin,
            topcolor=own.topcolor,
            has_next=bool(next_cursor),
        )
        frame = self._frames.get(kind)
        if frame is None:
            frame = self._frames[kind] = self._frame(kind)
        words = (account.name or account.username).split()
        initials = (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper() if words else "?"
        next_href = with_query(f"/news/{self._name}", cursor=next_cursor, n=DEFAULT_LIMIT + 1)
        texts = {
            _NAME: account.name or account.username,
            _INITIALS: initials,
            _USERNAME: account.username,
            _AVATAR: account.avatar_url or "",
            _CSRF: csrf_token,
            _NEXT: next_href,
        }
        fillings = {hole.encode(): escape(text).encode() for hole, text in texts.items()} | {_ROWS.encode(): made}
        return b"".join([fillings[part] if place & 1 else part for place, part in enumerate(frame)])

    def _rows_for(self, session: ReadSession, account_id: str) -> tuple[bytes | None, str]:
        """The rows that a member sees, and the cursor of the next page; None where those at hand are too few."""
        votes: dict[int, int] = dict(cast(Any, _marks.rows(session, member_id=account_id, **self._ids)))
        filtered = {tag for (tag,) in _filters.rows(session, member_id=account_id)}
        seen = [
            shared
            for shared in self._rows
            if votes.get(shared.item_id) != 0 and not (filtered and filtered.intersection(shared.row.tags))
        ]
        if len(seen) <= DEFAULT_LIMIT and self._goes_on:
            return None, ""
        shown, rest = seen[:DEFAULT_LIMIT], seen[DEFAULT_LIMIT:]
        if not shown:
            return None, ""
        parts = []
        for number, shared in enumerate(shown, 1):
            look = (votes.get(shared.item_id, 0), shared.author_id == account_id)
            before, after = shared.looks.get(look) or self._look(shared, *look)
            parts.append(b"%b%d%b\n" % (before, number, after))
        return b"".join(parts), self._cursor(shown[-1].row.item) if rest else ""

    def _cursor(self, item: Item) -> str:
        return encode_cursor(getattr(item, listing.order_of(self._sort).key), item.id)

    def _look(self, shared: _SharedRow, vote: int, is_own: bool) -> Look:
        def make() -> Look:
            row = replace(shared.row, my_vote=vote, is_own=is_own, number=_NUMBER)
            made = self._platform.renderer.render("news/_row.html", {"row": row, "me": _somebody("")})
            before, _, after = made.partition(_NUMBER)
            return before.encode(), after.encode()

        look = self._known.get((*shared.told, vote, is_own), make)
        return shared.looks.setdefault((vote, is_own), look)

    def _frame(self, kind: _Frame) -> list[bytes]:
        here = "/news" if self._name == "news" else f"/news/{self._name}"  # as the framework names it
        account = ShellAccount(_NAME, _USERNAME, _AVATAR if kind.has_avatar else None, kind.is_admin)
        shell = Shell(
            products=self._platform.shell_products,
            product="news",
            account=account,
            unread=kind.unread,
            csrf_token=_CSRF,
            theme=kind.theme,
            path=here,
        )
        context = {
            **list_context(path=self._name, sort=self._sort, title=self._title),
            "me": _somebody(kind.topcolor),
            "here": here,
            "sign_in": "",
            "rows": self._rows,
            "ready": Markup(_ROWS),  # noqa: S704 - a character of ours
            "next_href": _NEXT if kind.has_next else None,
        }
        page = self._platform.renderer.render("news/list.html", {"shell": shell, "request": None, **context})
        return [part.encode() for part in _HOLES.split(page)]


def _told(row: Row) -> tuple[object, ...]:
    """What the template of a row reads; equal for rows that look alike."""
    item = row.item
    of_item = (item.id, item.kind, item.title, item.url, item.site, item.score, item.state, item.locked_at)
    return (*of_item, row.author, row.is_new, row.ago, row.stamp, row.comments, *row.tags)


def _somebody(topcolor: str) -> Me:
    """A member of whom lists show nothing but the colour."""
    return Me("", "", karma=1, can_downvote=False, is_moderator=False, topcolor=topcolor)
