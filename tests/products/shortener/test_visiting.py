"""Following links: what is answered, what counts, and what stops them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from tests.products.shortener.conftest import BOT, CHROME, Links
from tests.support.platform import Client
from tests.support.servers import eventually

from dodeca.kernel import clock
from dodeca.kernel.db import WriteSession
from dodeca.kernel.platform import Platform
from dodeca.products.shortener import metrics
from dodeca.products.shortener.service import Shortener


def counts(links: Links, link: Any) -> tuple[int, int, int]:
    links.shortener.folder.fold()
    now = links.now(link)
    return now.clicks, now.unique_visitors, now.bots


def test_persons_count_and_others_are_left_out(visitor: Client, client: Client, member: Client, links: Links) -> None:
    link = links.new()
    path = f"/s/{link.short_code}"

    answers = [
        visitor.get(path),
        visitor.get(path),
        visitor.at("203.0.113.9").get(path),
        visitor.get(path, headers={"Sec-GPC": "1"}),
        client.get(path, headers={"User-Agent": BOT}),
        client.get(path, headers={"User-Agent": ""}),
        visitor.request("HEAD", path),
        visitor.get(path, headers={"Sec-Purpose": "prefetch"}),
    ]

    assert {answer.status_code for answer in answers} == {302}
    assert counts(links, link) == (4, 2, 2)


def test_analytics_tell_all(member: Client, visitor: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    path = f"/s/{link['short_code']}"
    visitor.get(path, headers={"Referer": "https://news.example/x", "Accept-Language": "de-AT,de;q=0.9"})
    visitor.get(path + "?qr")
    visitor.request("HEAD", path)
    for _ in range(4):
        visitor.get(path + "/track")
    shortener.folder.fold()

    answer = member.get("/api/shortener/analytics", params={"short_url": link["short_url"], "unit": "hour"})

    numbers = answer.json()
    assert answer.status_code == 200
    assert (numbers["clicks"], numbers["unique_visitors"], numbers["bots"], numbers["impressions"]) == (2, 1, 0, 4)
    assert numbers["click_through_rate"] == 0.5
    assert numbers["excluded"] == {"bot": 0, "head": 1, "prefetch": 0}
    assert {row["value"]: row["clicks"] for row in numbers["referrers"]} == {"direct": 1, "news.example": 1}
    assert {row["value"]: row["clicks"] for row in numbers["sources"]} == {"link": 1, "qr": 1}
    assert numbers["devices"] == [{"value": "desktop", "clicks": 2}]
    assert numbers["browsers"] == [{"value": "Chrome", "clicks": 2}]
    assert {"value": "de", "clicks": 1} in numbers["languages"]
    assert sum(point["clicks"] for point in numbers["series"]) == 2
    assert numbers["outcomes"] == []
    assert datetime.fromisoformat(numbers["last_click_at"]) >= datetime.fromisoformat(numbers["first_click_at"])


@pytest.mark.parametrize("unit", ["minute", "hour", "day", "week", "month"])
def test_series_in_every_unit_hold_every_click(
    member: Client, visitor: Client, shortener: Shortener, unit: str
) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    visitor.get(f"/s/{link['short_code']}")
    shortener.folder.fold()

    numbers = member.get(
        "/api/shortener/analytics", params={"short_url": link["short_code"], "unit": unit, "tz": "Europe/Berlin"}
    ).json()

    assert sum(point["clicks"] for point in numbers["series"]) == 1


def test_days_and_hours_give_the_same_bars(member: Client, visitor: Client, shortener: Shortener) -> None:
    """Bars of UTC days come from the roll-up of days, those of other zones from that of hours."""
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    start = clock.now()
    for hours in (1, 5, 23, 26, 1, 60, 11):
        clock.advance(hours * 3600)
        visitor.get(f"/s/{link['short_code']}")
        visitor.get(f"/s/{link['short_code']}", headers={"Referer": "https://news.example/"})
        visitor.request("HEAD", f"/s/{link['short_code']}")
    clock.advance(3600)
    shortener.folder.fold()
    ranges: list[dict[str, str]] = [
        {},
        {"from": clock.rfc3339(start + timedelta(hours=30)), "to": clock.rfc3339(start + timedelta(hours=100))},
        {"from": clock.rfc3339(start + timedelta(hours=2))},
    ]

    for unit in ("hour", "day", "week", "month"):
        for bounds in ranges:
            ask = {"short_url": link["short_code"], "unit": unit, **bounds}
            days, hours = (
                member.get("/api/shortener/analytics", params={**ask, "tz": zone}).json() for zone in ("UTC", "Etc/UTC")
            )
            assert days == hours
            assert sum(point["clicks"] for point in days["series"]) == days["clicks"] > 0
            assert {row["value"]: row["clicks"] for row in days["referrers"]}["news.example"] == days["clicks"] // 2


def test_a_range_holds_only_its_clicks(member: Client, visitor: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    visitor.get(f"/s/{link['short_code']}")
    clock.advance(3 * 86400)
    visitor.get(f"/s/{link['short_code']}")
    shortener.folder.fold()
    ask = {"short_url": link["short_code"], "from": clock.rfc3339(clock.ago(days=1))}

    recent = member.get("/api/shortener/analytics", params=ask).json()
    before = member.get("/api/shortener/analytics", params={"short_url": link["short_code"], "to": ask["from"]}).json()

    assert (recent["clicks"], before["clicks"]) == (1, 1)


@pytest.mark.parametrize(
    ("params", "field"),
    [({"unit": "year"}, "unit"), ({"tz": "Moon/Base"}, "tz"), ({"from": "later"}, "from"), ({"tz": "../x"}, "tz")],
)
def test_a_bad_range_is_refused(member: Client, shortener: Shortener, params: dict[str, str], field: str) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()

    answer = member.get("/api/shortener/analytics", params={"short_url": link["short_code"], **params})

    assert answer.status_code == 400
    assert answer.json()["field"] == field


def test_events_page_without_losing_any(member: Client, visitor: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    for _ in range(5):
        visitor.get(f"/s/{link['short_code']}")
    shortener.folder.fold()
    path = f"/api/shortener/links/{link['id']}/events"

    first = member.get(path, params={"limit": 3}).json()
    second = member.get(path, params={"limit": 3, "cursor": first["next_cursor"]}).json()

    assert (len(first["events"]), len(second["events"]), second["next_cursor"]) == (3, 2, None)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [("/api/shortener/{}", 302, ""), ("/api/shortener/data/{}", 302, ""), ("/api/shortener/redirect/{}", 301, "")],
)
def test_the_api_follows_and_counts_too(visitor: Client, links: Links, path: str, status: int, message: str) -> None:
    link = links.new()

    answer = visitor.get(path.format(link.short_code))

    assert answer.status_code == status
    assert answer.headers["location"] == "https://example.com/page"
    assert counts(links, link)[0] == 1


@pytest.mark.parametrize(
    ("path", "member_name", "text"),
    [
        ("/api/shortener/nothing1", "message", "Short code not found"),
        ("/api/shortener/data/nothing1", "message", "Short code not found"),
        ("/api/shortener/redirect/nothing1", "error", "Invalid or expired URL"),
    ],
)
def test_unknown_codes_are_404(visitor: Client, shortener: Shortener, path: str, member_name: str, text: str) -> None:
    answer = visitor.get(path)

    assert answer.status_code == 404
    assert answer.json()[member_name] == text


def test_a_whole_short_url_can_be_followed(visitor: Client, links: Links) -> None:
    link = links.new()

    answer = visitor.get(f"/api/shortener/redirect/http%3A%2F%2Fdodeca.local%2Fs%2F{link.short_code}")

    assert answer.status_code == 301


@pytest.mark.parametrize("code", ["nope", "%00", "..%2f..", "x" * 10_000, "%F0%9F%98%80", "a%2Fb"])
def test_a_code_that_cannot_be_is_404(visitor: Client, shortener: Shortener, code: str) -> None:
    assert visitor.get(f"/s/{code}").status_code == 404


def test_a_failure_of_ours_is_counted_and_tells_nothing(
    visitor: Client, links: Links, shortener: Shortener, platform: Platform
) -> None:
    code = links.new().short_code
    before = metrics.outcomes["error"]._value.get()
    names = ("shortener_codes", "shortener_elsewhere")

    def rename(session: WriteSession, old: str, new: str) -> None:
        session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    platform.db.write(lambda session: rename(session, *names))
    answer = visitor.get(f"/s/{code}x")
    platform.db.write(lambda session: rename(session, *reversed(names)))

    assert answer.status_code >= 500
    assert "shortener_" not in answer.text
    assert metrics.outcomes["error"]._value.get() == before + 1


def test_other_methods_are_refused(visitor: Client, links: Links) -> None:
    link = links.new()

    assert {visitor.request(m, f"/s/{link.short_code}").status_code for m in ("POST", "PUT", "DELETE")} == {405}


@pytest.mark.usefixtures("standing_clock")
def test_guessing_codes_is_slowed_down(visitor: Client, shortener: Shortener) -> None:
    answers = [visitor.at("198.51.100.7").get(f"/s/guess{n}").status_code for n in range(130)]

    assert answers.count(404) == 120
    assert answers.count(429) == 10
    assert visitor.at("198.51.100.8").get("/s/guess").status_code == 404


def test_the_404_page_offers_the_code_that_was_meant(visitor: Client, member: Client, shortener: Shortener) -> None:
    member.post("/api/shortener/links", json={"long_url": "https://example.com/", "alias": "room-101"})

    answer = visitor.get("/s/room-lOl")

    assert answer.status_code == 404
    assert "http://dodeca.local/s/room-101" in answer.text


# What stops a link


def test_an_edit_acts_on_the_next_request(visitor: Client, member: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/1"}).json()
    visitor.get(f"/s/{link['short_code']}")

    member.patch(f"/api/shortener/links/{link['id']}", json={"long_url": "https://example.com/2"})

    assert visitor.get(f"/s/{link['short_code']}").headers["location"] == "https://example.com/2"
    history = member.get(f"/api/shortener/links/{link['id']}/history").json()["history"]
    assert [(row["from_url"], row["to_url"]) for row in history] == [("https://example.com/1", "https://example.com/2")]


def test_a_deleted_link_is_gone_at_once(visitor: Client, member: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    visitor.get(f"/s/{link['short_code']}")

    assert member.delete(f"/api/shortener/links/{link['id']}").status_code == 204

    assert visitor.get(f"/s/{link['short_code']}").status_code == 404
    assert member.get(f"/api/shortener/links/{link['id']}").status_code == 404


def test_an_expired_link_says_so_or_leads_elsewhere(visitor: Client, links: Links) -> None:
    soon = clock.now() + timedelta(hours=1)
    plain = links.new(expires_at=soon)
    elsewhere = links.new(expires_at=soon, expired_url="https://example.com/over")
    assert visitor.get(f"/s/{plain.short_code}").status_code == 302

    clock.advance(3700)

    gone = visitor.get(f"/s/{plain.short_code}")
    assert gone.status_code == 410
    assert "expired" in gone.text
    moved = visitor.get(f"/s/{elsewhere.short_code}")
    assert (moved.status_code, moved.headers["location"]) == (302, "https://example.com/over")
    assert visitor.get(f"/api/shortener/{plain.short_code}").status_code == 410
    assert visitor.get(f"/api/shortener/redirect/{plain.short_code}").status_code == 404


def test_a_link_is_404_before_it_starts(visitor: Client, links: Links) -> None:
    link = links.new(starts_at=clock.now() + timedelta(hours=1))
    assert visitor.get(f"/s/{link.short_code}").status_code == 404

    clock.advance(3700)

    assert visitor.get(f"/s/{link.short_code}").status_code == 302


def test_a_link_without_a_click_for_a_year_stops(visitor: Client, links: Links) -> None:
    unused, used = links.new(), links.new()
    assert visitor.get(f"/s/{used.short_code}").status_code == 302
    clock.advance(200 * 86400)
    assert visitor.get(f"/s/{used.short_code}").status_code == 302
    clock.advance(166 * 86400)

    assert visitor.get(f"/s/{unused.short_code}").status_code == 410
    assert visitor.get(f"/s/{used.short_code}").status_code == 302


def test_sixty_visitors_share_five_visits(visitor: Client, client: Client, links: Links) -> None:
    link = links.new(max_visits=5)
    path = f"/s/{link.short_code}"
    cards = [
        client.get(path, headers={"User-Agent": BOT}),
        visitor.request("HEAD", path),
        visitor.get(path, headers={"Sec-Purpose": "prefetch"}),
    ]
    answers = []

    def visit() -> None:
        answers.append(visitor.get(path).status_code)

    threads = [threading.Thread(target=visit) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [card.status_code for card in cards] == [200, 200, 200]
    assert all("example.com" not in card.text for card in cards)
    assert sorted(answers) == [302] * 5 + [410] * 55
    assert links.now(link).visits_left == 0


def test_three_hundred_parallel_clicks_count_three_hundred(visitor: Client, links: Links) -> None:
    link = links.new()

    def visit() -> None:
        for _ in range(15):
            visitor.get(f"/s/{link.short_code}")

    threads = [threading.Thread(target=visit) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts(links, link)[0] == 300


# Passwords, rules, warnings, previews


def test_a_password_opens_the_link(visitor: Client, links: Links) -> None:
    link = links.new(password="open sesame")
    path = f"/s/{link.short_code}"

    asked = visitor.get(path)
    wrong = visitor.post(path, data={"password": "guess"})
    right = visitor.post(path, data={"password": "open sesame"})

    assert (asked.status_code, wrong.status_code, right.status_code) == (200, 401, 302)
    assert "example.com" not in asked.text + wrong.text
    assert "form-action 'self' https: http:" in asked.headers["content-security-policy"]
    assert right.headers["location"] == "https://example.com/page"
    assert counts(links, link)[0] == 1


@pytest.mark.usefixtures("standing_clock")
def test_passwords_cannot_be_guessed_at_will(visitor: Client, links: Links) -> None:
    link = links.new(password="open sesame")

    answers = [
        visitor.at("198.51.100.3").post(f"/s/{link.short_code}", data={"password": f"g{n}"}).status_code
        for n in range(11)
    ]

    assert answers == [401] * 10 + [429]


def test_the_first_rule_that_matches_decides(
    visitor: Client, client: Client, member: Client, shortener: Shortener
) -> None:
    rules = [
        {"long_url": "https://example.com/de", "conditions": [{"type": "language", "match_value": "de"}]},
        {"long_url": "https://example.com/win", "conditions": [{"type": "device", "match_value": "windows"}]},
        {"long_url": "https://example.com/q", "conditions": [
            {"type": "query-param", "match_key": "a", "match_value": "b"}]},
    ]  # fmt: skip
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/", "utm": {"source": "x"}}).json()
    path = f"/s/{link['short_code']}"
    assert visitor.get(path).headers["location"] == "https://example.com/?utm_source=x"

    put = member.put(f"/api/shortener/links/{link['id']}/rules", json={"rules": rules})

    assert put.status_code == 200
    assert put.json()["rules"][0]["conditions"][0]["type"] == "language"
    german = visitor.get(path, headers={"Accept-Language": "de-CH"})
    assert german.headers["location"] == "https://example.com/de?utm_source=x"
    assert visitor.get(path).headers["location"] == "https://example.com/win?utm_source=x"
    other = client.get(path + "?a=b", headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"})
    assert other.headers["location"] == "https://example.com/q?utm_source=x"


def test_a_query_is_forwarded_where_the_link_says_so(visitor: Client, links: Links) -> None:
    link = links.new(long_url="https://example.com/?a=1", forward_query=True)

    answer = visitor.get(f"/s/{link.short_code}?a=2&b=3&qr")

    assert answer.headers["location"] == "https://example.com/?a=2&b=3"


def test_a_lookalike_is_shown_before_anybody_goes_there(visitor: Client, member: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://pаypal.com/login"}).json()

    answer = visitor.get(f"/s/{link['short_code']}")

    assert link["warning"] == "lookalike"
    assert answer.status_code == 200
    assert "xn--" in answer.text


def test_a_plus_shows_where_a_link_leads(visitor: Client, member: Client, links: Links) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/x", "title": "<b>T</b>"}).json()
    secret = links.new(password="open sesame")

    shown = visitor.get(f"/s/{link['short_code']}+")
    hidden = visitor.get(f"/s/{secret.short_code}+")
    api = visitor.get("/api/shortener/preview", params={"short_url": link["short_url"]}).json()
    protected = visitor.get("/api/shortener/preview", params={"short_url": secret.short_code}).json()

    assert (shown.status_code, hidden.status_code) == (200, 200)
    assert "https://example.com/x" in shown.text
    assert "&lt;b&gt;T&lt;/b&gt;" in shown.text
    assert "example.com/page" not in hidden.text
    assert (api["long_url"], api["target_changed_at"], api["warning"]) == ("https://example.com/x", None, None)
    assert protected["password"] is True
    assert "long_url" not in protected


def test_qr_codes_hold_the_mark(member: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    path = f"/api/shortener/links/{link['id']}/qr"

    svg = member.get(path)
    png = member.get(path, params={"format": "png", "size": 200, "dark": "003366"})
    pdf = member.get(path, params={"format": "pdf"})
    bad = member.get(path, params={"format": "bmp"})

    assert svg.headers["content-type"].startswith("image/svg")
    assert png.content.startswith(b"\x89PNG")
    assert pdf.content.startswith(b"%PDF")
    assert bad.status_code == 400
    logo = member.post(path, files={"logo": ("l.png", png.content)}, data={"format": "png"})
    assert logo.content.startswith(b"\x89PNG")


def test_a_click_is_told_to_who_watches(member: Client, visitor: Client, shortener: Shortener) -> None:
    link = member.post("/api/shortener/links", json={"long_url": "https://example.com/"}).json()
    channel = f"shortener:link:{link['id']}"
    visitor.get(f"/s/{link['short_code']}")

    shortener.folder.fold()

    eventually(lambda: any(m.channel == channel for m in shortener.realtime._history), "the click is told")
    told = [m for m in shortener.realtime._history if m.channel == channel]
    assert [m.kind for m in told] == ["clicks"]
    assert '"clicks":1' in told[0].data


def test_the_address_never_reaches_the_database(visitor: Client, links: Links, platform: Any) -> None:
    link = links.new()
    visitor.at("198.51.100.77").get(f"/s/{link.short_code}")
    links.shortener.folder.fold()

    def everything(session: Any) -> str:
        from dodeca.kernel.db import metadata

        return repr([session.execute(table.select()).all() for table in metadata.sorted_tables])

    assert "198.51.100.77" not in platform.db.read(everything)
    assert CHROME in platform.db.read(everything)
