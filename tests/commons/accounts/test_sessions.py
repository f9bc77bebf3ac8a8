"""Where somebody is signed in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.support.platform import PASSWORD, Client, Factory, work

from dodeca.commons.accounts.models import AccountSession
from dodeca.commons.accounts.service import sessions
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.platform import Platform

API = "/api/accounts/sessions"


def test_the_list_shows_where_and_with_what(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    body = {"username": "alice", "password": PASSWORD}
    agent = {"User-Agent": "Firefox \x7fon a phone"}
    token = client.at("203.0.113.9").post("/api/accounts/login", json=body, headers=agent).json()["token"]

    shown = client.with_token(token).get(API).json()["items"]

    assert [(s["address"], s["user_agent"], s["kind"], s["current"]) for s in shown] == [
        ("203.0.113.9", "Firefox on a phone", "token", True)
    ]


def test_one_session_is_ended_and_the_others_stay(client: Client, make: Factory) -> None:
    account = make.account()
    here, there = (client.with_token(make.token(account)) for _ in range(2))
    other = next(s for s in here.get(API).json()["items"] if not s["current"])

    assert here.delete(f"{API}/{other['session_id']}").status_code == 204

    assert there.get(API).status_code == 401
    assert here.get(API).status_code == 200


def test_all_other_sessions_are_ended_at_once(client: Client, make: Factory) -> None:
    account = make.account()
    here, *others = (client.with_token(make.token(account)) for _ in range(3))

    assert here.delete(API).status_code == 204

    assert [visitor.get(API).status_code for visitor in others] == [401, 401]
    assert len(here.get(API).json()["items"]) == 1


def test_a_stranger_cannot_end_a_session(session: WriteSession, make: Factory) -> None:
    owner, stranger = make.account(), make.account()
    make.token(owner)
    (row,) = sessions.live(session, owner)

    with pytest.raises(NotFound):
        sessions.end(session, stranger, row.id)


def test_an_account_has_at_most_a_hundred_sessions(session: WriteSession, make: Factory) -> None:
    account, begun = make.account(), clock.now()
    for _ in range(sessions.MOST_SESSIONS + 5):
        make.token(account)
        clock.advance(1)

    rows = sessions.live(session, account)

    assert len(rows) == sessions.MOST_SESSIONS
    assert min(row.created_at for row in rows) >= begun + timedelta(seconds=5)


def test_a_cookie_is_stored_nowhere_and_renewed_by_rotation(
    session: WriteSession, platform: Platform, make: Factory
) -> None:
    account, vault = make.account(), vault_of(platform)
    token = sessions.start_browser(session, account, vault, Origin(), days=30)
    (row,) = sessions.live(session, account)
    assert row.digest == vault.sessions.digest(token)

    renewed = sessions.rotate(session, account, row.id, vault)

    assert renewed is not None
    assert renewed != token
    assert row.digest == vault.sessions.digest(renewed)


def test_only_ones_own_browser_is_rotated(session: WriteSession, platform: Platform, make: Factory) -> None:
    account, vault = make.account(), vault_of(platform)
    make.token(account)
    (row,) = sessions.live(session, account)

    assert sessions.rotate(session, account, row.id, vault) is None
    assert sessions.rotate(session, account, "none", vault) is None


def test_sessions_that_are_over_are_removed(platform: Platform, make: Factory) -> None:
    make.token(make.account())
    clock.advance(2 * 86_400)

    work(platform)

    assert platform.db.read(lambda s: s.scalar(select(func.count()).select_from(AccountSession))) == 0
