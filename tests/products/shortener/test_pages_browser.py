"""The shortener in a real browser: its journeys, with and without JavaScript."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from tests.support.browser import chromium, needs_chromium, served

pytestmark = [needs_chromium, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
PASSWORD = "three quiet otters"
TARGET = "https://example.org/a/long/page"
LIVE_MS = 15_000
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served platform without data."""
    environment = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0", "DODECA_SHORTENER_ANONYMOUS_PER_MINUTE": "0"}
    with served(tmp_path_factory.mktemp("served") / "data", "--only", "shortener", environment=environment) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    with chromium() as running:
        yield running


def opened(browser: Browser, **options: Any) -> BrowserContext:
    """A fresh profile, in which the outside world answers with an empty page."""
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce", "user_agent": AGENT, **options}
    )
    context.route(
        "https://*.org/**", lambda route: route.fulfill(body="<title>Arrived</title>", content_type="text/html")
    )
    return context


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A visitor; the test fails on any error that a page reports."""
    context = opened(browser)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = context.new_page()
    problems: list[str] = []
    shown.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    shown.on("pageerror", lambda error: problems.append(str(error)))
    yield shown
    context.close()
    # Refusals are answers, and beyond a redirect there is no outside world.
    assert [text for text in problems if "status of 4" not in text and "ERR_NAME_NOT_RESOLVED" not in text] == []


@pytest.fixture
def plain(browser: Browser) -> Iterator[Page]:
    """A visitor whose browser runs no scripts."""
    context = opened(browser, java_script_enabled=False)
    yield context.new_page()
    context.close()


def sign_up(page: Page, site: str) -> None:
    """Make an account."""
    page.goto(f"{site}/register?next=/shortener/")
    page.fill("[name=username]", f"visitor{next(_numbers)}")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    page.wait_for_url(f"{site}/shortener/")


def shorten(page: Page, site: str, target: str = TARGET) -> str:
    """Make a link by keyboard alone; gives its short URL."""
    page.goto(f"{site}/shortener/")
    page.keyboard.type(target)
    page.keyboard.press("Enter")
    page.locator(".made__link a").wait_for()
    return str(page.locator(".made__link a").get_attribute("href"))


def reloaded_until(page: Page, shown: Locator, text: str) -> None:
    """Reload a page without scripts until it shows the text: clicks come into the numbers within two seconds."""
    deadline = time.monotonic() + LIVE_MS / 1000
    while shown.inner_text() != text and time.monotonic() < deadline:
        page.wait_for_timeout(200)
        page.reload()
    expect(shown).to_have_text(text)


def follow(short_url: str, agent: str = AGENT) -> httpx.Response:
    """Follow a link as some browser does."""
    return httpx.get(short_url, headers={"User-Agent": agent, "Accept": "text/html"})


def test_the_first_short_link_takes_one_step(page: Page, site: str) -> None:
    short_url = shorten(page, site)

    expect(page.locator("[data-copied]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == short_url
    assert page.locator(".made__qr img").evaluate("image => image.complete && image.naturalWidth > 0")
    assert follow(short_url).headers["location"] == TARGET


def test_the_field_is_ready_for_the_next_link(page: Page, site: str) -> None:
    first = shorten(page, site)

    expect(page.locator("#f-long_url")).to_be_focused()
    page.keyboard.type("https://example.org/another")
    page.keyboard.press("Enter")
    expect(page.locator(".made__link a")).not_to_have_attribute("href", first)


def test_a_refused_address_says_why_and_stays(page: Page, site: str) -> None:
    page.goto(f"{site}/shortener/")
    page.keyboard.type("javascript:alert(1)")
    page.keyboard.press("Enter")

    expect(page.locator("#f-long_url-error")).to_be_visible()
    expect(page.locator("#f-long_url")).to_have_value("javascript:alert(1)")


def test_a_member_sees_clicks_as_they_happen(page: Page, site: str) -> None:
    sign_up(page, site)
    short_url = shorten(page, site)
    page.get_by_role("link", name="Numbers", exact=True).click()
    page.locator("live-source[data-state=open]").wait_for(state="attached")

    follow(short_url)
    follow(short_url)

    expect(page.locator(".stat dd").first).to_have_text("2", timeout=LIVE_MS)
    expect(page.locator(".leftout dd").first).to_have_text("0")


def test_the_list_counts_along(page: Page, site: str) -> None:
    sign_up(page, site)
    short_url = shorten(page, site)
    page.goto(f"{site}/shortener/links")
    page.locator("live-source[data-state=open]").wait_for(state="attached")

    follow(short_url)

    expect(page.locator("[data-clicks]")).to_have_text("1", timeout=LIVE_MS)


def test_the_alias_is_checked_while_it_is_typed(page: Page, site: str) -> None:
    sign_up(page, site)
    page.goto(f"{site}/shortener/")
    page.locator(".options > summary").click()

    page.locator("#f-alias").press_sequentially("admin")
    page.locator("[data-fill]").first.click()

    expect(page.locator(".alias__free")).to_be_visible()
    assert page.locator("#f-alias").input_value() != "admin"


def test_many_links_are_tagged_from_the_keyboard(page: Page, site: str) -> None:
    sign_up(page, site)
    for number in range(3):
        shorten(page, site, f"{TARGET}/{number}")
    page.goto(f"{site}/shortener/links")
    page.locator(".bulk").wait_for(state="hidden")

    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.locator("[data-count]")).to_have_text("2 selected")
    page.get_by_label("Tag to add or remove").fill("spring")
    page.get_by_role("button", name="Tag", exact=True).click()

    expect(page.locator(".link .chip")).to_have_count(2)


def test_deleting_many_asks_first(page: Page, site: str) -> None:
    sign_up(page, site)
    shorten(page, site)
    page.goto(f"{site}/shortener/links")

    page.get_by_role("checkbox", name="Select").first.check()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_role("heading", name="No links yet")).to_be_visible()


def test_a_dropped_file_is_imported(page: Page, site: str) -> None:
    sign_up(page, site)
    shorten(page, site)
    page.goto(f"{site}/shortener/links")
    dropped = page.evaluate_handle(
        """() => {
            const data = new DataTransfer()
            const text = "long_url,short_code\\nhttps://example.org/in,dropped-in\\n"
            data.items.add(new File([text], "links.csv"))
            return data
        }"""
    )

    page.dispatch_event("csv-drop", "drop", {"dataTransfer": dropped})

    page.wait_for_url(f"{site}/shortener/import")
    expect(page.locator("#runs .figures dd").nth(1)).to_have_text("1", timeout=LIVE_MS)


def test_the_qr_code_follows_the_form_and_is_downloaded(page: Page, site: str) -> None:
    sign_up(page, site)
    shorten(page, site)
    page.get_by_role("link", name="QR design").click()
    before = page.locator("[data-preview]").get_attribute("src")

    page.locator("#f-dark").fill("#4422aa")
    expect(page.locator("[data-preview]")).not_to_have_attribute("src", str(before))
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()

    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_rule_sends_phones_elsewhere(page: Page, site: str) -> None:
    sign_up(page, site)
    short_url = shorten(page, site)
    page.get_by_role("link", name="Numbers", exact=True).click()
    page.get_by_role("link", name="Rules").click()

    page.get_by_role("button", name="Add a rule").click()
    page.get_by_label("Value of condition 1 of rule 1").fill("ios")
    page.get_by_label("leads to").fill("https://apps.example.org/")
    page.get_by_role("button", name="Save rules").click()
    expect(page.get_by_text("The rules are saved.")).to_be_visible()

    assert follow(short_url, PHONE).headers["location"] == "https://apps.example.org/"
    assert follow(short_url).headers["location"] == TARGET


def test_a_password_is_asked_for(page: Page, site: str) -> None:
    page.goto(f"{site}/shortener/")
    page.locator(".options > summary").click()
    page.fill("#f-password", "sesame")
    page.fill("#f-long_url", TARGET)
    page.keyboard.press("Enter")
    short_url = str(page.locator(".made__link a").get_attribute("href"))

    page.goto(short_url)
    page.get_by_label("Password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill("sesame")
    with page.expect_response(short_url) as answer:
        page.keyboard.press("Enter")

    assert answer.value.headers["location"] == TARGET


def test_a_visitor_shortens_signs_up_and_sees_clicks_without_javascript(plain: Page, site: str) -> None:
    plain.goto(f"{site}/shortener/")
    plain.fill("#f-long_url", TARGET)
    plain.get_by_role("button", name="Shorten").click()
    short_url = str(plain.locator(".made__link a").get_attribute("href"))
    expect(plain.locator(".made__qr img")).to_be_visible()
    manage = str(plain.get_by_role("link", name="Numbers and settings").first.get_attribute("href"))

    sign_up(plain, site)
    plain.goto(site + manage)
    plain.get_by_role("button", name="Make it mine").click()
    follow(short_url)

    plain.goto(f"{site}/shortener/links")
    plain.locator("[data-row]").click()
    shown = plain.locator(".stat dd").first
    reloaded_until(plain, shown, "1")


def test_rules_and_many_links_are_handled_without_javascript(plain: Page, site: str) -> None:
    sign_up(plain, site)
    plain.fill("#f-long_url", TARGET)
    plain.get_by_role("button", name="Shorten").click()
    short_url = str(plain.locator(".made__link a").get_attribute("href"))
    plain.get_by_role("link", name="Numbers", exact=True).click()
    plain.get_by_role("link", name="Rules").click()
    plain.get_by_role("button", name="Add a rule").click()
    plain.get_by_role("button", name="And another condition").click()
    plain.get_by_role("button", name="Remove condition 2 of rule 1").click()
    plain.get_by_label("Value of condition 1 of rule 1").fill("ios")
    plain.get_by_label("leads to").fill("https://apps.example.org/")
    plain.get_by_role("button", name="Save rules").click()
    assert follow(short_url, PHONE).headers["location"] == "https://apps.example.org/"

    plain.goto(f"{site}/shortener/links")
    plain.get_by_role("checkbox", name="Select").first.check()
    plain.get_by_role("button", name="Archive").click()

    expect(plain.locator(".link .badge", has_text="Archived")).to_be_visible()


def test_a_link_without_account_is_claimed(page: Page, site: str) -> None:
    shorten(page, site)
    manage = str(page.get_by_role("link", name="Numbers and settings").first.get_attribute("href"))
    sign_up(page, site)

    page.goto(site + manage)
    page.get_by_role("button", name="Make it mine").click()

    expect(page.get_by_role("link", name="History")).to_be_visible()
