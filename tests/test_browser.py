"""The platform in a real browser, with its demo data: every main page is accessible and fits, and passkeys work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, expect

from tests.support.browser import chromium, needs_chromium, served, violations

pytestmark = [needs_chromium, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]
DEMO_PASSWORD = "dodeca-demo-2026"
PHONE = 360

PUBLIC = [
    "/",
    "/search",
    "/search?q=nothing",
    "/login",
    "/register",
    "/reset",
    "/reset/confirm?token=x",
    "/verify?token=x",
    "/no/such/page",
    "/shortener/",
    "/shortener/tools",
    "/shortener/report",
    "/s/nothing",
    "/s/get-python+",
]
MEMBERS = [
    "/",
    "/inbox",
    "/inbox/choices",
    "/search?q=python",
    "/account",
    "/account/security",
    "/account/password",
    "/account/sessions",
    "/account/keys",
    "/account/history",
    "/account/export",
    "/account/delete",
    "/shortener/",
    "/shortener/links",
    "/shortener/groups",
    "/shortener/domains",
    "/shortener/import",
    "/shortener/keys",
    "/shortener/labels/tags",
    "/shortener/labels/folders",
    "/shortener/labels/templates",
    "LINK",
    "LINK/settings",
    "LINK/rules",
    "LINK/qr",
    "LINK/history",
    "LINK/deletion",
]
BUSIEST = ["/", "/account/security", "/account/keys", "/shortener/", "/shortener/links", "/shortener/domains"]
STAFF = [
    "/admin",
    "/admin/accounts",
    "/admin/mail",
    "/admin/jobs",
    "/admin/audit",
    "/admin/settings",
    "/admin/health",
    "/admin/reports",
    "/shortener/moderation",
    "/shortener/moderation/blocklist",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served platform with demo data, on a name that passkeys can be bound to."""
    environment = {"DODECA_ANONYMOUS_REQUESTS_PER_MINUTE": "0"}
    with served(
        tmp_path_factory.mktemp("demo") / "data", "--demo", "--only", "shortener", environment=environment
    ) as address:
        yield address.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the module."""
    with chromium() as running:
        yield running


@pytest.fixture
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    yield context
    context.close()


def sign_in(page: Page, site: str, username: str) -> None:
    """By password."""
    page.goto(f"{site}/login")
    page.get_by_label("Username or email").fill(username)
    page.get_by_label("Password").fill(DEMO_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site}/")


def problems(page: Page, url: str) -> list[str]:
    """What axe finds on the page, and whether it is wider than a phone."""
    page.set_viewport_size({"width": 1280, "height": 800})
    answer = page.goto(url)
    found = [f"{url}: {problem}" for problem in violations(page)]
    if answer is None or answer.status >= 500:
        found.append(f"{url}: failed")
    page.set_viewport_size({"width": PHONE, "height": 740})
    if page.evaluate("document.documentElement.scrollWidth") > PHONE:
        found.append(f"{url}: wider than {PHONE}")
    return found


def test_the_pages_of_visitors_are_accessible_and_fit(visitor: BrowserContext, site: str) -> None:
    page = visitor.new_page()

    assert [problem for path in PUBLIC for problem in problems(page, site + path)] == []


def test_the_pages_of_members_are_accessible_and_fit(visitor: BrowserContext, site: str) -> None:
    page = visitor.new_page()
    sign_in(page, site, "alice")
    page.goto(f"{site}/shortener/links?q=our-browser")
    link = str(page.locator("[data-row]").first.get_attribute("href"))

    assert [problem for path in MEMBERS for problem in problems(page, site + path.replace("LINK", link))] == []


def test_the_pages_of_staff_are_accessible_and_fit(visitor: BrowserContext, site: str) -> None:
    page = visitor.new_page()
    sign_in(page, site, "admin")

    assert [problem for path in STAFF for problem in problems(page, site + path)] == []


def test_the_busiest_pages_are_accessible_on_a_dark_phone(browser: Browser, site: str) -> None:
    context = browser.new_context(
        viewport={"width": PHONE, "height": 740}, color_scheme="dark", reduced_motion="reduce"
    )
    page = context.new_page()
    sign_in(page, site, "alice")
    found = []
    for path in BUSIEST:
        page.goto(site + path)
        found += [f"{path}: {problem}" for problem in violations(page)]
    context.close()

    assert found == []


def authenticator(page: Page) -> CDPSession:
    """Chromium's virtual authenticator: a platform one that always verifies its user."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def test_a_passkey_is_added_signs_in_and_is_removed(visitor: BrowserContext, site: str) -> None:
    page = visitor.new_page()
    authenticator(page)
    sign_in(page, site, "bob")

    page.goto(f"{site}/account/security")
    page.get_by_label("Name of the new passkey").fill("My test device")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_label("Name of passkey 1")).to_have_value("My test device")

    visitor.clear_cookies()
    page.goto(f"{site}/login?next=/account/security")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{site}/account/security")
    expect(page.get_by_label("Name of passkey 1")).to_be_visible()

    page.get_by_role("button", name="Remove My test device").click()
    expect(page.get_by_label("Name of passkey 1")).to_have_count(0)


def test_a_passkey_that_was_removed_opens_nothing(visitor: BrowserContext, site: str) -> None:
    page = visitor.new_page()
    authenticator(page)
    sign_in(page, site, "bob")
    page.goto(f"{site}/account/security")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_label("Name of passkey 1")).to_have_count(0)

    visitor.clear_cookies()
    page.goto(f"{site}/login")
    page.get_by_role("button", name="Use a passkey").click()

    expect(page.get_by_role("alert").filter(visible=True)).to_be_visible()
    page.goto(f"{site}/account")
    page.wait_for_url(f"{site}/login?next=/account")
