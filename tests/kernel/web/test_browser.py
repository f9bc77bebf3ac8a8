"""The shell in a real browser: accessible, responsive, usable from the keyboard and without JavaScript."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support.browser import violations

pytestmark = pytest.mark.browser
PRODUCTS = (
    "shortener stays payments music cricket market letters messenger news timeline poker lockers".split()  # noqa: SIM905
)


SHOW = """([theme, product]) => {
    Object.assign(document.documentElement.dataset, {theme, ...(product && {product})});
}"""


def coloured(page: Page, theme: str, product: str | None = None) -> None:
    """Show the page in a theme, and as a product's, as the server would: both are attributes of the document."""
    page.evaluate(SHOW, [theme, product])


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_the_design_page_has_no_accessibility_violations(page: Page, site: str, direction: str) -> None:
    found = []
    page.goto(f"{site}/_design?dir={direction}&toast=1")
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            coloured(page, theme)
            found += [f"{width} {theme} {problem}" for problem in violations(page)]

    assert found == []


@pytest.mark.parametrize("path", ["/", "/?anonymous=1", "/error/404", "/error/401?anonymous=1", "/sample", "/bare"])
def test_the_other_pages_have_no_accessibility_violations(page: Page, site: str, path: str) -> None:
    found = []
    page.goto(f"{site}{path}")
    for theme in ("light", "dark"):
        coloured(page, theme)
        found += [f"{theme} {problem}" for problem in violations(page)]

    assert found == []


def test_every_product_has_readable_colours(page: Page, site: str) -> None:
    found = []
    page.goto(f"{site}/_design")
    for product in PRODUCTS:
        for theme in ("light", "dark"):
            coloured(page, theme, product)
            found += [f"{product} {theme} {problem}" for problem in violations(page, "color-contrast")]

    assert found == []


@pytest.mark.parametrize(
    "path", ["/_design", "/_design?dir=rtl", "/", "/?anonymous=1", "/error/404", "/sample", "/bare"]
)
def test_nothing_is_wider_than_a_small_phone(page: Page, site: str, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})

    page.goto(site + path)

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_open_menus_and_dialogs_have_no_accessibility_violations(page: Page, site: str) -> None:
    page.goto(f"{site}/_design")
    page.get_by_label("All products").click()
    found = violations(page)
    page.locator(".top__actions summary").click()
    found += violations(page)
    page.get_by_role("button", name="Open a dialog").click()

    assert found + violations(page) == []


def test_the_first_tab_stop_skips_to_the_content(page: Page, site: str) -> None:
    page.goto(f"{site}/")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_be_focused()


def test_a_menu_is_walked_with_the_arrow_keys_and_closed_with_escape(page: Page, site: str) -> None:
    page.goto(f"{site}/_design")
    summary = page.locator(".heading summary")
    summary.focus()

    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Edit")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("link", name="Delete", exact=True)).to_be_focused()
    page.keyboard.press("Escape")

    expect(summary).to_be_focused()
    expect(page.locator(".heading details")).not_to_have_attribute("open", "")


def test_a_click_outside_closes_a_menu(page: Page, site: str) -> None:
    page.goto(f"{site}/_design")
    page.get_by_label("All products").click()
    expect(page.get_by_role("link", name="Poker Tables for friends")).to_be_visible()

    page.mouse.click(1100, 700)

    expect(page.get_by_role("link", name="Poker Tables for friends")).to_be_hidden()


def test_a_dialog_takes_the_focus_and_gives_it_back(page: Page, site: str) -> None:
    page.goto(f"{site}/_design")
    opener = page.get_by_role("button", name="Open a dialog")
    opener.focus()

    page.keyboard.press("Space")
    expect(page.get_by_role("dialog", name="Delete this link?")).to_be_visible()
    page.keyboard.press("Escape")

    expect(opener).to_be_focused()


def test_the_search_shortcut_goes_to_the_search_box(page: Page, site: str) -> None:
    page.goto(f"{site}/")

    page.keyboard.press("Control+k")

    expect(page.get_by_role("searchbox", name="Search everything")).to_be_focused()


def test_a_theme_is_applied_at_once_and_kept(page: Page, site: str) -> None:
    page.goto(f"{site}/")
    with page.expect_response(f"{site}/theme"):
        page.locator(".foot").get_by_label("Dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".foot").get_by_label("Dark colours")).to_have_attribute("aria-pressed", "true")


def test_a_refused_form_is_swapped_in_with_what_was_typed(page: Page, site: str) -> None:
    page.goto(f"{site}/sample")
    page.get_by_label("Address").fill("htps:/x")
    page.get_by_label("Words").fill("\nkept")
    page.get_by_label("Password").fill("secret words")

    page.get_by_role("button", name="Send").click()

    expect(page.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Address")).to_have_value("htps:/x")
    expect(page.get_by_label("Words")).to_have_value("\nkept")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Address")).to_be_focused()


def test_htmx_sends_the_token_in_a_header(page: Page, site: str) -> None:
    page.goto(f"{site}/sample")

    with page.expect_request(f"{site}/sample") as sent:
        page.get_by_role("button", name="Send").click()

    assert sent.value.headers["x-csrf-token"] == "token-of-the-session"
    assert sent.value.headers["hx-request"] == "true"


def test_a_live_source_changes_texts_and_lists_and_tells(page: Page, site: str) -> None:
    page.goto(f"{site}/sample")

    expect(page.locator("#clicks")).to_have_text("1,205")
    expect(page.locator("#list li").nth(1)).to_have_text("new")
    expect(page.locator(".toast").first).to_contain_text("Somebody clicked")


def test_a_toast_can_be_dismissed(page: Page, site: str) -> None:
    page.goto(f"{site}/?toast=1")
    toast = page.get_by_text("The link was saved.")

    page.get_by_label("Dismiss").click()

    expect(toast).to_have_count(0)


def test_copying_puts_the_value_on_the_clipboard(page: Page, site: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{site}/sample")

    page.get_by_label("Copy").click()

    expect(page.locator("#live-region")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "https://dodeca.example/s/x"


def test_the_shell_asks_no_other_host(page: Page, site: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{site}/_design")

    assert len(asked) > 5
    assert [url for url in asked if not url.startswith((site, "data:"))] == []


@pytest.fixture
def plain(browser: Browser) -> Any:
    """A window without JavaScript."""
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def test_without_javascript_a_refused_form_keeps_what_was_typed(plain: Page, site: str) -> None:
    plain.goto(f"{site}/sample")
    plain.get_by_label("Address").fill("htps:/x")

    plain.get_by_role("button", name="Send").click()

    expect(plain.get_by_label("Address")).to_have_value("htps:/x")
    expect(plain.locator("#f-address-error")).to_have_text("This is not a web address.")


def test_without_javascript_menus_and_dialogs_open(plain: Page, site: str) -> None:
    plain.goto(f"{site}/_design")
    plain.get_by_label("All products").click()
    expect(plain.get_by_role("link", name="Poker Tables for friends")).to_be_visible()

    plain.goto(f"{site}/_design")
    plain.get_by_role("button", name="Open a dialog").click()
    expect(plain.get_by_role("heading", name="Delete this link?")).to_be_visible()
    plain.locator("#example-dialog").get_by_role("button", name="Cancel").click()

    expect(plain.get_by_role("heading", name="Delete this link?")).to_be_hidden()


def test_without_javascript_nothing_is_offered_that_needs_it(plain: Page, site: str) -> None:
    plain.goto(f"{site}/sample?toast=1")

    expect(plain.get_by_label("Copy")).to_be_hidden()
    expect(plain.get_by_label("Dismiss")).to_be_hidden()
