"""Shlink's API: every call of it, its errors, cross-origin requests, and that nobody sees what is another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.products.shortener.compat.conftest import BOT, Member
from tests.products.shortener.compat.test_bitly import broken
from tests.support.platform import PASSWORD, Client, Factory

URL = "https://example.com/page"
ERRORS = "https://shlink.io/api/error/"
FIELDS = {
    "shortCode", "shortUrl", "longUrl", "dateCreated", "visitsSummary", "tags", "meta", "domain", "title",
    "crawlable", "forwardQuery", "hasRedirectRules",
}  # fmt: skip


def test_a_short_url_is_made_with_all_that_is_asked_for(member: Member, client: Client) -> None:
    made = member.shortened(
        URL, customSlug="Sale", tags=["b", "A"], title="Page", maxVisits=5, crawlable=True, forwardQuery=False,
        validSince="2020-01-01T00:00:00+02:00", validUntil="2040-01-01T00:00:00Z",
    )  # fmt: skip

    assert set(made) == FIELDS
    assert made["shortUrl"] == "http://dodeca.local/s/Sale"
    assert made["meta"] == {
        "validSince": "2019-12-31T22:00:00+00:00", "validUntil": "2040-01-01T00:00:00+00:00", "maxVisits": 5,
    }  # fmt: skip
    assert (made["tags"], made["title"], made["domain"]) == (["A", "b"], "Page", None)
    assert (made["crawlable"], made["forwardQuery"], made["hasRedirectRules"]) == (True, False, False)
    assert made["visitsSummary"] == {"total": 0, "nonBots": 0, "bots": 0}
    assert member.shlink("GET", "short-urls/sale").json() == made


def test_the_query_is_forwarded_unless_the_request_says_no(member: Member, client: Client) -> None:
    made = member.shortened(URL)
    assert made["forwardQuery"] is True
    assert client.get(f"/s/{made['shortCode']}?a=1").headers["location"] == f"{URL}?a=1"


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
def test_all_versions_are_answered_alike(member: Member, version: str) -> None:
    headers = {"X-Api-Key": member.key}
    assert member.client.get(f"/shortener/rest/{version}/short-urls", headers=headers).json()["shortUrls"]["data"] == []


def test_find_if_exists_gives_what_fits(member: Member, other: Member) -> None:
    first = member.shortened(URL, tags=["a"], maxVisits=5)
    other.shortened(URL)

    def found(**more: Any) -> bool:
        return bool(member.shortened(URL, findIfExists=True, **more)["shortCode"] == first["shortCode"])

    assert found()
    assert found(tags=["A"], maxVisits=5)
    assert not found(tags=["b"])
    assert not found(customSlug="other")
    assert member.shortened(URL)["shortCode"] != first["shortCode"]


@pytest.mark.parametrize("length", [4, 9, 20])
def test_a_code_has_the_length_that_was_asked_for(member: Member, length: int) -> None:
    assert len(member.shortened(URL, shortCodeLength=length)["shortCode"]) == length


def test_editing_changes_what_is_given_and_takes_away_what_is_null(member: Member, client: Client) -> None:
    code = member.shortened(URL, title="Old", maxVisits=3, tags=["a"])["shortCode"]
    body = {"longUrl": "https://example.org/", "title": None, "maxVisits": None, "tags": ["b"]}
    edited = member.shlink("PATCH", f"short-urls/{code}", json=body).json()

    assert (edited["longUrl"], edited["title"], edited["tags"]) == ("https://example.org/", None, ["b"])
    assert edited["meta"]["maxVisits"] is None
    assert client.get(f"/s/{code}").headers["location"] == "https://example.org/"


def test_deleting_ends_a_short_url(member: Member, client: Client) -> None:
    code = member.shortened(URL)["shortCode"]
    gone = member.shlink("DELETE", f"short-urls/{code}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(f"/s/{code}").status_code == 404
    assert member.shlink("GET", f"short-urls/{code}").json()["type"] == ERRORS + "short-url-not-found"


def test_lists_page_sort_search_and_filter(member: Member, visit: Callable[..., None]) -> None:
    first = member.shortened("https://example.com/one", tags=["x", "y"], title="Zebra")
    second = member.shortened("https://example.com/two", tags=["x"], title="Apple")
    third = member.shortened("https://example.com/three", maxVisits=1)
    visit(second["shortCode"], 2)
    visit(third["shortCode"], 1)

    def codes(**query: Any) -> list[str]:
        answer = member.shlink("GET", "short-urls", params=query)
        assert answer.status_code == 200, answer.text
        return [entry["shortCode"] for entry in answer.json()["shortUrls"]["data"]]

    one, two, three = (entry["shortCode"] for entry in (first, second, third))
    assert codes() == [three, two, one]
    assert codes(orderBy="dateCreated-ASC") == [one, two, three]
    assert codes(orderBy="title-ASC")[1:] == [two, one]
    assert codes(orderBy="longUrl") == [one, three, two]
    assert codes(orderBy="visits-DESC")[0] == codes(orderBy="nonBotVisits-DESC")[0] == two
    assert codes(searchTerm="two") == codes(searchTerm="apple") == [two]
    assert one in codes(searchTerm="y")  # by its tag; a code may happen to hold the letter
    assert codes(**{"tags[]": ["x", "y"]}) == [two, one]
    assert codes(**{"tags[]": ["x", "y"], "tagsMode": "all"}) == [one]
    assert codes(**{"excludeTags[]": ["y"]}) == [three, two]
    assert codes(**{"excludeTags[]": ["x", "y"], "excludeTagsMode": "all"}) == [three, two]
    assert codes(excludeMaxVisitsReached="true") == [two, one]
    assert codes(excludePastValidUntil="true") == [three, two, one]
    assert codes(startDate="2100-01-01T00:00:00+00:00") == codes(endDate="2020-01-01") == []
    assert codes(domain="DEFAULT") == [three, two, one]
    assert codes(domain="unknown.example") == []
    page = member.shlink("GET", "short-urls", params={"page": 2, "itemsPerPage": 2}).json()["shortUrls"]
    assert [entry["shortCode"] for entry in page["data"]] == [one]
    assert page["pagination"] == {
        "currentPage": 2, "pagesCount": 2, "itemsPerPage": 2, "itemsInCurrentPage": 1, "totalItems": 3,
    }  # fmt: skip


def test_redirect_rules_are_set_read_and_followed(member: Member, client: Client) -> None:
    code = member.shortened(URL)["shortCode"]
    conditions = [{"type": "query-param", "matchKey": "a", "matchValue": "1"}]
    body = {"redirectRules": [{"longUrl": "https://example.org/rule", "conditions": conditions}]}
    answer = member.shlink("POST", f"short-urls/{code}/redirect-rules", json=body).json()

    rule = {"longUrl": "https://example.org/rule", "priority": 1, "conditions": conditions}
    assert answer == {"defaultLongUrl": URL, "redirectRules": [rule]}
    assert member.shlink("GET", f"short-urls/{code}/redirect-rules").json() == answer
    assert member.shlink("GET", f"short-urls/{code}").json()["hasRedirectRules"] is True
    assert client.get(f"/s/{code}?a=1").headers["location"].startswith("https://example.org/rule")


def test_visits_are_listed_counted_and_forgotten(member: Member, visit: Callable[..., None], platform: Any) -> None:
    code = member.shortened(URL, tags=["t"], forwardQuery=False)["shortCode"]
    visit(code, 2, Referer="https://news.example.com/x")
    visit(code, 1, agent=BOT)

    for path in (f"short-urls/{code}/visits", "tags/t/visits", "domains/DEFAULT/visits", "visits/non-orphan"):
        page = member.shlink("GET", path).json()["visits"]
        assert page["pagination"]["totalItems"] == 3, path
        visited = page["data"][-1]
        assert set(visited) == {
            "referer", "date", "userAgent", "visitLocation", "potentialBot", "visitedUrl", "redirectUrl",
        }  # fmt: skip
        assert (visited["referer"], visited["potentialBot"]) == ("news.example.com", False)
        assert (visited["visitedUrl"], visited["redirectUrl"]) == (f"http://dodeca.local/s/{code}", URL)
        people = member.shlink("GET", path, params={"excludeBots": "true", "itemsPerPage": 1}).json()["visits"]
        assert people["pagination"] == {
            "currentPage": 1, "pagesCount": 2, "itemsPerPage": 1, "itemsInCurrentPage": 1, "totalItems": 2,
        }  # fmt: skip
        assert member.shlink("GET", path, params={"endDate": "2020-01-01"}).json()["visits"]["data"] == []
    counts = {"total": 3, "nonBots": 2, "bots": 1}
    assert member.shlink("GET", f"short-urls/{code}").json()["visitsSummary"] == counts
    assert member.shlink("GET", "visits").json()["visits"]["nonOrphanVisits"] == counts

    assert member.shlink("DELETE", f"short-urls/{code}/visits").json() == {"deletedVisits": 3}
    assert member.shlink("GET", f"short-urls/{code}/visits").json()["visits"]["data"] == []
    assert member.shlink("GET", f"short-urls/{code}").json()["visitsSummary"]["total"] == 0
    assert broken(platform) == {}


def test_visits_that_led_nowhere_belong_to_the_owner_of_the_domain(
    member: Member, other: Member, own_domain: str, visit: Callable[..., None]
) -> None:

    visit("nothere")
    assert member.shlink("GET", "visits/orphan").json()["visits"]["data"] == []  # the shared domain is nobody's
    visit("nothere", Host=own_domain)

    page = member.shlink("GET", "visits/orphan").json()["visits"]
    assert [entry["type"] for entry in page["data"]] == ["invalid_short_url"]
    assert page["data"][0]["visitedUrl"] == f"http://{own_domain}/nothere"
    assert member.shlink("GET", "visits/orphan?type=base_url").json()["visits"]["data"] == []
    assert member.shlink("GET", f"visits/orphan?domain={own_domain}").json()["visits"]["pagination"]["totalItems"] == 1
    assert member.shlink("GET", "visits").json()["visits"]["orphanVisits"]["total"] == 1
    assert other.shlink("GET", "visits/orphan").json()["visits"]["data"] == []
    assert other.shlink("DELETE", "visits/orphan").json() == {"deletedVisits": 0}
    assert member.shlink("DELETE", "visits/orphan").json() == {"deletedVisits": 1}


def test_tags_are_listed_counted_renamed_and_deleted(member: Member, visit: Callable[..., None]) -> None:
    code = member.shortened(URL, tags=["b", "a"])["shortCode"]
    member.shortened(URL + "2", tags=["a"])
    visit(code, 2)

    assert member.shlink("GET", "tags").json()["tags"]["data"] == ["a", "b"]
    stats = member.shlink("GET", "tags/stats", params={"orderBy": "visits-DESC"}).json()["tags"]["data"]
    assert [(s["tag"], s["shortUrlsCount"], s["visitsSummary"]["nonBots"]) for s in stats] == [
        ("b", 1, 2),
        ("a", 2, 2),
    ] or [(s["tag"], s["shortUrlsCount"], s["visitsSummary"]["nonBots"]) for s in stats] == [("a", 2, 2), ("b", 1, 2)]
    assert member.shlink("PUT", "tags", json={"oldName": "b", "newName": "c"}).status_code == 204
    assert member.shlink("GET", f"short-urls/{code}").json()["tags"] == ["a", "c"]
    conflict = member.shlink("PUT", "tags", json={"oldName": "c", "newName": "A"})
    assert (conflict.status_code, conflict.json()["type"]) == (409, ERRORS + "tag-conflict")
    assert member.shlink("DELETE", "tags?tags[]=a&tags[]=nothere").status_code == 204
    assert member.shlink("GET", "tags").json()["tags"]["data"] == ["c"]


def test_domains_have_their_redirects(member: Member, other: Member, own_domain: str) -> None:
    listed = member.shlink("GET", "domains").json()["domains"]
    assert [(d["domain"], d["isDefault"]) for d in listed["data"]] == [("dodeca.local", True), (own_domain, False)]
    assert set(listed["defaultRedirects"]) == {"baseUrlRedirect", "regular404Redirect", "invalidShortUrlRedirect"}
    assert len(other.shlink("GET", "domains").json()["domains"]["data"]) == 1

    body = {"domain": own_domain, "baseUrlRedirect": "https://example.com/", "invalidShortUrlRedirect": None}
    changed = member.shlink("PATCH", "domains/redirects", json=body).json()
    assert changed["baseUrlRedirect"] == "https://example.com/"
    for foreign in (
        other.shlink("PATCH", "domains/redirects", json=body),
        other.shlink("GET", f"domains/{own_domain}/visits"),
    ):
        assert (foreign.status_code, foreign.json()["type"]) == (404, ERRORS + "domain-not-found")
    two = {
        "domain": own_domain,
        "regular404Redirect": "https://a.example/",
        "invalidShortUrlRedirect": "https://b.example/",
    }
    assert member.shlink("PATCH", "domains/redirects", json=two).status_code == 400


def test_short_urls_of_a_domain_are_asked_for_with_it(member: Member, own_domain: str) -> None:
    made = member.shortened(URL, domain=own_domain, customSlug="x")
    assert (made["domain"], made["shortUrl"]) == (own_domain, f"http://{own_domain}/x")
    assert member.shlink("GET", f"short-urls/x?domain={own_domain}").json() == made
    missing = member.shlink("GET", "short-urls/x")
    assert (missing.status_code, missing.json()["shortCode"]) == (404, "x")


def test_health_needs_no_key(client: Client) -> None:
    for path in ("/shortener/rest/health", "/shortener/rest/v3/health"):
        assert client.get(path).json()["status"] == "pass"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "short-urls", {"longUrl": "javascript:alert(1)"}, 400, "invalid-data"),
        ("POST", "short-urls", {}, 400, "invalid-data"),
        ("POST", "short-urls", {"longUrl": URL, "maxVisits": 0}, 400, "invalid-data"),
        ("POST", "short-urls", {"longUrl": URL, "maxVisits": "many"}, 400, "invalid-data"),
        ("POST", "short-urls", {"longUrl": URL, "validUntil": "2001-01-01T00:00:00Z"}, 400, "invalid-data"),
        ("POST", "short-urls", {"longUrl": URL, "shortCodeLength": 2}, 400, "invalid-data"),
        ("POST", "short-urls", {"longUrl": URL, "customSlug": "admin"}, 400, "non-unique-slug"),
        ("POST", "short-urls", {"longUrl": URL, "domain": "not-mine.example"}, 400, "invalid-data"),
        ("GET", "short-urls/nothere", None, 404, "short-url-not-found"),
        ("PATCH", "short-urls/nothere", {}, 404, "short-url-not-found"),
        ("DELETE", "short-urls/nothere", None, 404, "short-url-not-found"),
        ("GET", "short-urls/nothere/visits", None, 404, "short-url-not-found"),
        ("POST", "short-urls/nothere/redirect-rules", {"redirectRules": []}, 404, "short-url-not-found"),
        ("GET", "short-urls?orderBy=best", None, 400, "invalid-data"),
        ("GET", "short-urls?itemsPerPage=0", None, 400, "invalid-data"),
        ("GET", "short-urls?page=x", None, 400, "invalid-data"),
        ("GET", "short-urls?startDate=soon", None, 400, "invalid-data"),
        ("GET", "visits/orphan?type=strange", None, 400, "invalid-data"),
        ("GET", "tags/nothere/visits", None, 404, "tag-not-found"),
        ("PUT", "tags", {"oldName": "nothere", "newName": "b"}, 404, "tag-not-found"),
        ("PUT", "tags", {"oldName": "a"}, 400, "invalid-data"),
        ("GET", "domains/unknown.example/visits", None, 404, "domain-not-found"),
        ("PATCH", "domains/redirects", {"domain": "DEFAULT"}, 403, "forbidden-operation"),
        ("GET", "mercure-info", None, 501, "mercure-not-configured"),
        ("GET", "no/such/call", None, 404, "not-found"),
        ("GET", "tags/a/b/c", None, 404, "not-found"),
        ("PUT", "short-urls", {}, 405, "method-not-allowed"),
    ],
)
def test_errors_are_in_shlinks_shape(member: Member, method: str, path: str, body: Any, status: int, kind: str) -> None:
    answer = member.shlink(method, path, json=body) if body is not None else member.shlink(method, path)
    assert (answer.status_code, answer.json()["type"]) == (status, ERRORS + kind), answer.text
    assert {"type", "title", "detail", "status"} <= set(answer.json())
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert kind != "invalid-data" or answer.json()["invalidElements"]


def test_a_taken_slug_is_named(member: Member, other: Member) -> None:
    other.shortened(URL, customSlug="taken")
    answer = member.shlink("POST", "short-urls", json={"longUrl": URL, "customSlug": "Taken"})
    assert (answer.status_code, answer.json()["type"]) == (400, ERRORS + "non-unique-slug")
    assert answer.json()["customSlug"] == "Taken"


@pytest.mark.parametrize(
    ("headers", "kind"), [({}, "missing-authentication"), ({"X-Api-Key": "wrong-wrong"}, "invalid-api-key")]
)
def test_without_a_good_key_nothing_is_told(client: Client, headers: dict[str, str], kind: str) -> None:
    for path in ("short-urls", "tags", "visits", "mercure-info"):
        answer = client.get(f"/shortener/rest/v3/{path}", headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, ERRORS + kind)


def test_nobody_sees_or_changes_what_is_anothers(member: Member, other: Member, visit: Callable[..., None]) -> None:
    code = member.shortened(URL, tags=["secret"])["shortCode"]
    visit(code)

    for method, path, body in (
        ("GET", f"short-urls/{code}", None),
        ("PATCH", f"short-urls/{code}", {"title": "x"}),
        ("DELETE", f"short-urls/{code}", None),
        ("GET", f"short-urls/{code}/visits", None),
        ("DELETE", f"short-urls/{code}/visits", None),
        ("GET", f"short-urls/{code}/redirect-rules", None),
        ("POST", f"short-urls/{code}/redirect-rules", {"redirectRules": []}),
        ("GET", "tags/secret/visits", None),
    ):
        assert other.shlink(method, path, json=body).status_code == 404, (method, path)
    assert other.shlink("GET", "short-urls").json()["shortUrls"]["data"] == []
    assert other.shlink("GET", "tags").json()["tags"]["data"] == []
    assert other.shlink("GET", "visits/non-orphan").json()["visits"]["data"] == []
    assert other.shlink("GET", "domains/DEFAULT/visits").json()["visits"]["data"] == []
    assert other.shlink("GET", "visits").json()["visits"]["nonOrphanVisits"]["total"] == 0


# From other origins


@pytest.mark.parametrize("path", ["short-urls", "short-urls/x/visits", "no/such/call"])
def test_preflights_are_allowed_without_a_key(client: Client, path: str) -> None:
    asking = {
        "Origin": "https://app.shlink.io",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "x-api-key,content-type",
    }
    answer = client.request("OPTIONS", f"/shortener/rest/v3/{path}", headers=asking)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-api-key,content-type"


@pytest.mark.parametrize("path", ["short-urls", "short-urls/nothere", "no/such/call", "health"])
def test_answers_and_errors_can_be_read_from_everywhere(member: Member, path: str) -> None:
    answer = member.shlink("GET", path, headers={"Origin": "https://app.shlink.io"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_browsers_cookie_is_no_sign_in(client: Client, make: Factory) -> None:
    account = make.account(password=PASSWORD)
    assert client.submit("/login", {"username": account.username, "password": PASSWORD}).status_code == 303
    assert client.get("/shortener/rest/v3/tags").status_code == 401
    assert client.get("/shortener/v4/user").status_code == 403
    assert client.get("/shortener/yourls-api.php?action=version&format=json").status_code == 403
