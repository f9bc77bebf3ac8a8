from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.geolocation import Geolocation, Place
from dodeca.products.shortener import agents
from dodeca.products.shortener.agents import Device, Kind

CHROME_ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME_ENGINE} Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
IPAD = IPHONE.replace("iPhone; CPU iPhone OS", "iPad; CPU OS")
PIXEL = f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME_ENGINE} Mobile Safari/537.36"
GALAXY_TAB = f"Mozilla/5.0 (Linux; Android 13; SM-X710) {CHROME_ENGINE} Safari/537.36"
CHROMEBOOK = f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME_ENGINE} Safari/537.36"
FIREFOX_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:127.0) Gecko/20100101 Firefox/127.0"
FIREFOX_UBUNTU = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
CHROME_IOS = IPHONE.replace("Version/17.5", "CriOS/126.0.6478.54")


@pytest.mark.parametrize(
    ("user_agent", "device", "os", "browser", "names"),
    [
        (CHROME, Device.DESKTOP, "Windows", "Chrome", {"windows", "desktop"}),
        (IPHONE, Device.MOBILE, "iOS", "Safari", {"ios", "mobile"}),
        (IPAD, Device.TABLET, "iOS", "Safari", {"ios", "mobile"}),
        (PIXEL, Device.MOBILE, "Android", "Chrome", {"android", "mobile"}),
        (GALAXY_TAB, Device.TABLET, "Android", "Chrome", {"android", "mobile"}),
        (CHROMEBOOK, Device.DESKTOP, "Chrome OS", "Chrome", {"chromeos", "desktop"}),
        (FIREFOX_MAC, Device.DESKTOP, "macOS", "Firefox", {"macos", "desktop"}),
        (FIREFOX_UBUNTU, Device.DESKTOP, "Linux", "Firefox", {"linux", "desktop"}),
        (CHROME_IOS, Device.MOBILE, "iOS", "Chrome", {"ios", "mobile"}),
        ("something else", Device.OTHER, "Other", "Other", set()),
    ],
)
def test_a_user_agent_tells_device_system_and_browser(
    user_agent: str, device: Device, os: str, browser: str, names: set[str]
) -> None:
    assert agents.read_user_agent(user_agent) == agents.Agent(device, os, browser, frozenset(names))


@pytest.mark.parametrize(
    "user_agent",
    [
        "", "  ", "curl/8.1", "Wget/1.21", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "facebookexternalhit/1.1", "WhatsApp/2.23", "Slackbot-LinkExpanding 1.0", "Twitterbot/1.0",
        "python-requests/2.32",
    ],
)  # fmt: skip
def test_programs_are_bots(user_agent: str) -> None:
    assert agents.classify("GET", user_agent, {}) is Kind.BOT


@pytest.mark.parametrize("user_agent", [CHROME, IPHONE, IPAD, PIXEL, GALAXY_TAB, CHROMEBOOK, FIREFOX_MAC])
def test_browsers_of_people_click(user_agent: str) -> None:
    assert agents.classify("GET", user_agent, {"sec-fetch-mode": "navigate"}) is Kind.CLICK


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
        {"x-moz": "Prefetch"},
        {"purpose": "preview"},
    ],
)
def test_a_prefetch_is_no_click(headers: dict[str, str]) -> None:
    assert agents.classify("GET", CHROME, headers) is Kind.PREFETCH


def test_a_head_request_is_no_click() -> None:
    assert agents.classify("HEAD", CHROME, {}) is Kind.HEAD


def test_every_listed_crawler_is_recognised_by_its_own_examples() -> None:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA, is_crawler

    examples = [example for entry in CRAWLER_USER_AGENTS_DATA for example in entry.get("instances", [])]
    wrong = [text for text in examples if is_crawler(text[: agents.MAX_USER_AGENT]) and not agents.is_bot(text)]

    assert len(examples) > 1_000
    assert wrong == []


@pytest.mark.parametrize(
    ("header", "tags", "language"),
    [
        ("en-GB,en;q=0.9,de;q=0.95", ("en-gb", "de", "en"), "en"),
        ("de;q=0, fr", ("fr",), "fr"),
        ("*", (), ""),
        ("", (), ""),
        ("zh-Hans-CN", ("zh-hans-cn",), "zh"),
        ("en;q=nonsense", ("en",), "en"),
    ],
)
def test_languages_come_in_order_of_preference(header: str, tags: tuple[str, ...], language: str) -> None:
    assert agents.accepted_languages(header) == tags
    assert agents.language_of(header) == language


@pytest.mark.parametrize(
    ("referrer", "host"),
    [
        ("https://News.Example.org:8080/a?b", "news.example.org"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("", "direct"),
        ("about:blank", "direct"),
        ("http://[broken", "direct"),
    ],
)
def test_a_referrer_is_its_host_or_direct(referrer: str, host: str) -> None:
    assert agents.referrer_host(referrer) == host


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("8.8.8.8", "US"),
        ("::ffff:8.8.8.8", "US"),
        ("127.0.0.1", ""),
        ("2606:4700::1111", ""),
        ("nonsense", ""),
    ],
)
def test_the_bundled_table_knows_ipv4_countries(address: str, country: str) -> None:
    assert Geolocation().place(address) == Place(country)


def test_a_missing_database_is_reported_when_it_is_configured(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        Geolocation(tmp_path / "missing.mmdb")


def test_a_visit_gathers_what_rules_ask_about() -> None:
    visit = agents.visit_of(
        datetime(2031, 5, 1, tzinfo=UTC),
        user_agent=PIXEL,
        accept_language="de-AT",
        address="8.8.8.8",
        raw_query="a=1&b",
        geolocation=Geolocation(),
    )

    assert visit.devices == {"android", "mobile"}
    assert (visit.browser, visit.languages, visit.country) == ("chrome", ("de-at",), "US")
    assert visit.query == (("a", "1"), ("b", ""))


@given(st.text(max_size=600), st.text(max_size=600), st.text(max_size=600))
def test_no_header_makes_it_crash(user_agent: str, language: str, referrer: str) -> None:
    agents.classify("GET", user_agent, {"purpose": language})
    agents.read_user_agent(user_agent)
    agents.accepted_languages(language)
    agents.referrer_host(referrer)
