"""Better titles and tags for others' posts: what enough members suggest alike is applied (as on Lobsters,
https://lobste.rs/about#suggestions). Who suggested what is told to nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec
from sqlalchemy import delete, select, update

from dodeca.commons.accounts.public import Account
from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid
from dodeca.products.news.models import Item, ItemTag, Revision, Suggestion
from dodeca.products.news.service import items
from dodeca.products.news.service.members import Viewer, acting_member, insert_for, need_karma
from dodeca.products.news.service.posting import checked_tags, retag, retitle
from dodeca.products.news.service.rules import PRODUCT, current
from dodeca.products.news.service.telling import tell_author
from dodeca.products.news.urls import checked_title


class Suggested(msgspec.Struct):
    """Something that was suggested, and by how many."""

    value: str
    count: int


def suggest(
    session: WriteSession,
    member: Account,
    viewer: Viewer,
    item_id: int,
    *,
    title: str | None = None,
    tags: Sequence[str] | None = None,
) -> tuple[Item, bool]:
    """Suggest a title, tags or both in place of what one suggested before; gives the post, and whether it changed.

    Raises NotFound, Invalid, Forbidden, Conflict."""
    rules = current(session)
    items.find_post(session, viewer, item_id)
    post = items.locked(session, item_id)
    if post.author_id == member.id:
        raise Forbidden("This is your own: edit it.")
    if post.state != "live" or post.locked_at is not None or post.created_at < clock.ago(days=rules.comment_days):
        raise Conflict("Nothing is suggested for this post any more.")
    need_karma(acting_member(session, member.id).karma, rules.karma_to_flag, "suggest something")
    new_title = checked_title(title) if title is not None and title.strip() else None
    new_tags = " ".join(sorted(checked_tags(tags))) if tags else None
    present = " ".join(session.scalars(select(ItemTag.tag).where(ItemTag.item_id == item_id).order_by(ItemTag.tag)))
    new_title = None if new_title == post.title else new_title
    new_tags = None if new_tags == present else new_tags
    if new_title is None and new_tags is None:
        raise Invalid("Suggest another title, or other tags.", field="title")
    _put(session, item_id, member.id, new_title, new_tags)
    titles, tag_lists = of(session, item_id)
    changed = False
    for wanted, found in (("title", titles), ("tags", tag_lists)):
        agreed = next((each.value for each in found if each.count >= rules.suggestions_to_apply), None)
        if agreed is not None:
            _apply(session, post, "title" if wanted == "title" else "tags", agreed, present)
            changed = True
    return post, changed


def withdraw(session: WriteSession, account_id: str, item_id: int) -> None:
    """Take back what one suggested."""
    session.execute(delete(Suggestion).where(Suggestion.item_id == item_id, Suggestion.user_id == account_id))


def of(session: ReadSession, item_id: int) -> tuple[list[Suggested], list[Suggested]]:
    """The titles and the tags that wait for others to agree, the commonest first."""
    rows = session.execute(select(Suggestion.title, Suggestion.tags).where(Suggestion.item_id == item_id)).all()
    titles, tags = Counter(row[0] for row in rows if row[0]), Counter(row[1] for row in rows if row[1])
    return _commonest(titles), _commonest(tags)


def _commonest(counts: Counter[str]) -> list[Suggested]:
    return [Suggested(value, count) for value, count in counts.most_common()]


def _put(session: WriteSession, item_id: int, user_id: str, title: str | None, tags: str | None) -> None:
    """What is not given stays as it was suggested before."""
    made = insert_for(session)(Suggestion).values(
        item_id=item_id, user_id=user_id, title=title, tags=tags, created_at=clock.now()
    )
    given = {name: value for name, value in (("title", title), ("tags", tags)) if value is not None}
    session.execute(made.on_conflict_do_update(index_elements=["item_id", "user_id"], set_=given))


def _apply(session: WriteSession, post: Item, what: Literal["title", "tags"], value: str, tags_before: str) -> None:
    before = post.title if what == "title" else tags_before or "none"
    if what == "title":
        session.add(Revision(item_id=post.id, editor_id="", title=post.title, content=post.content, url=post.url))
        retitle(post, value)
    else:
        retag(session, post.id, value.split())
    post.updated_at = clock.now()
    mine = Suggestion.item_id == post.id
    other = Suggestion.tags if what == "title" else Suggestion.title
    session.execute(delete(Suggestion).where(mine, other.is_(None)))
    session.execute(update(Suggestion).where(mine).values({what: None}))
    session.flush()
    items.rerank(session, post)
    reason = f"Members suggested the {what} “{value}” in place of “{before}”."
    moderation.record(
        session, None, product=PRODUCT, action="suggested", target_type="post", target_id=str(post.id), reason=reason
    )
    body = f"{reason} You can edit it for as long as you may edit what you post."
    tell_author(session, post, f"Your post has another {what} now", body)
