"""Roles: who may moderate, trade, and run the house."""

from __future__ import annotations

from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from dodeca.commons.accounts.models import ROLES, Account, AccountRole
from dodeca.commons.accounts.principals import forget_principal
from dodeca.commons.accounts.service import audit
from dodeca.commons.accounts.service.origin import NOWHERE, Origin
from dodeca.kernel import clock
from dodeca.kernel.db import Prepared, ReadSession, WriteSession
from dodeca.kernel.errors import Conflict, Forbidden, Invalid

GRANTABLE = tuple(role for role in ROLES if role != "member")


_roles = Prepared(select(AccountRole.role).where(AccountRole.account_id == bindparam("account_id")))


class LastAdmin(Conflict):
    """Without this person nobody could administer the platform."""


def roles_of(session: ReadSession, account_id: str) -> frozenset[str]:
    """The roles of an account, `member` included."""
    return frozenset({"member", *(role for (role,) in _roles.rows(session, account_id=account_id))})


def holders(role: str) -> Select[str]:
    """The ids of all who have a role."""
    return select(AccountRole.account_id).where(AccountRole.role == role)


def grant(session: WriteSession, admin: Account | None, account: Account, role: str, origin: Origin = NOWHERE) -> None:
    """Give a role; repeating it changes nothing. `admin` is None for the command line. Raises Forbidden, Invalid."""
    _check(session, admin, role)
    insert = sqlite.insert if session.dialect == "sqlite" else postgresql.insert
    row = {"account_id": account.id, "role": role, "granted_by": admin.id if admin else None, "granted_at": clock.now()}
    done = session.scalar(insert(AccountRole).values(row).on_conflict_do_nothing().returning(AccountRole.role))
    if done is not None:
        audit.record(session, account.id, "role.granted", origin, actor_id=admin.id if admin else "command", role=role)
        forget_principal(session, account.id)


def revoke(session: WriteSession, admin: Account | None, account: Account, role: str, origin: Origin = NOWHERE) -> None:
    """Take a role; repeating it changes nothing. Raises Forbidden, Invalid, LastAdmin."""
    _check(session, admin, role)
    if role == "admin":
        keep_an_admin(session, without=account)
    row = session.get(AccountRole, (account.id, role))
    if row is not None:
        session.delete(row)
        audit.record(session, account.id, "role.revoked", origin, actor_id=admin.id if admin else "command", role=role)
        forget_principal(session, account.id)


def _check(session: ReadSession, admin: Account | None, role: str) -> None:
    if role not in GRANTABLE:
        raise Invalid(f"There is no role {role[:40]}. Choose one of {', '.join(GRANTABLE)}.", field="role")
    if admin is not None and "admin" not in roles_of(session, admin.id):
        raise Forbidden("Only admins change roles.")


def keep_an_admin(session: WriteSession, *, without: Account) -> None:
    """Raise LastAdmin if `without` is the only admin who can act. Two who leave at once wait for each other."""
    if "admin" not in roles_of(session, without.id):
        return
    # The rows of all admins are locked, so that the answer holds until the commit.
    locked = select(AccountRole.account_id).where(AccountRole.role == "admin").order_by(AccountRole.account_id)
    admins = session.scalars(locked.with_for_update()).all()
    others = select(Account.id).where(
        Account.id.in_(admins),
        Account.id != without.id,
        Account.suspended_at.is_(None),
        Account.deletion_due_at.is_(None),
        Account.deleted_at.is_(None),
    )
    if session.scalar(others.limit(1)) is None:
        raise LastAdmin("This is the last admin. Make somebody else admin first.")
