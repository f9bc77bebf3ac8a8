"""Signing up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.platform import PASSWORD, Client, Factory, mails

from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.service import people
from dodeca.commons.accounts.service.people import EmailTaken, UsernameTaken
from dodeca.kernel.db import WriteSession
from dodeca.kernel.errors import Invalid
from dodeca.kernel.platform import Platform


def test_who_registers_is_signed_in(client: Client) -> None:
    answer = client.post(
        "/api/accounts/register", json={"username": "Alice", "password": PASSWORD, "email": "Alice@Example.org"}
    )

    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["username"] == "Alice"
    assert body["email"] == "Alice@example.org"
    me = client.with_token(body["token"]).get("/api/accounts/me").json()
    assert me["user_id"] == body["user_id"]
    assert me["email_verified"] is False
    assert me["roles"] == ["member"]


def test_registration_also_takes_a_form(client: Client) -> None:
    answer = client.post("/api/accounts/register", data={"username": "alice", "password": PASSWORD, "email": ""})

    assert answer.status_code == 201
    assert answer.json()["email"] is None


@pytest.mark.parametrize("again", ["alice", "ALICE", "Alice"])
def test_a_username_is_taken_in_whatever_case(session: WriteSession, make: Factory, again: str) -> None:
    make.account("Alice")

    with pytest.raises(UsernameTaken) as refused:
        people.create(session, again, password_hash=None)

    assert refused.value.field == "username"


def test_a_mail_address_is_taken_in_whatever_case(session: WriteSession, make: Factory) -> None:
    make.account(email="alice@example.org")

    with pytest.raises(EmailTaken):
        people.create(session, "other", password_hash=None, email="ALICE@Example.ORG")


def test_two_who_want_one_name_at_once_do_not_both_get_it(platform: Platform) -> None:
    def want(_: int) -> Account | None:
        try:
            return platform.db.write(lambda session: people.create(session, "alice", password_hash=None))
        except UsernameTaken:
            return None

    with ThreadPoolExecutor(4) as pool:
        got = [account for account in pool.map(want, range(8)) if account is not None]

    assert len(got) == 1


@pytest.mark.parametrize(
    "username",
    ["", "a", "a" * 33, "with space", "a@b.org", "ünï", "a.b", "a\n", "a\x00b", "<b>", "../x", "admin", "Root"],
)
def test_some_usernames_cannot_be(session: WriteSession, username: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create(session, username, password_hash=None)

    assert refused.value.field == "username"


@pytest.mark.parametrize(
    "email",
    [
        *("x", "x@", "@x.org", "a b@x.org", "a@b@c.org", "a@x..org", ".a@x.org", "a.@x.org", "a@-x.org", "a@x"),
        *("a@x.org\nBcc: b@y.org", "<a@x.org>", "a,b@x.org", "a@x.org\x00", "a" * 65 + "@x.org"),
        "a@" + "x" * 250 + ".org",
    ],
)
def test_some_addresses_cannot_be(session: WriteSession, email: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create(session, "alice", password_hash=None, email=email)

    assert refused.value.field == "email"


@pytest.mark.parametrize(
    "email", ["a@x.org", "a.b+c@sub.x.org", "ü@bücher.example", "o'brien@x.co.uk", "root@localhost"]
)
def test_usual_addresses_can_be(session: WriteSession, email: str) -> None:
    assert people.create(session, "alice", password_hash=None, email=email).email == email


@pytest.mark.parametrize("name", ["a\x00b", "a\nb", "\u202eevil", "x" * 101, "\ud800"])
def test_some_names_cannot_be(session: WriteSession, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        people.create(session, "alice", password_hash=None, name=name)

    assert refused.value.field == "name"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "alice", "password": "short"}, "password"),
        ({"username": "alice", "password": "password"}, "password"),
        ({"username": "alice", "password": "12345678"}, "password"),
        ({"username": "alicealice", "password": "AliceAlice"}, "password"),
        ({"username": "alice", "password": "x" * 1025}, "password"),
        ({"username": "alice"}, "password"),
        ({"password": PASSWORD}, "username"),
        ({"username": 7, "password": PASSWORD}, "username"),
        ({"username": "alice", "password": PASSWORD, "email": "nonsense"}, "email"),
        ({"username": "alice", "password": PASSWORD, "is_admin": True}, "is_admin"),
    ],
)
def test_a_refused_registration_names_the_field(client: Client, body: dict[str, object], field: str) -> None:
    answer = client.post("/api/accounts/register", json=body)

    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"username": "\\ud800"}', b"\xff\xfe", b"[" * 5000])
def test_a_broken_body_is_answered_clearly(client: Client, body: bytes) -> None:
    answer = client.post("/api/accounts/register", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 400, answer.text


def test_a_taken_name_is_a_conflict(client: Client, make: Factory) -> None:
    make.account("alice")

    answer = client.post("/api/accounts/register", json={"username": "ALICE", "password": PASSWORD})

    assert answer.status_code == 409
    assert answer.json()["field"] == "username"


def test_a_name_is_made_from_what_is_known(session: WriteSession, make: Factory) -> None:
    make.account("Zoe_Muller")

    assert people.free_username(session, "Zoë Müller") == "Zoe_Muller2"
    assert people.free_username(session, "李") == "member"
    assert people.free_username(session, "admin") == "member"


def test_registration_asks_to_confirm_the_address(platform: Platform, client: Client) -> None:
    client.post(
        "/api/accounts/register", json={"username": "al", "password": PASSWORD, "email": "al@x.org", "name": "O'Al"}
    )

    mail = mails(platform, "al@x.org")[0]

    assert mail.subject == "Confirm your mail address"
    assert "Hello O'Al," in mail.text
    assert f"{platform.public_url}/verify?token=" in mail.text


class TestClosedRegistration:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"open_registration": False}

    def test_nobody_makes_an_account_by_himself(self, client: Client) -> None:
        answer = client.post("/api/accounts/register", json={"username": "alice", "password": PASSWORD})

        assert answer.status_code == 403
        assert "closed" in client.get("/register").text


class TestFewRegistrations:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"accounts.registrations_per_hour": 2}

    def test_one_address_makes_only_so_many_accounts(self, client: Client) -> None:
        def register(number: int, address: str) -> int:
            body = {"username": f"robot{number}", "password": PASSWORD}
            return client.at(address).post("/api/accounts/register", json=body).status_code

        assert [register(n, "198.51.100.7") for n in range(3)] == [201, 201, 429]
        assert register(3, "198.51.100.8") == 201
