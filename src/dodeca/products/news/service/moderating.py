"""What moderators do: each act with its reason in the public log, and told to whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import func, literal_column, or_, select, update

from dodeca.commons import notifications
from dodeca.commons.accounts.public import Account, account_by_name
from dodeca.commons.moderation import service as moderation
from dodeca.commons.moderation.models import ModerationEntry, Report
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.products.news.models import POST_TYPES, Flag, Item, Revision, Site, Tag, Vote
from dodeca.products.news.service import items, marks, posting, voting
from dodeca.products.news.service.members import Viewer, member
from dodeca.products.news.service.rules import PRODUCT
from dodeca.products.news.service.telling import tell_author
from dodeca.products.news.urls import checked_title

ITEM_ACTIONS = ("kill", "unkill", "lock", "unlock", "rename", "merge", "pool", "penalise", "clear_flags")
ACTIONS = (*ITEM_ACTIONS, "ban", "unban")
QUEUE_ROWS = 100
SUSPECT_DAYS = 4
"""How long votes that do not count bring an item into the queue: after that it hardly ranks."""
_MODERATOR = Viewer(is_moderator=True)


def act(
    session: WriteSession,
    moderator: Account,
    *,
    action: str,
    target_type: str,
    target_id: str,
    reason: str,
    value: str = "",
) -> ModerationEntry:
    """Carry an action out and log it. `value` is the new title, the post to merge into, or the penalty.

    Raises Invalid, NotFound, Conflict."""
    moderation.checked_reason(reason)
    if action not in ACTIONS:
        raise Invalid(f"action is one of {', '.join(ACTIONS)}.", field="action")
    if action in ("ban", "unban"):
        _ban(session, target_type, target_id, reason, lift=action == "unban")
    elif target_type in ("site", "tag") and action == "penalise":
        row = _site(session, target_id) if target_type == "site" else _tag(session, target_id)
        row.penalty, row.reason = _penalty(value), reason
    elif target_type in ("post", "comment"):
        _act_on_item(session, action, target_type, target_id, reason, value)
    else:
        raise Invalid("target_type is post or comment here; penalise takes site and tag too.", field="target_type")
    moderation.close_reports(
        session,
        product=PRODUCT,
        target_type=target_type,
        target_id=target_id,
        upheld=action not in ("unkill", "unlock", "clear_flags", "unban"),
    )
    return moderation.record(
        session,
        moderator.id,
        product=PRODUCT,
        action=action,
        target_type=target_type,
        target_id=target_id,
        reason=reason,
    )


def _act_on_item(session: WriteSession, action: str, target_type: str, target_id: str, reason: str, value: str) -> None:
    number = _number(target_id)
    items.find(session, _MODERATOR, number, target_type)
    item = items.locked(session, number)
    if (item.type in POST_TYPES) != (target_type == "post"):
        raise NotFound(f"{target_type.capitalize()} not found.")
    if target_type == "comment" and action not in ("kill", "unkill", "clear_flags"):
        raise Invalid(f"A comment cannot be the target of {action}.", field="action")
    _ITEM_ACTS[action](session, item, reason, value)
    item.updated_at = clock.now()
    session.flush()
    if item.type == "comment" and item.root_id is not None:
        items.recount(session, item.root_id)
    else:
        items.rerank(session, item)
    session.flush()
    if action in ("kill", "penalise", "lock", "rename", "merge"):
        _tell(session, item, action, reason)


def _number(text: str) -> int:
    """An item's id; what cannot be one is 0, which no item has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _kill(_session: WriteSession, item: Item, reason: str, _value: str) -> None:
    if item.state in ("dead", "deleted"):
        raise Conflict(f"This is {item.state} already.")
    item.state, item.reason, item.live_at = "dead", reason, None


def _unkill(session: WriteSession, item: Item, _reason: str, _value: str) -> None:
    if item.state not in ("dead", "flagged", "shadow"):
        raise Conflict(f"This is {item.state}.")
    item.state, item.reason, item.live_at, item.merged_into = "live", None, None, None
    marks.clear_flags(session, item)


def _lock(_session: WriteSession, item: Item, _reason: str, _value: str) -> None:
    item.locked_at = clock.now()


def _unlock(_session: WriteSession, item: Item, _reason: str, _value: str) -> None:
    item.locked_at = None


def _rename(session: WriteSession, item: Item, reason: str, value: str) -> None:
    title = checked_title(value)
    session.add(Revision(item_id=item.id, editor_id="", title=item.title, content=item.content, url=item.url))
    posting.retitle(item, title)


def _merge(session: WriteSession, item: Item, _reason: str, value: str) -> None:
    """Move the comments of a post to another; the post points there."""
    target = items.find_post(session, _MODERATOR, _number(value))
    if target.id == item.id or target.merged_into is not None or target.state != "live":
        raise Invalid("A post is merged into another one that stands.", field="value")
    moved = [Item.root_id == item.id, Item.type == "comment"]
    session.execute(update(Item).where(*moved, Item.parent_id == item.id).values(parent_id=target.id))
    session.execute(update(Item).where(*moved).values(root_id=target.id))
    item.merged_into, item.state, item.reason = target.id, "dead", f"Merged into {target.id}."
    session.flush()
    items.recount(session, item.id)
    items.recount(session, target.id)


def _pool(_session: WriteSession, item: Item, _reason: str, _value: str) -> None:
    """A second start: the post ranks as if it were posted now."""
    item.pooled_at = clock.now()


def _penalise(_session: WriteSession, item: Item, reason: str, value: str) -> None:
    item.penalty, item.penalty_reason = _penalty(value), reason


def _clear_flags(session: WriteSession, item: Item, _reason: str, _value: str) -> None:
    marks.clear_flags(session, item)
    if item.state == "flagged":
        item.state, item.reason = "live", None


_ITEM_ACTS: dict[str, Callable[[WriteSession, Item, str, str], None]] = {
    "kill": _kill,
    "unkill": _unkill,
    "lock": _lock,
    "unlock": _unlock,
    "rename": _rename,
    "merge": _merge,
    "pool": _pool,
    "penalise": _penalise,
    "clear_flags": _clear_flags,
}


def _penalty(value: str) -> float:
    try:
        penalty = float(value or "0.5")
    except ValueError as error:
        raise Invalid("A penalty is a number above 0 and at most 10.", field="value") from error
    if not 0 < penalty <= 10:
        raise Invalid("A penalty is a number above 0 and at most 10.", field="value")
    return penalty


def _ban(session: WriteSession, target_type: str, target_id: str, reason: str, *, lift: bool) -> None:
    if target_type == "user":
        account = account_by_name(session, target_id)
        if account is None:
            raise NotFound("User not found.")
        member(session, account.id).banned_reason = None if lift else reason
        _tell_member(session, account.id, reason, lift=lift)
    elif target_type == "site":
        row = _site(session, target_id)
        row.banned, row.reason = not lift, reason
    else:
        raise Invalid("Users and sites are banned.", field="target_type")
    session.flush()


def _tell_member(session: WriteSession, account_id: str, reason: str, *, lift: bool) -> None:
    title = "You can post and vote on news again" if lift else "You can no longer post or vote on news"
    notice = notifications.Notice(
        product=PRODUCT, kind="moderation", title=title, body=f"Reason: {reason}", href="/news/moderations"
    )
    notifications.notify(session, account_id, notice)


def _tag(session: WriteSession, tag: str) -> Tag:
    named = posting.checked_tags([tag], field="target_id")
    if not named:
        raise Invalid("Name a tag.", field="target_id")
    row = session.get(Tag, named[0])
    if row is None:
        row = Tag(tag=named[0])
        session.add(row)
        session.flush()
    return row


def _site(session: WriteSession, site: str) -> Site:
    site = site.strip().lower()
    if not site or len(site) > 253 or " " in site:
        raise Invalid("Name a site, such as example.com.", field="target_id")
    row = session.get(Site, site)
    if row is None:
        row = Site(site=site)
        session.add(row)
        session.flush()
    return row


def _tell(session: WriteSession, item: Item, action: str, reason: str) -> None:
    """No secret punishment: the author learns what was done and why, and where to object."""
    words = {"kill": "removed", "penalise": "ranked differently", "lock": "locked", "rename": "renamed"}
    what = "comment" if item.type == "comment" else f"post “{item.title[:80]}”"
    title = f"Your {what} was {words.get(action, 'merged into another')} by a moderator"
    body = f"Reason: {reason}\nIf you disagree, appeal on its page and say why: a moderator looks again."
    tell_author(session, item, title, body)


def queue(session: ReadSession) -> Sequence[Item]:
    """What waits for a moderator, longest first: reported, flagged, shadowed, with uncounted votes."""
    reported = select(Report.target_id).where(Report.product == PRODUCT, Report.state == "open")
    numbers = [int(t) for t in session.scalars(reported.limit(QUEUE_ROWS)) if t.isascii() and t.isdigit()]
    lately = select(Vote.item_id).where(Vote.counted.is_(False), Vote.created_at > clock.ago(days=SUSPECT_DAYS))
    suspects = (
        select(Vote.item_id)
        .join(Item, Item.id == Vote.item_id)
        .where(Vote.counted.is_(False), Vote.item_id.in_(lately.limit(500)))
        .group_by(Vote.item_id, Item.uncounted_seen)
        .having(func.count() > Item.uncounted_seen)
    )
    waiting = or_(
        # In the words of the partial indexes; bound values would hide them from SQLite.
        Item.state.in_(["flagged", "shadow"]) & (Item.state != literal_column("'live'")),
        (Item.flags > literal_column("0")) & (Item.state == "live"),
        Item.id.in_(numbers),
        Item.id.in_(suspects),
    )
    statement = select(Item).where(waiting, Item.state != "deleted").order_by(Item.created_at, Item.id)
    return session.scalars(statement.limit(QUEUE_ROWS)).all()


def open_reports(session: ReadSession) -> Sequence[Report]:
    """Reports without a decision, longest first."""
    statement = select(Report).where(Report.product == PRODUCT, Report.state == "open")
    return session.scalars(statement.order_by(Report.created_at).limit(QUEUE_ROWS)).all()


def dismiss(
    session: WriteSession, moderator: Account, target_type: str, target_id: str, reason: str
) -> ModerationEntry:
    """Find a reported thing to be within the rules: its reports and flags are answered, and it stays.

    Raises Invalid, NotFound."""
    if target_type in ("post", "comment"):
        item = items.find(session, _MODERATOR, _number(target_id), target_type)
        action = "unkill" if item.state in ("flagged", "shadow") else "clear_flags"
        _note_uncounted(session, item.id)
        return act(session, moderator, action=action, target_type=target_type, target_id=target_id, reason=reason)
    moderation.close_reports(session, product=PRODUCT, target_type=target_type, target_id=target_id, upheld=False)
    return moderation.record(
        session,
        moderator.id,
        product=PRODUCT,
        action="clear_flags",
        target_type=target_type,
        target_id=target_id,
        reason=reason,
    )


def uphold(session: WriteSession, moderator: Account, target_type: str, target_id: str, reason: str) -> ModerationEntry:
    """Look again at what was killed, after an appeal, and leave it so; the author is told. Raises Invalid, NotFound."""
    item = items.find(session, _MODERATOR, _number(target_id), target_type)
    if item.state != "dead":
        raise Invalid("Only what was killed can stay so.", field="action")
    moderation.close_reports(session, product=PRODUCT, target_type=target_type, target_id=target_id, upheld=False)
    entry = moderation.record(
        session,
        moderator.id,
        product=PRODUCT,
        action="uphold",
        target_type=target_type,
        target_id=target_id,
        reason=reason,
    )
    title = f"Your {target_type} stays removed"
    tell_author(session, item, title, f"A moderator looked again. Reason: {reason}", key=f"news:uphold:{entry.id}")
    return entry


def _note_uncounted(session: WriteSession, item_id: int) -> None:
    """A moderator has looked at the votes that do not count. They count no more than before: keeping an item says
    nothing for those who voted; but it waits in the queue only once there are further ones."""
    items.locked(session, item_id).uncounted_seen = voting.uncounted(session, item_id)
    session.flush()


def flag_reasons(session: ReadSession, item_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How often each item was flagged for what; by whom is told to nobody."""
    found: dict[int, dict[str, int]] = {}
    statement = select(Flag.item_id, Flag.reason, func.count()).where(Flag.item_id.in_(item_ids))
    for item_id, reason, count in session.execute(statement.group_by(Flag.item_id, Flag.reason)) if item_ids else ():
        found.setdefault(item_id, {})[reason] = count
    return found


def uncounted_votes(session: ReadSession, item_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many votes on each item do not count, by why; whose is told to nobody."""
    found: dict[int, dict[str, int]] = {}
    statement = select(Vote.item_id, Vote.suspicion, func.count()).where(
        Vote.item_id.in_(item_ids), Vote.counted.is_(False)
    )
    for item_id, why, count in session.execute(statement.group_by(Vote.item_id, Vote.suspicion)) if item_ids else ():
        found.setdefault(item_id, {})[why or ""] = count
    return found
