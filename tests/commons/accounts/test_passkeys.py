"""Passkeys: adding, signing in, and all the answers that must not pass."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.authenticator import SoftAuthenticator
from tests.support.platform import ADDRESS, PASSWORD, Client, Factory, mails

from dodeca.commons.accounts.service import passkeys
from dodeca.commons.accounts.service.passkeys import NoPasskeysHere, Site
from dodeca.kernel import clock
from dodeca.kernel.platform import Platform

API = "/api/accounts"


@pytest.fixture
def device() -> SoftAuthenticator:
    return SoftAuthenticator(ADDRESS)


def add(member: Client, device: SoftAuthenticator, name: str = "Phone") -> Any:
    begun = member.post(f"{API}/passkeys/options").json()
    body = {"credential": device.create(begun["options"]), "ticket": begun["ticket"], "name": name}
    return member.post(f"{API}/passkeys", json=body)


def sign_in(visitor: Client, device: SoftAuthenticator) -> Any:
    begun = visitor.post(f"{API}/login/passkey/options").json()
    body = {"credential": device.get(begun["options"]), "ticket": begun["ticket"]}
    return visitor.post(f"{API}/login/passkey", json=body)


def test_a_passkey_is_added_and_then_signs_in_by_itself(
    platform: Platform, client: Client, make: Factory, device: SoftAuthenticator
) -> None:
    account = make.account(email="alice@x.org", email_verified=True)

    added = add(client.with_token(make.token(account)), device)

    assert added.status_code == 201, added.text
    assert added.json()["name"] == "Phone"
    signed_in = sign_in(client, device)
    assert signed_in.status_code == 200, signed_in.text
    assert signed_in.json()["user_id"] == account.id
    assert mails(platform, "alice@x.org")[0].subject == "How you sign in has changed"


def test_a_passkey_needs_no_further_code(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    import pyotp

    member = client.with_token(make.token(make.account()))
    add(member, device)
    secret = member.post(f"{API}/totp").json()["secret"]
    member.post(f"{API}/totp/confirm", json={"code": pyotp.TOTP(secret).now()})

    assert sign_in(client, device).status_code == 200


def test_an_unknown_passkey_is_refused(client: Client, device: SoftAuthenticator) -> None:
    assert sign_in(client, device).status_code == 401


def test_an_answer_is_taken_once(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    add(client.with_token(make.token(make.account())), device)
    begun = client.post(f"{API}/login/passkey/options").json()
    body = {"credential": device.get(begun["options"]), "ticket": begun["ticket"]}

    assert client.post(f"{API}/login/passkey", json=body).status_code == 200
    assert client.post(f"{API}/login/passkey", json=body).status_code == 400


def test_an_answer_that_comes_late_is_refused(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    add(client.with_token(make.token(make.account())), device)
    begun = client.post(f"{API}/login/passkey/options").json()
    body = {"credential": device.get(begun["options"]), "ticket": begun["ticket"]}

    clock.advance(301)

    assert client.post(f"{API}/login/passkey", json=body).status_code == 400


def test_the_answer_of_another_site_is_refused(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    member = client.with_token(make.token(make.account()))
    assert add(member, SoftAuthenticator("http://dodeca.evil")).status_code == 400
    add(member, device)
    device.origin = "http://dodeca.evil"

    assert sign_in(client, device).status_code == 401


def test_a_device_that_did_not_verify_its_user_is_refused(client: Client, make: Factory) -> None:
    careless = SoftAuthenticator(ADDRESS, verifies_user=False)
    member = client.with_token(make.token(make.account()))
    assert add(member, careless).status_code == 400
    careless.verifies_user = True
    add(member, careless)
    careless.verifies_user = False

    assert sign_in(client, careless).status_code == 401


def test_a_copied_device_is_noticed_by_its_count(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    add(client.with_token(make.token(make.account())), device)
    device.count = 5
    assert sign_in(client, device).status_code == 200
    device.count = 3

    assert sign_in(client, device).status_code == 401


def test_a_forged_signature_is_refused(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    add(client.with_token(make.token(make.account())), device)
    forger = SoftAuthenticator(ADDRESS)
    forger.credential_id = device.credential_id

    assert sign_in(client, forger).status_code == 401


def test_the_ticket_of_one_person_does_not_serve_another(
    client: Client, make: Factory, device: SoftAuthenticator
) -> None:
    alice, bob = (client.with_token(make.token(make.account())) for _ in range(2))
    begun = alice.post(f"{API}/passkeys/options").json()
    body = {"credential": device.create(begun["options"]), "ticket": begun["ticket"]}

    assert bob.post(f"{API}/passkeys", json=body).status_code == 400


def test_one_passkey_belongs_to_one_account(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    alice, bob = (client.with_token(make.token(make.account())) for _ in range(2))
    add(alice, device)

    assert add(bob, device).status_code == 409


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"id": "x"},
        {"rawId": 7},
        {"rawId": "!!"},
        {"rawId": "x" * 5000},
        {"rawId": "eHg", "response": []},
        {"response": 1},
    ],
)
def test_nonsense_is_refused_clearly(client: Client, make: Factory, credential: dict[str, Any]) -> None:
    member = client.with_token(make.token(make.account()))
    begun = client.post(f"{API}/login/passkey/options").json()
    adding = member.post(f"{API}/passkeys/options").json()

    signing = client.post(f"{API}/login/passkey", json={"credential": credential, "ticket": begun["ticket"]})
    added = member.post(f"{API}/passkeys", json={"credential": credential, "ticket": adding["ticket"]})

    assert signing.status_code == 401
    assert added.status_code == 400


def test_a_passkey_is_renamed_and_removed_by_its_owner_only(
    client: Client, make: Factory, device: SoftAuthenticator
) -> None:
    owner = client.with_token(make.token(make.account(password=PASSWORD)))
    stranger = client.with_token(make.token(make.account()))
    path = f"{API}/passkeys/{add(owner, device).json()['passkey_id']}"

    assert stranger.patch(path, json={"name": "Mine"}).status_code == 404
    assert stranger.delete(path).status_code == 404
    assert owner.patch(path, json={"name": "Tablet"}).json()["name"] == "Tablet"
    assert owner.delete(path).status_code == 204
    assert owner.get(f"{API}/passkeys").json() == {"items": []}
    assert sign_in(client, device).status_code == 401


def test_the_only_way_in_stays(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    owner = client.with_token(make.token(make.account()))
    path = f"{API}/passkeys/{add(owner, device).json()['passkey_id']}"

    assert owner.delete(path).status_code == 409


def test_the_pages_form_signs_a_browser_in(client: Client, make: Factory, device: SoftAuthenticator) -> None:
    add(client.with_token(make.token(make.account())), device)
    begun = client.post("/login/passkey/options").json()
    data = {"credential": json.dumps(device.get(begun["options"])), "ticket": begun["ticket"], "next": "/account"}

    answer = client.submit("/login/passkey", data, page="/login")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/account"
    assert client.get("/account").status_code == 200


def test_where_passkeys_live_is_the_hosts_name() -> None:
    assert Site.of("https://example.org", "example.org") == Site("example.org", "https://example.org")
    assert Site.of("http://127.0.0.1:8000", "localhost:8000") == Site("localhost", "http://localhost:8000")
    with pytest.raises(NoPasskeysHere, match="http://localhost:8000"):
        Site.of("http://127.0.0.1:8000", "127.0.0.1:8000")


def test_a_limit_on_passkeys(session: Any, make: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    from dodeca.commons.accounts.vault import vault_of
    from dodeca.kernel.errors import Conflict

    monkeypatch.setattr(passkeys, "MOST_PASSKEYS", 0)

    with pytest.raises(Conflict):
        passkeys.begin_adding(session, make.account(), Site("x.org", "https://x.org"), vault_of(make.platform))
