"""API keys."""

from __future__ import annotations

import pytest
from tests.support.platform import Client, Factory

from dodeca.commons.accounts import public
from dodeca.commons.accounts.models import Account, ApiKey
from dodeca.commons.accounts.service import deletion, keys, scopes
from dodeca.commons.accounts.service.keys import NotSealed
from dodeca.commons.accounts.service.scopes import HEX, Scope, declare_scope
from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Conflict, Invalid, NotFound
from dodeca.kernel.platform import Platform

API = "/api/accounts/keys"


@pytest.fixture(autouse=True)
def _declared() -> None:
    declare_scope(Scope("test-sealed", key_prefix="ck_", secret_prefix="cs_", alphabet=HEX, key_length=40, sealed=True))


def test_a_key_is_made_listed_and_revoked(client: Client, make: Factory) -> None:
    member = client.with_token(make.token(make.account()))

    made = member.post(API, json={"name": "Script", "scopes": ["accounts"]})

    assert made.status_code == 201, made.text
    key = made.json()
    assert key["key_secret"].startswith("dks_")
    assert key["scopes"] == ["accounts"]
    listed = member.get(API).json()["items"]
    assert [item["key_id"] for item in listed] == [key["key_id"]]
    assert "key_secret" not in listed[0]
    assert member.delete(f"{API}/{key['key_id']}").status_code == 204
    assert member.get(API).json()["items"] == []


def test_a_key_without_scopes_opens_every_product(client: Client, make: Factory) -> None:
    made = client.with_token(make.token(make.account())).post(API, json={}).json()

    assert made["scopes"] == []
    assert made["name"] == "API key"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["nothing"]}, "scopes"),
        ({"scopes": "accounts"}, "scopes"),
        ({"scopes": ["accounts"] * 21}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"permissions": "all"}, "permissions"),
        ({"days": 0}, "days"),
        ({"days": 10**12}, "days"),
    ],
)
def test_a_refused_key_names_the_field(client: Client, make: Factory, body: dict[str, object], field: str) -> None:
    answer = client.with_token(make.token(make.account())).post(API, json=body)

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_a_stranger_cannot_revoke_a_key(session: WriteSession, make: Factory) -> None:
    key, _ = make.key(make.account())

    with pytest.raises(NotFound):
        keys.revoke(session, make.account(), key.id)


def test_secrets_are_stored_as_hashes(session: WriteSession, make: Factory) -> None:
    key, secret = make.key(make.account())

    assert key.sealed is None
    assert secret.encode() not in key.digest
    with pytest.raises(NotSealed):
        public.open_secret(make.platform, key)


def test_a_protocol_that_computes_with_the_secret_gets_it_back(
    session: WriteSession, platform: Platform, make: Factory
) -> None:
    key, secret = make.key(make.account(), ["test-sealed"])

    assert key.id.startswith("ck_")
    assert len(key.id) == 43
    assert secret.startswith("cs_")
    assert key.sealed is not None
    assert secret.encode() not in key.sealed
    assert public.open_secret(platform, key) == secret


def test_one_sealed_scope_makes_the_key_sealed(make: Factory) -> None:
    key, _ = make.key(make.account(), ["accounts", "test-sealed"])

    assert key.id.startswith("dk_")
    assert key.sealed is not None


def test_a_secret_opens_its_scopes_only(session: WriteSession, platform: Platform, make: Factory) -> None:
    key, secret = make.key(make.account(), ["shortener-timed"])
    everything, all_secret = make.key(make.account())

    assert public.verify_key(session, platform, secret) == key
    assert public.verify_key(session, platform, secret, scope="shortener-timed") == key
    assert public.verify_key(session, platform, secret, scope="shortener") == key
    assert public.verify_key(session, platform, secret, scope="music") is None
    assert public.verify_key(session, platform, all_secret, scope="music") == everything
    assert public.verify_key(session, platform, secret + "x") is None
    assert public.verify_key(session, platform, "") is None
    assert public.key_by_id(session, key.id, scope="shortener") == key
    assert public.key_by_id(session, "dk_none") is None


def test_a_key_ends_at_its_time(session: WriteSession, platform: Platform, make: Factory) -> None:
    key, secret = make.key(make.account(), days=10)
    assert public.verify_key(session, platform, secret) is not None

    clock.advance(10 * 86_400 + 1)

    assert public.verify_key(session, platform, secret) is None
    assert public.key_by_id(session, key.id) is None


def test_the_keys_of_a_sleeping_account_open_nothing(session: WriteSession, platform: Platform, make: Factory) -> None:
    account = make.account()
    _, secret = make.key(account)

    deletion.request(session, account, days=14)

    assert public.verify_key(session, platform, secret) is None


def test_there_is_a_limit_to_keys(session: WriteSession, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    account = make.account()
    for _ in range(2):
        make.key(account)

    with pytest.raises(Conflict):
        make.key(account)


def test_only_keys_whose_secret_is_kept_are_offered_for_signatures(session: WriteSession, make: Factory) -> None:
    account = make.account()
    sealed, _ = make.key(account, ["test-sealed"])
    make.key(account)

    assert list(public.keys_with_scope(session, account, "test-sealed")) == [sealed]


def test_scopes_are_products_and_what_they_declare() -> None:
    assert scopes.usable(["a", "accounts", "a"], ["a"]) == ["a", "accounts"]
    with pytest.raises(Invalid):
        scopes.usable(["b"], ["a"])


def test_the_last_use_is_noted(platform: Platform, client: Client, make: Factory) -> None:
    key, secret = make.key(make.account())

    client.with_headers({"X-Api-Key": secret}).get("/api/accounts/me")

    assert platform.db.read(lambda s: s.get_one(ApiKey, key.id).last_used_at) is not None
    assert platform.db.read(lambda s: s.get_one(Account, key.account_id).is_active)
