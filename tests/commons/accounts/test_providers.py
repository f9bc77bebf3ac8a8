"""Sign-in through OpenID Connect, with a real provider that runs beside the test."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import oidc_provider_mock
import pytest
from sqlalchemy import select
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.commons.accounts.flows import authenticator_of
from dodeca.commons.accounts.models import Account, Identity
from dodeca.commons.accounts.oidc import Journey, Provider, providers
from dodeca.kernel import clock
from dodeca.kernel.errors import Invalid
from dodeca.kernel.platform import Platform

ALICE = "alice@provider.example"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """A provider on loopback, as another company would run it."""
    logging.getLogger("oidc_provider_mock").setLevel(logging.WARNING)
    with oidc_provider_mock.run_server_in_thread() as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
def settings(issuer: str) -> dict[str, object]:
    return {"oidc": f"Sky_Net|{issuer}|dodeca|secret"}


@pytest.fixture(autouse=True)
def _people(issuer: str) -> None:
    claims = {"email": ALICE, "email_verified": True, "name": "Alice Archer", "preferred_username": "alice"}
    assert httpx.put(f"{issuer}/users/{quote(ALICE)}", json=claims).status_code == 204


def approve(location: str, subject: str = ALICE) -> str:
    """What a person does at the provider; gives the address to come back to."""
    answer = httpx.post(location, data={"sub": subject})
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["Location"]


def there_and_back(client: Client, start: str = "/login/oidc/Sky_Net", subject: str = ALICE) -> httpx.Response:
    begun = client.get(start)
    assert begun.status_code == 303, begun.text
    return client.get(_path(approve(begun.headers["Location"], subject)))


def _path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def sign_up(client: Client, username: str = "alice") -> httpx.Response:
    page = there_and_back(client)
    assert page.status_code == 200, page.text
    return client.post("/login/oidc/sign-up", data={**hidden(page.text), "username": username})


def test_the_sign_in_page_offers_the_providers(client: Client) -> None:
    assert "Continue with Sky Net" in client.get("/login").text
    assert "Continue with Sky Net" in client.get("/register").text


def test_the_request_to_the_provider_is_protected(client: Client) -> None:
    location = client.get("/login/oidc/Sky_Net").headers["Location"]

    query = parse_qs(urlsplit(location).query)
    assert query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) >= 32
    assert len(query["nonce"][0]) >= 32
    assert "openid" in query["scope"][0].split()


def test_a_newcomer_chooses_a_name_and_is_in(platform: Platform, client: Client) -> None:
    page = there_and_back(client)
    assert 'value="alice"' in page.text

    answer = client.post("/login/oidc/sign-up", data={**hidden(page.text), "username": "alice"})

    assert answer.status_code == 303
    assert "Alice Archer" in client.get("/account").text
    account = platform.db.read(lambda s: s.scalars(select(Account)).one())
    assert (account.email, account.email_verified_at is not None, account.password_hash) == (ALICE, True, None)


def test_who_is_known_is_signed_in_at_once(client: Client) -> None:
    sign_up(client)
    elsewhere = client.stranger()

    answer = there_and_back(elsewhere, "/login/oidc/Sky_Net?next=/account/keys")

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/account/keys"
    assert elsewhere.get("/account").status_code == 200


def test_a_name_that_is_taken_is_asked_for_again(client: Client, make: Factory) -> None:
    make.account("alice")

    refused = sign_up(client)

    assert refused.status_code == 409
    assert "Username already exists." in refused.text
    assert client.post("/login/oidc/sign-up", data={**hidden(refused.text), "username": "alice2"}).status_code == 303


def test_an_account_with_the_same_address_is_never_taken_over(
    platform: Platform, client: Client, make: Factory
) -> None:
    owner = make.account("owner", password=PASSWORD, email=ALICE, email_verified=True)

    page = there_and_back(client)

    assert "There is an account with this address." in page.text
    assert client.get("/account").status_code == 401
    tried = client.post("/login/oidc/sign-up", data={**hidden(page.text), "username": "alice"})
    assert tried.status_code == 409
    assert platform.db.read(lambda s: s.scalars(select(Identity)).all()) == []
    assert platform.db.read(lambda s: s.get_one(Account, owner.id).email) == ALICE


def test_an_unverified_address_of_the_provider_is_not_taken_for_proven(
    platform: Platform, client: Client, issuer: str
) -> None:
    httpx.put(f"{issuer}/users/bob", json={"email": "bob@x.org", "email_verified": False})
    page = there_and_back(client, subject="bob")

    client.post("/login/oidc/sign-up", data={**hidden(page.text), "username": "bob"})

    assert platform.db.read(lambda s: s.scalars(select(Account)).one().email_verified_at) is None


def test_a_member_connects_and_disconnects_a_provider(client: Client, make: Factory) -> None:
    make.account("owner", password=PASSWORD)
    client.submit("/login", {"username": "owner", "password": PASSWORD})
    start = re.search(r'href="(/login/oidc/Sky_Net\?link=[^"]+)"', client.get("/account/security").text)
    assert start is not None

    linked = there_and_back(client, start[1])

    assert linked.headers["Location"] == "/account/security"
    page = client.get("/account/security").text
    assert ALICE in page
    elsewhere = client.stranger()
    assert there_and_back(elsewhere).status_code == 303
    assert "@owner" in elsewhere.get("/account").text
    removal = re.search(r'action="(/account/providers/[^"]+/removal)"', page)
    assert removal is not None
    client.submit(removal[1], {}, page="/account/security")
    assert ALICE not in client.get("/account/security").text


def test_a_foreign_page_cannot_start_a_connection(client: Client, make: Factory) -> None:
    make.account("owner", password=PASSWORD)
    make.account("mallory", password=PASSWORD)
    mallory = client.stranger()
    mallory.submit("/login", {"username": "mallory", "password": PASSWORD})
    hers = re.search(r'href="(/login/oidc/Sky_Net\?link=[^"]+)"', mallory.get("/account/security").text)
    assert hers is not None
    client.submit("/login", {"username": "owner", "password": PASSWORD})

    assert client.get(hers[1]).status_code == 403
    assert client.get("/login/oidc/Sky_Net?link=x").status_code == 403
    assert client.stranger().get(hers[1]).status_code == 401


def test_a_provider_that_opens_another_account_is_not_connected(client: Client, make: Factory) -> None:
    sign_up(client)
    make.account("owner", password=PASSWORD)
    owner = client.stranger()
    owner.submit("/login", {"username": "owner", "password": PASSWORD})
    start = re.search(r'href="(/login/oidc/Sky_Net\?link=[^"]+)"', owner.get("/account/security").text)
    assert start is not None

    there_and_back(owner, start[1])

    assert "connected to another account" in owner.get("/account/security").text


def test_the_only_way_in_is_not_disconnected(client: Client) -> None:
    sign_up(client)
    page = client.get("/account/security").text
    removal = re.search(r'action="(/account/providers/[^"]+/removal)"', page)
    assert removal is not None

    client.submit(removal[1], {}, page="/account/security")

    assert "your only way to sign in" in client.get("/account/security").text


def test_an_answer_for_another_browser_is_refused(client: Client) -> None:
    begun = client.get("/login/oidc/Sky_Net")
    back = _path(approve(begun.headers["Location"]))

    victim = client.stranger()
    answer = victim.get(back)

    assert answer.headers["Location"] == "/login"
    assert victim.get("/account").status_code == 401


def test_an_answer_with_another_state_is_refused(client: Client) -> None:
    begun = client.get("/login/oidc/Sky_Net")
    back = _path(approve(begun.headers["Location"]))

    answer = client.get(re.sub(r"state=[^&]+", "state=forged", back))

    assert answer.headers["Location"] == "/login"
    assert "another browser window" in client.get("/login").text


def test_a_code_works_once(client: Client) -> None:
    sign_up(client)
    visitor = client.stranger()
    begun = visitor.get("/login/oidc/Sky_Net")
    cookie = visitor.http.cookies["dodeca_oidc"]
    back = _path(approve(begun.headers["Location"]))
    assert visitor.get(back).status_code == 303
    assert visitor.get("/account").status_code == 200

    thief = client.stranger()
    answer = thief.get(back, headers={"Cookie": f"dodeca_oidc={cookie}"})

    assert answer.headers["Location"] == "/login"
    assert thief.get("/account").status_code == 401


def test_who_calls_it_off_comes_back_to_the_sign_in_page(client: Client) -> None:
    begun = client.get("/login/oidc/Sky_Net")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]

    answer = client.get(f"/login/oidc/Sky_Net/callback?error=access_denied&state={state}")

    assert answer.headers["Location"] == "/login"
    assert "called off" in client.get("/login").text


def test_a_journey_that_takes_too_long_is_over(client: Client) -> None:
    begun = client.get("/login/oidc/Sky_Net")
    back = _path(approve(begun.headers["Location"]))

    clock.advance(601)

    assert client.get(back).headers["Location"] == "/login"


@pytest.mark.parametrize("tampering", ["nonce", "audience", "issuer", "expired"])
def test_a_token_that_is_not_for_this_sign_in_is_refused(
    platform: Platform, client: Client, tampering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = client.get("/login/oidc/Sky_Net")
    back = _path(approve(begun.headers["Location"]))
    oidc = authenticator_of(platform).oidc
    provider = oidc.provider("Sky_Net")
    read_journey = oidc.journey

    def tampered(cookie: str, name: str, state: str) -> Journey:
        journey = read_journey(cookie, name, state)
        if tampering == "nonce":
            journey.nonce = "another"
        elif tampering == "audience":
            provider.client_id = "somebody-else"
        elif tampering == "issuer":
            provider.issuer += "/"
            provider._metadata_until = float("inf")
        else:
            clock.advance(86_400)
        return journey

    monkeypatch.setattr(oidc, "journey", tampered)

    answer = client.get(back)

    assert answer.headers["Location"] == "/login"
    assert client.get("/account").status_code == 401


def test_a_provider_that_is_away_is_said_to_be(platform: Platform, client: Client) -> None:
    provider = authenticator_of(platform).oidc.provider("Sky_Net")
    provider.issuer = "http://localhost:9"

    answer = client.get("/login/oidc/Sky_Net")

    assert answer.headers["Location"] == "/login"
    assert "cannot be reached" in client.get("/login").text


def test_a_provider_that_names_another_issuer_is_refused(platform: Platform, client: Client, issuer: str) -> None:
    authenticator_of(platform).oidc.provider("Sky_Net").issuer = issuer + "/"

    assert client.get("/login/oidc/Sky_Net").headers["Location"] == "/login"
    assert "its issuer is another" in client.get("/login").text


def test_an_unknown_provider_is_not_found(client: Client) -> None:
    assert client.get("/login/oidc/Nobody").status_code == 404


def test_the_setting_is_checked() -> None:
    assert providers("A|https://a.example|id|secret B-2|https://b.example|id|") == {
        "A": Provider("A", "https://a.example", "id", "secret"),
        "B-2": Provider("B-2", "https://b.example", "id", ""),
    }
    for wrong in ("A", "A|https://a.example|id", "A/B|https://a.example|id|x", "|https://a.example|id|x"):
        with pytest.raises(Invalid):
            providers(wrong)
