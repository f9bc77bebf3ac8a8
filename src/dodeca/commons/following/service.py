"""Following and its end; both may be repeated."""

from __future__ import annotations

from sqlalchemy import Select, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from dodeca.commons.following.models import Follow
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import Invalid


def follow(session: WriteSession, follower_id: str, *, product: str, target_type: str, target_id: str) -> bool:
    """Follow; gives whether that is new. Raises Invalid for oneself."""
    if target_type == "user" and target_id == follower_id:
        raise Invalid("You cannot follow yourself.")
    insert = sqlite.insert if session.dialect == "sqlite" else postgresql.insert
    values = {
        "product": product,
        "follower_id": follower_id,
        "target_type": target_type,
        "target_id": target_id,
        "created_at": clock.now(),
    }
    made = insert(Follow).values(values).on_conflict_do_nothing().returning(Follow.target_id)
    return session.scalar(made) is not None


def unfollow(session: WriteSession, follower_id: str, *, product: str, target_type: str, target_id: str) -> None:
    """Follow no longer; no error where nothing was followed."""
    session.execute(
        delete(Follow).where(
            Follow.product == product,
            Follow.follower_id == follower_id,
            Follow.target_type == target_type,
            Follow.target_id == target_id,
        )
    )


def followed(product: str, follower_id: str, target_type: str) -> Select[str]:
    """The ids of what somebody follows."""
    return select(Follow.target_id).where(
        Follow.product == product, Follow.follower_id == follower_id, Follow.target_type == target_type
    )


def followers(product: str, target_type: str, target_id: str) -> Select[str]:
    """The ids of the accounts that follow something."""
    return select(Follow.follower_id).where(
        Follow.product == product, Follow.target_type == target_type, Follow.target_id == target_id
    )


def mutual(session: ReadSession, product: str, account_id: str) -> frozenset[str]:
    """The accounts that somebody follows and that follow back."""
    back = aliased(Follow)
    statement = (
        select(Follow.target_id)
        .join(
            back,
            (back.product == Follow.product)
            & (back.target_type == Follow.target_type)
            & (back.follower_id == Follow.target_id)
            & (back.target_id == Follow.follower_id),
        )
        .where(Follow.product == product, Follow.follower_id == account_id, Follow.target_type == "user")
    )
    return frozenset(session.scalars(statement))
