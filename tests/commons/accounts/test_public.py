"""What products use: their own endpoints for signing up and in, and protocols that send a password each time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.commons.accounts import commands, public
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.public import CodeNeeded, Origin, WaitingForDeletion, WrongCredentials
from dodeca.commons.accounts.service import deletion, totp
from dodeca.commons.accounts.vault import vault_of
from dodeca.kernel.db import ReadSession, WriteSession
from dodeca.kernel.errors import NotFound
from dodeca.kernel.platform import Platform

T = TypeVar("T")
HERE = Origin("203.0.113.9")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def test_a_product_registers_people_by_name_and_address_alone(platform: Platform, client: Client) -> None:
    signed_in = run(public.register(platform, HERE, name="Zoë Müller", email="zoe@x.org", password=PASSWORD))

    assert signed_in.account.username == "Zoe_Muller"
    assert client.with_token(signed_in.token).get("/api/accounts/me").json()["name"] == "Zoë Müller"
    again = run(public.login(platform, HERE, login="zoe@x.org", password=PASSWORD))
    assert again.account.id == signed_in.account.id


def test_a_product_finds_people(platform: Platform, make: Factory) -> None:
    account = make.account("Alice", email="a@x.org")

    def unit(session: ReadSession) -> list[Account | None]:
        return [
            public.account_by_name(session, "aLICE"),
            public.account_by_id(session, account.id),
            public.account_by_email(session, "A@x.org"),
            public.account_by_login(session, "alice"),
            public.account_by_name(session, "nobody"),
            public.account_by_id(session, "none"),
        ]

    found = platform.db.read(unit)

    assert [a.id if a else None for a in found] == [account.id] * 4 + [None, None]


def test_a_password_is_checked_and_then_remembered(platform: Platform, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    vault_of(platform).passwords.verify = _counting(vault_of(platform).passwords.verify)  # type: ignore[method-assign]

    for _ in range(3):
        assert run(public.check_password(platform, HERE, login="alice", password=PASSWORD)).id == account.id

    assert _counted == [True]


_counted: list[bool] = []


def _counting(verify: Any) -> Any:
    _counted.clear()

    def counted(stored: str | None, password: str) -> bool:
        right: bool = verify(stored, password)
        _counted.append(right)
        return right

    return counted


def test_a_remembered_password_ends_with_its_change(platform: Platform, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    run(public.check_password(platform, HERE, login="alice", password=PASSWORD))

    new = make.hashed("another fine password")
    platform.db.write(lambda s: setattr(s.get_one(Account, account.id), "password_hash", new))

    with pytest.raises(WrongCredentials):
        run(public.check_password(platform, HERE, login="alice", password=PASSWORD))


def test_a_protocol_without_codes_does_not_open_an_account_that_has_them(platform: Platform, make: Factory) -> None:
    import pyotp

    account, vault = make.account("alice", password=PASSWORD), vault_of(platform)

    def turn_on(session: WriteSession) -> None:
        row = session.get_one(Account, account.id)
        secret = totp.begin(session, row, vault, "Dodeca").secret
        totp.confirm(session, row, pyotp.TOTP(secret).now(), vault)

    platform.db.write(turn_on)

    with pytest.raises(CodeNeeded):
        run(public.check_password(platform, HERE, login="alice", password=PASSWORD))


def test_a_remembered_password_does_not_open_a_sleeping_account(platform: Platform, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    run(public.check_password(platform, HERE, login="alice", password=PASSWORD))
    platform.db.write(lambda s: deletion.request(s, s.get_one(Account, account.id), days=14))

    with pytest.raises(WaitingForDeletion):
        run(public.check_password(platform, HERE, login="alice", password=PASSWORD))


def test_an_author_of_imported_content_has_no_way_in(platform: Platform, client: Client) -> None:
    account = platform.db.write(lambda s: public.create_without_login(s, "pg", name="pg"))

    assert account.username == "pg"
    assert client.post("/api/accounts/login", json={"username": "pg", "password": "x" * 8}).status_code == 401


def test_the_command_line_makes_an_admin(platform: Platform, client: Client) -> None:
    password = commands.create_admin(platform, "admin")

    assert password is not None
    answer = client.post("/api/accounts/login", json={"username": "admin", "password": password})
    assert client.with_token(answer.json()["token"]).get("/api/accounts/me").json()["roles"] == ["admin", "member"]
    assert commands.create_admin(platform, "admin") is None


def test_the_command_line_gives_an_admin_a_new_password(platform: Platform, client: Client) -> None:
    commands.create_admin(platform, "admin")

    assert commands.create_admin(platform, "admin", PASSWORD) is None

    answer = client.post("/api/accounts/login", json={"username": "admin", "password": PASSWORD})
    assert answer.status_code == 200


def test_the_command_line_issues_tokens(platform: Platform, client: Client, make: Factory) -> None:
    make.account("alice")

    token = commands.issue_token(platform, "Alice", 1)

    assert client.with_token(token).get("/api/accounts/me").json()["username"] == "alice"
    with pytest.raises(NotFound):
        commands.issue_token(platform, "nobody", 1)
