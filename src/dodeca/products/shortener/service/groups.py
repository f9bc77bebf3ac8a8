"""Groups: people who share links, as owner, editor or viewer."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, delete, func, select, update

from dodeca.commons.accounts.models import Account
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, claiming
from dodeca.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from dodeca.kernel.http import Principal
from dodeca.products.shortener.models import Group, GroupMember, Link
from dodeca.products.shortener.service.labels import checked_name

ROLES = ("owner", "editor", "viewer")
EDITING = ("owner", "editor")
GROUPS_AN_ACCOUNT = 100


class LastOwner(Conflict):
    """A group cannot be without an owner."""


def visible_to(actor: Principal) -> Select[Group]:
    """The groups that the caller is in."""
    return select(Group).where(Group.id.in_(ids_of(actor)))


def ids_of(actor: Principal, roles: Sequence[str] = ROLES) -> Select[str]:
    """The ids of the groups in which the caller has one of `roles`."""
    return select(GroupMember.group_id).where(
        GroupMember.account_id == actor.account_id, GroupMember.role.in_(list(roles))
    )


def find(session: ReadSession, actor: Principal, group_id: str) -> Group:
    """A group that the caller is in. Raises NotFound."""
    row = session.scalar(visible_to(actor).where(Group.id == group_id))
    if row is None:
        raise NotFound("There is no such group.")
    return row


def editable(session: ReadSession, actor: Principal, group_id: str) -> Group:
    """A group whose links the caller may change. Raises NotFound, Forbidden."""
    return _with_role(session, actor, group_id, EDITING)


def _with_role(session: ReadSession, actor: Principal, group_id: str, roles: Sequence[str]) -> Group:
    group = find(session, actor, group_id)
    if role_in(session, actor, group_id) not in roles:
        raise Forbidden(f"This needs to be {' or '.join(roles)} of the group.")
    return group


def role_in(session: ReadSession, actor: Principal, group_id: str) -> str | None:
    """The caller's role in a group."""
    row = session.get(GroupMember, (group_id, actor.account_id))
    return row.role if row is not None else None


def add(session: WriteSession, actor: Principal, name: str) -> Group:
    """Found a group, as its owner. Raises Invalid."""
    mine = select(func.count()).select_from(GroupMember).where(GroupMember.account_id == actor.account_id)
    if (session.scalar(mine) or 0) >= GROUPS_AN_ACCOUNT:
        raise Invalid(f"An account is in at most {GROUPS_AN_ACCOUNT} groups.", field="name")
    group = Group(name=checked_name(name))
    session.add(group)
    session.flush()
    session.add(GroupMember(group_id=group.id, account_id=actor.account_id, role="owner"))
    return group


def rename(session: WriteSession, actor: Principal, group_id: str, name: str) -> Group:
    """Raises NotFound, Forbidden, Invalid."""
    group = _with_role(session, actor, group_id, ("owner",))
    group.name, group.updated_at = checked_name(name), clock.now()
    return group


def remove(session: WriteSession, actor: Principal, group_id: str) -> None:
    """Dissolve a group; its links stay with who made them. Raises NotFound, Forbidden."""
    group = _with_role(session, actor, group_id, ("owner",))
    session.execute(update(Link).where(Link.group_id == group.id).values(group_id=None))
    session.execute(delete(GroupMember).where(GroupMember.group_id == group.id))
    session.delete(group)


def members(session: ReadSession, actor: Principal, group_id: str) -> list[tuple[Account, str]]:
    """Who is in the group, and as what. Raises NotFound."""
    find(session, actor, group_id)
    statement = (
        select(Account, GroupMember.role)
        .join(GroupMember, GroupMember.account_id == Account.id)
        .where(GroupMember.group_id == group_id)
        .order_by(Account.username_key)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def set_member(session: WriteSession, actor: Principal, group_id: str, username: str, role: str) -> GroupMember:
    """Take somebody in, or give another role. Raises NotFound, Forbidden, Invalid, LastOwner."""
    group = _with_role(session, actor, group_id, ("owner",))
    if role not in ROLES:
        raise Invalid(f"A role is one of: {', '.join(ROLES)}.", field="role")
    account = session.scalar(
        select(Account).where(Account.username_key == username.strip().lower(), Account.deleted_at.is_(None))
    )
    if account is None:
        raise Invalid("There is no account of this name.", field="username")
    row = session.get_locked(GroupMember, (group.id, account.id))
    if row is None:
        row = GroupMember(group_id=group.id, account_id=account.id, role=role)
        with claiming(session, GroupMember, otherwise=Conflict("This member was just added.", field="username")):
            session.add(row)
        return row
    if row.role == "owner" and role != "owner":
        _keep_an_owner(session, group.id, account.id)
    row.role = role
    return row


def remove_member(session: WriteSession, actor: Principal, group_id: str, username: str) -> None:
    """Put somebody out, or leave. Links that the member made there stay in the group.

    Raises NotFound, Forbidden, LastOwner."""
    group = find(session, actor, group_id)
    account = session.scalar(select(Account).where(Account.username_key == username.strip().lower()))
    if account is None or session.get(GroupMember, (group.id, account.id)) is None:
        raise NotFound("There is no such member.")
    if account.id != actor.account_id and role_in(session, actor, group.id) != "owner":
        raise Forbidden("This needs to be owner of the group.")
    _keep_an_owner(session, group.id, account.id)
    session.execute(delete(GroupMember).where(GroupMember.group_id == group.id, GroupMember.account_id == account.id))


def _keep_an_owner(session: ReadSession, group_id: str, leaving: str) -> None:
    """Raise LastOwner when nobody else owns the group. Locks the owners, so two cannot leave at once."""
    owners = select(GroupMember.account_id).where(GroupMember.group_id == group_id, GroupMember.role == "owner")
    held = set(session.scalars(owners.with_for_update()))
    if held == {leaving}:
        raise LastOwner("The group would be without an owner. Make somebody else owner first.", field="role")
