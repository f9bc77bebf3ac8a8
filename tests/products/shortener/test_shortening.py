"""Making links, over the API and all the way to the redirect."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from tests.products.shortener.conftest import Links, principal
from tests.support.platform import Client, Factory

from dodeca.kernel import clock
from dodeca.kernel.platform import Platform
from dodeca.products.shortener.service import Shortener


@pytest.fixture
def settings() -> dict[str, object]:
    return {"shortener.anonymous_per_minute": 3}


def test_anybody_shortens_in_one_step_and_is_redirected(visitor: Client, shortener: Shortener) -> None:
    made = visitor.post("/api/shortener/shorten", json={"url": "Example.com/a b"})

    assert made.status_code == 200
    assert made.json()["long_url"] == "Example.com/a b"
    assert made.json()["manage_token"]
    answer = visitor.get("/s/" + made.json()["short_code"])
    assert answer.status_code == 302
    assert answer.headers["location"] == "https://example.com/a%20b"
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-robots-tag"] == "noindex"


def test_a_form_shortens_too(member: Client, shortener: Shortener) -> None:
    made = member.post("/api/shortener/shorten", data={"long_url": "https://example.com/form"})

    assert made.status_code == 200
    assert made.json()["short_url"].endswith("/s/" + made.json()["short_code"])


def test_data_shorten_does_the_same(member: Client, shortener: Shortener) -> None:
    made = member.post("/api/shortener/data/shorten", json={"long_url": "https://example.com/data"})

    assert made.status_code == 200
    assert set(made.json()) == {"short_url", "short_code", "long_url", "id"}


def test_the_same_target_gives_a_caller_the_same_short_url(
    member: Client, stranger: Client, shortener: Shortener
) -> None:
    def code(client: Client, url: str) -> Any:
        return client.post("/api/shortener/shorten", json={"url": url}).json()["short_code"]

    first = code(member, "https://example.com/x")

    assert code(member, "HTTPS://EXAMPLE.com:443/x") == first
    assert code(stranger, "https://example.com/x") != first
    assert code(member, "https://example.com/y") != first


def test_a_changed_or_deleted_link_is_not_given_out_again(member: Client, shortener: Shortener) -> None:
    def shorten() -> Any:
        return member.post("/api/shortener/shorten", json={"url": "https://example.com/x"}).json()

    first = shorten()
    member.patch(f"/api/shortener/links/{first['id']}", json={"redirect_status": 301})
    second = shorten()
    member.delete(f"/api/shortener/links/{second['id']}")
    third = shorten()

    assert len({first["id"], second["id"], third["id"]}) == 3


def test_twenty_at_once_get_one_short_url(platform: Platform, make: Factory, shortener: Shortener) -> None:
    from dodeca.products.shortener.service import creating

    actor = principal(make.account())
    found = []

    def shorten() -> None:
        with shortener.codes.reserved(1) as codes:
            made = platform.db.write(
                lambda session: creating.shorten(session, shortener, actor, "https://example.com/x", codes)
            )
        found.append(made.link.short_code)

    threads = [threading.Thread(target=shorten) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 20
    assert len(set(found)) == 1


def test_an_anonymous_caller_may_not_choose_an_alias(client: Client, shortener: Shortener) -> None:
    answer = client.post("/api/shortener/shorten", json={"url": "https://example.com/", "alias": "mine"})

    assert answer.status_code == 401


@pytest.mark.usefixtures("standing_clock")
def test_anonymous_callers_are_limited_by_address(client: Client, shortener: Shortener) -> None:
    def shorten(address: str) -> int:
        return client.at(address).post("/api/shortener/shorten", json={"url": "https://example.com/"}).status_code

    assert [shorten("203.0.113.1") for _ in range(4)] == [200, 200, 200, 429]
    assert shorten("203.0.113.2") == 200


def test_a_wrong_key_is_refused(client: Client, shortener: Shortener) -> None:
    answer = client.with_headers({"X-Api-Key": "wrong"}).post(
        "/api/shortener/shorten", json={"url": "https://example.com/"}
    )

    assert answer.status_code == 401


def test_a_key_works_in_every_header(client: Client, make: Factory, alice: Any, shortener: Shortener) -> None:
    _, secret = make.key(alice, ["shortener"])
    headers = [{"X-Api-Key": secret}, {"Authorization": secret}, {"Authorization": f"Bearer {secret}"}]

    answers = [
        client.with_headers(header).post("/api/shortener/shorten", json={"url": "https://example.com/"}).json()["id"]
        for header in headers
    ]

    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "javascript:alert(1)"}, "long_url"),
        ({"url": "https://user:pass@example.com/"}, "long_url"),
        ({"url": "http://2130706433/"}, "long_url"),
        ({"url": "http://dodeca.local/s/abc"}, "long_url"),
        ({"url": "https://example.com/" + "x" * 9000}, "long_url"),
        ({"url": 5}, "url"),
        ({}, "long_url"),
        ({"url": "https://example.com/", "nonsense": 1}, "nonsense"),
    ],
)
def test_bad_input_is_answered_with_the_field(
    member: Client, shortener: Shortener, body: dict[str, Any], field: str
) -> None:
    answer = member.post("/api/shortener/shorten", json=body)

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_malformed_json_is_a_400(member: Client, shortener: Shortener) -> None:
    answer = member.post("/api/shortener/shorten", content=b'{"url": ', headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


# Links with settings


def test_a_link_shows_everything_that_was_asked_for(member: Client, shortener: Shortener) -> None:
    asked = {
        "long_url": "https://example.com/sale",
        "alias": "Summer-Sale",
        "title": "Sale",
        "tags": ["b", "a"],
        "folder": "Shop",
        "expires_at": "2090-01-01T00:00:00Z",
        "max_visits": 7,
        "redirect_status": 307,
        "utm": {"source": "mail"},
        "forward_query": True,
        "crawlable": True,
        "password": "open sesame",
    }

    answer = member.post("/api/shortener/links", json=asked)

    link = answer.json()
    assert answer.status_code == 201
    assert link["short_url"] == "http://dodeca.local/s/Summer-Sale"
    assert link["tags"] == ["a", "b"]
    assert link["folder"] == "Shop"
    assert link["visits_left"] == 7
    assert link["password"] is True
    assert link["status"] == "active"
    assert "manage_token" not in link
    assert member.get(f"/api/shortener/links/{link['id']}").json() == link
    assert member.get("/api/shortener/links/info", params={"short_url": link["short_url"]}).json() == link


def test_links_are_new_unless_reuse_is_asked_for(member: Client, shortener: Shortener) -> None:
    def code(**fields: Any) -> Any:
        return member.post("/api/shortener/links", json={"long_url": "https://example.com/x", **fields}).json()["id"]

    first = code(reuse=True)

    assert code() != first
    assert code(reuse=True) == first


def test_a_readable_code_has_seven_characters_that_nobody_mistakes(member: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/", "style": "readable"}).json()

    assert len(link["short_code"]) == 7
    assert not set(link["short_code"]) & set("0O1lI")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"max_visits": 0}, "max_visits"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"redirect_status": 200}, "redirect_status"),
        ({"alias": "a b"}, "alias"),
        ({"alias": "ab"}, "alias"),
        ({"domain": "other.example"}, "domain"),
        ({"style": "fancy"}, "style"),
        ({"expired_url": "http://localhost/"}, "expired_url"),
        ({"utm": {"nonsense": "x"}}, "utm.nonsense"),
        ({"rules": [{"long_url": "javascript:1", "conditions": []}]}, "rules[0].long_url"),
        ({"starts_at": "2090-01-01T00:00:00Z", "expires_at": "2089-01-01T00:00:00Z"}, "starts_at"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused(
    member: Client, shortener: Shortener, fields: dict[str, Any], field: str
) -> None:
    answer = member.post("/api/shortener/links", json={"long_url": "https://example.com/", **fields})

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_bulk_answers_in_order_and_keeps_the_good_ones(member: Client, shortener: Shortener) -> None:
    wanted: list[dict[str, Any]] = [{"long_url": f"https://example.com/{n}"} for n in range(150)]
    wanted[3] = {"long_url": "javascript:1"}
    wanted[5] = {"nonsense": 1}
    wanted[7] = {"long_url": "https://example.com/7", "alias": "lucky", "tags": ["x"]}

    answer = member.post("/api/shortener/links/bulk", json={"links": wanted})

    results = answer.json()["results"]
    assert answer.status_code == 200
    assert len(results) == 150
    assert [n for n, result in enumerate(results) if "error" in result] == [3, 5]
    assert results[7]["link"]["short_code"] == "lucky"
    assert [r["link"]["long_url"] for r in results[8:]] == [f"https://example.com/{n}" for n in range(8, 150)]


# Aliases


def test_an_alias_is_found_in_any_letter_case(member: Client, visitor: Client, shortener: Shortener) -> None:
    member.post("/api/shortener/links", json={"long_url": "https://example.com/", "alias": "MyPage"})

    assert [visitor.get(f"/s/{name}").status_code for name in ("MyPage", "mypage", "MYPAGE")] == [302, 302, 302]


@pytest.mark.parametrize("alias", ["taken-name", "TAKEN-name", "admin", "clicks"])
def test_a_taken_or_reserved_alias_comes_with_alternatives(
    member: Client, stranger: Client, shortener: Shortener, alias: str
) -> None:
    member.post("/api/shortener/links", json={"long_url": "https://example.com/", "alias": "taken-name"})

    answer = stranger.post("/api/shortener/links", json={"long_url": "https://example.com/", "alias": alias})

    assert answer.status_code == 409
    assert len(answer.json()["alternatives"]) >= 3
    checked = stranger.get("/api/shortener/aliases/check", params={"alias": answer.json()["alternatives"][0]})
    assert checked.json()["available"] is True


def test_an_alias_cannot_equal_a_generated_code(member: Client, links: Links, shortener: Shortener) -> None:
    link = links.new()

    answer = member.post(
        "/api/shortener/links", json={"long_url": "https://example.com/", "alias": link.short_code.swapcase()}
    )

    assert answer.status_code == 409


def test_of_twenty_who_claim_an_alias_one_gets_it(platform: Platform, links: Links, make: Factory) -> None:
    from dodeca.products.shortener.service.aliases import AliasTaken

    outcomes = []
    actors = [principal(make.account()) for _ in range(20)]

    def claim(actor: Any) -> None:
        try:
            links.new(actor, alias="Contested")
            outcomes.append("made")
        except AliasTaken:
            outcomes.append("taken")

    threads = [threading.Thread(target=claim, args=(actor,)) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made"] + ["taken"] * 19


def test_a_freed_alias_stays_its_owners_for_a_year(
    member: Client, stranger: Client, shortener: Shortener, visitor: Client
) -> None:
    wish = {"long_url": "https://example.com/", "alias": "coveted"}
    link = member.post("/api/shortener/links", json=wish).json()
    member.delete(f"/api/shortener/links/{link['id']}")

    assert visitor.get("/s/coveted").status_code == 404
    assert stranger.post("/api/shortener/links", json=wish).status_code == 409
    again = member.post("/api/shortener/links", json=wish)
    assert again.status_code == 201
    assert visitor.get("/s/coveted").status_code == 302
    member.delete(f"/api/shortener/links/{again.json()['id']}")
    clock.advance(366 * 86400)
    assert stranger.post("/api/shortener/links", json=wish).status_code == 201


# Without an account


def test_a_manage_token_changes_deletes_and_claims(
    client: Client, visitor: Client, member: Client, shortener: Shortener
) -> None:
    made = client.post("/api/shortener/shorten", json={"url": "https://example.com/old"}).json()
    path = f"/api/shortener/links/{made['id']}"
    holder = client.with_headers({"X-Manage-Token": made["manage_token"]})

    assert client.get(path).status_code == 401
    assert client.with_headers({"X-Manage-Token": "wrong"}).get(path).status_code == 404
    assert holder.patch(path, json={"long_url": "https://example.com/new"}).status_code == 200
    assert visitor.get("/s/" + made["short_code"]).headers["location"] == "https://example.com/new"
    claimed = member.post(path + "/claim", headers={"X-Manage-Token": made["manage_token"]})
    assert claimed.status_code == 200
    assert member.get(path).status_code == 200
    assert holder.delete(path).status_code == 404


def test_another_member_sees_nothing_of_a_link(member: Client, stranger: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    path = f"/api/shortener/links/{link['id']}"

    answers = [
        stranger.get(path),
        stranger.patch(path, json={"title": "mine"}),
        stranger.delete(path),
        stranger.put(path + "/rules", json={"rules": []}),
        stranger.get(path + "/events"),
        stranger.get(path + "/live"),
        stranger.get(path + "/qr"),
        stranger.get(path + "/history"),
        stranger.post(path + "/claim", headers={"X-Manage-Token": "x"}),
        stranger.get(path, headers={"X-Manage-Token": "x"}),
        stranger.get("/api/shortener/links/info", params={"short_url": link["short_url"]}),
        stranger.get("/api/shortener/analytics", params={"short_url": link["short_url"]}),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert stranger.get("/api/shortener/links").json()["links"] == []
    assert link["short_code"] not in stranger.get("/api/shortener/export").text
