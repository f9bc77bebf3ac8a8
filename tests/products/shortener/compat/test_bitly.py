"""Bitly's API: every call of it, its errors, and that nobody sees what is another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.products.shortener.compat.conftest import BOT, Member
from tests.support.platform import Client, Factory

from dodeca.kernel.http import Principal
from dodeca.kernel.limits import Rate
from dodeca.kernel.platform import Platform
from dodeca.products.shortener.invariants import invariants
from dodeca.products.shortener.service import groups

LINK_FIELDS = {
    "created_at", "id", "link", "custom_bitlinks", "long_url", "title", "archived", "created_by", "client_id",
    "tags", "deeplinks", "references",
}  # fmt: skip
URL = "https://example.com/page?a=1"


def code_of(link: dict[str, Any]) -> str:
    return str(link["id"]).rpartition("/")[2]


@pytest.fixture
def link(member: Member) -> dict[str, Any]:
    """A bitlink of the member."""
    made = member.bitly("POST", "bitlinks", json={"long_url": URL, "title": "Page", "tags": ["b", "a"]})
    assert made.status_code == 201, made.text
    return dict(made.json())


def test_shorten_makes_a_link_once(member: Member) -> None:
    first = member.bitly("POST", "shorten", json={"long_url": URL, "domain": "bit.ly"})
    again = member.bitly("POST", "shorten", json={"long_url": URL})

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert set(first.json()) == LINK_FIELDS
    assert first.json()["link"] == f"http://{first.json()['id']}"


def test_a_bare_key_signs_in(member: Member) -> None:
    answer = member.client.post("/shortener/v4/shorten", json={"long_url": URL}, headers={"Authorization": member.key})
    assert answer.status_code == 201


def test_create_keeps_title_tags_and_group(member: Member, link: dict[str, Any]) -> None:
    user = member.bitly("GET", "user").json()
    assert (link["title"], link["tags"], link["created_by"]) == ("Page", ["a", "b"], member.account.username)
    assert link["references"]["group"].endswith("/v4/groups/" + user["default_group_guid"])
    assert link["created_at"].endswith("+0000")


@pytest.mark.parametrize(
    "form", ["{id}", "{code}", "bit.ly/{code}", "j.mp/{code}", "bit.ly%2F{code}", "http://{id}", "dodeca.local/{code}"]
)
def test_a_bitlink_is_found_by_every_spelling_of_its_id(member: Member, link: dict[str, Any], form: str) -> None:
    path = form.format(id=link["id"], code=code_of(link))
    assert member.bitly("GET", f"bitlinks/{path}").json() == link
    expanded = member.bitly("POST", "expand", json={"bitlink_id": path.replace("%2F", "/")})
    assert expanded.json() == {key: link[key] for key in ("created_at", "id", "link", "long_url")}


def test_patch_changes_what_is_given(member: Member, link: dict[str, Any], client: Client) -> None:
    change = {"title": "New", "archived": True, "tags": ["c"], "long_url": "https://example.org/", "domain": "bit.ly"}
    changed = member.bitly("PATCH", f"bitlinks/{link['id']}", json=change).json()

    assert (changed["title"], changed["archived"], changed["tags"]) == ("New", True, ["c"])
    assert client.get(f"/s/{code_of(link)}").headers["location"] == "https://example.org/"


def test_delete_ends_a_bitlink(member: Member, link: dict[str, Any], client: Client) -> None:
    gone = member.bitly("DELETE", f"bitlinks/{link['id']}")
    assert gone.json() == {"links_deleted": [{"id": link["id"]}]}
    assert member.bitly("GET", f"bitlinks/{link['id']}").status_code == 404
    assert client.get(f"/s/{code_of(link)}").status_code == 404


def test_clicks_are_counted_by_unit_and_in_all(
    member: Member, link: dict[str, Any], visit: Callable[..., None]
) -> None:
    visit(code_of(link), 3)
    visit(code_of(link), 2, agent=BOT)

    for unit in ("minute", "hour", "day", "week", "month"):
        series = member.bitly("GET", f"bitlinks/{link['id']}/clicks?unit={unit}&units=-1&size=50&unit_reference=")
        assert sum(entry["clicks"] for entry in series.json()["link_clicks"]) == 3, unit
        total = member.bitly("GET", f"bitlinks/{link['id']}/clicks/summary?unit={unit}&units=1")
        assert total.json()["total_clicks"] == 3, unit
        assert set(total.json()) == {"unit", "units", "unit_reference", "total_clicks"}


def test_units_without_clicks_are_listed_when_a_number_is_asked_for(member: Member, link: dict[str, Any]) -> None:
    series = member.bitly("GET", f"bitlinks/{link['id']}/clicks?unit=day&units=7").json()
    assert [entry["clicks"] for entry in series["link_clicks"]] == [0] * 7
    assert series["link_clicks"] == sorted(series["link_clicks"], key=lambda e: e["date"], reverse=True)


def test_a_reference_ends_the_range(member: Member, link: dict[str, Any], visit: Callable[..., None]) -> None:
    visit(code_of(link))
    path = f"bitlinks/{link['id']}/clicks/summary?unit=day&units=3&unit_reference=2020-01-02T00:00:00%2B0000"
    answer = member.bitly("GET", path).json()
    assert (answer["total_clicks"], answer["unit_reference"]) == (0, "2020-01-02T00:00:00+0000")


@pytest.mark.parametrize(
    ("call", "facet", "value"),
    [
        ("countries", "countries", "unknown"),
        ("referrers", "referrers", "news.example.com"),
        ("referring_domains", "referring_domains", "news.example.com"),
        ("devices", "devices", "desktop"),
        ("cities", "cities", "unknown"),
    ],
)
def test_metrics_break_clicks_down(
    member: Member, link: dict[str, Any], visit: Callable[..., None], call: str, facet: str, value: str
) -> None:
    visit(code_of(link), 2, Referer="https://news.example.com/today")
    answer = member.bitly("GET", f"bitlinks/{link['id']}/{call}").json()
    assert answer["facet"] == facet
    assert [(m["value"], m["clicks"]) for m in answer["metrics"]] == [(value, 2)]
    assert call != "devices" or answer["metrics"][0]["device_type"] == value


def test_referrers_are_grouped_by_domain(member: Member, link: dict[str, Any], visit: Callable[..., None]) -> None:
    visit(code_of(link), 2, Referer="https://news.example.com/")
    visit(code_of(link), 1, Referer="https://www.example.com/")
    answer = member.bitly("GET", f"bitlinks/{link['id']}/referrers_by_domains").json()
    referrers = [{"value": "news.example.com", "clicks": 2}, {"value": "www.example.com", "clicks": 1}]
    assert answer["referrers_by_domain"] == [{"network": "example.com", "referrers": referrers}]


@pytest.mark.parametrize(
    ("query", "start"), [("", "data:image/svg+xml;base64,"), ("?image_format=png", "data:image/png;")]
)
def test_a_bitlink_has_a_qr_code(member: Member, link: dict[str, Any], query: str, start: str) -> None:
    answer = member.bitly("GET", f"bitlinks/{link['id']}/qr{query}").json()
    assert answer["qr_code"].startswith(start)
    assert (answer["link"], answer["id"]) == (link["link"], link["id"])


def test_a_custom_bitlink_leads_on_while_the_id_stays(
    member: Member, link: dict[str, Any], client: Client, unique: str
) -> None:
    name = unique.upper()
    made = member.bitly("POST", "custom_bitlinks", json={"custom_bitlink": f"bit.ly/{name}", "bitlink_id": link["id"]})

    assert made.status_code == 201, made.text
    assert made.json()["bitlink"]["id"] == link["id"]
    assert made.json()["bitlink"]["custom_bitlinks"] == [f"http://dodeca.local/s/{name}"]
    assert made.json()["custom_bitlink"] == f"http://dodeca.local/s/{name}"
    assert made.json()["bitlink_history"]
    assert client.get(f"/s/{unique}").headers["location"] == URL
    assert member.bitly("GET", f"custom_bitlinks/bit.ly/{unique}").json()["bitlink"]["id"] == link["id"]


def test_a_custom_bitlink_moves_and_nothing_is_lost(
    member: Member, client: Client, platform: Platform, unique: str
) -> None:
    first = member.bitly("POST", "bitlinks", json={"long_url": "https://example.com/1"}).json()
    second = member.bitly("POST", "bitlinks", json={"long_url": "https://example.com/2"}).json()
    only = member.shortened("https://example.com/3", customSlug=f"{unique}-only")
    member.bitly("POST", "custom_bitlinks", json={"custom_bitlink": f"bit.ly/{unique}-sale", "bitlink_id": first["id"]})

    for alias in (f"{unique}-sale", f"{unique}-only"):
        moved = member.bitly("PATCH", f"custom_bitlinks/bit.ly/{alias}", json={"bitlink_id": second["id"]})
        assert moved.json()["bitlink"]["id"] == second["id"]
        assert client.get(f"/s/{alias}").headers["location"] == "https://example.com/2"

    assert client.get(f"/s/{code_of(first)}").headers["location"] == "https://example.com/1"
    left = member.shlink("GET", "short-urls", params={"searchTerm": "example.com/3"}).json()["shortUrls"]["data"]
    assert client.get(f"/s/{left[0]['shortCode']}").headers["location"] == only["longUrl"]
    assert broken(platform) == {}


def broken(platform: Platform) -> dict[str, Any]:
    """The invariants of the shortener that do not hold."""
    return {name: rows for name, check in invariants.items() if (rows := list(platform.db.read(check)))}


def test_a_taken_name_is_a_conflict(member: Member, other: Member, link: dict[str, Any], unique: str) -> None:
    other.shortened(customSlug=unique)
    answer = member.bitly(
        "POST", "custom_bitlinks", json={"custom_bitlink": f"bit.ly/{unique.upper()}", "bitlink_id": link["id"]}
    )
    assert answer.status_code == 409
    assert answer.json()["message"] == "ALREADY_EXISTS"


def test_groups_list_page_and_filter_their_bitlinks(
    member: Member, make: Factory, link: dict[str, Any], visit: Callable[..., None]
) -> None:
    actor = Principal(account_id=member.account.id, username=member.account.username)
    team = make.run(lambda session: groups.add(session, actor, "Team").id)
    for number in range(3):
        body = {"long_url": f"https://example.com/{number}", "group_guid": team}
        assert member.bitly("POST", "bitlinks", json=body).status_code == 201
    visit(code_of(link), 2)

    listed = member.bitly("GET", "groups").json()["groups"]
    own = listed[0]["guid"]
    assert [group["name"] for group in listed] == [member.account.name, "Team"]
    assert {
        "guid",
        "name",
        "bsds",
        "created",
        "modified",
        "is_active",
        "organization_guid",
        "role",
        "references",
    } == set(listed[0])
    assert member.bitly("GET", f"groups/{team}").json() == listed[1]

    page = member.bitly("GET", f"groups/{team}/bitlinks?size=2&page=1").json()
    assert [entry["long_url"] for entry in page["links"]] == ["https://example.com/2", "https://example.com/1"]
    assert page["pagination"]["total"] == 3
    assert "page=2" in page["pagination"]["next"]
    assert page["pagination"]["prev"] == ""
    rest = member.bitly("GET", f"groups/{team}/bitlinks?size=2&page=2").json()
    assert len(rest["links"]) == 1
    assert rest["pagination"]["next"] == ""

    for query, count in (("query=page", 1), ("query=nothing", 0), ("tags=a", 1), ("tags=zzz", 0), ("archived=on", 0)):
        assert len(member.bitly("GET", f"groups/{own}/bitlinks?{query}").json()["links"]) == count, query
    ranked = member.bitly("GET", f"groups/{own}/bitlinks/clicks").json()
    assert ranked["sorted_links"] == [{"id": link["id"], "clicks": 2}]
    assert ranked["links"] == [link]
    assert member.bitly("GET", f"groups/{own}/tags").json() == {"tags": ["a", "b"]}


def test_many_bitlinks_are_changed_at_once(member: Member, link: dict[str, Any]) -> None:
    own = member.bitly("GET", "user").json()["default_group_guid"]
    body = {"action": "edit", "links": [link["id"]], "add_tags": ["c"], "remove_tags": ["a"], "archive": True}
    assert member.bitly("PATCH", f"groups/{own}/bitlinks", json=body).json() == {"links": [link["id"]]}
    changed = member.bitly("GET", f"bitlinks/{link['id']}").json()
    assert (changed["tags"], changed["archived"]) == (["b", "c"], True)


def test_the_user_is_told_and_renamed(member: Member) -> None:
    user = member.bitly("GET", "user").json()
    assert user["login"] == member.account.username
    assert user["emails"] == [{"email": member.account.email, "is_primary": True, "is_verified": False}]
    assert {"name", "default_group_guid", "created", "modified", "is_active", "is_2fa_enabled", "is_sso_user"} <= set(
        user
    )
    assert member.bitly("PATCH", "user", json={"name": "Ada L."}).json()["name"] == "Ada L."
    assert member.bitly("GET", "user").json()["name"] == "Ada L."


def test_limits_count_what_was_made(member: Member, link: dict[str, Any]) -> None:
    guid = member.bitly("GET", "organizations").json()["organizations"][0]["guid"]
    assert member.bitly("GET", f"organizations/{guid}").json()["guid"] == guid
    limit = member.bitly("GET", f"organizations/{guid}/plan_limits").json()["plan_limits"][0]
    assert (limit["name"], limit["count"]) == ("encodes", 1)
    assert limit["limit"] > 0
    assert member.bitly("GET", "user/platform_limits").json()["platform_limits"][0]["endpoint"] == "/v4/shorten"


def test_own_domains_are_branded_short_domains(member: Member, own_domain: str) -> None:
    assert member.bitly("GET", "bsds").json() == {"bsds": [own_domain]}
    made = member.bitly("POST", "shorten", json={"long_url": URL, "domain": own_domain}).json()
    assert made["link"].startswith(f"http://{own_domain}/")
    assert member.bitly("GET", f"bitlinks/{made['id']}").json() == made


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "shorten", {"long_url": "javascript:alert(1)"}, 400, "INVALID_ARG_LONG_URL"),
        ("POST", "shorten", {}, 400, "INVALID_ARG_LONG_URL"),
        ("POST", "shorten", {"long_url": 7}, 400, "INVALID_ARG_LONG_URL"),
        ("POST", "shorten", {"long_url": "http://dodeca.local/s/abc"}, 400, "ALREADY_A_BITLY_LINK"),
        ("POST", "bitlinks", {"long_url": "http://DODECA.local:80/s/abc"}, 400, "ALREADY_A_BITLY_LINK"),
        ("POST", "shorten", {"long_url": URL, "domain": "not-mine.example"}, 400, "INVALID_ARG_DOMAIN"),
        ("POST", "shorten", {"long_url": URL, "group_guid": "nobody"}, 404, "NOT_FOUND"),
        ("POST", "expand", {"bitlink_id": ""}, 400, "INVALID_ARG_BITLINK_ID"),
        ("POST", "expand", {"bitlink_id": "bit.ly/nothere"}, 404, "NOT_FOUND"),
        ("GET", "bitlinks/bit.ly/nothere", None, 404, "NOT_FOUND"),
        ("GET", "bitlinks/bit.ly/%00..", None, 404, "NOT_FOUND"),
        ("GET", "groups/nobody", None, 404, "NOT_FOUND"),
        ("GET", "organizations/nobody/plan_limits", None, 404, "NOT_FOUND"),
        ("GET", "no/such/call", None, 404, "NOT_FOUND"),
        ("GET", "", None, 404, "NOT_FOUND"),
        ("PUT", "shorten", {}, 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_errors_are_in_bitlys_shape(
    member: Member, method: str, path: str, body: Any, status: int, message: str
) -> None:
    answer = member.bitly(method, path, json=body) if body is not None else member.bitly(method, path)
    assert (answer.status_code, answer.json()["message"]) == (status, message), answer.text
    assert {"message", "resource", "description"} <= set(answer.json())
    if status == 400:
        assert {"field", "message", "error_code"} == set(answer.json()["errors"][0])


@pytest.mark.parametrize("query", ["unit=year", "units=0", "units=x", "size=0", "unit_reference=soon", "units=99999"])
def test_broken_ranges_are_refused(member: Member, link: dict[str, Any], query: str) -> None:
    answer = member.bitly("GET", f"bitlinks/{link['id']}/clicks?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("INVALID_ARG_UNIT" if "unit" in query else "INVALID_ARG_SIZE")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong-wrong-wrong"}])
def test_without_a_good_key_all_is_forbidden(client: Client, headers: dict[str, str]) -> None:
    for method, path in (("GET", "user"), ("POST", "shorten"), ("GET", "groups"), ("DELETE", "bitlinks/bit.ly/x")):
        answer = client.request(method, f"/shortener/v4/{path}", headers=headers)
        assert (answer.status_code, answer.json()["message"]) == (403, "FORBIDDEN")


def test_a_key_of_another_product_is_forbidden(client: Client, make: Factory) -> None:
    _, key = make.key(make.account(), ["accounts"])
    answer = client.get("/shortener/v4/user", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 403


def test_nobody_sees_or_changes_what_is_anothers(member: Member, other: Member, link: dict[str, Any]) -> None:
    for method, path, body in (
        ("GET", f"bitlinks/{link['id']}", None),
        ("PATCH", f"bitlinks/{link['id']}", {"title": "x"}),
        ("DELETE", f"bitlinks/{link['id']}", None),
        ("GET", f"bitlinks/{link['id']}/clicks", None),
        ("GET", f"bitlinks/{link['id']}/qr", None),
        ("POST", "custom_bitlinks", {"custom_bitlink": "bit.ly/mine", "bitlink_id": link["id"]}),
        ("GET", "groups/" + member.bitly("GET", "user").json()["default_group_guid"] + "/bitlinks", None),
    ):
        answer = other.bitly(method, path, json=body)
        assert answer.status_code == 404, (method, path, answer.text)
    own = other.bitly("GET", "user").json()["default_group_guid"]
    assert other.bitly("GET", f"groups/{own}/bitlinks").json()["pagination"]["total"] == 0


def test_expand_tells_only_what_a_visitor_is_told(member: Member, other: Member) -> None:
    public = member.shortened("https://example.com/open")
    limited = member.shortened("https://example.com/secret", maxVisits=1)

    assert other.bitly("POST", "expand", json={"bitlink_id": public["shortCode"]}).status_code == 200
    assert other.bitly("POST", "expand", json={"bitlink_id": limited["shortCode"]}).status_code == 404
    assert member.bitly("POST", "expand", json={"bitlink_id": limited["shortCode"]}).status_code == 200


def test_too_many_creations_are_told_in_bitlys_words(member: Member, platform: Platform) -> None:
    platform.limits.hit("shortener.creations", member.account.id, Rate(6000, 60), cost=6000)
    answer = member.bitly("POST", "shorten", json={"long_url": URL})
    assert (answer.status_code, answer.json()["message"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 3000, b'{"long_url": null}'])
def test_broken_bodies_are_refused(member: Member, body: bytes) -> None:
    answer = member.bitly("POST", "shorten", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
