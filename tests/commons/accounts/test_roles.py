"""Roles, and the log of what was done."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from tests.support.platform import Client, Factory

from dodeca.commons.accounts.models import Account, AuditEntry
from dodeca.commons.accounts.service import audit, deletion, people, roles
from dodeca.commons.accounts.service.roles import LastAdmin
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Forbidden, Invalid
from dodeca.kernel.platform import Platform


def actions(session: WriteSession, account: Account) -> list[tuple[str, str | None]]:
    return [(entry.action, entry.actor_id) for entry in audit.entries_of(session, account).items]


def test_an_admin_grants_and_revokes_and_both_are_noted(session: WriteSession, make: Factory) -> None:
    admin, account = make.account(roles_too=["admin"]), make.account()

    roles.grant(session, admin, account, "moderator")
    roles.grant(session, admin, account, "moderator")
    assert roles.roles_of(session, account.id) == {"member", "moderator"}
    clock.advance(1)
    roles.revoke(session, admin, account, "moderator")
    roles.revoke(session, admin, account, "moderator")

    assert roles.roles_of(session, account.id) == {"member"}
    session.flush()
    assert actions(session, account)[:2] == [("role.revoked", admin.id), ("role.granted", admin.id)]


@pytest.mark.parametrize("others", [[], ["moderator"], ["merchant"]])
def test_nobody_else_grants(session: WriteSession, make: Factory, others: list[str]) -> None:
    person = make.account(roles_too=others)

    with pytest.raises(Forbidden):
        roles.grant(session, person, person, "admin")


@pytest.mark.parametrize("role", ["member", "king", ""])
def test_only_roles_that_exist_are_granted(session: WriteSession, make: Factory, role: str) -> None:
    with pytest.raises(Invalid):
        roles.grant(session, make.account(roles_too=["admin"]), make.account(), role)


def test_the_last_admin_stays(session: WriteSession, make: Factory) -> None:
    admin = make.account(roles_too=["admin"])

    with pytest.raises(LastAdmin):
        roles.revoke(session, admin, admin, "admin")
    with pytest.raises(LastAdmin):
        deletion.request(session, admin, days=14)
    with pytest.raises(LastAdmin):
        people.suspend(session, admin, admin)


def test_an_admin_who_cannot_act_does_not_count(session: WriteSession, make: Factory) -> None:
    admin, sleeping = make.account(roles_too=["admin"]), make.account(roles_too=["admin"])
    deletion.request(session, sleeping, days=14)
    session.flush()

    with pytest.raises(LastAdmin):
        roles.revoke(session, admin, admin, "admin")


def test_two_admins_who_leave_at_once_do_not_both_leave(platform: Platform, make: Factory) -> None:
    admins = [make.account(roles_too=["admin"]) for _ in range(2)]

    def leave(admin: Account) -> bool:
        try:
            platform.db.write(lambda s: roles.revoke(s, None, s.get_one(Account, admin.id), "admin"))
        except LastAdmin:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(leave, admins)) == [False, True]


def test_the_log_cannot_be_changed(platform: Platform, make: Factory) -> None:
    account = make.account()
    for statement in (
        update(AuditEntry).values(action="nothing"),
        delete(AuditEntry),
        text("UPDATE audit_log SET address = ''"),
        text("DELETE FROM audit_log"),
    ):
        with pytest.raises(DBAPIError, match="append-only"):
            platform.db.write(lambda s, statement=statement: s.execute(statement))  # type: ignore[misc]

    assert platform.db.read(lambda s: len(audit.entries_of(s, account).items)) == 1


def test_entries_of_more_than_a_year_ago_are_removed(platform: Platform, make: Factory) -> None:
    account = make.account()

    def old(session: WriteSession) -> None:
        session.add(
            AuditEntry(account_id=account.id, action="key.created", at=clock.ago(days=402), address="", details={})
        )

    platform.db.write(old)
    platform.db.write(audit.forget_old)

    assert platform.db.read(lambda s: [e.action for e in audit.entries_of(s, account).items]) == ["account.registered"]


def test_ones_own_history_is_a_list_of_pages(client: Client, make: Factory) -> None:
    account = make.account()
    member = client.with_token(make.token(account))
    for n in range(5):
        clock.advance(1)
        member.patch("/api/accounts/me", json={"name": f"Name {n}"})

    first = member.get("/api/accounts/audit?limit=4").json()
    rest = member.get(f"/api/accounts/audit?limit=4&cursor={first['next_cursor']}").json()

    assert [item["action"] for item in first["items"]] == ["account.changed"] * 4
    assert [item["action"] for item in rest["items"]] == ["account.changed", "account.registered"]
    assert rest["next_cursor"] is None
    assert first["items"][0]["text"] == "Profile changed"
    assert first["items"][0]["address"] == "127.0.0.1"


def test_anothers_history_is_not_shown(client: Client, make: Factory) -> None:
    make.account("alice")
    stranger = client.with_token(make.token(make.account("bob")))

    assert len(stranger.get("/api/accounts/audit").json()["items"]) == 1
    assert client.get("/api/accounts/audit").status_code == 401


def test_staff_find_accounts(session: WriteSession, make: Factory) -> None:
    make.account("alice", name="Zoë 100%", email="a@x.org")
    make.account("bob_b", roles_too=["moderator"])
    make.account("bobxb")

    def found(words: str, role: str = "") -> set[str]:
        return {account.username for account in people.search(session, words, role=role).items}

    assert found("ALI") == {"alice"}
    assert found("100%") == {"alice"}
    assert found("a@x") == {"alice"}
    assert found("bob_") == {"bob_b"}
    assert found("%") == {"alice"}
    assert found("", role="moderator") == {"bob_b"}


def test_every_action_has_a_text() -> None:
    sources = [path.read_text() for path in Path(audit.__file__).parents[1].rglob("*.py")]
    used = {a for source in sources for a in re.findall(r'audit\.record\([^)]*?"([a-z]+\.[a-z_]+)"', source, re.S)}
    used |= {a for source in sources for a in re.findall(r'action="([a-z]+\.[a-z_]+)"', source)}

    assert len(used) > 15
    assert used <= audit.TEXTS.keys()
