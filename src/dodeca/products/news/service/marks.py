"""Flags, vouches, favourites and hidden items; all may be repeated."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, select

from dodeca.commons import likes
from dodeca.commons.accounts.public import Account
from dodeca.commons.moderation import service as moderation
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid
from dodeca.products.news.models import Favorite, Flag, Hide, Item, Vouch
from dodeca.products.news.service import items
from dodeca.products.news.service.members import Viewer, acting_member, need_karma
from dodeca.products.news.service.rules import PRODUCT, current
from dodeca.products.news.service.telling import tell_author

MARKS: Final = {
    name: likes.Likes(table, table.user_id, table.item_id, table.created_at, tie=table.item_id)
    for name, table in (("flag", Flag), ("vouch", Vouch), ("favorite", Favorite), ("hide", Hide))
}
FLAG_REASONS = ("off_topic", "already_posted", "spam", "unkind")


def flag(session: WriteSession, account: Account, viewer: Viewer, item_id: int, reason: str) -> None:
    """Flag an item. Enough flags, and more than a third of its score, hide it. Raises Forbidden, Conflict."""
    rules = current(session)
    items.find(session, _with_flagged(viewer), item_id)
    item = items.locked(session, item_id)
    if reason not in FLAG_REASONS:
        raise Invalid("reason is off_topic, already_posted, spam or unkind.", field="reason")
    if item.author_id == account.id:
        raise Forbidden("You cannot flag what is your own.")
    need_karma(acting_member(session, account.id).karma, rules.karma_to_flag, "flag")
    if item.state == "deleted" or item.created_at < clock.ago(days=rules.flag_days):
        raise Conflict(f"Items can be flagged for {rules.flag_days} days.")
    if likes.like(session, MARKS["flag"], account.id, item_id, reason=reason):
        item.flags += 1
        _after_flags(session, item, rules.flags_to_kill)


def unflag(session: WriteSession, account: Account, viewer: Viewer, item_id: int) -> None:
    """Take one's flag back. What it hid stays hidden until it is vouched for."""
    items.find(session, _with_flagged(viewer), item_id)
    item = items.locked(session, item_id)
    if likes.unlike(session, MARKS["flag"], account.id, item_id):
        item.flags -= 1
        items.rerank(session, item)


def _after_flags(session: WriteSession, item: Item, flags_to_kill: int) -> None:
    items.rerank(session, item)
    if item.state == "live" and item.flags >= flags_to_kill and item.flags * 3 > item.score:
        item.state, item.reason = "flagged", f"Flagged by {item.flags} members."
        _log(session, item, "flagged", item.reason)
        _tell_flagged(session, item)
        _settle(session, item)


def _tell_flagged(session: WriteSession, item: Item) -> None:
    if item.author_id is None:
        return
    statement = select(Flag.reason, func.count()).where(Flag.item_id == item.id).group_by(Flag.reason)
    counts = session.execute(statement.order_by(Flag.reason)).all()
    why = ", ".join(f"{row[0].replace('_', ' ')} × {row[1]}" for row in counts)
    what = "comment" if item.type == "comment" else "post"
    body = f"{item.reason} ({why}) Members can vouch for it. If you disagree, say so on its page."
    tell_author(session, item, f"Your {what} was hidden by members’ flags", body)


def vouch(session: WriteSession, account: Account, viewer: Viewer, item_id: int) -> None:
    """Speak for a flagged item; enough vouches bring it back, with its flags cleared. Never a dead one."""
    rules = current(session)
    items.find(session, _with_flagged(viewer), item_id)
    item = items.locked(session, item_id)
    if item.author_id == account.id:
        raise Forbidden("You cannot vouch for what is your own.")
    if item.state != "flagged":
        if session.get(Vouch, (item_id, account.id)) is not None:
            return
        raise Conflict("Only what was flagged can be vouched for.")
    need_karma(acting_member(session, account.id).karma, rules.karma_to_vouch, "vouch")
    if likes.like(session, MARKS["vouch"], account.id, item_id):
        item.vouches += 1
    if item.vouches >= rules.vouches_to_revive:
        item.state, item.reason = "live", None
        clear_flags(session, item)
        _log(session, item, "vouched", f"Vouched for by {item.vouches} members.")
        _settle(session, item)


def unvouch(session: WriteSession, account: Account, viewer: Viewer, item_id: int) -> None:
    """Take one's word back."""
    items.find(session, _with_flagged(viewer), item_id)
    item = items.locked(session, item_id)
    if likes.unlike(session, MARKS["vouch"], account.id, item_id):
        item.vouches -= 1


def clear_flags(session: WriteSession, item: Item) -> None:
    """Remove all flags of an item."""
    session.execute(delete(Flag).where(Flag.item_id == item.id))
    item.flags = 0
    items.rerank(session, item)


def mark(session: WriteSession, account: Account, viewer: Viewer, item_id: int, what: str) -> None:
    """Put an item on one's list of favourites (`favorite`) or out of sight (`hide`)."""
    items.find(session, viewer, item_id)
    likes.like(session, MARKS[what], account.id, item_id)


def unmark(session: WriteSession, account: Account, item_id: int, what: str) -> None:
    """Take it off again."""
    likes.unlike(session, MARKS[what], account.id, item_id)


def _with_flagged(viewer: Viewer) -> Viewer:
    """Flagging and vouching may be repeated, also when the flag before has hidden the item."""
    return Viewer(viewer.account_id, viewer.is_moderator, showdead=True)


def _settle(session: WriteSession, item: Item) -> None:
    item.updated_at = clock.now()
    session.flush()
    if item.type == "comment" and item.root_id is not None:
        items.recount(session, item.root_id)


def _log(session: WriteSession, item: Item, action: str, reason: str) -> None:
    moderation.record(
        session,
        None,
        product=PRODUCT,
        action=action,
        target_type="comment" if item.type == "comment" else "post",
        target_id=str(item.id),
        reason=reason,
    )


def mine(session: ReadSession, account_id: str, item_id: int) -> frozenset[str]:
    """Which marks an account has on an item: flag, vouch, favorite, hide."""
    return frozenset(name for name, marks in MARKS.items() if likes.since(session, marks, account_id, [item_id]))
