"""Submitting, commenting, editing and deleting."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, delete, func, or_, select

from dodeca.commons import notifications
from dodeca.commons.accounts.public import Account
from dodeca.commons.discussion.text import cleaned, rendered
from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, TooMany
from dodeca.products.news import ranking
from dodeca.products.news.models import Item, ItemTag, Member, Revision, Site, Suggestion, UrlClaim
from dodeca.products.news.service import items, voting
from dodeca.products.news.service.members import Viewer, acting_member, insert_for, need_karma
from dodeca.products.news.service.rules import PRODUCT, Rules, current
from dodeca.products.news.service.telling import tell_author
from dodeca.products.news.urls import checked_title, checked_url, kind_of, site_of, url_key

LONGEST_POST = 40_000
LONGEST_COMMENT = 20_000
LONGEST_OPTION = 150
MOST_TAGS = 5
DEEPEST = 2000
SAME_TEXT_A_DAY = 3
_TAG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,28}[a-z0-9])?")


_discussed = Prepared(
    select(Item.id)
    .where(
        Item.url_key == bindparam("url_key"),
        Item.parent_id.is_(None),
        Item.id != bindparam("item_id"),
        Item.state == "live",
        or_(Item.descendants > 0, Item.imported_descendants > 0),
    )
    .order_by(Item.id.desc())
    .limit(bindparam("most"))
)


_is_by = Item.author_id == bindparam("author_id")
_is_since = Item.created_at > bindparam("since", type_=Item.created_at.type)
_written_since = {
    "comment": Prepared(select(func.count()).where(_is_by, _is_since, Item.type == "comment")),
    "post": Prepared(select(func.count()).where(_is_by, _is_since, Item.parent_id.is_(None))),
}
_said_since = Prepared(select(func.count()).where(_is_by, _is_since, Item.content == bindparam("content")))


class TooLate(Conflict):
    """The time in which this could be changed is over."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What somebody wants to post; `options` make it a poll."""

    title: str
    url: str | None = None
    content: str = ""
    tags: Sequence[str] = ()
    options: Sequence[str] = ()


def submit(
    session: WriteSession, author: Account, submission: Submission, *, address_hash: str | None = None
) -> tuple[Item, bool]:
    """Post; gives the post and whether it is new. The same URL within 30 days gives the older post an upvote.

    Raises Invalid, Forbidden, TooMany."""
    rules = current(session)
    who = acting_member(session, author.id)
    title = checked_title(submission.title)
    url = checked_url(submission.url) if submission.url and submission.url.strip() else None
    content = _checked_text(submission.content, LONGEST_POST, "content")
    tags = checked_tags(submission.tags)
    options = _checked_options(submission.options)
    if options:
        need_karma(who.karma, rules.karma_to_poll, "make polls")
    if url is None and not content and not options:
        raise Invalid("Give a link or a text.", field="url")
    held = holder(session, url) if url is not None else None
    if held is not None:
        return _already_posted(session, author, held, address_hash), False
    _limit(session, who, "post", rules)
    item = Item(
        type="poll" if options else "story",
        kind="poll" if options else kind_of(title),
        author_id=author.id,
        title=title,
        url=url,
        url_key=url_key(url) if url is not None else None,
        site=site_of(url) if url is not None else None,
        content=content,
        html=rendered(content),
    )
    _decide_state(session, item, who)
    session.add(item)
    session.flush()
    item.root_id = item.id
    if url is not None and not _claim(session, item, rules):
        other = holder(session, url)
        session.delete(item)
        session.flush()
        if other is None:
            raise Conflict("This link is being posted right now. Try again.")
        return _already_posted(session, author, other, address_hash), False
    session.add_all(ItemTag(item_id=item.id, tag=tag) for tag in tags)
    _add_options(session, item, options)
    items.rerank(session, item, rules)
    _tell_if_held_back(session, item)
    session.flush()
    return item, True


def holder(session: ReadSession, url: str) -> Item | None:
    """The post that a URL was submitted as in the last 30 days. Raises Invalid."""
    statement = (
        select(Item)
        .join(UrlClaim, UrlClaim.item_id == Item.id)
        .where(UrlClaim.url_key == url_key(checked_url(url)), UrlClaim.until > clock.now(), Item.state == "live")
    )
    return session.scalar(statement)


def discussions(session: ReadSession, item: Item, *, limit: int = 5) -> Sequence[Item]:
    """Other posts of the same page that were discussed, newest first."""
    if item.url_key is None:
        return []
    found = _discussed.rows(session, url_key=item.url_key, item_id=item.id, most=limit)
    return list(session.get_many(Item, [item_id for (item_id,) in found]).values())


def same_page(session: ReadSession, url: str, *, limit: int = 5) -> Sequence[Item]:
    """Live posts of an address, newest first. Raises Invalid."""
    statement = select(Item).where(Item.url_key == url_key(checked_url(url)), Item.parent_id.is_(None))
    return session.scalars(statement.where(Item.state == "live").order_by(Item.id.desc()).limit(limit)).all()


def _already_posted(session: WriteSession, author: Account, held: Item, address_hash: str | None) -> Item:
    if held.author_id != author.id:
        voting.vote(session, author.id, held.id, 1, address_hash=address_hash)
    return held


def _claim(session: WriteSession, item: Item, rules: Rules) -> bool:
    """Hold the URL, unless a live post does: one statement decides."""
    now = clock.now()
    values = {"url_key": item.url_key, "item_id": item.id, "until": now + timedelta(days=rules.duplicate_days)}
    insert = insert_for(session)(UrlClaim).values(values)
    alive = select(Item.id).where(Item.id == UrlClaim.item_id, Item.state == "live").exists()
    taking = insert.on_conflict_do_update(
        index_elements=["url_key"],
        set_={"item_id": item.id, "until": values["until"]},
        where=or_(UrlClaim.until <= now, ~alive),
    )
    return session.scalar(taking.returning(UrlClaim.item_id)) is not None


def _add_options(session: WriteSession, poll: Item, options: Sequence[str]) -> None:
    for text in options:
        option = Item(
            type="pollopt",
            kind="pollopt",
            author_id=poll.author_id,
            parent_id=poll.id,
            root_id=poll.id,
            content=text,
            html=rendered(text),
            score=0,
            score_base=0,
            counted=0,
        )
        session.add(option)
        session.flush()  # one by one: the ids keep the order


def comment(session: WriteSession, author: Account, viewer: Viewer, parent_id: int, content: str) -> Item:
    """Answer a post or a comment. Raises NotFound, Invalid, Forbidden, TooMany."""
    rules = current(session)
    parent = items.find(session, viewer, parent_id, "post")
    root = items.locked(session, parent.root_id or parent.id)
    content = _checked_text(content, LONGEST_COMMENT, "content")
    if not content:
        raise Invalid("Write something.", field="content")
    if root.type == "job" or parent.type == "pollopt" or parent.state == "deleted":
        raise Forbidden("This cannot be commented on.")
    if root.locked_at is not None or root.state in ("dead", "deleted"):
        raise Forbidden("This discussion is locked.")
    if root.created_at < clock.ago(days=rules.comment_days):
        raise Forbidden(f"Discussions end after {rules.comment_days} days.")
    if parent.depth >= DEEPEST:
        raise Forbidden("This branch is too deep. Answer further up.")
    who = acting_member(session, author.id)
    _limit(session, who, "comment", rules)
    item = Item(
        type="comment",
        kind="comment",
        author_id=author.id,
        parent_id=parent.id,
        root_id=root.id,
        depth=parent.depth + 1 if parent.type == "comment" else 0,
        content=content,
        html=rendered(content),
    )
    item.created_at = clock.now()
    item.heat = ranking.heat(1, item.created_at)
    _decide_state(session, item, who)
    session.add(item)
    session.flush()
    if item.state == "live":
        root.descendants += 1
        root.active_at = item.created_at
        items.rerank(session, root, rules)
        _tell_author(session, author, parent, item)
    _tell_if_held_back(session, item)
    session.flush()
    return item


def _tell_if_held_back(session: WriteSession, item: Item) -> None:
    """No secret punishment: what a rule holds back or kills is logged, and its author knows why and until when."""
    if item.state not in ("shadow", "dead") or item.author_id is None or item.reason is None:
        return
    what = "comment" if item.type == "comment" else "post"
    action = "shadow" if item.state == "shadow" else "kill"
    moderation.record(
        session, None, product=PRODUCT, action=action, target_type=what, target_id=str(item.id), reason=item.reason
    )
    title, then = f"Your {what} is not shown", "If you disagree, say so on its page."
    if item.state == "shadow":
        title = f"Your {what} waits for a moderator"
        then = f"Until somebody looks, only you see it; without a decision it goes live by itself. {then}"
    tell_author(session, item, title, f"{item.reason} {then}", key=f"news:{item.state}:{item.id}")


def _tell_author(session: WriteSession, author: Account, parent: Item, reply: Item) -> None:
    if parent.author_id is None or parent.author_id == author.id:
        return
    what = f"your post “{parent.title}”" if parent.type != "comment" else "your comment"
    notice = notifications.Notice(
        product=PRODUCT,
        kind="reply",
        title=f"{author.username} answered {what}"[:200],
        body=reply.content[:300],
        href=f"/news/item?id={reply.id}",
        key=f"news:reply:{reply.id}",
    )
    notifications.notify(session, parent.author_id, notice)


def edit(
    session: WriteSession,
    author: Account,
    item: Item,
    *,
    title: str | None = None,
    content: str | None = None,
    tags: Sequence[str] | None = None,
) -> Item:
    """Change one's own item within two hours; what it said before is kept. Raises Forbidden, TooLate, Invalid."""
    rules = current(session)
    _check_own(author, item, "edit", rules)
    new_title = checked_title(title) if title is not None and item.type != "comment" else item.title
    longest = LONGEST_COMMENT if item.type == "comment" else LONGEST_POST
    new_content = _checked_text(content, longest, "content") if content is not None else item.content
    if not new_content and item.url is None and item.type != "poll":
        raise Invalid("Write something.", field="content")
    wanted = checked_tags(tags) if tags is not None and item.type != "comment" else None
    session.add(Revision(item_id=item.id, editor_id=author.id, title=item.title, content=item.content, url=item.url))
    item.content, item.html = new_content, rendered(new_content)
    if item.type != "comment":
        retitle(item, new_title)
        session.execute(delete(Suggestion).where(Suggestion.item_id == item.id))  # the author has decided
    if wanted is not None:
        retag(session, item.id, wanted)
    item.updated_at = clock.now()
    session.flush()
    if item.type != "comment":
        items.rerank(session, item, rules)
        session.flush()
    return item


def retitle(post: Item, title: str) -> None:
    """Give a post another title, and the place among questions and things shown that it asks for."""
    post.title = title
    if post.type == "story":
        post.kind = kind_of(title)


def retag(session: WriteSession, post_id: int, tags: Sequence[str]) -> None:
    """Give a post exactly these checked tags."""
    session.execute(delete(ItemTag).where(ItemTag.item_id == post_id))
    session.add_all(ItemTag(item_id=post_id, tag=tag) for tag in tags)
    session.flush()


def remove(session: WriteSession, author: Account, item: Item) -> None:
    """Delete one's own item within two hours, if nobody answered. Raises Forbidden, Conflict."""
    _check_own(author, item, "delete", current(session))
    root = items.locked(session, item.root_id or item.id)
    replies = select(Item.id).where(Item.parent_id == item.id, Item.type == "comment", Item.state != "deleted")
    if session.scalar(replies.limit(1)) is not None:
        raise Conflict("Somebody answered already: this can no longer be deleted.")
    session.add(Revision(item_id=item.id, editor_id=author.id, title=item.title, content=item.content, url=item.url))
    was_live = item.state == "live"
    item.state, item.title, item.content, item.html, item.url = "deleted", "", "", "", None
    item.updated_at = clock.now()
    session.execute(delete(UrlClaim).where(UrlClaim.item_id == item.id))
    session.flush()
    if item.type == "comment" and was_live:
        items.recount(session, root.id)
    session.flush()


def _check_own(author: Account, item: Item, verb: str, rules: Rules) -> None:
    if item.author_id != author.id:
        raise Forbidden(f"Only its author can {verb} this.")
    if item.state in ("deleted", "dead"):
        raise Conflict(f"This is {item.state}.")
    if item.created_at < clock.ago(minutes=rules.edit_minutes):
        raise TooLate(f"This could be changed for {rules.edit_minutes} minutes.")


def checked_tags(tags: Sequence[str], *, most: int = MOST_TAGS, field: str = "tags") -> list[str]:
    """Tags in lower case, each once. Raises Invalid."""
    wanted = list(dict.fromkeys(tag.strip().lower() for tag in tags if tag.strip()))
    if len(wanted) > most:
        raise Invalid(f"Give at most {most} tags.", field=field)
    if any(not _TAG.fullmatch(tag) for tag in wanted):
        raise Invalid("A tag has 1 to 30 letters a to z, digits and hyphens.", field=field)
    return wanted


def _checked_options(options: Sequence[str]) -> list[str]:
    wanted = [" ".join(cleaned(option).split()) for option in options if option.strip()]
    if wanted and not 2 <= len(wanted) <= 10:
        raise Invalid("A poll has 2 to 10 options.", field="options")
    if any(len(option) > LONGEST_OPTION for option in wanted):
        raise Invalid(f"An option has at most {LONGEST_OPTION} characters.", field="options")
    return wanted


def _checked_text(text: str, longest: int, field: str) -> str:
    text = cleaned(text)
    if len(text) > longest:
        raise Invalid(f"Use at most {longest:,} characters.", field=field)
    return text


def _limit(session: ReadSession, who: Member, what: str, rules: Rules) -> None:
    """Hourly limits; young accounts without karma have smaller ones. Raises TooMany."""
    young = who.karma < 2 and who.joined_at > clock.ago(days=1)
    most = getattr(rules, f"{'new_' if young else ''}{what}s_an_hour")
    recent = _written_since[what].first(session, author_id=who.user_id, since=clock.ago(hours=1))
    if recent is not None and recent[0] >= most:
        raise TooMany(f"That is more than {most} {what}s an hour. Wait a little.", retry_after=600)


def _decide_state(session: ReadSession, item: Item, who: Member) -> None:
    """The state in which an item begins: banned sites are dead, the same text again and again waits for a look."""
    item.state = "live"
    site = session.get(Site, item.site) if item.site is not None else None
    if site is not None and site.banned:
        item.state, item.reason = "dead", f"The site {site.site} is banned: {site.reason}"
    elif len(item.content) >= 20 and _said_before(session, item) >= SAME_TEXT_A_DAY - 1:
        item.state, item.reason = "shadow", "The same text was posted three times in a day."
        item.live_at = clock.ahead(hours=current(session).shadow_hours)
    elif who.delay:
        item.state, item.live_at = "delayed", clock.ahead(minutes=who.delay)


def _said_before(session: ReadSession, item: Item) -> int:
    same = _said_since.first(session, author_id=item.author_id, since=clock.ago(days=1), content=item.content)
    return int(same[0]) if same is not None else 0
