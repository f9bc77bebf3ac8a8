"""What happens to an account's part of news when the account goes."""

from __future__ import annotations

from sqlalchemy import delete, or_, select, update

from dodeca.commons.following import Follow
from dodeca.commons.moderation.models import Report
from dodeca.kernel.db import WriteSession
from dodeca.products.news.models import (
    Favorite,
    Flag,
    Hide,
    Invitation,
    Item,
    Member,
    ShelfEntry,
    Suggestion,
    TagFilter,
    Visit,
    Vouch,
)
from dodeca.products.news.service import items
from dodeca.products.news.service.rules import PRODUCT


def delete_account(session: WriteSession, account_id: str) -> None:
    """Posts and comments stay, under the name of a deleted account, as others have answered them; votes stay counted.

    What only the account could see, its profile and its choices are removed."""
    _forget_flags(session, account_id)
    for table in (Favorite, Hide, Visit, TagFilter, ShelfEntry, Suggestion):
        session.execute(delete(table).where(table.user_id == account_id))
    target = (Follow.target_type == "user") & (Follow.target_id == account_id)
    session.execute(delete(Follow).where(Follow.product == PRODUCT, or_(Follow.follower_id == account_id, target)))
    session.execute(delete(Report).where(Report.product == PRODUCT, Report.reporter_id == account_id))
    session.execute(delete(Invitation).where(Invitation.inviter_id == account_id, Invitation.used_by.is_(None)))
    emptied = {"about": "", "topcolor": "", "public_votes": False, "showdead": False, "noprocrast": False, "delay": 0}
    session.execute(update(Member).where(Member.user_id == account_id).values(emptied))


def _forget_flags(session: WriteSession, account_id: str) -> None:
    for table, column in ((Flag, "flags"), (Vouch, "vouches")):
        marked = list(session.scalars(select(table.item_id).where(table.user_id == account_id)))
        session.execute(delete(table).where(table.user_id == account_id))
        for item_id in marked:
            item = items.locked(session, item_id)
            setattr(item, column, getattr(item, column) - 1)
            if item.parent_id is None:
                items.rerank(session, item)
    session.execute(
        update(Item).where(Item.author_id == account_id, Item.state == "delayed").values(state="live", live_at=None)
    )
    session.flush()
