"""Journeys in a real browser, over the demo's data: a newcomer, two readers at once, the keyboard, a moderator; axe."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.support.browser import chromium, needs_chromium, served, violations

PASSWORD = "dodeca-demo-2026"
WAIT_MS = 30_000
pytestmark = [needs_chromium, pytest.mark.browser, pytest.mark.slow]
PAGES = (
    "/news/", "/news/newest", "/news/ask", "/news/lists", "/news/newcomments", "/news/leaders", "/news/moderations",
    "/news/search?q=time", "/news/user?id=marta",
)  # fmt: skip
OWN_PAGES = ("/news/", "/news/submit", "/news/feed", "/news/settings", "/news/favorites", "/news/mod")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the demo."""
    limits = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0", "DODECA_REQUESTS_PER_MINUTE": "0"}
    with served(tmp_path_factory.mktemp("site") / "data", "--only", "news", "--demo", environment=limits) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium."""
    with chromium() as running:
        yield running


@pytest.fixture
def somebody(browser: Browser, site: str) -> Iterator[BrowserContext]:
    """A browser of nobody yet."""
    context = browser.new_context(base_url=site)
    context.set_default_timeout(WAIT_MS)
    yield context
    context.close()


def signed_in(context: BrowserContext, name: str) -> Page:
    """A page of a demo account."""
    page = context.new_page()
    page.goto("/login?next=/news/")
    page.fill("main input[name=username]", name)
    page.fill("main input[name=password]", PASSWORD)
    page.click("main form:has(input[name=password]) button")
    page.wait_for_url(re.compile("/news"))
    return page


def test_a_newcomer_reads_signs_up_votes_and_submits(somebody: BrowserContext) -> None:
    page = somebody.new_page()
    page.goto("/news/")
    expect(page.locator(".athing").nth(20)).to_be_visible()
    page.goto("/register?next=/news/")
    page.fill("main input[name=username]", "newcomer")
    page.fill("main input[name=password]", "a long and quiet passphrase")
    page.click("main form:has(input[name=password]) button")
    page.wait_for_url(re.compile(r"^(?!.*register).*$"))
    page.goto("/news/")

    arrow = page.locator(".up").first
    row = page.locator(".athing:has(.up)").first
    before = int(row.locator(".score").inner_text().split("\u00a0")[0])
    arrow.click()

    expect(arrow).to_have_attribute("aria-pressed", "true")
    expect(row.locator(".score")).to_have_text(re.compile(rf"^{before + 1}\spoints$"))
    page.goto("/news/submit")
    page.fill("#f-url", "https://example.org/newcomer")
    page.fill("#f-title", "What a newcomer found")
    page.click("main form button:has-text('Submit')")
    expect(page.locator("h1")).to_contain_text("What a newcomer found")
    expect(page.locator(".athing .hnuser.is-new")).to_have_text("newcomer")


def test_votes_and_comments_reach_another_browser_without_reload(browser: Browser, site: str) -> None:
    contexts = [browser.new_context(base_url=site) for _ in range(2)]
    for context in contexts:
        context.set_default_timeout(WAIT_MS)
    alice, reader = signed_in(contexts[0], "alice"), contexts[1].new_page()
    alice.goto("/news/ask")
    href = alice.locator(".athing:has(.up) .comments").first.get_attribute("href")
    assert href is not None
    alice.goto(href)
    reader.goto(href)
    expect(reader.locator("live-source")).to_have_attribute("data-state", "open")
    score = reader.locator(".fat .score").first
    before = score.inner_text()

    alice.locator(".fat .up").click()
    expect(score).not_to_have_text(before)
    alice.fill(".fatitem form.reply textarea", "Does this arrive by *itself*?")
    alice.click(".fatitem form.reply button:has-text('Comment')")

    arrived = reader.locator(".comment.is-arrived")
    expect(arrived).to_contain_text("Does this arrive by itself?")
    expect(arrived.locator(".unread")).to_have_text("new")
    expect(alice.locator("#tree .comment").first).to_contain_text("Does this arrive by itself?")
    for context in contexts:
        context.close()


def test_the_keyboard_moves_opens_votes_and_replies(somebody: BrowserContext) -> None:
    page = signed_in(somebody, "bob")
    page.goto("/news/best")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".athing").first).to_have_class(re.compile("is-current"))
    votable = page.locator(".athing:has(.up)").first
    while "is-current" not in (votable.get_attribute("class") or ""):
        page.keyboard.press("j")
    pressed = votable.locator(".up").get_attribute("aria-pressed")
    page.keyboard.press("u")
    expect(votable.locator(".up")).to_have_attribute("aria-pressed", "false" if pressed == "true" else "true")
    page.keyboard.press("c")
    page.wait_for_url(re.compile(r"item\?id="))
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator(".comment textarea")).to_be_focused()
    page.keyboard.type("From the keyboard.")
    page.locator(".comment form.reply button:has-text('Reply')").click()
    expect(page.locator(".comment.is-arrived")).to_contain_text("From the keyboard.")


def test_collapsing_and_why_open_in_place(somebody: BrowserContext) -> None:
    page = somebody.new_page()
    page.goto("/news/active")
    page.locator(".comments").first.click()
    page.locator(".why summary").click()
    expect(page.locator(".why__body")).to_contain_text("Its rank is")
    first = page.locator("#tree .comment").first
    first.locator(".togg").click()
    expect(first.locator(".commtext")).to_be_hidden()
    first.locator(".togg").click()
    expect(first.locator(".commtext")).to_be_visible()


def test_a_moderator_decides_in_two_clicks_and_all_read_it(
    somebody: BrowserContext, browser: Browser, site: str
) -> None:
    page = signed_in(somebody, "admin")
    page.goto("/news/mod")
    waiting = page.locator(".queue > li")
    before = waiting.count()
    assert before > 0
    first = waiting.first
    first.locator("button:has-text('Keep')").click()
    expect(waiting).to_have_count(before - 1)
    other = browser.new_context(base_url=site)
    log = other.new_page()
    log.goto("/news/moderations")
    expect(log.locator(".log li").first).to_contain_text("Within the rules")
    other.close()


def test_what_was_flagged_comes_back_by_vouches(somebody: BrowserContext, site: str) -> None:
    tokens = {name: _registered(site, name) for name in ("flora", "fred", "frida", "vera", "victor", "author")}
    post = {"username": "author", "title": "Something that divides", "url": "https://example.org/divides"}
    number = _sent(site, tokens["author"], "posts/submit", post).json()["post"]["id"]
    for name in ("flora", "fred", "frida"):
        _sent(site, tokens[name], f"posts/{number}/flag", {"reason": "off_topic"})
    assert httpx.get(f"{site}/news/item?id={number}").status_code == 404
    _sent(site, tokens["vera"], f"posts/{number}/vouch", {})

    page = signed_in(somebody, "victor")
    page.goto(f"/news/more?id={number}")
    page.locator("button:has-text('Vouch: show it again')").click()

    expect(page.locator("body")).to_contain_text("You vouched for it.")
    stranger = httpx.get(f"{site}/news/item?id={number}")
    assert stranger.status_code == 200
    assert "Something that divides" in stranger.text


def test_what_one_hides_flags_votes_and_reports_no_other_sees(browser: Browser, site: str) -> None:
    contexts = [browser.new_context(base_url=site) for _ in range(3)]
    for context in contexts:
        context.set_default_timeout(WAIT_MS)
    alice, bob, visitor = signed_in(contexts[0], "alice"), signed_in(contexts[1], "bob"), contexts[2].new_page()
    alice.goto("/news/newest")
    number = alice.locator(".athing:has(.up[aria-pressed=false])").first.get_attribute("id")
    row = alice.locator(f"[id='{number}']")
    title = row.locator(".titleline > a").inner_text()
    row.locator(".up").click()
    expect(row.locator(".up")).to_have_attribute("aria-pressed", "true")
    alice.goto(f"/news/more?id={number}")
    alice.locator("button:has-text('spam')").click()
    expect(alice.locator("body")).to_contain_text("Thank you. You flagged it.")
    expect(alice.locator("button:has-text('Take the flag back')")).to_be_visible()
    alice.locator("button:has-text('Hide')").click()
    expect(alice.locator("button:has-text('Show in lists again')")).to_be_visible()
    alice.goto("/news/newest")
    expect(alice.locator(f"[id='{number}']")).to_have_count(0)
    alice.goto("/news/hidden")
    expect(alice.locator("main")).to_contain_text(title)

    for other in (bob, visitor):
        other.goto("/news/newest")
        expect(other.locator(f"[id='{number}']")).to_contain_text(title)
        for page in ("upvoted?id=alice", "hidden?id=alice", "hidden"):
            other.goto(f"/news/{page}")
            expect(other.locator("main")).not_to_contain_text(title)
    bob.goto(f"/news/more?id={number}")
    expect(bob.locator("button:has-text('spam')")).to_be_visible()
    expect(bob.locator("button:has-text('Take the flag back')")).to_have_count(0)
    expect(bob.locator("button:text-is('Hide')")).to_be_visible()
    for context in contexts:
        context.close()


def _registered(site: str, name: str) -> str:
    """A new member; gives the token."""
    person = {"username": name, "password": PASSWORD}
    answer = httpx.post(f"{site}/api/news/register", json=person, timeout=60).raise_for_status()
    return str(answer.json()["token"])


def _sent(site: str, token: str, path: str, data: dict[str, str]) -> httpx.Response:
    """A request of a member's program, which succeeds."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{site}/api/news/{path}", json=data, headers=headers, timeout=60).raise_for_status()


def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(browser: Browser, site: str) -> None:
    problems: dict[str, list[str]] = {}
    for name, paths in (("", PAGES), ("admin", OWN_PAGES)):
        context = browser.new_context(base_url=site)
        context.set_default_timeout(WAIT_MS)
        page = signed_in(context, name) if name else context.new_page()
        page.goto("/news/active")
        thread = page.locator(".comments").first.get_attribute("href") or ""
        number = thread.partition("id=")[2]
        inner = (f"/news/why?id={number}", f"/news/more?id={number}") if name else (f"/news/why?id={number}",)
        for path in itertools.chain(paths, (thread, *inner)):
            page.goto(path)
            for width, scheme in ((1280, "light"), (360, "dark")):
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                found = violations(page)
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    found.append("wider than the screen")
                if found:
                    problems[f"{name}:{path} {width} {scheme}"] = found
        context.close()
    assert problems == {}
