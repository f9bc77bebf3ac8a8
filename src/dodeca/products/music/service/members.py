"""What music knows of an account: its row, its choices, its friends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dodeca.commons import following
from dodeca.commons.accounts.public import forget_principal
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.products.music.models import Member
from dodeca.products.music.service.viewers import PRODUCT, Viewer, insert_for

HISTORY = ("private", "followers", "public")
_DEFAULTS: Mapping[str, Any] = {
    "history_visibility": "private",
    "explicit": True,
    "max_bit_rate": 0,
    "listen_count": 0,
    "curator": False,
}


def member(session: WriteSession, account_id: str) -> Member:
    """The account's row, held until the unit is over; made at its first act."""
    row = session.get_locked(Member, account_id)
    if row is not None:
        return row
    values = {"user_id": account_id, "joined_at": clock.now(), **_DEFAULTS}
    session.execute(insert_for(session)(Member).values(values).on_conflict_do_nothing())
    made = session.get_locked(Member, account_id)
    assert made is not None
    return made


def choices(session: ReadSession, account_id: str) -> Member:
    """The account's row, or what it would be."""
    found = session.get(Member, account_id)
    return found if found is not None else Member(user_id=account_id, joined_at=clock.now(), **_DEFAULTS)


def change(session: WriteSession, account_id: str, changes: Mapping[str, Any]) -> Member:
    """Change one's choices. Raises Invalid."""
    row = member(session, account_id)
    visibility = changes.get("history_visibility", row.history_visibility)
    if visibility not in HISTORY:
        raise Invalid("history_visibility is private, followers or public.", field="history_visibility")
    rate = changes.get("max_bit_rate", row.max_bit_rate)
    if not 0 <= rate <= 10_000:
        raise Invalid("max_bit_rate is in kbit/s, from 0 (as it is) to 10000.", field="max_bit_rate")
    row.history_visibility, row.max_bit_rate = visibility, rate
    row.explicit = changes.get("explicit", row.explicit)
    session.flush()
    forget_principal(session, account_id)  # the lane of sound knows the choice of kbit/s
    return row


def taste_changed(session: WriteSession, account_id: str) -> None:
    """Something that recommendations depend on has changed."""
    member(session, account_id).taste_at = clock.now()
    session.flush()


def history_visible(session: ReadSession, viewer: Viewer, owner_id: str) -> bool:
    """Whether somebody may see what an account heard and hears."""
    if viewer.account_id == owner_id:
        return True
    visibility = choices(session, owner_id).history_visibility
    if visibility == "public":
        return True
    if visibility == "private" or viewer.account_id is None:
        return False
    return owner_id in set(session.scalars(following.followed(PRODUCT, viewer.account_id, "user")))


def friends(session: ReadSession, account_id: str) -> frozenset[str]:
    """Those that follow each other."""
    return following.mutual(session, PRODUCT, account_id)
