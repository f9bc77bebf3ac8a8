"""The ways in which programs say who they are, and how quickly they are forgotten."""

from __future__ import annotations

import base64

import pytest
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.commons.accounts.authentication import credential
from dodeca.commons.accounts.flows import authenticator_of
from dodeca.commons.accounts.models import Account
from dodeca.commons.accounts.principals import KEPT_SECONDS, MOST_ENTRIES, PrincipalCache
from dodeca.commons.accounts.service import keys, people, roles, sessions
from dodeca.commons.accounts.service.origin import NOWHERE
from dodeca.kernel import clock
from dodeca.kernel.db import ReadSession, WriteSession, queries
from dodeca.kernel.errors import Unauthenticated
from dodeca.kernel.http import Principal
from dodeca.kernel.invalidation import FileInvalidation, Invalidation
from dodeca.kernel.platform import Platform

ME = "/api/accounts/me"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_a_key_is_taken_in_whatever_header_clients_put_it(client: Client, make: Factory) -> None:
    account = make.account()
    key, secret = make.key(account)
    headers = [
        {"Authorization": f"Bearer {secret}"},
        {"Authorization": f"bearer {secret}"},
        {"Authorization": f"token {secret}"},
        {"Authorization": secret},
        {"X-Api-Key": secret},
        {"Authorization": basic(f"{key.id}:{secret}")},
        {"Authorization": f"Basic {key.id}:{secret}"},
    ]

    answers = [client.with_headers(header).get(ME) for header in headers]

    assert [answer.status_code for answer in answers] == [200] * len(headers)
    assert {answer.json()["user_id"] for answer in answers} == {account.id}


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": "Bearer dks_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer"},
        {"Authorization": ""},
        {"Authorization": "Bearer eyJ.eyJ.x"},
        {"Authorization": "Bearer " + "x" * 5000},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff\xfe").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"nocolon").decode()},
        {"Authorization": "Digest username=x"},
        {"Authorization": "\xff\xfe"},
        {"X-Api-Key": "x"},
        {"X-Api-Key": ""},
    ],
)
def test_wrong_credentials_are_refused_even_where_none_are_needed(client: Client, header: dict[str, str]) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in header.items()]

    answer = client.http.get("/api/accounts/me", headers=encoded)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_id_with_another_keys_secret_is_refused(client: Client, make: Factory) -> None:
    account = make.account()
    first, _ = make.key(account)
    _, secret = make.key(account)

    assert client.with_headers({"Authorization": basic(f"{first.id}:{secret}")}).get(ME).status_code == 401


@pytest.mark.parametrize("cookie", ["x", "y" * 43, "x" * 9000, "ü".encode().decode("latin-1"), '"', "a=b=c", ""])
def test_a_cookie_that_is_none_of_ours_makes_a_stranger_and_no_error(client: Client, cookie: str) -> None:
    header = {b"cookie": f"theme=dark; dodeca_session={cookie}".encode("latin-1")}

    assert client.http.get("/login", headers=header).status_code == 200
    assert client.http.get(ME, headers=header).status_code == 401


def test_the_session_cookie_is_found_among_others(client: Client, make: Factory, platform: Platform) -> None:
    account, vault = make.account(), authenticator_of(platform).vault
    token = make.run(lambda s: sessions.start_browser(s, account, vault, NOWHERE, days=30))

    for cookies in (
        f"dodeca_session={token}",
        f"a=b; dodeca_session={token}",
        f"xdodeca_session=no; dodeca_session={token}; z=1",
        f"a=b;dodeca_session={token};c=d",
    ):
        assert client.with_headers({"Cookie": cookies}).get(ME).status_code == 200, cookies


def test_a_tampered_token_is_refused(client: Client, make: Factory) -> None:
    head, body, signature = make.token(make.account()).split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")

    for token in (
        f"{head}.{body}.{signature[:-2]}xx",
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.",
    ):
        assert client.with_token(token).get(ME).status_code == 401, token


def test_a_key_of_one_product_neither_opens_others_nor_manages_the_account(client: Client, make: Factory) -> None:
    _, secret = make.key(make.account(), ["shortener"])
    program = client.with_headers({"X-Api-Key": secret})

    assert program.get(ME).status_code == 200
    for method, path, body in (
        ("POST", "/api/accounts/keys", {"name": "more"}),
        ("GET", "/api/accounts/keys", None),
        ("PATCH", ME, {"name": "x"}),
        ("DELETE", ME, None),
        ("GET", "/api/accounts/export", None),
        ("POST", "/api/accounts/password", {"new_password": PASSWORD}),
        ("GET", "/account/security", None),
    ):
        assert program.request(method, path, json=body).status_code == 403, (method, path)


def test_a_key_with_the_scope_accounts_manages_the_account(client: Client, make: Factory) -> None:
    _, secret = make.key(make.account(), ["accounts"])

    assert client.with_headers({"X-Api-Key": secret}).get("/api/accounts/keys").status_code == 200


def test_known_credentials_cost_no_query(platform: Platform, client: Client, make: Factory) -> None:
    visitor = client.with_token(make.token(make.account()))
    visitor.get("/api/accounts/sessions")

    with queries() as sent:
        visitor.get("/api/accounts/passkeys")

    assert [statement for statement in sent if "account_sessions" in statement] == []


@pytest.mark.parametrize("how", ["ended", "suspended", "role", "key"])
def test_what_is_taken_away_is_gone_with_the_next_request(
    platform: Platform, client: Client, make: Factory, how: str
) -> None:
    account, admin = make.account(), make.account(roles_too=["admin"])
    key, secret = make.key(account)
    token = make.token(account)
    visitor = client.with_headers({"X-Api-Key": secret}) if how == "key" else client.with_token(token)
    assert visitor.get(ME).status_code == 200

    def take(session: WriteSession) -> None:
        row = session.get_one(Account, account.id)
        if how == "ended":
            sessions.end_all(session, row)
        elif how == "suspended":
            people.suspend(session, admin, row)
        elif how == "key":
            keys.revoke(session, row, key.id)
        else:
            roles.grant(session, admin, row, "moderator")

    platform.db.write(take)

    answer = visitor.get(ME)
    if how == "role":
        assert answer.json()["roles"] == ["member", "moderator"]
        held = authenticator_of(platform).principals
        assert all("moderator" in p.roles for p in [held.get(f"Bearer {token}".encode())] if p is not None)
    else:
        assert answer.status_code == 401


def test_a_browser_in_use_stays_signed_in(platform: Platform, client: Client, make: Factory) -> None:
    account, vault = make.account(), authenticator_of(platform).vault
    token = make.run(lambda s: sessions.start_browser(s, account, vault, NOWHERE, days=30))
    browser = client.with_headers({"Cookie": f"dodeca_session={token}"})

    for _ in range(5):
        clock.advance(20 * 86_400)
        assert browser.get(ME).status_code == 200
    clock.advance(31 * 86_400)
    assert browser.get(ME).status_code == 401


def test_the_use_of_a_session_is_noted_once_an_hour(platform: Platform, client: Client, make: Factory) -> None:
    account, vault = make.account(), authenticator_of(platform).vault
    token = make.run(lambda s: sessions.start_browser(s, account, vault, NOWHERE, days=30))
    browser = client.with_headers({"Cookie": f"dodeca_session={token}"})

    with queries() as sent:
        for _ in range(4):
            clock.advance(1000)
            browser.get(ME)

    assert len([statement for statement in sent if statement.startswith("UPDATE account_sessions")]) == 1


def test_a_product_can_bring_its_own_tokens(platform: Platform, client: Client, make: Factory) -> None:
    account = make.account()

    def resolve(session: ReadSession, token: str) -> Principal | None:
        return Principal(account_id=account.id, username="x") if token == "mas_right" else None

    authenticator_of(platform).accept("mas_", resolve)

    assert client.with_token("mas_right").get(ME).status_code == 200
    assert client.with_token("mas_wrong").get(ME).status_code == 401


def test_only_known_schemes_are_read() -> None:
    assert credential("Bearer  abc ") == ("", "abc")
    assert credential("abc") == ("", "abc")
    with pytest.raises(Unauthenticated):
        credential("Negotiate abc")


class TestPrincipalCache:
    """Kept for seconds, bounded, and forgotten in every process."""

    def principal(self, account_id: str = "a") -> Principal:
        return Principal(account_id=account_id, username="x")

    def test_what_is_kept_is_found_until_its_time(self) -> None:
        cache = PrincipalCache(Invalidation())
        cache.put(b"one", self.principal(), cache.mark(), expires_at=clock.timestamp() + 5)
        assert cache.get(b"one") == self.principal()

        clock.advance(6)

        assert cache.get(b"one") is None

    def test_a_moved_clock_ends_what_is_kept(self) -> None:
        cache = PrincipalCache(Invalidation())
        cache.put(b"one", self.principal(), cache.mark(), expires_at=float("inf"))

        clock.advance(KEPT_SECONDS + 1)

        assert cache.get(b"one") is None

    def test_all_credentials_of_an_account_are_forgotten_at_once_and_no_others(self) -> None:
        cache = PrincipalCache(Invalidation())
        for name in (b"one", b"two"):
            cache.put(name, self.principal("a"), cache.mark(), expires_at=float("inf"))
        cache.put(b"other", self.principal("b"), cache.mark(), expires_at=float("inf"))

        cache.discard(["a"])

        assert [cache.get(name) for name in (b"one", b"two", b"other")] == [None, None, self.principal("b")]

    def test_what_was_read_before_a_revocation_is_not_kept_after_it(self) -> None:
        cache = PrincipalCache(Invalidation())
        mark = cache.mark()
        cache.discard(["a"])

        cache.put(b"one", self.principal("a"), mark, expires_at=float("inf"))

        assert cache.get(b"one") is None

    def test_it_is_bounded(self) -> None:
        cache = PrincipalCache(Invalidation())
        for n in range(MOST_ENTRIES + 100):
            cache.put(b"%d" % n, self.principal(str(n)), cache.mark(), expires_at=float("inf"))

        assert len(cache) == MOST_ENTRIES
        assert len(cache._of_account) == MOST_ENTRIES
        assert cache.get(b"0") is None

    def test_another_process_forgets_too(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("bus") / "invalidation"
        here, there = FileInvalidation(path), FileInvalidation(path)
        cache = PrincipalCache(there)
        cache.put(b"one", self.principal("a"), cache.mark(), expires_at=float("inf"))

        here.publish(PrincipalCache.name, ["a"])

        assert cache.get(b"one") is None

    def test_nothing_is_kept_while_revocations_cannot_arrive(self) -> None:
        cache = PrincipalCache(Invalidation())
        cache.suspend()
        cache.put(b"one", self.principal(), cache.mark(), expires_at=float("inf"))
        assert cache.get(b"one") is None

        cache.resume()
        cache.put(b"one", self.principal(), cache.mark(), expires_at=float("inf"))

        assert cache.get(b"one") is not None
