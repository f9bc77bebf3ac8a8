"""Signing in with a password, and slowing down who guesses."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.commons.accounts.guard import STEPS, Guard
from dodeca.commons.accounts.models import Account, AccountSession, AuditEntry
from dodeca.commons.accounts.service import people
from dodeca.commons.accounts.service.origin import Origin
from dodeca.commons.accounts.settings import AccountSettings
from dodeca.kernel import clock
from dodeca.kernel.errors import TooMany
from dodeca.kernel.limits import Limits
from dodeca.kernel.platform import Platform


def sign_in(client: Client, **body: object) -> int:
    return client.post("/api/accounts/login", json={"password": PASSWORD, **body}).status_code


@pytest.mark.parametrize("login", [{"username": "alice"}, {"username": "ALICE"}, {"email": "Alice@X.org"}])
def test_name_or_address_and_password_open_the_account(client: Client, make: Factory, login: dict[str, str]) -> None:
    account = make.account("Alice", password=PASSWORD, email="alice@x.org")

    answer = client.post("/api/accounts/login", json={"password": PASSWORD, **login})

    assert answer.status_code == 200
    assert answer.json()["user_id"] == account.id
    assert client.with_token(answer.json()["token"]).get("/api/accounts/me").status_code == 200


def test_an_address_works_in_the_place_of_the_username(client: Client, make: Factory) -> None:
    make.account(password=PASSWORD, email="alice@x.org")

    assert sign_in(client, username="alice@x.org") == 200


def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_nothing(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)

    wrong = client.post("/api/accounts/login", json={"username": "alice", "password": "not this one"})
    unknown = client.post("/api/accounts/login", json={"username": "nobody", "password": "not this one"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


def test_an_account_without_password_cannot_be_opened_by_one(client: Client, make: Factory) -> None:
    make.account("alice")

    assert sign_in(client, username="alice") == 401


def test_a_login_without_name_says_so(client: Client) -> None:
    answer = client.post("/api/accounts/login", json={"password": PASSWORD})

    assert answer.status_code == 400
    assert answer.json()["field"] == "username"


@pytest.mark.parametrize("name", ["a\x00b", "x" * 254, "%", "' OR 1=1 --", "ä" * 100, "a@" + "\u202e"])
def test_strange_names_are_simply_unknown(client: Client, name: str) -> None:
    assert sign_in(client, username=name) == 401
    assert sign_in(client, email=name) == 401


def test_passwords_are_the_same_in_every_unicode_form(client: Client, make: Factory) -> None:
    make.account("alice", password="Zürich bei Nacht")

    assert sign_in(client, username="alice", password="Zu\u0308rich bei Nacht") == 200


def test_a_suspended_account_stays_out(platform: Platform, client: Client, make: Factory) -> None:
    account, staff = make.account("alice", password=PASSWORD), make.account(roles_too=["admin"])
    token = make.token(account)

    platform.db.write(lambda s: people.suspend(s, staff, s.get_one(Account, account.id)))

    assert sign_in(client, username="alice") == 403
    assert client.with_token(token).get("/api/accounts/me").status_code == 401


def test_guessing_is_slowed_down_and_the_wait_is_named(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)

    answers = [sign_in(client.at("198.51.100.7"), username="alice", password=f"guess {n}") for n in range(12)]

    assert answers == [401] * 10 + [429] * 2
    refused = client.at("198.51.100.7").post("/api/accounts/login", json={"username": "alice", "password": PASSWORD})
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_who_guesses_does_not_lock_the_owner_out(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    for n in range(12):
        sign_in(client.at("198.51.100.7"), username="alice", password=f"guess {n}")

    assert sign_in(client.at("203.0.113.9"), username="alice") == 200


def test_the_right_password_ends_the_counting(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    for _ in range(3):
        for n in range(9):
            assert sign_in(client, username="alice", password=f"slip {n}") == 401
        assert sign_in(client, username="alice") == 200


def test_names_that_nobody_has_are_slowed_down_alike(client: Client) -> None:
    answers = [sign_in(client.at("198.51.100.7"), username="nobody") for _ in range(11)]

    assert answers == [401] * 10 + [429]


def test_the_wait_grows_with_every_step() -> None:
    clock_now = [1_000_000_020.0]
    limits = Limits(now=lambda: clock_now[0])
    guard = Guard(limits, AccountSettings(sign_ins_per_minute=0))
    origin = Origin("198.51.100.7")
    allowed = 0
    for _ in range(24 * 3600):  # an attempt a second for a day
        clock_now[0] += 1
        try:
            guard.attempt("alice", origin)
        except TooMany:
            continue
        allowed += 1

    assert allowed <= STEPS[-1].amount * 1.2  # the window slides


def test_many_addresses_together_are_slowed_down_except_where_the_owner_is_known(
    platform: Platform, client: Client, make: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dodeca.commons.accounts import guard
    from dodeca.kernel.limits import Rate

    monkeypatch.setattr(guard, "FROM_EVERYWHERE", Rate(20, 3600))
    make.account("alice", password=PASSWORD)
    assert sign_in(client.at("203.0.113.9"), username="alice") == 200

    answers = {sign_in(client.at(f"198.51.100.{n}"), username="alice", password="guess") for n in range(25)}

    assert answers == {401, 429}
    assert sign_in(client.at("203.0.113.10"), username="alice") == 429
    assert sign_in(client.at("203.0.113.9"), username="alice") == 200


def test_an_attack_leaves_one_note_and_no_other_rows(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account("alice", password=PASSWORD)
    for n in range(30):
        sign_in(client.at("198.51.100.7"), username="alice", password=f"guess {n}")

    def counts(session: object) -> tuple[int, int]:
        notes = select(func.count()).select_from(AuditEntry).where(AuditEntry.account_id == account.id)
        rows = select(func.count()).select_from(AccountSession)
        return (
            platform.db.read(lambda s: s.scalar(notes.where(AuditEntry.action == "signin.blocked"))) or 0,
            platform.db.read(lambda s: s.scalar(rows)) or 0,
        )

    assert counts(None) == (1, 0)


def test_a_hash_of_older_parameters_is_renewed(
    slow_hashing: None, platform: Platform, client: Client, make: Factory
) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    account = make.account("alice")
    platform.db.write(lambda s: setattr(s.get_one(Account, account.id), "password_hash", weak))

    assert sign_in(client, username="alice") == 200

    stored = platform.db.read(lambda s: s.get_one(Account, account.id).password_hash)
    assert stored is not None
    assert "m=19456" in stored
    assert sign_in(client, username="alice") == 200


def test_a_token_ends_at_its_time(client: Client, make: Factory) -> None:
    make.account("alice", password=PASSWORD)
    token = client.post("/api/accounts/login", json={"username": "alice", "password": PASSWORD}).json()["token"]
    assert client.with_token(token).get("/api/accounts/me").status_code == 200

    clock.advance(31 * 86_400)

    assert client.with_token(token).get("/api/accounts/me").status_code == 401


def test_signing_out_ends_the_token(client: Client, make: Factory) -> None:
    visitor = client.with_token(make.token(make.account()))

    assert visitor.post("/api/accounts/logout").status_code == 204

    assert visitor.get("/api/accounts/me").status_code == 401
