"""What the pages of news share: who looks, the rows of lists and threads, where to go back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from msgspec import Meta

from dodeca.commons.accounts.public import accounts_by_ids
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession
from dodeca.kernel.http import Call, Page
from dodeca.kernel.web.filters import relative
from dodeca.products.news.models import POST_TYPES, Item, Member
from dodeca.products.news.service import items, listing, voting
from dodeca.products.news.service.members import Viewer
from dodeca.products.news.service.rules import current

Line = Annotated[str, Meta(max_length=4096)]
Text = Annotated[str, Meta(max_length=100_000)]
ItemId = Annotated[int, Meta(ge=0, le=2**53)]
NEW_DAYS = 14
"""Names of accounts younger than this are green: be kind to newcomers."""
HOME = "/news/"


@dataclass(slots=True)
class Row:
    """A post or a comment as a page shows it."""

    item: Item
    author: str | None
    ago: str = ""
    """How long ago it was posted."""
    stamp: str = ""
    """When exactly, by RFC 3339."""
    is_new: bool = False
    my_vote: int = 0
    number: int | str | None = None
    tags: Sequence[str] = ()
    comments: int = 0
    score: int | None = None
    """None where the viewer may not see it."""
    is_own: bool = False
    root: Item | None = None
    shown: bool = True
    depth: int = 0
    more: int = 0
    """Answers, with all below them, that are not on this page."""
    unread: bool = False
    is_answer: bool = False
    """The comment that who asked accepted."""
    can_be_answer: bool = False
    waiting: Sequence[str] = field(default=())
    """For moderators: why it stands in their queue."""
    proposed: str = ""
    """The reason that goes with that."""


@dataclass(frozen=True, slots=True)
class Me:
    """The member who looks."""

    account_id: str
    username: str
    karma: int
    can_downvote: bool
    is_moderator: bool
    topcolor: str


def me(session: ReadSession, call: Call) -> Me | None:
    """The member who looks; None for a visitor."""
    principal = call.principal
    if principal is None:
        return None
    row = session.get(Member, principal.account_id)
    karma = row.karma if row is not None else 1
    return Me(
        principal.account_id,
        principal.username,
        karma,
        karma >= current(session).karma_to_downvote,
        principal.is_moderator,
        row.topcolor if row is not None else "",
    )


def page(session: ReadSession, call: Call, template: str, **context: Any) -> Page:
    """A page of the product, with what its navigation needs."""
    status = context.pop("status", 200)
    query = call.request.scope["query_string"].decode("latin-1")
    here = call.request.scope["path"] + (f"?{query}" if query else "")
    sign_in = f"/news/login?goto={quote(here)}"
    return Page(f"news/{template}", me=me(session, call), here=here, sign_in=sign_in, status=status, **context)


def is_fragment(call: Call) -> bool:
    """Whether a script asks for a piece of a page."""
    return call.request.headers.get("hx-request") == "true"


def back_to(goto: str) -> str:
    """Where to go back to: a page of news, whatever the form said."""
    plain = goto.startswith("/news") and "\\" not in goto and all(" " < c < "\x7f" for c in goto)
    return goto if plain and goto[5:6] in ("", "/", "?") else HOME


def with_query(path: str, **values: object) -> str:
    """A path with the parameters that have a value."""
    kept = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path


def rows(session: ReadSession, viewer: Viewer, found: Sequence[Item], *, first: int | None = None) -> list[Row]:
    """Posts and comments as the viewer sees them, in a handful of queries whatever their number."""
    authors = accounts_by_ids(session, sorted({item.author_id for item in found if item.author_id is not None}))
    young = clock.ago(days=NEW_DAYS)
    votes = voting.my_votes(session, viewer, [item.id for item in found])
    tags = listing.tags_of(session, [item.id for item in found if item.type in POST_TYPES])
    made = []
    for index, item in enumerate(found):
        author = authors.get(item.author_id or "")
        own = viewer.account_id is not None and item.author_id == viewer.account_id
        is_comment = item.type == "comment"
        made.append(
            Row(
                item=item,
                author=author.username if author is not None else None,
                ago=relative(item.created_at),
                stamp=f"{item.created_at:%Y-%m-%dT%H:%MZ}",
                is_new=author is not None and author.created_at > young,
                my_vote=votes.get(item.id, 0),
                number=first + index if first is not None else None,
                tags=tags.get(item.id, ()),
                comments=items.comments_shown(item),
                score=item.score if not is_comment or own or viewer.is_moderator else None,
                is_own=own,
                shown=listing.is_visible(viewer, item),
            )
        )
    return made


def with_roots(session: ReadSession, viewer: Viewer, made: list[Row]) -> list[Row]:
    """The same with the post that each comment belongs to, where the viewer may see it."""
    roots = listing.by_ids(session, viewer, {row.item.root_id or row.item.id for row in made})
    for row in made:
        row.root = roots.get(row.item.root_id or row.item.id)
    return made


def merged_query(call: Call, **changes: object) -> Mapping[str, object]:
    """The query of this request with some parameters replaced."""
    given: dict[str, object] = dict(call.request.query_params.items())
    return {**given, **changes}
