"""YOURLS' API: actions, formats, sign-in, errors."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.products.shortener.compat.conftest import Member
from tests.support.platform import PASSWORD, Client, Factory

from dodeca.kernel import clock

API = "/shortener/yourls-api.php"
URL = "https://example.com/page"


def test_shorturl_makes_a_link(member: Member, client: Client, unique: str) -> None:
    keyword = unique.upper()
    made = member.yourls(action="shorturl", url=URL, keyword=keyword, title="A page").json()

    assert (made["status"], made["statusCode"], made["title"]) == ("success", 200, "A page")
    assert made["shorturl"] == f"http://dodeca.local/s/{keyword}"
    assert set(made["url"]) == {"keyword", "url", "title", "date", "ip", "clicks"}
    assert (made["url"]["keyword"], made["url"]["url"], made["url"]["ip"]) == (keyword, URL, "0.0.0.0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", made["url"]["date"])
    assert client.get(f"/s/{unique}").headers["location"] == URL


def test_a_known_url_fails_and_tells_the_short_one(member: Member) -> None:
    first = member.yourls(action="shorturl", url=URL).json()
    again = member.yourls(action="shorturl", url=URL)

    assert again.status_code == 200
    assert (again.json()["status"], again.json()["code"]) == ("fail", "error:url")
    assert again.json()["shorturl"] == first["shorturl"]
    assert again.json()["url"]["keyword"] == first["url"]["keyword"]


@pytest.mark.parametrize("keyword", ["taken", "TAKEN", "admin", "not ok", "x" * 300])
def test_a_keyword_that_cannot_be_had_fails(member: Member, other: Member, keyword: str) -> None:
    other.yourls(action="shorturl", url="https://example.org/", keyword="taken")
    answer = member.yourls(action="shorturl", url=URL, keyword=keyword)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["code"]) == ("fail", "error:keyword")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "error:nourl"),
        ("javascript:alert(1)", "error:nourl"),
        ("http://127.0.0.1/", "error:nourl"),
        ("http://dodeca.local/s/abc", "error:noloop"),
        ("HTTP://DODECA.LOCAL.:80/s/abc", "error:noloop"),
    ],
)
def test_a_url_that_cannot_be_shortened_is_a_bad_request(member: Member, url: str, code: str) -> None:
    answer = member.yourls(action="shorturl", url=url)
    assert answer.status_code == 400
    assert (answer.json()["status"], answer.json()["code"], answer.json()["errorCode"]) == ("fail", code, 400)


@pytest.mark.parametrize("form", ["{keyword}", "{shorturl}", "dodeca.local/s/{keyword}"])
def test_expand_and_url_stats_take_keyword_and_url(member: Member, visit: Callable[..., None], form: str) -> None:
    made = member.yourls(action="shorturl", url=URL, title="T").json()
    short = form.format(keyword=made["url"]["keyword"], shorturl=made["shorturl"])
    visit(made["url"]["keyword"], 2)

    expanded = member.yourls(action="expand", shorturl=short).json()
    assert (expanded["longurl"], expanded["keyword"]) == (URL, made["url"]["keyword"])
    assert (expanded["shorturl"], expanded["title"], expanded["statusCode"]) == (made["shorturl"], "T", 200)
    link = member.yourls(action="url-stats", shorturl=short).json()["link"]
    assert set(link) == {"shorturl", "url", "title", "timestamp", "ip", "clicks"}
    assert link["clicks"] == 2


def test_stats_rank_the_callers_links_and_count_only_them(
    member: Member, other: Member, visit: Callable[..., None]
) -> None:
    other.yourls(action="shorturl", url="https://example.org/others")
    codes = [member.yourls(action="shorturl", url=f"{URL}/{n}").json()["url"]["keyword"] for n in range(3)]
    visit(codes[1], 2)

    top = member.yourls(action="stats", filter="top", limit=2).json()
    assert list(top["links"]) == ["link_1", "link_2"]
    assert (top["links"]["link_1"]["url"], top["links"]["link_1"]["clicks"]) == (f"{URL}/1", 2)
    assert top["stats"] == {"total_links": 3, "total_clicks": 2}
    last = member.yourls(action="stats", filter="last", limit=1, start=1).json()
    assert last["links"]["link_1"]["url"] == f"{URL}/1"
    assert member.yourls(action="stats", filter="bottom", limit=3).json()["links"]["link_3"]["url"] == f"{URL}/1"
    assert len(member.yourls(action="stats", filter="rand", limit=3).json()["links"]) == 3
    assert "links" not in member.yourls(action="stats", filter="top", limit=0).json()
    assert member.yourls(action="db-stats").json()["db-stats"] == {"total_links": 3, "total_clicks": 2}
    # npm's yourls asks for its stats by another name
    assert len(member.yourls(action="url-stats", filter="top", limit=2).json()["links"]) == 2


def test_version_is_told(member: Member) -> None:
    assert member.yourls(action="version").json()["version"]


@pytest.mark.parametrize("action", ["", "delete", "shorturl2"])
def test_unknown_actions_are_bad_requests(member: Member, action: str) -> None:
    answer = member.yourls(action=action)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, 400)


def test_anothers_links_are_not_found(member: Member, other: Member) -> None:
    keyword = member.yourls(action="shorturl", url=URL).json()["url"]["keyword"]
    for action in ("expand", "url-stats"):
        answer = other.yourls(action=action, shorturl=keyword)
        assert (answer.status_code, answer.json()["errorCode"]) == (404, 404)
        assert "code" not in answer.json()


# Formats


def test_xml_is_what_is_answered_without_a_format(member: Member) -> None:
    answer = member.client.get(API, params={"signature": member.key, "action": "shorturl", "url": URL + "?a=1&b=<"})
    assert answer.headers["content-type"].startswith("application/xml")
    root = ElementTree.fromstring(answer.text)
    assert root.tag == "result"
    assert root.findtext("url/url") == URL + "?a=1&b=<"
    assert root.findtext("status") == "success"


def test_xml_holds_lists(member: Member) -> None:
    member.yourls(action="shorturl", url=URL, title="\x01 <b>")
    root = ElementTree.fromstring(member.yourls(action="stats", format="xml", limit=1).text)
    assert root.findtext("links/link_1/title", "").strip() == "<b>"
    assert root.findtext("stats/total_links") == "1"


def test_simple_is_only_the_url(member: Member) -> None:
    made = member.yourls(action="shorturl", url=URL, format="simple")
    assert made.headers["content-type"].startswith("text/plain")
    assert made.text.startswith("http://dodeca.local/s/")
    assert member.yourls(action="expand", shorturl=made.text, format="simple").text == URL


def test_jsonp_calls_back(member: Member) -> None:
    answer = member.yourls(action="db-stats", format="jsonp", callback="app.done")
    assert answer.headers["content-type"].startswith("application/javascript")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.text.startswith("app.done(")
    assert json.loads(answer.text[len("app.done(") : -1])["db-stats"]["total_links"] == 0


@pytest.mark.parametrize("callback", ["", "alert(1)//", "a;b", "a.b.", "<script>", "x" * 200, "a\n"])
def test_a_callback_that_is_no_name_is_refused(member: Member, callback: str) -> None:
    answer = member.yourls(action="db-stats", format="jsonp", callback=callback)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("application/json")


def test_a_form_is_taken_too(member: Member) -> None:
    data = {"signature": member.key, "format": "json", "action": "shorturl", "url": URL}
    assert member.client.post(API, data=data).json()["status"] == "success"
    assert member.client.post(API, files={"x": b"x"}, data={**data, "url": URL + "2"}).json()["status"] == "success"


# Sign-in


@pytest.mark.parametrize("name", ["md5", "sha256", ""])
@pytest.mark.parametrize("order", ["{time}{secret}", "{secret}{time}"])
def test_a_timed_signature_signs_in(client: Client, make: Factory, name: str, order: str) -> None:
    _, secret = make.key(make.account(), ["shortener-timed"])
    time = str(int(clock.timestamp()) - 3600)
    signed = hashlib.new(name or "md5", order.format(time=time, secret=secret).encode()).hexdigest()
    given = {"timestamp": time, "signature": signed, "action": "db-stats", "format": "json"}
    if name:
        given["hash"] = name
    assert client.get(API, params=given).json()["db-stats"] == {"total_links": 0, "total_clicks": 0}


@pytest.mark.parametrize("fault", ["old", "early", "wrong", "other scope", "revoked", "strange hash", "no number"])
def test_a_timed_signature_that_does_not_hold_is_refused(client: Client, make: Factory, fault: str) -> None:
    key, secret = make.key(make.account(), ["shortener"] if fault == "other scope" else ["shortener-timed"])
    shift = {"old": -12 * 3600 - 60, "early": 12 * 3600 + 60}.get(fault, 0)
    time = "soon" if fault == "no number" else str(int(clock.timestamp()) + shift)
    signed = hashlib.md5(f"{time}{'x' if fault == 'wrong' else secret}".encode()).hexdigest()
    if fault == "revoked":
        make.run(lambda session: session.delete(session.merge(key)))
    given = {"timestamp": time, "signature": signed, "action": "db-stats", "format": "json"}
    if fault == "strange hash":
        given["hash"] = "crc32"
    answer = client.get(API, params=given)
    assert (answer.status_code, answer.json()["errorCode"]) == (403, 403)


def test_a_password_signs_in(client: Client, make: Factory) -> None:
    account = make.account(password=PASSWORD)
    given = {"username": account.username, "password": PASSWORD, "action": "db-stats", "format": "json"}
    assert client.get(API, params=given).status_code == 200
    wrong = client.get(API, params={**given, "password": "wrong"})
    assert (wrong.status_code, wrong.json()["errorCode"]) == (403, 403)


@pytest.mark.parametrize("given", [{}, {"signature": "wrong-wrong"}, {"username": "ada"}, {"signature": "x" * 900}])
def test_without_sign_in_there_is_nothing(client: Client, given: dict[str, str]) -> None:
    answer = client.get(API, params={**given, "action": "version", "format": "json"})
    assert (answer.status_code, answer.json()["errorCode"]) == (403, 403)
    assert answer.json()["message"]


def test_a_key_of_another_product_does_not_sign_in(client: Client, make: Factory) -> None:
    _, secret = make.key(make.account(), ["accounts"])
    for how in ({"params": {"signature": secret}}, {"headers": {"Authorization": f"Bearer {secret}"}}):
        options: dict[str, Any] = {"params": {}, **how}
        options["params"] = {**options["params"], "action": "db-stats", "format": "json"}
        assert client.get(API, **options).status_code == 403


@pytest.mark.parametrize(
    "parameters", [{"limit": "-1"}, {"limit": "x"}, {"limit": "99999999"}, {"start": "x"}, {"filter": "best"}]
)
def test_broken_numbers_are_refused(member: Member, parameters: dict[str, str]) -> None:
    answer = member.yourls(action="stats", **parameters)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, 400)
